import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, type Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { bin, environment, folder, type Options, run, until } from "./run.ts"
import * as Terminal from "./terminal.ts"

const live = <E>(title: string, test: () => Effect.Effect<void, E, Emulator | Scope.Scope>) =>
  it.live(title, () => Effect.provide(Effect.scoped(test()), NodeEmulator.layerServer()), 120_000)

const seed = (filename: string, size: number, id: string, hours = 3) =>
  Effect.gen(function*() {
    const { seed } = yield* Emulator
    const createdAt = DateTime.subtract(yield* DateTime.now, { hours })
    return yield* seed({ filename, content: "x".repeat(size), id, createdAt })
  })

const seeded = Effect.gen(function*() {
  yield* seed(`${"very ".repeat(20)}long name.pdf`, 1_234_567, "file_01AbCdEfGhIjKlMnOpQrStUv", 70)
  yield* seed("数据集-完整版本.csv", 42_000, "file_011CPMxVD3fHLUhvTqtsQA5w", 20)
  yield* seed("notes.txt", 12, "file_011CNha8iCJcU1wXNR6q4V8w")
})

const slow = Fault.latency({ duration: "400 millis", match: { method: "POST" }, times: null })

describe("on a terminal", () => {
  for (const columns of [60, 80, 120]) {
    it.live(`ls at ${columns} columns`, ({ expect }) =>
      Effect.gen(function*() {
        yield* seeded
        const terminal = yield* Terminal.start(["ls"], { env: yield* environment, columns })
        assert.strictEqual(yield* terminal.ended, 0)
        yield* Effect.promise(() => expect(`${terminal.screen()}\n`).toMatchFileSnapshot(`./golden/ls-${columns}.txt`))
      }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())), 60_000)

    it.live(`rm asks, at ${columns} columns`, ({ expect }) =>
      Effect.gen(function*() {
        yield* seeded
        const terminal = yield* Terminal.start(["rm", "--name", "*"], { env: yield* environment, columns })
        yield* until(() => terminal.screen().includes("(y/N)"))
        yield* Effect.promise(() =>
          expect(`${terminal.screen()}\n`).toMatchFileSnapshot(`./golden/rm-question-${columns}.txt`)
        )
      }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())), 60_000)
  }

  const answers: ReadonlyArray<readonly [keys: string, what: string, code: number, left: number]> = [
    ["y", "yes", 0, 0],
    ["n", "no", 0, 3],
    ["\r", "return, which means no", 0, 3],
    ["\u0003", "Ctrl-C", 130, 3],
    ["\u001b", "escape", 130, 3]
  ]
  for (const [keys, what, code, left] of answers) {
    live(
      `rm is answered with ${what}: ${left} files are left, the code is ${code}, and the cursor is shown`,
      () =>
        Effect.gen(function*() {
          yield* seeded
          const terminal = yield* Terminal.start(["rm", "--name", "*"], { env: yield* environment })
          yield* until(() => terminal.screen().includes("(y/N)"))
          terminal.type(keys)
          assert.strictEqual(yield* terminal.ended, code, terminal.screen())
          assert.strictEqual((yield* (yield* Emulator).files).length, left)
          assert.isTrue(terminal.isCursorShown())
        })
    )
  }

  live("sync --delete asks before anything is deleted", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "docs/a.txt": "a", "docs/b.txt": "b" })
      const env = { ...(yield* environment), ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
      yield* run(["sync", "docs"], { env, cwd })
      fs.rmSync(`${cwd}/docs/b.txt`)
      const terminal = yield* Terminal.start(["sync", "docs", "--delete"], { env, cwd })
      yield* until(() => terminal.screen().includes("(y/N)"))
      assert.match(terminal.screen(), /1 file \(1 B\) will be deleted and can't be recovered: b\.txt\./)
      terminal.type("y")
      assert.strictEqual(yield* terminal.ended, 0)
      assert.deepStrictEqual((yield* (yield* Emulator).files).map(({ filename }) => filename), ["a.txt"])
    }))

  live("sync --delete deletes what was agreed to and no more, and nothing after a no", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "docs/a.txt": "a", "docs/b.txt": "b", "docs/c.txt": "c" })
      const env = { ...(yield* environment), ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
      const { files } = yield* Emulator
      yield* run(["sync", "docs"], { env, cwd })
      fs.rmSync(`${cwd}/docs/b.txt`)
      const asked = Effect.tap(
        Terminal.start(["sync", "docs", "--delete"], { env, cwd }),
        (terminal) => until(() => terminal.screen().includes("(y/N)"))
      )
      const refused = yield* asked
      refused.type("n")
      assert.strictEqual(yield* refused.ended, 0, refused.screen())
      assert.lengthOf(yield* files, 3)
      const agreed = yield* asked
      // Another one goes while the question stands.
      fs.rmSync(`${cwd}/docs/c.txt`)
      agreed.type("y")
      assert.strictEqual(yield* agreed.ended, 0, agreed.screen())
      assert.deepStrictEqual((yield* files).map(({ filename }) => filename).toSorted(), ["a.txt", "c.txt"])
    }))

  live(
    "an upload draws transfers and totals, scrolls what is done, and clears up after itself",
    () =>
      Effect.gen(function*() {
        const cwd = yield* folder(
          Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`${i}.bin`, "x".repeat(1000)]))
        )
        yield* (yield* Emulator).addFault(slow)
        const terminal = yield* Terminal.start(["upload", ".", "--concurrency", "2"], { env: yield* environment, cwd })
        yield* until(() => /of 6 files/.test(terminal.screen()))
        assert.isFalse(terminal.isCursorShown())
        terminal.resize(50, 12)
        assert.strictEqual(yield* terminal.ended, 0)
        assert.isTrue(terminal.isCursorShown())
        const lines = terminal.screen().split("\n")
        assert.strictEqual(lines.length, 7, terminal.screen())
        for (const line of lines.slice(0, 6)) assert.match(line, /^✓ file_\S+ +1\.0 kB {2}\d\.bin$/)
        assert.match(lines[6] ?? "", /^Uploaded 6 files \(6\.0 kB\) in/)
      })
  )

  live("a retry is told in words while it waits", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "a.txt": "a" })
      yield* (yield* Emulator).addFault(Fault.rateLimited({ retryAfter: "2 seconds", match: { method: "POST" } }))
      const terminal = yield* Terminal.start(["upload", "a.txt"], { env: yield* environment, cwd })
      yield* until(() => /429: waiting [12] s, attempt 2 of 5/.test(terminal.screen()))
      assert.strictEqual(yield* terminal.ended, 0)
    }))

  live(
    "Ctrl-C stops an upload: says what was done, shows the cursor, leaves no line behind",
    () =>
      Effect.gen(function*() {
        const cwd = yield* folder(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}.txt`, "x"])))
        yield* (yield* Emulator).addFault({ ...slow, skip: 2, duration: 60_000 })
        const terminal = yield* Terminal.start(["upload", ".", "--concurrency", "2"], { env: yield* environment, cwd })
        yield* until(() => /2 of 9 files/.test(terminal.screen()))
        terminal.type("\u0003")
        assert.strictEqual(yield* terminal.ended, 130)
        assert.isTrue(terminal.isCursorShown())
        const lines = terminal.screen().replace(/^\^C/gm, "").split("\n")
        assert.strictEqual(lines.length, 3, terminal.screen())
        assert.match(lines[2] ?? "", /^Stopped\. Uploaded 2 files \(2 B\)/)
      })
  )

  for (const [name, value] of [["NO_COLOR", "1"], ["TERM", "dumb"]] as const) {
    live(
      `with ${name}=${value} ${name === "TERM" ? "no escape code" : "no colour"} is printed`,
      () =>
        Effect.gen(function*() {
          yield* seeded
          const cwd = yield* folder({ "a.txt": "a" })
          const env = { ...(yield* environment), [name]: value }
          for (const args of [["ls"], ["upload", "a.txt"], ["--help"], ["lss"]]) {
            const terminal = yield* Terminal.start(args, { env, cwd })
            yield* terminal.ended
            // oxlint-disable-next-line no-control-regex
            assert.notMatch(terminal.raw(), name === "TERM" ? /\u001b/ : /\u001b\[\d*m/, args.join(" "))
          }
        })
    )
  }
})

describe("completions", () => {
  it("complete commands and flags in a real bash", () => {
    const complete = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
      const { status, stderr, stdout } = spawnSync("bash", [
        "--norc",
        "-c",
        [
          `source <("$0" --no-warnings "$1" completions bash)`,
          `name=$(complete -p anthropic-files | sed -n 's/.*-F \\([^ ]*\\) .*/\\1/p')`,
          `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})`,
          `COMP_CWORD=${words.length - 1}`,
          `COMP_LINE='${words.join(" ")}'`,
          `COMP_POINT=\${#COMP_LINE}`,
          `"$name" anthropic-files '${words.at(-1)}' '${words.at(-2)}'`,
          `printf '%s\\n' "\${COMPREPLY[@]}"`
        ].join("\n"),
        process.execPath,
        bin
      ], { encoding: "utf8" })
      assert.strictEqual(status, 0, stderr)
      return stdout.split("\n").map((word) => word.trim()).filter((word) => word !== "")
    }
    assert.includeMembers([...complete(["anthropic-files", "u"])], ["upload", "usage"])
    assert.include(complete(["anthropic-files", "ls", "--lim"]), "--limit")
    assert.includeMembers([...complete(["anthropic-files", "cache", ""])], ["ls", "prune", "forget", "path"])
  })

  for (const shell of ["zsh", "fish", "powershell"]) {
    it.live(`are printed for ${shell}`, () =>
      Effect.gen(function*() {
        const ended = yield* run(["completions", shell])
        assert.strictEqual(ended.code, 0)
        assert.include(ended.out, "expiring-within")
      }))
  }
})

