import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema, type Scope } from "effect"
import * as CliEvent from "effect-anthropic-files/CliEvent"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as fs from "node:fs"
import { client, type Ended, environment, folder, run, start, until } from "./run.ts"

const decodeEvent = Schema.decodeUnknownSync(Schema.fromJsonString(CliEvent.Event), { onExcessProperty: "error" })
const decodeReport = Schema.decodeUnknownSync(Schema.fromJsonString(CliEvent.Report), { onExcessProperty: "error" })

const events = ({ out }: Ended) => out.trim().split("\n").map((line) => decodeEvent(line))
const lines = (text: string) => text.split("\n").filter((line) => line !== "")

/** One emulator a test. */
const live = <E>(
  title: string,
  test: () => Effect.Effect<void, E, Emulator | Scope.Scope>,
  options: NodeEmulator.ServerOptions = {}
) => it.live(title, () => Effect.provide(Effect.scoped(test()), NodeEmulator.layerServer(options)), 60_000)

const seeded = (names: ReadonlyArray<string>, downloadable = false) =>
  Effect.flatMap(
    Emulator,
    ({ seed }) =>
      Effect.forEach(names, (filename) => seed({ filename, content: `content of ${filename}`, downloadable }))
  )

const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.out + ended.err)

describe("upload", () => {
  live(
    "takes files, folders, globs and standard input, and prints an id and a path for each",
    () =>
      Effect.gen(function*() {
        const cwd = yield* folder({ "a.txt": "a", "b/c.csv": "c", "b/d/e.csv": "e", "b/.hidden": "h" })
        const env = yield* environment
        const folders = yield* run(["upload", "a.txt", "b"], { env, cwd })
        code(folders, 0)
        assert.deepStrictEqual(
          lines(folders.out).map((line) => line.split("\t")[1]).toSorted(),
          ["a.txt", "b/c.csv", "b/d/e.csv"]
        )
        assert.match(folders.err, /^Uploaded 3 files \(3 B\) in [\d.]+ s\n$/)
        const glob = yield* run(["upload", "b/**/*.csv", "--json"], { env, cwd })
        const report = decodeReport(glob.out)
        assert.deepStrictEqual(report.items.map(({ action, path }) => [action, path]).toSorted(), [
          ["uploaded", "b/c.csv"],
          ["uploaded", "b/d/e.csv"]
        ])
        assert.strictEqual(glob.err, "")
        const stdin = yield* run([
          "upload",
          "-",
          "--name",
          "given.md",
          "--mime",
          "text/markdown",
          "--expires-in",
          "2h",
          "-q"
        ], {
          env,
          cwd,
          input: "from standard input"
        })
        const [newest] = yield* (yield* Emulator).files
        assert.strictEqual(stdin.out, `${newest?.id}\n`)
        assert.strictEqual(stdin.err, "")
        assert.strictEqual(newest?.filename, "given.md")
        assert.strictEqual(newest?.mimeType, "text/markdown")
        const list = yield* run(["upload", "--files-from", "-", "--jsonl"], {
          env,
          cwd,
          input: "a.txt\n\nb/c.csv\na.txt\n"
        })
        const summary = events(list).at(-1)
        assert.deepInclude(summary, { kind: "summary", command: "upload", errors: 0, exitCode: 0, bytes: 2 })
      })
  )

  live("one that fails stops no other, and the code is 1; if all fail it is their own", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "a.txt": "a" })
      const env = yield* environment
      const some = yield* run(["upload", "missing.txt", "a.txt", "--jsonl", "--no-progress"], { env, cwd })
      code(some, 1)
      assert.deepStrictEqual(events(some).map(({ kind }) => kind).toSorted(), ["error", "item", "summary"])
      const all = yield* run(["upload", "missing.txt"], { env, cwd })
      code(all, 4)
      assert.match(all.err, /missing\.txt/)
      assert.strictEqual(all.out, "")
    }))

  live(
    "a file that is named twice is uploaded once, and a URL is shown without its signature",
    () =>
      Effect.gen(function*() {
        const cwd = yield* folder({ "a.txt": "a" })
        const env = yield* environment
        const twice = yield* run(["upload", "a.txt", "./a.txt", `${cwd}/a.txt`, "-q"], { env, cwd })
        code(twice, 0)
        assert.lengthOf(lines(twice.out), 1)
        for (const mode of [[], ["--json"], ["--jsonl"]]) {
          const url = "http://127.0.0.1:9/a.pdf?signature=canary"
          const failed = yield* run(["upload", url, "--retries", "0", ...mode], { env, cwd })
          assert.notStrictEqual(failed.code, 0)
          assert.notInclude(failed.out + failed.err, "canary")
        }
      })
  )

  live("with --once the same content is there once", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "a.txt": "same", "b.txt": "other" })
      const env = { ...(yield* environment), ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
      const first = yield* run(["upload", "a.txt", "b.txt", "--once", "-q"], { env, cwd })
      code(first, 0)
      const second = yield* run(["upload", "a.txt", "b.txt", "--once", "--json"], { env, cwd })
      const report = decodeReport(second.out)
      assert.deepStrictEqual(report.summary.items, { reused: 2 })
      assert.deepStrictEqual(report.items.map(({ id }) => id).toSorted(), lines(first.out).toSorted())
      assert.strictEqual((yield* (yield* Emulator).files).length, 2)
    }))

  live("with --dry-run nothing is sent", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "a.txt": "a" })
      const ended = yield* run(["upload", "a.txt", "--dry-run"], { env: yield* environment, cwd })
      code(ended, 0)
      assert.match(ended.out, /^would upload a\.txt \(1 B\)\n$/)
      assert.strictEqual((yield* (yield* Emulator).requests).length, 0)
    }))
})

