/**
 * Puts what is recorded where it is shown: the comparison and the sizes of bundles in README.md, between
 * `<!-- bench -->` and `<!-- /bench -->` and likewise for `bundle`, and the charts of docs/. `npm run format` aligns the
 * table. With `--check` it says what is not as recorded.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { charts } from "./chart.mjs"
import { bundleSentence, summaryTable } from "./table.mjs"

const root = path.join(import.meta.dirname, "..")
const results = JSON.parse(fs.readFileSync(path.join(root, "bench/results/latest.json"), "utf8"))

const between = (text, mark, content) => {
  const parts = new RegExp(`^([^]*<!-- ${mark} -->)[^]*(<!-- /${mark} -->[^]*)$`).exec(text)
  if (parts === null) throw new Error(`README.md has no <!-- ${mark} --> and <!-- /${mark} -->`)
  return `${parts[1]}${content}${parts[2]}`
}

const readme = fs.readFileSync(path.join(root, "README.md"), "utf8")
const written = {
  "README.md": between(
    between(readme, "bench", `\n\n${summaryTable(results)}\n`),
    "bundle",
    `\n\n${bundleSentence(results)}\n\n`
  ),
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