describe("start", () => {
  // Its own time on the processor, which is more than it takes on an idle machine, and less a matter of the others.
  const told = encodeURIComponent(
    `process.on("exit",()=>{const{user,system}=process.cpuUsage();process.stderr.write("cpu "+(user+system))})`
  )
  const counting = { NODE_OPTIONS: `--import=data:text/javascript,${told}` }

  const milliseconds = (err: string): number => Number(/cpu (\d+)$/.exec(err)?.[1]) / 1000

  const bare = Effect.sync(() => {
    const { status, stderr } = spawnSync(process.execPath, ["-e", ""], {
      encoding: "utf8",
      env: { ...process.env, ...counting }
    })
    assert.strictEqual(status, 0)
    return milliseconds(stderr)
  })

  // A busy machine only adds to it: the least of as many as it takes.
  const isWithin = (limit: number, args: ReadonlyArray<string>, env: Options["env"]) =>
    Effect.gen(function*() {
      let [without, least] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
      for (let round = 0; round < 60; round++) {
        without = Math.min(without, yield* bare)
        const ended = yield* run(args, { env: { ...env, ...counting } })
        assert.strictEqual(ended.code, 0, ended.err)
        least = Math.min(least, milliseconds(ended.err))
        if (round >= 5 && least - without <= limit) return
      }
      assert.fail(`${args.join(" ")} takes ${(least - without).toFixed(0)} ms over bare Node`)
    })

  live("--version and --help take at most 100 ms over bare Node", () =>
    Effect.gen(function*() {
      const own = { NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: yield* folder() }
      yield* isWithin(100, ["--version"], own)
      yield* isWithin(100, ["--help"], own)
    }))

  live(
    "ls is done, its first row printed long before, at most 250 ms after bare Node would have ended",
    () =>
      Effect.gen(function*() {
        yield* seeded
        yield* isWithin(250, ["ls"], yield* environment)
      })
  )
})
