/**
 * Makes the files that the examples upload: a PDF with real text, a PNG with a chart, a CSV. All three are about the
 * same made-up lighthouse, so that questions about them have answers. Every run writes the same bytes.
 */
import * as fs from "node:fs"
import * as zlib from "node:zlib"

const folder = new URL("../examples/assets/", import.meta.url)
fs.mkdirSync(folder, { recursive: true })

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const visitors = [120, 95, 210, 430, 640, 980, 1420, 1510, 870, 460, 180, 140]
const nights = [31, 28, 31, 30, 29, 30, 31, 31, 30, 30, 27, 31]

fs.writeFileSync(
  new URL("lighthouse.csv", folder),
  `month,visitors,nights_lit,lamp_hours\n${
    months.map((month, i) => `${month},${visitors[i]},${nights[i]},${nights[i] * (14 - Math.abs(5.5 - i) / 2)}`).join(
      "\n"
    )
  }\n`
)

const pages = [
  [
    ["F2 24", "Annual report of the Skerry Point light"],
    ["F1 12", "Year 2025. Prepared by the keeper for the harbour trust."],
    ["F2 14", "1. The light"],
    ["F1 12", "The lamp was lit on 359 of 365 nights. Two nights were lost in May, when the"],
    ["F1 12", "lens was taken out for polishing, and three in November to a storm that broke"],
    ["F1 12", "the gallery window. One night in June, the shortest, needed no light at all."],
    ["F2 14", "2. Visitors"],
    ["F1 12", "7,055 people climbed the 196 steps, 12 per cent more than the year before."],
    ["F1 12", "August was the busiest month with 1,510 visitors, February the quietest with 95."]
  ],
  [
    ["F2 14", "3. Money"],
    ["F1 12", "Tickets brought in 42,330 pounds. The new gallery window cost 6,180 pounds, of"],
    ["F1 12", "which the insurance paid 5,000. The trust ends the year with 18,904 pounds."],
    ["F2 14", "4. Next year"],
    ["F1 12", "The lamp is to be changed to a 400 watt metal halide one in March 2026. The"],
    ["F1 12", "keeper asks for a second handrail on the upper stair before the summer."]
  ]
]

const escape = (text) => text.replace(/[\\()]/g, "\\$&")

const content = (lines) => {
  let y = 780
  return lines.map(([style, text]) => {
    const [font, size] = style.split(" ")
    y -= font === "F2" ? 36 : 18
    return `BT /${font} ${size} Tf 72 ${y} Td (${escape(text)}) Tj ET`
  }).join("\n")
}

const objects = [
  "<< /Type /Catalog /Pages 2 0 R >>",
  `<< /Type /Pages /Kids [${pages.map((_, i) => `${5 + i * 2} 0 R`).join(" ")}] /Count ${pages.length} >>`,
  "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
  "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
  ...pages.flatMap((lines, i) => {
    const stream = content(lines)
    return [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents ${
        6 + i * 2
      } 0 R >>`,
      `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`
    ]
  })
]
let pdf = "%PDF-1.4\n"
const offsets = objects.map((object, i) => {
  const offset = pdf.length
  pdf += `${i + 1} 0 obj\n${object}\nendobj\n`
  return offset
})
const xref = pdf.length
pdf += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${
  offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("")
}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${xref}\n%%EOF\n`
fs.writeFileSync(new URL("lighthouse.pdf", folder), pdf, "latin1")

const width = 480
const height = 300
const pixels = Buffer.alloc(height * (1 + width * 3), 255)
const rectangle = (x0, y0, x1, y1, [r, g, b]) => {
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) pixels.set([r, g, b], y * (1 + width * 3) + 1 + x * 3)
  }
}
for (let y = 0; y < height; y++) pixels[y * (1 + width * 3)] = 0
for (let line = 0; line <= 4; line++) rectangle(30, 270 - line * 60, 460, 271 - line * 60, [222, 222, 228])
visitors.forEach((count, i) => {
  const top = 270 - Math.round((count / 1600) * 240)
  rectangle(38 + i * 35, top, 62 + i * 35, 270, count === 1510 ? [204, 72, 48] : [52, 98, 160])
})
rectangle(30, 270, 460, 272, [40, 40, 48])

const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(zlib.crc32(body))
  return Buffer.concat([length, body, crc])
}
const header = Buffer.alloc(13)
header.writeUInt32BE(width, 0)
header.writeUInt32BE(height, 4)
header.set([8, 2, 0, 0, 0], 8)
fs.writeFileSync(
  new URL("visitors.png", folder),
  Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", header),
    chunk("IDAT", zlib.deflateSync(pixels, { level: 9 })),
    chunk("IEND", Buffer.alloc(0))
  ])
)
