import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"

const page = fs.readFileSync("INVARIANTS.md", "utf8")
const proofs = Array.from(
  page.matchAll(/`(test\/[^`]+)`: ([^|\n]+?)\s*\|/g),
  ([, file = "", title = ""]) => ({ file, title })
)

describe("INVARIANTS.md", () => {
  it("states P1 to P19, each once", () => {
    const promises = Array.from(page.matchAll(/^\| (P\d+) /gm), ([, promise]) => promise)
    assert.deepStrictEqual(promises, Array.from({ length: 19 }, (_, n) => `P${n + 1}`))
  })

  it("names a test in each row", () => {
    const rows = page.split("\n").filter((line) => /^\| (P\d+)? /.test(line))
    assert.strictEqual(proofs.length, rows.length)
  })

  for (const { file, title } of proofs) {
    it(`${file} has the test: ${title}`, () => {
      assert.include(fs.readFileSync(file, "utf8"), title)
    })
  }
})
