/**
 * Growth as a picture: for each series the CPU time, and below it the peak memory, over n.
 */
const panel = { width: 250, height: 130, left: 56, top: 44, gap: 46 }

/** A round number at or above a value, for the end of an axis. */
const nice = (value) => {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * [1, 1.5, 2, 3, 4, 5, 7.5, 10].find((factor) => factor * power >= value)
}

const short = (n) => n >= 1e6 ? `${n / 1e6} M` : n >= 1000 ? `${n / 1000} k` : String(Number(n.toFixed(1)))

const plot = (points, x, y, unit, color) => {
  const xMax = Math.max(...points.map(([n]) => n))
  const yMax = nice(Math.max(...points.map(([, value]) => value)) * 1.05)
  const at = ([n, value]) => [x + n / xMax * panel.width, y + panel.height - value / yMax * panel.height]
  const line = points.map((point) => at(point).map((coordinate) => coordinate.toFixed(1)).join(",")).join(" ")
  return [
    `<path d="M${x},${y}v${panel.height}h${panel.width}" class="axis"/>`,
    ...[0, 0.5, 1].map((share) => {
      const height = y + panel.height * (1 - share)
      return `<path d="M${x},${height}h${panel.width}" class="grid"/>`
        + `<text x="${x - 6}" y="${height + 4}" text-anchor="end">${short(yMax * share)}</text>`
    }),
    `<text x="${x}" y="${y - 8}">${unit}</text>`,
    `<polyline points="${line}" fill="none" stroke="${color}" stroke-width="2"/>`,
    ...points.map((point) => {
      const [cx, cy] = at(point)
      return `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="3" fill="${color}"/>`
        + `<text x="${cx.toFixed(1)}" y="${y + panel.height + 16}" text-anchor="middle">${
          points.length > 0 && point[0] / xMax < 0.08 ? "" : short(point[0])
        }</text>`
    })
  ].join("")
}

/** @param {ReadonlyArray<{ title: string, points: ReadonlyArray<any> }>} series */
export const chart = (series) => {
  const column = panel.left + panel.width + 24
  const row = panel.height + panel.gap
  const width = column * series.length + 8
  const height = panel.top + 2 * row + 12
  const body = series.map(({ points, title }, i) => {
    const x = panel.left + i * column
    return `<text x="${x}" y="18" class="title">${title}</text>`
      + plot(points.map(({ cpuSeconds, n }) => [n, cpuSeconds]), x, panel.top, "CPU time, s", "#2563eb")
      + plot(points.map(({ n, rssMb }) => [n, rssMb]), x, panel.top + row, "peak memory, MB", "#d97706")
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>
text{font:11px system-ui,sans-serif;fill:#57606a}.title{font-size:13px;font-weight:600;fill:#24292f}
.axis{stroke:#8c959f;fill:none}.grid{stroke:#d0d7de;stroke-dasharray:2 3;fill:none}
</style>
<rect width="100%" height="100%" fill="#fff"/>
${body.join("\n")}
</svg>
`
}
