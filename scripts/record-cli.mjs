/**
 * Records the command line at work, for the README: real commands on a pseudo-terminal against the emulator, drawn as an
 * SVG that plays by itself. `npm run record`, after a build.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Screen } from "./terminal/screen.mjs"

const columns = 84
const rows = 22
const bin = path.resolve("dist/cli/bin.js")
const target = "docs/cli.svg"
const runner = path.resolve("scripts/terminal/run.py")

const home = fs.mkdtempSync(path.join(os.tmpdir(), "cli-recording-"))
for (const name of ["lighthouse.pdf", "lighthouse.csv", "visitors.png"]) {
  fs.copyFileSync(`examples/assets/${name}`, path.join(home, name))
}
fs.mkdirSync(path.join(home, "scans"))
for (const [i, name] of ["harbour.tiff", "jetty.tiff", "lantern-room.tiff", "log-book.tiff"].entries()) {
  fs.writeFileSync(path.join(home, "scans", name), Buffer.alloc(9_000_000 + i * 7_000_000, i))
}

// Slow enough to be watched, with one refusal that is waited for.
const faults = [
  { _tag: "Answer", status: 429, type: "rate_limit_error", message: "Slow down", headers: { "retry-after": "2" }, match: { operation: "upload" }, skip: 5, times: 1 },
  { _tag: "Latency", duration: 700, match: { operation: "upload" }, times: null }
]
fs.writeFileSync(path.join(home, "faults.json"), JSON.stringify(faults))

const frames = []
const screen = new Screen(columns)
let elapsed = 0

/** Time between two frames is what passed, but nobody wants to wait for long. */
const snapshot = (milliseconds) => {
  elapsed += Math.min(milliseconds, 1200)
  const top = Math.max(0, screen.lines.length - rows)
  const lines = structuredClone(screen.lines.slice(top).map((line) => Array.from(line, (cell) => cell ?? { text: " ", style: {} })))
  frames.push({ at: elapsed, lines })
}

const typed = async (text) => {
  screen.write("\u001b[32m$\u001b[39m ")
  snapshot(300)
  for (let i = 0; i < text.length; i += 3) {
    screen.write(text.slice(i, i + 3))
    snapshot(60)
  }
  screen.write("\n")
  snapshot(300)
}

const run = async (env, args, answer) => {
  await typed(`npx effect-anthropic-files ${args.map((arg) => /^[\w./:-]+$/.test(arg) ? arg : `'${arg}'`).join(" ")}`)
  let last = performance.now()
  const child = spawn(
    "python3",
    [runner, String(columns), String(rows), process.execPath, "--no-warnings", bin, ...args],
    { cwd: home, env: { ...env, TERM: "xterm-256color" }, stdio: ["pipe", "pipe", "inherit"] }
  )
  child.stdout.setEncoding("utf8")
  child.stdout.on("data", (data) => {
    screen.write(data)
    const now = performance.now()
    if (now - last >= 180) {
      snapshot(now - last)
      last = now
    }
    if (answer !== undefined && data.includes("(y/N)")) {
      snapshot(1200)
      child.stdin.write(answer)
    }
  })
  await new Promise((resolve) => child.once("close", resolve))
  snapshot(performance.now() - last)
  snapshot(1200)
}

const { ANTHROPIC_API_KEY: _, ANTHROPIC_AUTH_TOKEN: __, ...inherited } = process.env
const emulator = spawn(process.execPath, [bin, "emulator", "--faults", path.join(home, "faults.json"), "--json"], {
  env: inherited,
  stdio: ["pipe", "pipe", "inherit"]
})

try {
  const { apiKey, url } = await new Promise((resolve, reject) => {
    emulator.stdout.once("data", (line) => resolve(JSON.parse(line)))
    emulator.once("close", () => reject(new Error("The emulator ended before it listened")))
  })
  const env = { PATH: process.env.PATH, HOME: home, ANTHROPIC_API_KEY: apiKey, ANTHROPIC_BASE_URL: url }
  await run(env, ["upload", "scans", "lighthouse.pdf", "visitors.png", "--concurrency", "3"])
  await run(env, ["ls"])
  await run(env, ["ask", "lighthouse.pdf", "On how many nights was the lamp lit?"])
  await run(env, ["rm", "--name", "*.tiff"], "y")
} finally {
  emulator.kill("SIGTERM")
  fs.rmSync(home, { recursive: true, force: true })
}

const colors = { 31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 36: "#79c0ff" }
const [cellWidth, cellHeight, margin] = [8.43, 19, 16]
const escape = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c])

/** Cells of the same style as one text, each at the column where it stands. */
const runsOf = (line) => {
  const runs = []
  let column = 0
  for (const cell of line) {
    const key = JSON.stringify(cell.style)
    const last = runs.at(-1)
    if (last !== undefined && last.key === key) last.text += cell.text
    else runs.push({ key, style: cell.style, text: cell.text, column })
    column += 1
  }
  return runs.filter(({ text }) => text.trim() !== "")
}

const tspan = ({ column, style, text }) => {
  const lead = text.length - text.trimStart().length
  const attributes = [
    `x="${(margin + (column + lead) * cellWidth).toFixed(1)}"`,
    style.color === undefined ? "" : ` fill="${colors[style.color] ?? "#e6edf3"}"`,
    style.bold ? " font-weight=\"bold\"" : "",
    style.dim ? " opacity=\".6\"" : ""
  ]
  return `<tspan ${attributes.join("")} textLength="${(text.trim().length * cellWidth).toFixed(1)}">${escape(text.trim())}</tspan>`
}

const drawn = (lines) =>
  lines.map((line, i) => {
    const runs = runsOf(line).map(tspan).join("")
    return runs === "" ? "" : `<text y="${margin + 40 + i * cellHeight}">${runs}</text>`
  }).join("")

// The same picture twice in a row is one.
const shown = frames.map(({ at, lines }) => ({ at, picture: drawn(lines) }))
  .filter(({ picture }, i, all) => i === 0 || picture !== all[i - 1].picture)
const total = elapsed + 3000
const percent = (at) => `${(at / total * 100).toFixed(3)}%`
const styles = shown.map(({ at }, i) => {
  const until = shown[i + 1]?.at ?? total
  return `@keyframes f${i}{0%{visibility:hidden}${percent(at)}{visibility:visible}${percent(until)}{visibility:hidden}100%{visibility:hidden}}`
    + `.f${i}{animation:f${i} ${(total / 1000).toFixed(1)}s step-end infinite}`
}).join("")
const width = Math.ceil(columns * cellWidth + 2 * margin)
const height = Math.ceil(rows * cellHeight + 2 * margin + 30)

fs.writeFileSync(
  target,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" fill="#e6edf3" role="img" aria-label="The command line uploads files, lists them, asks about one and deletes some">
<style>text{white-space:pre}.f{visibility:hidden}.f:last-of-type{visibility:visible}${styles}@media (prefers-reduced-motion:reduce){.f{animation:none}}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<circle cx="20" cy="20" r="6" fill="#ff5f57"/><circle cx="40" cy="20" r="6" fill="#febc2e"/><circle cx="60" cy="20" r="6" fill="#28c840"/>
${shown.map(({ picture }, i) => `<g class="f f${i}">${picture}</g>`).join("\n")}
</svg>
`
)
console.log(`${target}: ${shown.length} pictures, ${(total / 1000).toFixed(0)} s, ${fs.statSync(target).size} bytes`)
