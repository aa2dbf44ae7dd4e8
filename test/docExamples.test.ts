import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

/** The public modules, and the examples in their docstrings. */
const modules = fs.readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !/(^|\/)(internal|node|cli)\//.test(name))
  .map((name) => {
    const text = fs.readFileSync(`src/${name}`, "utf8")
    const examples = Array.from(
      text.matchAll(/^ \* @example\n \* ```ts\n([^]*?)^ \* ```/gm),
      ([, lines = ""]) => lines.replaceAll(/^ \* ?/gm, "")
    )
    return { name, examples }
  })
  .filter(({ examples }) => examples.length > 0)

/** A folder that is ignored by Git and by the other tools, and from which packages are found. */
const folder = Effect.acquireRelease(
  Effect.sync(() => {
    fs.mkdirSync("dist", { recursive: true })
    return fs.mkdtempSync("dist/.examples-")
  }),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

const compile = (folder: string) =>
  Effect.callback<string>((resume) => {
    const child = execFile("node_modules/.bin/tsc", ["-p", folder], (_, stdout, stderr) =>
      resume(Effect.succeed(`${stdout}${stderr}`)))
    return Effect.sync(() =>
      child.kill()
    )
  })

describe("docstrings", () => {
  it.live("every example of a public module compiles", () =>
    Effect.gen(function*() {
      const to = yield* folder
      const files = modules.flatMap(({ examples, name }) =>
        examples.map((example, i) => {
          const file = `${name.replaceAll("/", "-").replace(/\.ts$/, "")}.${i + 1}.ts`
          // An example that exports nothing would be a script, which shares its names with the others.
          fs.writeFileSync(path.join(to, file), `${example}\nexport {}\n`)
          return file
        })
      )
      fs.writeFileSync(
        path.join(to, "tsconfig.json"),
        JSON.stringify({ extends: "../../tsconfig.json", files, include: [] })
      )
      assert.strictEqual(yield* compile(to), "")
      assert.isAbove(files.length, 5)
    }).pipe(Effect.scoped), 60_000)
})