describe("ls", () => {
  live("prints newest first, one a line with tabs, ids alone with -q", () =>
    Effect.gen(function*() {
      const files = yield* seeded(["a.txt", "b.txt", "tab\there.txt"])
      const plain = yield* client("ls")
      assert.deepStrictEqual(lines(plain.out).map((line) => line.split("\t")[5]), [
        "tab\\u0009here.txt",
        "b.txt",
        "a.txt"
      ])
      const quiet = yield* client("ls", "-q")
      assert.deepStrictEqual(lines(quiet.out), files.map(({ id }) => id).toReversed())
      assert.strictEqual(plain.err + quiet.err, "")
    }))

  live("filters, sorts and limits", () =>
    Effect.gen(function*() {
      const { advance, seed } = yield* Emulator
      yield* seed({ filename: "old.pdf", content: "x".repeat(2000) })
      yield* advance("3 days")
      yield* seed({ filename: "new.txt", content: "x", expiresIn: "2 hours" })
      yield* seed({ filename: "image.png", content: "x".repeat(50), mimeType: "image/png" })
      const names = (...args: ReadonlyArray<string>) =>
        Effect.map(client("ls", ...args), ({ out }) => lines(out).map((line) => line.split("\t")[5]))
      assert.deepStrictEqual(yield* names("--name", "*.{pdf,txt}"), ["new.txt", "old.pdf"])
      assert.deepStrictEqual(yield* names("--mime", "image/*"), ["image.png"])
      assert.deepStrictEqual(yield* names("--larger", "1kB"), ["old.pdf"])
      assert.deepStrictEqual(yield* names("--sort", "size", "--limit", "2"), ["old.pdf", "image.png"])
      assert.deepStrictEqual(yield* names("--sort", "name"), ["image.png", "new.txt", "old.pdf"])
      assert.deepStrictEqual(yield* names("--limit", "1"), ["image.png"])
    }))

  live("filters by age and expiry, and rm takes the same files", () =>
    Effect.gen(function*() {
      const { files, seed } = yield* Emulator
      const createdAt = DateTime.subtract(yield* DateTime.now, { days: 10 })
      yield* seed({ filename: "old.pdf", content: "x", createdAt })
      yield* seed({ filename: "new.txt", content: "x" })
      yield* seed({ filename: "soon.txt", content: "x", expiresIn: "2 hours" })
      const names = (...args: ReadonlyArray<string>) =>
        Effect.map(client("ls", ...args), ({ out }) => lines(out).map((line) => line.split("\t")[5]))
      assert.deepStrictEqual(yield* names("--older-than", "5d"), ["old.pdf"])
      assert.deepStrictEqual(yield* names("--since", "5d"), ["soon.txt", "new.txt"])
      assert.deepStrictEqual(yield* names("--expiring-within", "3h"), ["soon.txt"])
      code(yield* client("rm", "--older-than", "5d", "--yes"), 0)
      assert.deepStrictEqual((yield* files).map(({ filename }) => filename), ["soon.txt", "new.txt"])
    }))

  live(
    "many files are listed and filtered; no more are deleted than --max-delete allows",
    () =>
      Effect.gen(function*() {
        yield* seeded(Array.from({ length: 1200 }, (_, i) => `${i % 2 === 0 ? "even" : "odd"}-${i}.txt`))
        assert.strictEqual(lines((yield* client("ls", "-q")).out).length, 1200)
        assert.strictEqual(lines((yield* client("ls", "-q", "--name", "odd-*")).out).length, 600)
        const args = ["rm", "--name", "odd-*9.txt", "--yes", "-q", "--concurrency", "16", "--rate-limit", "1000000"]
        const refused = yield* client(...args)
        code(refused, 8)
        assert.match(refused.err, /120 files would be deleted, more than the 100 of --max-delete: nothing was deleted/)
        const removed = yield* client(...args, "--max-delete", "120")
        code(removed, 0)
        assert.strictEqual(lines(removed.out).length, 120)
        assert.strictEqual((yield* (yield* Emulator).files).length, 1080)
      })
  )

  live("a reader that goes away is not an error", () =>
    Effect.gen(function*() {
      yield* seeded(Array.from({ length: 3000 }, (_, i) => `${i}-${"x".repeat(200)}.txt`))
      const running = yield* start(["ls"], { env: yield* environment })
      yield* until(() => running.out() !== "")
      running.stopReading()
      const ended = yield* running.ended
      code(ended, 0)
      assert.strictEqual(ended.err, "")
    }))
})

