import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"

const examples = ["examples", "test"].flatMap((folder) =>
  fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name}`)
    .filter((path) => path.endsWith(".ts"))
    .map((path) => fs.readFileSync(path, "utf8"))
)

const pages = ["README.md", ...(fs.existsSync("docs") ? fs.readdirSync("docs").map((name) => `docs/${name}`) : [])]
  .filter((page) => page.endsWith(".md"))

describe("documentation", () => {
  for (const page of pages) {
    const text = fs.readFileSync(page, "utf8")

    it(`${page}: every snippet stands in an example or a test, which is compiled and run`, () => {
      for (const [, snippet = ""] of text.matchAll(/```ts\n([^]*?)```/g)) {
        assert.isTrue(
          examples.some((example) => example.includes(snippet.trim())),
          `no example holds this snippet:\n${snippet}`
        )
      }
    })

    it(`${page}: every link to a file leads to one`, () => {
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        const path = page.startsWith("docs/") ? `docs/${target}` : target
        assert.isTrue(fs.existsSync(path), `${page} links to ${target}`)
      }
    })
  }

  it("the first program has at most 15 lines", () => {
    const [, first = ""] = /```ts\n([^]*?)```/.exec(fs.readFileSync("README.md", "utf8")) ?? []
    assert.isAtMost(first.trim().split("\n").length, 15)
  })
})
