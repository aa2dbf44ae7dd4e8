/**
 * Puts what is recorded where it is shown: the comparison and the sizes of bundles in README.md, between
 * `<!-- bench -->` and `<!-- /bench -->` and likewise for `bundle`, that of Bun and Deno in docs/performance.md, and the
 * charts of docs/. `npm run format` aligns the
 * table. With `--check` it says what is not as recorded.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { charts } from "./chart.mjs"
import { bundleSentence, runtimesTable, summaryTable } from "./table.mjs"

const root = path.join(import.meta.dirname, "..")
const results = JSON.parse(fs.readFileSync(path.join(root, "bench/results/latest.json"), "utf8"))

const between = (text, mark, content) => {
  const parts = new RegExp(`^([^]*<!-- ${mark} -->)[^]*(<!-- /${mark} -->[^]*)$`).exec(text)
  if (parts === null) throw new Error(`There is no <!-- ${mark} --> and <!-- /${mark} -->`)
  return `${parts[1]}${content}${parts[2]}`
}

const runtimes = runtimesTable(results)
const performancePage = "docs/performance.md"
const readme = fs.readFileSync(path.join(root, "README.md"), "utf8")
const written = {
  "README.md": between(
    between(readme, "bench", `\n\n${summaryTable(results)}\n`),
    "bundle",
    `\n\n${bundleSentence(results)}\n\n`
  ),
  ...(runtimes === undefined ? undefined : {
    [performancePage]: between(
      fs.readFileSync(path.join(root, performancePage), "utf8"),
      "runtimes",
      `\n\n${runtimes}\n\n`
    )
  }),
  ...charts(results)
}

/** Without what the formatter decides. */
const bare = (text) => text.replaceAll(/-{3,}/g, "---").replaceAll(/\s+/g, " ")

const isCheck = process.argv.includes("--check")
for (const [file, text] of Object.entries(written)) {
  const at = path.join(root, file)
  if (!isCheck) {
    fs.writeFileSync(at, text)
  } else if (!fs.existsSync(at) || bare(fs.readFileSync(at, "utf8")) !== bare(text)) {
    console.log(`${file} does not show what is recorded in bench/results/latest.json: node bench/insert.mjs`)
    process.exitCode = 1
  }
}