describe("a dry run ends as the run does, says the same, and changes nothing", () => {
  live("upload", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "a.txt": "a", "list": "a.txt\nnope.pdf\n", "bad|name.txt": "b" })
      const env = yield* environment
      for (
        const [args, expected] of [
          [["nope.pdf"], 4],
          [["a.txt", "nope.pdf"], 1],
          [["--files-from", "list"], 1],
          [["bad|name.txt"], 7],
          [["a.txt"], 0]
        ] as const
      ) {
        const dry = yield* run(["upload", ...args, "--dry-run", "--json"], { env, cwd })
        assert.deepStrictEqual(yield* (yield* Emulator).files, [], args.join())
        const real = yield* run(["upload", ...args, "--json"], { env, cwd })
        code(dry, expected)
        code(real, expected)
        assert.deepStrictEqual(decodeReport(dry.out).errors, decodeReport(real.out).errors)
        assert.deepStrictEqual(
          decodeReport(dry.out).items.map(({ action, path }) => [action, path]),
          decodeReport(real.out).items.map(({ path }) => ["planned", path])
        )
        const emulator = yield* Emulator
        for (const { id } of yield* emulator.files) code(yield* run(["rm", id], { env }), 0)
      }
    }))

  live("download", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "d/chart.png": "mine" })
      const env = yield* environment
      const [made] = yield* seeded(["chart.png"], true)
      const [own] = yield* seeded(["own.txt"])
      const id = made?.id ?? ""
      fs.symlinkSync("nowhere", `${cwd}/link`)
      for (
        const [args, expected] of [
          [[id, "-d", "d"], 8],
          [[id, "-d", "d", "--skip-existing"], 0],
          [[id, "-o", "d"], 8],
          [[id, "-o", "link", "--force"], 8],
          [[id, "-o", "nowhere/chart.png"], 7],
          [[own?.id ?? "", "-d", "d"], 4],
          [[id, "-o", "-", "--json"], 2]
        ] as const
      ) {
        const dry = yield* run(["download", ...args, "--dry-run", "--json"], { env, cwd })
        const real = yield* run(["download", ...args, "--json"], { env, cwd })
        code(dry, expected)
        code(real, expected)
        if (expected === 2) continue
        const [planned, done] = [decodeReport(dry.out), decodeReport(real.out)]
        assert.deepStrictEqual(planned.items, done.items)
        // The service adds its own words to what it refuses.
        const told = (report: CliEvent.Report) =>
          report.errors.map(({ error, message }) => [error, message.replace(/ The service says.*/, "")])
        assert.deepStrictEqual(told(planned), told(done))
      }
      const printed = yield* run(["download", id, "-o", "-", "--dry-run"], { env, cwd })
      code(printed, 0)
      assert.match(printed.out, /^would download file_\S+ chart\.png \(20 B\)\n$/)
      code(yield* run(["download", id, "-d", "d", "--force", "--dry-run"], { env, cwd }), 0)
      assert.strictEqual(fs.readFileSync(`${cwd}/d/chart.png`, "utf8"), "mine")
      code(yield* run(["download", id, "-d", "new", "--dry-run"], { env, cwd }), 0)
      assert.isFalse(fs.existsSync(`${cwd}/new`))
    }))

  live("batch", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "q.jsonl": "\"What?\"\n\"Why?\"\n", "a.txt": "a" })
      const env = yield* environment
      const dry = yield* run(["batch", "q.jsonl", "--file", "a.txt", "--dry-run", "--json"], { env, cwd })
      code(dry, 0)
      assert.deepStrictEqual(
        decodeReport(dry.out).items.map(({ action, data, would }) => [action, would, data]),
        [["planned", "ask", { requests: 2 }]]
      )
      for (const file of ["nope.pdf", "file_nonsense"]) {
        code(yield* run(["batch", "q.jsonl", "--file", file, "--dry-run"], { env, cwd }), 4)
        code(yield* run(["batch", "q.jsonl", "--file", file], { env, cwd }), 4)
      }
      assert.deepStrictEqual(yield* (yield* Emulator).files, [])
    }))
})

