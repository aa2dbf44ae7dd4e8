/**
 * Results as Markdown.
 */
import { contenders } from "./rows.mjs"
import { spread } from "./statistics.mjs"

const line = (cells) => `| ${cells.join(" | ")} |`

const markdown = (header, rows) => [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n")

const cellOf = (row, id, pick, show) => {
  const found = row.contenders[id]
  return found === undefined || pick(found) === undefined ? "–" : spread(pick(found), show)
}

const bound = (row) =>
  row.must === undefined
    ? "–"
    : `≤ ${row.must}${row.mustUntraced === undefined ? "" : ` (untraced ${row.mustUntraced})`}`

const others = contenders.filter(({ id }) => id !== "raw")

const timeTable = (rows, pick) =>
  markdown(
    ["work", "raw, ms", ...others.map(({ title }) => title), "must", "target"],
    rows.map((row) => [
      row.title,
      cellOf(row, "raw", (figures) => figures.wallMs, (value) => value.toFixed(0)),
      ...others.map(({ id }) => cellOf(row, id, pick)),
      bound(row),
      row.target ?? "–"
    ])
  )

const memoryTable = (rows) =>
  markdown(
    ["peak memory, MB", ...contenders.map(({ title }) => title)],
    rows.map((row) => [
      row.title,
      ...contenders.map(({ id }) => cellOf(row, id, (figures) => figures.rssMb, (value) => value.toFixed(0)))
    ])
  )

const importTable = ({ entries }) =>
  markdown(
    ["import", "ours over what it imports, ms", "what it imports, ms", "modules: ours + theirs"],
    entries.map((entry) => [
      `\`${entry.name}\``,
      spread(entry.oursMs, (value) => value.toFixed(0)),
      spread(entry.theirsMs, (value) => value.toFixed(0)),
      `${entry.ours} + ${entry.theirs}`
    ])
  )

const bundleTable = ({ programs }) =>
  markdown(
    ["bundled program", "minified, KB", "gzip, KB", "start over bare Node, ms"],
    programs.map((program) => [
      program.title,
      (program.bytes / 1000).toFixed(1),
      (program.gzip / 1000).toFixed(1),
      program.startMs === undefined ? "–" : spread(program.startMs, (value) => value.toFixed(0))
    ])
  )

/** How far the server was from being the limit. */
const serverTable = (rows) =>
  markdown(
    ["server's share of a core", ...contenders.map(({ title }) => title)],
    rows.map((row) => [
      row.title,
      ...contenders.map(({ id }) => {
        const found = row.contenders[id]
        return found?.serverShare === undefined ? "–" : `${Math.round(found.serverShare.median * 100)} %`
      })
    ])
  )

const titleOf = (name) => `${name[0].toUpperCase()}${name.slice(1)}`

/** @param {any} results */
export const render = (results) => {
  const { bundle, feel, growth, imports, machine, measuredAt, server } = results
  const rows = Object.values(results.rows)
  const rounds = Math.min(results.rounds, ...rows.map((row) => row.rounds))
  const runtimes = Object.entries(machine.runtimes ?? {}).map(([name, version]) => [titleOf(name), version])
  const found = runtimes.filter(([, version]) => version !== null)
  const leftOut = runtimes.filter(([, version]) => version === null).map(([name]) => name)
  const parts = [
    `${measuredAt}, ${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}${
      found.map(([name, version]) => `, ${name} ${version}`).join("")
    }; `
    + Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`).join(", ")
    + `. At least ${rounds} interleaved rounds, each measurement in a process of its own. `
    + `Server: ${
      server === "c" ? "bench/server.c" : "bench/server.mjs, since there was no C compiler: it may be the limit"
    }.`
  ]
  if (leftOut.length > 0) {
    parts.push(
      `Without ${leftOut.join(" and ")}, which ${
        leftOut.length === 1 ? "is" : "are"
      } not installed: \`node scripts/runtimes.mjs\`.`
    )
  }
  const timed = rows.filter((row) => row.memory !== true)
  if (timed.length > 0) {
    parts.push(
      "Time, as a ratio to raw in the same round: median (min–max).",
      timeTable(timed, (figures) => figures.ratio),
      "CPU time of the process (user and system), as a ratio to raw in the same round.",
      timeTable(timed, (figures) => figures.cpuRatio)
    )
  }
  const memory = rows.filter((row) => row.memory === true || row.id === "upload-500" || row.id === "download-500")
  if (memory.length > 0) parts.push(memoryTable(memory))
  if (feel !== undefined) parts.push(feelTable(feel))
  if (imports !== undefined) parts.push(importTable(imports))
  if (bundle !== undefined) parts.push(bundleTable(bundle))
  if (growth !== undefined) parts.push(growthTable(growth))
  if (timed.length > 0) {
    parts.push(
      "The C column is the cheapest client there can be, against the same server: what is slower than it is not held "
        + "back by the server. The server's CPU time while each one ran, of the time that passed:",
      serverTable(timed)
    )
  }
  return `${parts.join("\n\n")}\n`
}

