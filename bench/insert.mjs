/**
 * `node bench/insert.mjs README.md` puts the recorded comparison between `<!-- bench -->` and `<!-- /bench -->`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { summaryTable } from "./table.mjs"

const results = JSON.parse(fs.readFileSync(path.join(import.meta.dirname, "results/latest.json"), "utf8"))
const table = summaryTable(results)

for (const file of process.argv.slice(2)) {
  const text = fs.readFileSync(file, "utf8")
  const parts = /^([\s\S]*<!-- bench -->\n)[\s\S]*(\n<!-- \/bench -->[\s\S]*)$/.exec(text)
  if (parts === null) throw new Error(`${file} has no <!-- bench --> and <!-- /bench -->`)
  fs.writeFileSync(file, `${parts[1]}\n${table}${parts[2]}`)
}
