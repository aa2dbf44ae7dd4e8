/**
 * Records the command line for the README: real commands on a pseudo-terminal against the emulator, drawn as an animated
 * SVG. `npm run record`.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Screen } from "./terminal/screen.mjs"

const columns = 84
const rows = 20
const bin = path.resolve("dist/cli/bin.js")
const target = "docs/cli.svg"
const runner = path.resolve("scripts/terminal/run.py")

/** Milliseconds between two frames, and the longest pause. */
const pictureEvery = 220
const longestPause = 1300

const home = fs.mkdtempSync(path.join(os.tmpdir(), "cli-recording-"))
for (const name of ["lighthouse.pdf", "visitors.png"]) {
  fs.copyFileSync(`examples/assets/${name}`, path.join(home, name))
}
fs.mkdirSync(path.join(home, "scans"))
for (const [i, name] of ["harbour.tiff", "jetty.tiff", "lantern-room.tiff", "log-book.tiff"].entries()) {
  fs.writeFileSync(path.join(home, "scans", name), Buffer.alloc(9_000_000 + i * 7_000_000, i))
}

// Slow enough to watch, with one refusal and its wait.
const match = { operation: "upload" }
const faults = [
  {
    _tag: "Answer",
    status: 429,
    type: "rate_limit_error",
    message: "Slow down",
    headers: { "retry-after": "2" },
    match,
    skip: 3,
    times: 1
  },
  { _tag: "Latency", duration: 900, match, times: null }
]
fs.writeFileSync(path.join(home, "faults.json"), JSON.stringify(faults))

/** @type {Array<{ at: number, lines: Array<Array<{ text: string, style: object }>> }>} */
const frames = []
const screen = new Screen(columns)
let elapsed = 0

/** The time between two frames is the real one, but limited. */
const snapshot = (milliseconds) => {
  elapsed += Math.min(milliseconds, longestPause)
  const shown = screen.lines.slice(Math.max(0, screen.lines.length - rows))
  frames.push({
    at: elapsed,
    lines: structuredClone(shown.map((line) => Array.from(line, (cell) => cell ?? { text: " ", style: {} })))
  })
}

const typed = (text) => {
  screen.write("\u001b[32m$\u001b[39m ")
  snapshot(300)
  for (let i = 0; i < text.length; i += 4) {
    screen.write(text.slice(i, i + 4))
    snapshot(80)
  }
  screen.write("\n")
  snapshot(300)
}

const quoted = (arg) => /^[\w./:-]+$/.test(arg) ? arg : `'${arg}'`

