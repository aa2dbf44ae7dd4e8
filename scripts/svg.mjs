/**
 * What the pictures are drawn with: a card of its own colour for each, so that it reads on any page, and a dark palette
 * for readers whose system is set to dark.
 */

export const ink = "#0f172a"
export const body = "#334155"
export const soft = "#475569"
export const line = "#cbd5e1"
export const faint = "#f8fafc"
export const accent = "#2563eb"
export const again = "#b45309"
const card = "#ffffff"

/** A fill and a stroke for each kind of place. */
export const orange = ["#fff7ed", "#f59e0b"]
export const red = ["#fef2f2", "#f87171"]
export const green = ["#f0fdf4", "#4ade80"]
export const blue = ["#eff6ff", "#60a5fa"]
export const violet = ["#f5f3ff", "#a78bfa"]

/** Each light colour with the one that takes its place on dark. A stroke that is not named here suits both. */
const dark = {
  [ink]: "#f1f5f9",
  [body]: "#cbd5e1",
  [soft]: "#94a3b8",
  [line]: "#334155",
  [faint]: "#1e293b",
  [accent]: "#60a5fa",
  [again]: "#fbbf24",
  [card]: "#0f172a",
  [orange[0]]: "#33220c",
  [red[0]]: "#3a1618",
  [green[0]]: "#10291a",
  [blue[0]]: "#14233f",
  [violet[0]]: "#241d42"
}

const darkRules = Object.entries(dark).map(([from, to]) =>
  `[fill="${from}"]{fill:${to}}[stroke="${from}"]{stroke:${to}}`
)

const escape = (content) => content.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

/** A text, or several lines of one. */
export const text = (
  x,
  y,
  content,
  { anchor = "start", fill = ink, size = 13, weight = "normal", mono = false } = {}
) =>
  [content].flat().map((row, i) =>
    `<text x="${x}" y="${
      y + i * (size + 4)
    }" font-size="${size}" fill="${fill}" text-anchor="${anchor}" font-weight="${weight}"${
      mono ? ` font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace"` : ""
    }>${escape(row)}</text>`
  ).join("\n")

export const rect = (x, y, width, height, [fill, stroke], radius = 8) =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}" fill="${fill}" stroke="${stroke}"/>`

/** A bar without a border. */
export const bar = (x, y, width, height, fill) =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="1.5" fill="${fill}"/>`

export const path = (d, { color = line, width = 1, dash } = {}) =>
  `<path d="${d}" fill="none" stroke="${color}" stroke-width="${width}"${
    dash === undefined ? "" : ` stroke-dasharray="${dash}"`
  }/>`

const tip = (id, color) =>
  `<marker id="${id}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="${color}"/></marker>`

export const arrow = (d, color = soft) =>
  `<path d="${d}" fill="none" stroke="${color}" stroke-width="2" marker-end="url(#${
    color === again ? "again" : "to"
  })"/>`

export const picture = (width, height, label, content) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, DejaVu Sans, Verdana, Arial, sans-serif" role="img" aria-label="${label}">
<style>@media (prefers-color-scheme: dark){${darkRules.join("")}}</style>
<defs>
${tip("to", soft)}
${tip("again", again)}
</defs>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="12" fill="${card}" stroke="${line}"/>
${content.flat(Infinity).filter((part) => part !== "").join("\n")}
</svg>
`
