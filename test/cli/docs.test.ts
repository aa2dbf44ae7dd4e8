import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fs from "node:fs"
import { meanings } from "../../src/cli/exitCode.ts"
import { entries } from "../../src/cli/tree.ts"
import { run } from "./run.ts"

const page = "docs/cli.md"

const help = (...path: ReadonlyArray<string>) =>
  Effect.map(run([...path, "--help"]), (ended) => {
    assert.strictEqual(ended.code, 0, ended.err)
    return ended.out.trimEnd().replace(/ +$/gm, "")
  })

const section = (title: string, level: string, text: string) => `${level} ${title}\n\n\`\`\`text\n${text}\n\`\`\`\n`

describe("docs/cli.md", () => {
  it.live(
    "holds the help of every command and the exit codes, made from the program; `vitest -u` writes them",
    ({ expect }) =>
      Effect.gen(function*() {
        const all = yield* Effect.forEach(entries, ({ load, name }) =>
          Effect.gen(function*() {
            const text = yield* help(name)
            const command = yield* Effect.promise(load)
            const nested = command.subcommands.flatMap(({ commands }) => commands.map(({ name }) => name))
            const beneath = yield* Effect.forEach(
              nested,
              (sub) => Effect.map(help(name, sub), (text) => section(`${name} ${sub}`, "####", text))
            )
            return [section(name, "###", text), ...beneath].join("\n")
          }), { concurrency: 2 })
        const codes = meanings.map(([code, meaning]) => `- **${code}** ${meaning}`)
        const generated = [
          "## Exit codes\n",
          ...codes,
          "\n## Commands\n",
          section("Flags of every command", "###", yield* help()),
          ...all
        ].join("\n")
        const written = fs.readFileSync(page, "utf8")
        const marker = "<!-- From here on made by test/cli/docs.test.ts -->\n"
        const hand = written.slice(0, written.indexOf(marker))
        assert.isAbove(hand.length, 0, `${page} has lost its marker`)
        yield* Effect.promise(() => expect(`${hand}${marker}\n${generated}`).toMatchFileSnapshot(`../../${page}`))
      }),
    120_000
  )

  it.live("the names and descriptions in the main help are those of the commands", () =>
    Effect.gen(function*() {
      for (const entry of entries) {
        const command = yield* Effect.promise(entry.load)
        assert.strictEqual(command.name, entry.name)
        assert.strictEqual(command.description, entry.description)
      }
    }))
})