const run = async (env, args, answer) => {
  typed(`npx effect-anthropic-files ${args.map(quoted).join(" ")}`)
  let last = performance.now()
  const child = spawn(
    "python3",
    [runner, String(columns), String(rows), process.execPath, "--no-warnings", bin, ...args],
    { cwd: home, env: { ...env, TERM: "xterm-256color" }, stdio: ["pipe", "pipe", "inherit"] }
  )
  child.stdout.setEncoding("utf8")
  child.stdout.on("data", (data) => {
    const now = performance.now()
    // Output between two frames belongs to the later one.
    if (now - last >= pictureEvery) {
      snapshot(now - last)
      last = now
    }
    screen.write(data)
    if (answer !== undefined && data.includes("(y/N)")) {
      snapshot(300)
      snapshot(longestPause)
      child.stdin.write(answer)
    }
  })
  const code = await new Promise((resolve) => child.once("close", resolve))
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}:\n${screen.text}`)
  snapshot(Math.min(400, performance.now() - last))
  snapshot(longestPause)
  screen.write("\n")
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
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    ANTHROPIC_API_KEY: apiKey,
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_FILES_CONCURRENCY: "3"
  }
  await run(env, ["upload", "scans", "lighthouse.pdf", "visitors.png"])
  await run(env, ["ls"])
  await run(env, ["ask", "lighthouse.pdf", "How many nights was the lamp lit?"])
  await run(env, ["rm", "--name", "*.tiff"], "y")
} finally {
  emulator.kill("SIGTERM")
  fs.rmSync(home, { recursive: true, force: true })
}

const colors = { 31: "r", 32: "g", 33: "y", 36: "c" }
const [cellWidth, cellHeight, margin] = [8.4, 19, 16]
const width = Math.ceil(columns * cellWidth + 2 * margin)
const height = Math.ceil(rows * cellHeight + 2 * margin + 26)
const escape = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c])

/** Joins cells of the same style to texts, each at its column. */
const runsOf = (line) => {
  const runs = []
  for (const [column, { style, text }] of line.entries()) {
    const key = JSON.stringify(style)
    const last = runs.at(-1)
    if (last !== undefined && last.key === key) last.text += text
    else runs.push({ key, style, text, column })
  }
  return runs.filter(({ text }) => text.trim() !== "")
}

const tspan = ({ column, style, text }) => {
  const lead = text.length - text.trimStart().length
  const shown = text.trim()
  const names = [colors[style.color] ?? "", style.bold ? "b" : "", style.dim ? "d" : ""].filter((name) => name !== "")
  const attributes = [
    `x="${(margin + (column + lead) * cellWidth).toFixed(1)}"`,
    // Fonts differ in width, so the width of the text is set.
    `textLength="${(shown.length * cellWidth).toFixed(1)}"`,
    ...(names.length === 0 ? [] : [`class="${names.join(" ")}"`])
  ]
  return `<tspan ${attributes.join(" ")}>${escape(shown)}</tspan>`
}

const total = elapsed + 2500
const pictures = frames.map(({ at, lines }) => ({ at, lines: lines.map((line) => runsOf(line).map(tspan).join("")) }))

/** The contents of a row, with their times: a row that does not change is drawn once. */
const spans = Array.from({ length: rows }, (_, row) => {
  const found = []
  for (const { at, lines } of pictures) {
    const content = lines[row] ?? ""
    const last = found.at(-1)
    if (last?.content === content) continue
    if (last !== undefined) last.until = at
    found.push({ row, content, from: at, until: total })
  }
  return found.filter(({ content, from, until }) => content !== "" && until > from)
}).flat()

const intervals = new Map()
const classOf = ({ from, until }) => {
  const key = `${from} ${until}`
  const name = intervals.get(key)?.name ?? `k${intervals.size}`
  intervals.set(key, { name, from, until })
  return name
}

const percent = (at) => `${(at / total * 100).toFixed(2)}%`
const texts = spans.map((span) => {
  const isLast = span.until === total ? " z" : ""
  return `<text class="${classOf(span)}${isLast}" y="${margin + 38 + span.row * cellHeight}">${span.content}</text>`
})
const seconds = (total / 1000).toFixed(1)
const styles = Array.from(
  intervals.values(),
  ({ from, name, until }) =>
    `@keyframes ${name}{${percent(from)}{visibility:visible}${percent(until)}{visibility:hidden}}`
    + `.${name}{animation-name:${name}}`
)

fs.writeFileSync(
  target,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" fill="#e6edf3" role="img" aria-label="A recording: the command line uploads files, lists them, asks about one and deletes some">
<style>text{white-space:pre;visibility:hidden;animation:${seconds}s step-end infinite}.r{fill:#ff7b72}.g{fill:#7ee787}.y{fill:#e3b341}.c{fill:#79c0ff}.b{font-weight:bold}.d{fill:#9198a1}
${styles.join("\n")}
@media (prefers-reduced-motion:reduce){text{animation:none}.z{visibility:visible}}</style>
<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8" fill="#0d1117" stroke="#3d444d"/>
<circle cx="20" cy="20" r="6" fill="#ff5f57"/><circle cx="40" cy="20" r="6" fill="#febc2e"/><circle cx="60" cy="20" r="6" fill="#28c840"/>
${texts.join("\n")}
</svg>
`
)
console.log(
  `${target}: ${frames.length} frames, ${texts.length} lines, ${seconds} s, ${fs.statSync(target).size} bytes`
)