describe("what is wrong in the environment or in a path is said in words for the command line", () => {
  live("without a home, --cache-dir is named and trying again is not", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "a.txt": "a" })
      const env = { ...yield* environment, HOME: undefined, XDG_CACHE_HOME: undefined, LOCALAPPDATA: undefined }
      const ended = yield* run(["upload", "a.txt", "--once"], { env, cwd })
      code(ended, 2)
      assert.match(ended.err, /^This user has no cache folder: name a folder with --cache-dir\.\n/)
    }))

  live("a variable that is neither true nor false is named by its flag", () =>
    Effect.gen(function*() {
      const env = { ...yield* environment, ANTHROPIC_FILES_YES: "maybe" }
      const ended = yield* run(["rm", "file_x"], { env })
      code(ended, 2)
      assert.match(ended.err, /^The environment sets --yes to a value that it does not take: expected true or false/)
    }))

  live("the path of a directory is not one for a file", () =>
    Effect.gen(function*() {
      const cwd = yield* folder()
      const [made] = yield* seeded(["chart.svg"], true)
      const ended = yield* run(["download", made?.id ?? "", "-o", "nodir/"], { env: yield* environment, cwd })
      code(ended, 8)
      assert.match(ended.err, /nodir\/ is the path of a directory: add the name of a file to it\./)
    }))
})

describe("an upload of what can't all be read", () => {
  live("sends the rest, names each failure by its path, and ends with 1", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "t/good.txt": "g", "t/other.pdf": "o" })
      const env = yield* environment
      fs.symlinkSync("nowhere", `${cwd}/t/link.txt`)
      fs.symlinkSync("nowhere", `${cwd}/t/link.pdf`)
      // Not every file system accepts a name that is not UTF-8.
      const isAnyName = process.platform === "linux"
      if (isAnyName) fs.writeFileSync(Buffer.from(`${cwd}/t/b\xff.txt`, "latin1"), "b")
      const ended = yield* run(["upload", "t/**/*.txt", "--json"], { env, cwd })
      code(ended, 1)
      const { errors, items } = decodeReport(ended.out)
      assert.deepStrictEqual(items.map(({ path }) => path), ["t/good.txt"])
      assert.deepStrictEqual(errors.map(({ message, path }) => [path, message]).toSorted(), [
        ...(isAnyName ? [["t/b\ufffd.txt", "t/b\ufffd.txt can't be opened: its name is not UTF-8. Rename it."]] : []),
        ["t/link.txt", "There is no file at t/link.txt."]
      ])
    }))
})