const feelTable = (feel) =>
  markdown(
    ["what users feel, ms", ...contenders.filter(({ id }) => id in feel[0].contenders).map(({ title }) => title)],
    feel.map((row) => [
      row.title,
      ...Object.values(row.contenders).map((figures) => spread(figures, (value) => value.toFixed(value < 20 ? 2 : 0)))
    ])
  )

export const growthTable = (growth) =>
  markdown(
    ["growth", "n", "seconds", "peak MB"],
    growth.flatMap(({ points, title }) =>
      points.map(({ n, rssMb, seconds }) => [title, n.toLocaleString("en"), seconds.toFixed(1), rssMb.toFixed(0)])
    )
  )

/** The rows in which Bun and Deno run this package: CPU time as a ratio to raw, and peak memory. Empty without such. */
export const runtimesTable = (results) => {
  const rows = Object.values(results.rows).filter(({ contenders }) => "bun" in contenders || "deno" in contenders)
  const show = ({ cpuRatio, rssMb }) => `${cpuRatio.median.toFixed(1)}×, ${rssMb.median.toFixed(0)} MB`
  const columns = ["sdk-blob", "ours-standard-traced", "bun", "deno"]
  return rows.length === 0 ? undefined : markdown(
    ["", "official SDK, Node", "this package, Node", "… Bun", "… Deno"],
    rows.map(({ contenders, title }) => [
      title,
      ...columns.map((id) => contenders[id] === undefined ? "–" : show(contenders[id]))
    ])
  )
}

/** The few columns that a reader who chooses a client wants. */
export const summaryTable = (results) => {
  const rows = Object.values(results.rows).filter((row) =>
    row.must !== undefined && row.contenders["sdk-blob"] !== undefined
  )
  const show = (row, id, pick) => {
    const found = row.contenders[id]
    return found === undefined ? "–" : pick(found)
  }
  const ratioOf = ({ ratio }) => `${ratio.median.toFixed(ratio.median < 10 ? 1 : 0)}×`
  const memoryOf = ({ rssMb }) => `${rssMb.median.toFixed(0)} MB`
  const columns = ["curl", "sdk-blob", "sdk-stream", "ours-standard-traced"]
  const upload = results.rows["upload-500"]
  return `${
    markdown(
      ["", "curl", "official SDK, blob", "official SDK, stream", "this package"],
      [
        ...rows.map((row) => [row.title, ...columns.map((id) => show(row, id, ratioOf))]),
        ...(upload === undefined
          ? []
          : [["peak memory, 500 MB up", ...columns.map((id) => show(upload, id, memoryOf))]])
      ]
    )
  }\n`
}

/** What a program that a browser loads weighs. */
export const bundleSentence = ({ bundle }) => {
  const weight = (id) => {
    const { bytes, gzip } = bundle.programs.find((program) => program.id === id)
    return `${Math.round(bytes / 1000)} KB (${Math.round(gzip / 1000)} KB gzipped)`
  }
  return `A bundled page that lists files is ${weight("browser")}, or ${
    weight("policies")
  } with \`Policy.standard()\`. `
    + `effect's HTTP client and Schema make up ${weight("effect")} of that. (\`npm run bench -- bundle\`)`
}
