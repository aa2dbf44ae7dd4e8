/**
 * The recorded results as pictures: the comparison with other clients, and how time and memory grow.
 */
import { accent, again, bar, body, ink, path, picture, soft, text } from "../scripts/svg.mjs"

/** A round number at or above a value, for the end of an axis. */
const nice = (value) => {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * [1, 1.5, 2, 3, 4, 5, 7.5, 10].find((factor) => factor * power >= value)
}

const figure = (n) => {
  if (n >= 1e6) return `${n / 1e6} M`
  return n >= 1000 ? `${n / 1000} k` : String(Number(n.toFixed(1)))
}

const width = 830

/** The same columns as in the table, ours first. */
const clients = [
  { id: "ours-standard-traced", title: "this package", color: accent },
  { id: "sdk-blob", title: "official SDK, blob", color: "#f59e0b" },
  { id: "sdk-stream", title: "official SDK, stream", color: "#fcd34d" },
  { id: "curl", title: "curl", color: "#94a3b8" }
]

const bars = { x: 330, width: 440, height: 9, step: 11 }

/** The bars of one row, each with its figure behind it. */
const group = (row, y, figureOf, scale, show) => {
  const shown = clients.filter(({ id }) => row.contenders[id] !== undefined)
  return [
    text(bars.x - 14, y + shown.length * bars.step / 2 + 3, row.title, { anchor: "end", size: 12, fill: body }),
    shown.map(({ color, id }, i) => {
      const value = figureOf(row.contenders[id])
      const length = Math.max(1, Number((value / scale * bars.width).toFixed(1)))
      const top = y + i * bars.step
      return [
        bar(bars.x, top, length, bars.height, color),
        text(Number((bars.x + length + 6).toFixed(1)), top + 8.5, show(value), {
          size: 10,
          fill: id === "ours-standard-traced" ? ink : soft,
          weight: id === "ours-standard-traced" ? "bold" : "normal"
        })
      ]
    })
  ]
}

const heightOf = (row) => clients.filter(({ id }) => row.contenders[id] !== undefined).length * bars.step + 12

/** Shorter than in the table, where there is more room. */
const short = (row) => ({ ...row, title: row.title.split(", length-checked")[0] })

/** @param {any} results what bench/results/latest.json holds */
const comparison = (results) => {
  const rows = Object.values(results.rows)
    .filter((row) => row.must !== undefined && row.contenders["sdk-blob"] !== undefined)
    .map(short)
  const scale = nice(Math.max(...rows.flatMap((row) => clients.map(({ id }) => row.contenders[id]?.ratio.median ?? 0))))
  const memory = { ...results.rows["upload-500"], title: "peak memory, upload of 500 MB" }
  const most = nice(Math.max(...clients.map(({ id }) => memory.contenders[id].rssMb.median)))
  const tops = rows.map((_, i) => 92 + rows.slice(0, i).reduce((sum, row) => sum + heightOf(row), 0))
  const bottom = 92 + rows.reduce((sum, row) => sum + heightOf(row), 0)
  const one = Number((bars.x + bars.width / scale).toFixed(1))
  const legend = clients.map((_, i) => 24 + [0, 118, 262, 416][i])
  return picture(width, bottom + heightOf(memory) + 44, "Time and memory beside curl and the official SDK", [
    text(24, 32, "Time as a multiple of a plain node:http pipeline's, and peak memory: less is better", {
      size: 15,
      weight: "bold"
    }),
    clients.map(({ color, title }, i) => [
      bar(legend[i], 50, 12, 12, color),
      text(legend[i] + 18, 60, title, { size: 12, fill: body })
    ]),
    path(`M${one} 84V${bottom - 6}`, { dash: "3 3" }),
    text(one, 78, "1×", { size: 10, fill: soft, anchor: "middle" }),
    rows.map((row, i) =>
      group(row, tops[i], ({ ratio }) => ratio.median, scale, (value) => `${value.toFixed(value < 10 ? 1 : 0)}×`)
    ),
    path(`M24 ${bottom}H${width - 24}`),
    group(memory, bottom + 14, ({ rssMb }) => rssMb.median, most, (value) => `${value.toFixed(0)} MB`),
    text(
      24,
      bottom + heightOf(memory) + 26,
      `Recorded ${results.measuredAt}: Node ${results.machine.node}, ${results.machine.cores} cores, official SDK ${
        results.machine.packages["@anthropic-ai/sdk"]
      }; this package with Policy.standard() and recorded spans.`,
      { size: 11, fill: soft }
    )
  ])
}

const panel = { width: 200, height: 120, left: 52, gap: 24, top: 104, row: 176 }

const plot = (points, x, y, unit, color) => {
  const xMax = Math.max(...points.map(([n]) => n))
  const yMax = nice(Math.max(...points.map(([, value]) => value)) * 1.05)
  const at = ([n, value]) => [
    Number((x + n / xMax * panel.width).toFixed(1)),
    Number((y + panel.height - value / yMax * panel.height).toFixed(1))
  ]
  return [
    [0, 0.5, 1].map((share) => {
      const height = y + panel.height * (1 - share)
      return [
        path(`M${x} ${height}h${panel.width}`, { dash: share === 0 ? undefined : "2 3" }),
        text(x - 6, height + 4, figure(yMax * share), { size: 11, fill: soft, anchor: "end" })
      ]
    }),
    text(x, y - 10, unit, { size: 11, fill: soft }),
    path(`M${points.map((point) => at(point).join(" ")).join("L")}`, { color, width: 2 }),
    points.map((point) => {
      const [cx, cy] = at(point)
      return [
        `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`,
        // The smallest ones would stand in each other's way.
        point[0] / xMax < 0.2
          ? ""
          : text(cx, y + panel.height + 16, figure(point[0]), { size: 11, fill: soft, anchor: "middle" })
      ]
    })
  ]
}

/** @param {any} results what bench/results/latest.json holds */
const growth = (results) =>
  picture(
    width,
    panel.top + 2 * panel.row - 22,
    "Processor time grows linearly with the work, peak memory levels off",
    [
      text(24, 32, "More of the same: processor time and peak memory over n", { size: 15, weight: "bold" }),
      results.growth.map(({ points, title }, i) => {
        const x = 24 + panel.left - 14 + i * (panel.left + panel.width + panel.gap - 8)
        return [
          text(x, panel.top - 42, title.split(", "), { size: 12, weight: "bold", fill: body }),
          plot(points.map(({ cpuSeconds, n }) => [n, cpuSeconds]), x, panel.top + 8, "processor time, s", accent),
          plot(points.map(({ n, rssMb }) => [n, rssMb]), x, panel.top + panel.row, "peak memory, MB", again)
        ]
      })
    ]
  )

/**
 * Each chart of the documentation by its file.
 *
 * @param {any} results what bench/results/latest.json holds
 * @returns {Record<string, string>}
 */
export const charts = (results) => ({
  "docs/comparison.svg": comparison(results),
  "docs/growth.svg": growth(results)
})