describe("info, download and cat", () => {
  live("info tells of files, and which are not there", () =>
    Effect.gen(function*() {
      const [file] = yield* seeded(["a.txt"])
      const one = yield* client("info", file?.id ?? "", "--json")
      assert.strictEqual(decodeReport(one.out).items[0]?.file?.filename, "a.txt")
      const two = yield* client("info", file?.id ?? "", "file_missing")
      code(two, 1)
      assert.match(two.err, /There is no file_missing/)
      code(yield* client("info", "file_missing"), 4)
    }))

  live(
    "downloads to a folder, a path or standard output; nothing is overwritten unless asked",
    () =>
      Effect.gen(function*() {
        const cwd = yield* folder()
        const env = yield* environment
        const [made] = yield* seeded(["chart.svg"], true)
        const [own] = yield* seeded(["own.txt"])
        const id = made?.id ?? ""
        const first = yield* run(["download", id, "-d", "out", "-q"], { env, cwd })
        code(first, 0)
        assert.strictEqual(
          fs.readFileSync(`${cwd}/${first.out.trim()}`.replace(`${cwd}//`, "/"), "utf8"),
          "content of chart.svg"
        )
        fs.writeFileSync(`${cwd}/out/chart.svg`, "mine")
        const again = yield* run(["download", id, "-d", "out"], { env, cwd })
        code(again, 8)
        assert.match(again.err, /--force/)
        assert.strictEqual(fs.readFileSync(`${cwd}/out/chart.svg`, "utf8"), "mine")
        const skipped = yield* run(["download", "--all-generated", "-d", "out", "--skip-existing", "--json"], {
          env,
          cwd
        })
        assert.deepStrictEqual(decodeReport(skipped.out).summary.items, { skipped: 1 })
        code(yield* run(["download", id, "-d", "out", "--force"], { env, cwd }), 0)
        assert.strictEqual(fs.readFileSync(`${cwd}/out/chart.svg`, "utf8"), "content of chart.svg")
        code(yield* run(["download", id, "-o", "named.svg"], { env, cwd }), 0)
        assert.strictEqual(fs.readFileSync(`${cwd}/named.svg`, "utf8"), "content of chart.svg")
        assert.strictEqual((yield* run(["cat", id], { env })).out, "content of chart.svg")
        assert.strictEqual((yield* run(["download", id, "-o", "-"], { env })).out, "content of chart.svg")
        const refused = yield* run(["cat", own?.id ?? ""], { env })
        code(refused, 4)
        assert.match(refused.err, /only files that a tool or skill made can be downloaded/)
      })
  )

  for (const flag of ["--force", "--skip-existing", "--json"]) {
    live(
      `downloads of one name in one run all arrive, the later ones with a number (${flag})`,
      () =>
        Effect.gen(function*() {
          const cwd = yield* folder()
          const env = yield* environment
          const seeding = yield* Emulator
          yield* seeding.seed({ filename: "chart.png", content: "older", downloadable: true })
          yield* seeding.seed({ filename: "Chart.PNG", content: "newer", downloadable: true })
          const args = ["download", "--all-generated", "-d", "d", flag]
          code(yield* run(args, { env, cwd }), 0)
          const texts = () =>
            fs.readdirSync(`${cwd}/d`).sort().map((name) => [name, fs.readFileSync(`${cwd}/d/${name}`, "utf8")])
          const saved = [["Chart (1).PNG", "newer"], ["chart.png", "older"]]
          assert.deepStrictEqual(texts(), saved)
          yield* seeding.seed({ filename: "chart.png", content: "newest", downloadable: true })
          code(yield* run(args, { env, cwd }), flag === "--json" ? 1 : 0)
          assert.deepStrictEqual(texts(), [saved[0], ["chart (2).png", "newest"], saved[1]])
        })
    )
  }
})

