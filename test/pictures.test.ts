import { assert, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"

it("the pictures of docs/ are as the source and a real run draw them", () => {
  const output = execFileSync(process.execPath, ["scripts/pictures.mjs", "--check"], { encoding: "utf8" })
  assert.strictEqual(output, "")
})

it("each picture has a card of its own, so that it reads on a dark page, and says what it shows", () => {
  for (const name of fs.readdirSync("docs").filter((name) => name.endsWith(".svg"))) {
    const svg = fs.readFileSync(`docs/${name}`, "utf8")
    assert.match(svg, /^<svg [^>]*viewBox=/, name)
    assert.match(svg, /<rect [^>]*fill="(?:#|url)/, name)
    assert.match(svg, /aria-label="[^"]+"|<title>[^<]+<\/title>/, name)
    assert.notMatch(svg, /<script|<foreignObject|href="http/, `${name} would not be shown on npm`)
  }
})

it("the charts, and the table and sizes in README.md, show what is recorded in bench/results", () => {
  const output = execFileSync(process.execPath, ["bench/insert.mjs", "--check"], { encoding: "utf8" })
  assert.strictEqual(output, "")
})

it("each picture of a light card has a dark one for readers whose system is dark", () => {
  for (const name of fs.readdirSync("docs").filter((name) => name.endsWith(".svg"))) {
    const svg = fs.readFileSync(`docs/${name}`, "utf8")
    if (!svg.includes("fill=\"#ffffff\"")) continue
    const [, palette = ""] = /@media \(prefers-color-scheme: dark\)\{(.*)\}<\/style>/.exec(svg) ?? []
    for (const [, fill = ""] of svg.matchAll(/<text [^>]*fill="(#\w+)"/g)) {
      assert.include(palette, `[fill="${fill}"]`, `${name} would print ${fill} on a dark card`)
    }
  }
})
