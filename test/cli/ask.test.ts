import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, type Scope } from "effect"
import * as CliEvent from "effect-anthropic-files/CliEvent"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { client, type Ended, environment, folder, run } from "./run.ts"

const reportOf = ({ out }: Ended) =>
  Schema.decodeSync(Schema.fromJsonString(CliEvent.Report), { onExcessProperty: "error" })(out)

const live = <E>(title: string, test: () => Effect.Effect<void, E, Emulator | Scope.Scope>) =>
  it.live(title, () => Effect.provide(Effect.scoped(test()), NodeEmulator.layerServer()), 60_000)

const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.out + ended.err)

const pdf = `${process.cwd()}/examples/assets/lighthouse.pdf`
const csv = `${process.cwd()}/examples/assets/lighthouse.csv`

describe("ask", () => {
  live("streams the answer with its citations, and deletes what it uploaded", () =>
    Effect.gen(function*() {
      const ended = yield* client("ask", pdf, "On", "how many nights was the lamp lit?")
      code(ended, 0)
      assert.match(
        ended.out,
        /The lamp was lit on 359 of 365 nights\.\[1\]\n\n\[1\] lighthouse\.pdf, page 1: “The lamp was lit/
      )
      assert.deepStrictEqual(yield* (yield* Emulator).files, [])
      const json = yield* client("ask", pdf, "On how many nights?", "--json", "--model", "claude-opus-5-5")
      assert.deepInclude(reportOf(json).items[0]?.data, { model: "claude-opus-5-5", files: [] })
    }))

  live(
    "takes files by id and several of them; what needs it gets the code execution tool",
    () =>
      Effect.gen(function*() {
        const file = yield* (yield* Emulator).seed({ filename: "notes.txt", content: "The keeper is called Ada." })
        const ended = yield* client("ask", file.id, csv, "Sum up this table and save the result as a file.")
        code(ended, 0)
        assert.match(ended.out, /Made: file_\S+\n$/)
        const names = (yield* (yield* Emulator).files).map(({ filename }) => filename)
        assert.includeMembers(names, ["notes.txt"])
        assert.notInclude(names, "lighthouse.csv")
      })
  )

  live("asks the model that ANTHROPIC_MODEL names, unless a flag names another", () =>
    Effect.gen(function*() {
      const env = { ...(yield* environment), ANTHROPIC_MODEL: "claude-opus-5-5" }
      const asked = yield* run(["ask", csv, "Sum up.", "--json"], { env })
      assert.deepInclude(reportOf(asked).items[0]?.data, { model: "claude-opus-5-5" })
      const named = yield* run(["ask", csv, "Sum up.", "--json", "--model", "claude-haiku-5-5"], { env })
      assert.deepInclude(reportOf(named).items[0]?.data, { model: "claude-haiku-5-5" })
      const empty = yield* run(["ask", csv, "Sum up.", "--json"], { env: { ...env, ANTHROPIC_MODEL: "" } })
      assert.deepInclude(reportOf(empty).items[0]?.data, { model: "claude-sonnet-5-5" })
    }))

  live("without a file, or without a question, the code is 2", () =>
    Effect.gen(function*() {
      code(yield* client("ask", "what", "is this?"), 2)
      code(yield* client("ask", pdf, csv), 2)
      code(yield* client("ask", "file_missing", "What is this?"), 4)
    }))
})

describe("batch", () => {
  live("asks every question about every file, and prints the answers", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({
        "questions.jsonl": "\"What is this?\"\n\n{\"question\":\"When?\"}\n",
        "wrong.jsonl": "{\"q\":1}"
      })
      const env = yield* environment
      const ended = yield* run(["batch", "questions.jsonl", "--file", pdf, "--json"], { env, cwd })
      code(ended, 0)
      assert.deepStrictEqual(
        reportOf(ended).items.map(({ data }) => (data as { readonly question: string }).question).toSorted(),
        ["What is this?", "When?"]
      )
      const wrong = yield* run(["batch", "wrong.jsonl", "--file", pdf], { env, cwd })
      code(wrong, 2)
      assert.match(wrong.err, /^wrong\.jsonl, line 1: expected a question as JSON/)
      code(yield* run(["batch", "questions.jsonl"], { env, cwd }), 2)
    }))
})

describe("cache", () => {
  live("lists what was uploaded once, forgets it, and prunes what has expired", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "a.txt": "a", "b.txt": "b" })
      const env = { ...(yield* environment), ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
      const command = (...args: ReadonlyArray<string>) => run(args, { env, cwd })
      code(yield* command("cache", "ls"), 0)
      const uploaded = yield* command("upload", "a.txt", "b.txt", "--once", "--json", "--expires-in", "1h")
      const idOf = (path: string) => reportOf(uploaded).items.find((item) => item.path === path)?.id ?? ""
      const listed = yield* command("cache", "ls", "-q")
      assert.sameMembers(listed.out.trim().split("\n"), [idOf("a.txt"), idOf("b.txt")])
      assert.strictEqual((yield* command("cache", "path")).out, `${cwd}/cache\n`)
      const pruned = yield* command("cache", "prune", "--json")
      assert.deepStrictEqual(reportOf(pruned).items, [])
      const unknown = yield* command("cache", "forget", "file_nonsense")
      code(unknown, 4)
      assert.match(unknown.err, /The cache knows no file_nonsense\./)
      code(yield* command("cache", "forget", "file_nonsense", "--dry-run"), 4)
      code(yield* command("cache", "forget", ""), 2)
      const dry = yield* command("cache", "forget", idOf("a.txt"), "--dry-run")
      assert.strictEqual(dry.out, `would forget ${idOf("a.txt")}\n`)
      assert.strictEqual((yield* command("cache", "ls", "-q")).out, listed.out)
      code(yield* command("cache", "forget", idOf("a.txt")), 0)
      assert.deepStrictEqual((yield* command("cache", "ls", "-q")).out, `${idOf("b.txt")}\n`)
      const again = yield* command("upload", "a.txt", "--once", "--json")
      assert.deepStrictEqual(reportOf(again).summary.items, { uploaded: 1 })
      code(yield* command("cache", "nothing"), 2)
    }))
})