describe("rm", () => {
  live(
    "deletes one by id at once, and asks before more; where nobody can answer the code is 2",
    () =>
      Effect.gen(function*() {
        const [a, b, c] = yield* seeded(["a.txt", "b.txt", "c.txt"])
        const { files } = yield* Emulator
        const one = yield* client("rm", a?.id ?? "")
        code(one, 0)
        assert.strictEqual(one.out, `${a?.id}\n`)
        const asked = yield* client("rm", b?.id ?? "", c?.id ?? "")
        code(asked, 2)
        assert.match(asked.err, /2 files \(32 B\) will be deleted and can't be recovered: b\.txt, c\.txt\. .*--yes/)
        code(yield* client("rm", "--name", "*.txt"), 2)
        const dry = yield* client("rm", "--name", "*.txt", "--dry-run", "--json")
        assert.deepStrictEqual(decodeReport(dry.out).summary.items, { planned: 2 })
        assert.strictEqual((yield* files).length, 2)
        code(yield* client("rm", "--name", "*.txt", "--yes"), 0)
        assert.strictEqual((yield* files).length, 0)
        code(yield* client("rm", "--name", "*.txt", "--yes"), 0)
        code(yield* client("rm"), 2)
      })
  )
})

describe("exit codes", () => {
  live("3: a wrong key, which is not repeated", () =>
    Effect.gen(function*() {
      const env = { ...(yield* environment), ANTHROPIC_API_KEY: "sk-ant-canary-4711-canary-4711" }
      for (const mode of [[], ["--json"], ["--jsonl"], ["-v"]]) {
        const ended = yield* run(["ls", ...mode], { env })
        code(ended, 3)
        assert.notInclude(ended.out + ended.err, "canary")
      }
    }))

  it.live("3: no key", () =>
    Effect.gen(function*() {
      const ended = yield* run(["ls"], { env: { HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent" } })
      code(ended, 3)
      assert.match(ended.err, /ANTHROPIC_API_KEY/)
    }))

  const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
    [["lss"], /^There is no command "lss"\. Did you mean ls\?\nRun 'anthropic-files --help'/],
    [["ls", "--limitt", "3"], /^There is no flag --limitt\. Did you mean --limit\?\nRun 'anthropic-files ls --help'/],
    [["ls", "--limit", "x"], /^--limit takes a whole number of at least 1, not "x"\.\n/],
    [["ls", "--limit"], /^--limit needs a value/],
    [["ls", "--older-than", "soon"], /^--older-than takes a duration such as 90s, 12h or 7d, not "soon"\.\n/],
    [["ls", "--larger", "big"], /^--larger takes a size such as/],
    [["ls", "--since", "yesterday"], /^--since takes a date such as/],
    [["ls", "--sort", "colour"], /^--sort takes .*created.*, not "colour"\.\n/],
    [["ls", "--json", "--jsonl"], /^--json and --jsonl exclude each other\.\n/],
    [["ls", "one too many"], /^Unexpected argument: "one too many"\.\n/],
    [["ls", "--profile", "x", "--platform", "aws"], /^--profile is for Anthropic's own API/],
    [["ls", "--platform", "azure"], /^--platform takes .*foundry.*, not "azure"/],
    [["info"], /^The argument <id> is missing\.|^<id> needs/],
    [["upload"], /^There is nothing to upload/],
    [["upload", "*.nothing"], /^No file matches \*\.nothing\.\n/],
    [["upload", "-", "--once"], /^--once reads its input twice/],
    [["download"], /^Name the files by their ids/],
    [["rm"], /^Name the files by their ids/],
    [["completions", "tcsh"], /bash/]
  ]
  for (const [args, message] of wrong) {
    it.live(`2: ${args.join(" ")}: one sentence and a hint on standard error`, () =>
      Effect.gen(function*() {
        const ended = yield* run(args, {
          env: { ANTHROPIC_API_KEY: "sk-ant-nobody", ANTHROPIC_BASE_URL: "http://127.0.0.1:9" }
        })
        code(ended, 2)
        assert.strictEqual(ended.out, "")
        assert.match(ended.err, message)
        assert.match(ended.err, /\nRun 'anthropic-files( \w+)? --help' for usage\.\n$/)
        assert.strictEqual(lines(ended.err).length, 2)
      }))
  }

  it.live("3: an unknown profile; 2: a platform without its variables", () =>
    Effect.gen(function*() {
      const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent" }
      const profile = yield* run(["ls", "--profile", "night"], { env })
      code(profile, 3)
      assert.match(profile.err, /There is no profile night/)
      const platform = yield* run(["ls", "--platform", "aws"], { env })
      code(platform, 2)
      assert.match(platform.err, /ANTHROPIC_AWS_WORKSPACE_ID/)
    }))

  it.live("4: a file that is called like an option keeps its name", () =>
    Effect.gen(function*() {
      const ended = yield* run(["upload", "expiresIn", "--retries", "0"], {
        env: { ANTHROPIC_API_KEY: "sk-ant-nobody" }
      })
      code(ended, 4)
      assert.match(ended.err, /There is no file at expiresIn\./)
    }))

  it.live("2: plain http to another machine names the flag that allows it", () =>
    Effect.gen(function*() {
      const ended = yield* run(["ls", "--base-url", "http://example.com"], {
        env: { ANTHROPIC_API_KEY: "sk-ant-nobody" }
      })
      code(ended, 2)
      assert.match(ended.err, /use https or add --allow-plain-http\./)
    }))

  it.live("5: the service can't be reached", () =>
    Effect.gen(function*() {
      const ended = yield* run(["ls", "--retries", "0", "--base-url", "http://127.0.0.1:9"], {
        env: { ANTHROPIC_API_KEY: "sk-ant-nobody" }
      })
      code(ended, 5)
    }))
})

describe("flags from the environment", () => {
  live("each has its twin; what is given on the command line wins", () =>
    Effect.gen(function*() {
      yield* seeded(["a.txt", "b.txt", "c.txt"])
      const env = { ...(yield* environment), ANTHROPIC_FILES_LIMIT: "2", ANTHROPIC_FILES_QUIET: "true" }
      const two = yield* run(["ls"], { env })
      assert.match(two.out, /^file_\S+\nfile_\S+\n$/)
      assert.strictEqual(lines((yield* run(["ls", "--limit", "1"], { env })).out).length, 1)
      const wrong = yield* run(["ls"], { env: { ...env, ANTHROPIC_FILES_LIMIT: "many" } })
      code(wrong, 2)
      assert.match(wrong.err, /limit/)
    }))
})

describe("signals", () => {
  const slow = Fault.latency({ duration: "5 minutes", match: { method: "POST" }, times: null, skip: 3 })

  for (const [signal, expected] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    live(
      `${signal} stops within moments, says what was done, and the code is ${expected}`,
      () =>
        Effect.gen(function*() {
          const cwd = yield* folder(Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`${i}.txt`, `${i}`])))
          yield* (yield* Emulator).addFault(slow)
          const running = yield* start(["upload", ".", "--concurrency", "2"], { env: yield* environment, cwd })
          yield* until(() => lines(running.out()).length === 3)
          const at = performance.now()
          running.kill(signal)
          const ended = yield* running.ended
          assert.isBelow(performance.now() - at, 2000)
          code(ended, expected)
          assert.match(ended.err, /^Stopped\. Uploaded 3 files \(3 B\) in [\d.]+ s\n$/)
        })
    )
  }

  for (const [signal, expected] of [["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    live(`after ${signal} the summary in JSON has the exit code of the process`, () =>
      Effect.gen(function*() {
        const cwd = yield* folder({ "a.txt": "a", "b.txt": "b", "c.txt": "c", "d.txt": "d" })
        yield* (yield* Emulator).addFault(slow)
        const running = yield* start(["upload", ".", "--concurrency", "1", "--jsonl"], { env: yield* environment, cwd })
        yield* until(() => running.out().split("uploaded").length > 3)
        running.kill(signal)
        const ended = yield* running.ended
        code(ended, expected)
        assert.deepInclude(events(ended).at(-1), { kind: "summary", interrupted: true, exitCode: expected })
      }))
  }

  /** A question that is never answered, whose file is never deleted. */
  const endless = Effect.gen(function*() {
    const cwd = yield* folder({ "a.txt": "a" })
    const { addFault, requests } = yield* Emulator
    yield* addFault(
      Fault.latency({ duration: "5 minutes", match: { method: "POST", path: "/v1/messages" }, times: null })
    )
    yield* addFault(Fault.latency({ duration: "5 minutes", match: { method: "DELETE" }, times: null }))
    const asked = (method: string, path: string): Effect.Effect<void> =>
      Effect.flatMap(
        requests,
        (all) =>
          all.some((request) => request.method === method && request.path.startsWith(path))
            ? Effect.void
            : Effect.andThen(Effect.sleep("10 millis"), asked(method, path))
      )
    const running = yield* start(["ask", "a.txt", "what is it?"], { env: yield* environment, cwd })
    yield* asked("POST", "/v1/messages")
    running.kill("SIGINT")
    yield* asked("DELETE", "/v1/files")
    return running
  })

  live("a second Ctrl-C does not wait for a clean-up that takes its time", () =>
    Effect.gen(function*() {
      const running = yield* endless
      const at = performance.now()
      running.kill("SIGINT")
      const ended = yield* running.ended
      code(ended, 130)
      // A clean-up that nothing stops ends after 5 seconds.
      assert.isBelow(performance.now() - at, 3000)
      assert.notInclude(ended.err, "did not end within")
    }))

  live("a clean-up that takes its time is given up after seconds, and that is said", () =>
    Effect.gen(function*() {
      const ended = yield* (yield* endless).ended
      code(ended, 130)
      assert.match(ended.err, /The clean-up after SIGINT did not end within 5s\./)
    }))

  live("a download that is stopped leaves nothing behind", () =>
    Effect.gen(function*() {
      const cwd = yield* folder()
      const [made] = yield* seeded(["big.bin"], true)
      const { addFault, requests } = yield* Emulator
      yield* addFault(Fault.stall({ at: "response", after: 4, match: { operation: "content" }, times: null }))
      const running = yield* start(["download", made?.id ?? "", "-d", "out"], { env: yield* environment, cwd })
      yield* until(() => fs.existsSync(`${cwd}/out`) && fs.readdirSync(`${cwd}/out`).length > 0)
      running.kill("SIGINT")
      code(yield* running.ended, 130)
      assert.deepStrictEqual(fs.readdirSync(`${cwd}/out`), [])
      assert.isAbove((yield* requests).length, 0)
    }))
})

// On macOS and Windows it is the user's own temporary directory, which Node chooses.
describe.runIf(process.platform === "linux")("compiled code", () => {
  const start = Effect.fn(function*(env: Readonly<Record<string, string | undefined>>) {
    const ended = yield* run(["--help"], { env: { NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: undefined, ...env } })
    assert.strictEqual(ended.code, 0, ended.err)
    assert.strictEqual(ended.err, "")
  })
  const kept = (directory: string) => fs.existsSync(`${directory}/effect-anthropic-files/compiled`)

  for (
    const [where, env, holds] of [
      ["XDG_CACHE_HOME", (cwd: string) => ({ HOME: `${cwd}/home`, XDG_CACHE_HOME: `${cwd}/own` }), "own"],
      ["HOME/.cache", (cwd: string) => ({ HOME: `${cwd}/home` }), "home/.cache"],
      ["HOME/.cache instead of a relative XDG_CACHE_HOME", (cwd: string) => ({
        HOME: `${cwd}/home`,
        XDG_CACHE_HOME: "own"
      }), "home/.cache"]
    ] as const
  ) {
    it.live(`is kept in ${where}`, () =>
      Effect.gen(function*() {
        const cwd = yield* folder()
        yield* start(env(cwd))
        assert.isTrue(kept(`${cwd}/${holds}`))
        yield* start(env(cwd))
      }).pipe(Effect.scoped))
  }

  for (
    const [what, env] of [
      ["NODE_DISABLE_COMPILE_CACHE is set", (cwd: string) => ({ HOME: cwd, NODE_DISABLE_COMPILE_CACHE: "1" })],
      ["there is no HOME", (cwd: string) => ({ HOME: undefined, TMPDIR: cwd })],
      ["HOME can't be written to", (cwd: string) => ({ HOME: `${cwd}/a file`, TMPDIR: cwd })]
    ] as const
  ) {
    it.live(`is not kept if ${what}, and nothing is said of it`, () =>
      Effect.gen(function*() {
        const cwd = yield* folder({ "a file": "" })
        yield* start(env(cwd))
        assert.deepStrictEqual(fs.readdirSync(cwd), ["a file"])
      }).pipe(Effect.scoped))
  }
})
