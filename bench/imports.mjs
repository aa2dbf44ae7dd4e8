/**
 * What importing our modules takes, beyond the modules of others that they import anyway.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { json } from "./run.mjs"
import { summary } from "./statistics.mjs"

const dist = path.resolve("dist")

/** All of our modules behind one, and all that they import of others. */
const graph = (entry) => {
  const ours = new Set()
  const theirs = new Set()
  const visit = (file) => {
    if (ours.has(file)) return
    ours.add(file)
    const text = fs.readFileSync(file, "utf8")
    for (const [, specifier] of text.matchAll(/^(?:import|export)\b[^"';]*?\bfrom "([^"]+)"/gm)) {
      if (specifier.startsWith(".")) visit(path.resolve(path.dirname(file), specifier))
      else theirs.add(specifier)
    }
  }
  visit(path.join(dist, `${entry}.js`))
  return { ours: ours.size, theirs: Array.from(theirs) }
}

const script = (entry, theirs) => `
const time = async (specifiers) => {
  const start = performance.now()
  for (const specifier of specifiers) await import(specifier)
  return performance.now() - start
}
const theirs = await time(${JSON.stringify(theirs)})
const ours = await time([${JSON.stringify(entry)}])
console.log(JSON.stringify({ ours, theirs }))
`

const entries = [
  "FileMetadata",
  "FilesError",
  "FileSource",
  "Files",
  "Policy",
  "Transfer",
  "UploadCache",
  "Messages",
  "NodeFiles",
  "index"
]

/** @param {number} rounds */
export const measureImports = async (rounds) => {
  const measured = entries.filter((entry) => fs.existsSync(path.join(dist, `${entry}.js`))).map((entry) => ({
    entry,
    name: entry === "index" ? "effect-anthropic-files" : `effect-anthropic-files/${entry}`,
    graph: graph(entry),
    samples: []
  }))
  for (let round = 0; round < rounds; round++) {
    for (const { graph, name, samples } of measured) {
      samples.push(await json([process.execPath, "--input-type=module", "-e", script(name, graph.theirs)]))
    }
  }
  return {
    entries: measured.map(({ graph, name, samples }) => ({
      name,
      ours: graph.ours,
      theirs: graph.theirs.length,
      oursMs: summary(samples.map(({ ours }) => ours)),
      theirsMs: summary(samples.map(({ theirs }) => theirs))
    }))
  }
}
