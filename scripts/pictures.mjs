/**
 * The pictures of docs/, made from the source and from a real run: `npm run pictures` draws them, and with `--check` it
 * says which are not as they would be drawn. Expects `npm run build` to have run.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Emulator from "../dist/emulator/Emulator.js"
import * as NodeEmulator from "../dist/emulator/NodeEmulator.js"
import { Files, FileSource, Policy, Transfer } from "../dist/index.js"
import * as NodeFiles from "../dist/NodeFiles.js"

const read = (file) => fs.readFileSync(file, "utf8")
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const ink = "#0f172a"
const soft = "#475569"
const line = "#cbd5e1"

/** A text, or several lines of one. */
const text = (x, y, content, { anchor = "start", fill = ink, size = 13, weight = "normal", mono = false } = {}) =>
  [content].flat().map((row, i) =>
    `<text x="${x}" y="${
      y + i * (size + 4)
    }" font-size="${size}" fill="${fill}" text-anchor="${anchor}" font-weight="${weight}"${
      mono ? ` font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace"` : ""
    }>${escape(row)}</text>`
  ).join("\n")

/** A card of its own colour, so that the picture reads the same on a light and on a dark page. */
const picture = (width, height, label, body) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, DejaVu Sans, Verdana, Arial, sans-serif" role="img" aria-label="${label}">
<defs>
<marker id="to" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="${soft}"/></marker>
<marker id="again" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#b45309"/></marker>
</defs>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="12" fill="#ffffff" stroke="${line}"/>
${body.flat(Infinity).join("\n")}
</svg>
`

/** What stands as `@default` at an option. */
const defaultOf = (file, type, option) => {
  const from = read(file).split(`export interface ${type} `)[1] ?? ""
  const before = from.slice(0, from.indexOf(`readonly ${option}?`))
  const found = Array.from(before.matchAll(/@default "?([^"\n*]+?)"?(?: \*\/)?\n/g)).at(-1)?.[1]
  if (found === undefined) throw new Error(`${type}.${option} in ${file} has no @default`)
  return found
}

const policies = () => {
  const options = "src/internal/policy/options.ts"
  const source = read("src/Policy.ts")
  // The order is that of the stack itself.
  const order = Array.from(
    source.slice(source.indexOf("export const standard")).matchAll(/options\.(\w+) === false/g),
    ([, name]) => name
  )
  const says = {
    retry: [
      `up to ${defaultOf(options, "RetryOptions", "times")} more tries,`,
      "waits as asked,",
      "looks for a lost",
      "upload first"
    ],
    circuitBreaker: [
      "fails at once for",
      `${defaultOf(options, "CircuitBreakerOptions", "openDuration")} after`,
      "5 failures in a row"
    ],
    concurrency: [`${defaultOf("src/Policy.ts", "StandardOptions", "concurrency")} requests`, "at a time,", "in order"],
    rateLimit: [
      `${Number.parseInt(defaultOf(options, "RateLimitOptions", "requestsPerMinute"))} a minute,`,
      "each try counts,",
      "sent on its turn"
    ],
    timeout: [`${defaultOf(options, "TimeoutOptions", "connect")} to`, "connect; ends a try", "that is silent"]
  }
  const colours = [["#fff7ed", "#f59e0b"], ["#fef2f2", "#f87171"], ["#f0fdf4", "#4ade80"], ["#eff6ff", "#60a5fa"], [
    "#f5f3ff",
    "#a78bfa"
  ]]
  const step = 156
  const left = 116
  const right = left + order.length * step + 34
  return picture(right + 120, 372, `The order of Policy.standard, from the outside in: ${order.join(", ")}`, [
    order.map((_, i) => {
      const inset = 12 * i
      return `<rect x="${left + i * step}" y="${24 + inset * 2}" width="${right - inset - left - i * step}" height="${
        306 - inset * 3.2
      }" rx="10" fill="${colours[i][0]}" stroke="${colours[i][1]}"/>`
    }),
    order.map((name, i) => text(left + 14 + i * step, 48 + 24 * i, name, { size: 15, weight: "bold", mono: true })),
    order.map((name, i) => text(left + 14 + i * step, 234, says[name], { size: 12, fill: "#334155" })),
    text(58, 172, ["your", "program"], { anchor: "middle", fill: soft }),
    text(right + 60, 172, ["HttpClient,", "the service"], { anchor: "middle", fill: soft }),
    `<path d="M${left - 16} 170H${right + 6}" stroke="${soft}" stroke-width="2" marker-end="url(#to)"/>`,
    `<path d="M${right + 6} 196H${left - 16}" stroke="${soft}" stroke-width="2" marker-end="url(#to)"/>`,
    text(left + 14, 162, "request", { size: 11, fill: soft }),
    text(left + 14, 211, "answer", { size: 11, fill: soft }),
    `<path d="M${left + 134} 196C${left + 92} 196 ${left + 92} 170 ${
      left + 136
    } 170" fill="none" stroke="#b45309" stroke-width="2.5" marker-end="url(#again)"/>`,
    text(left + 68, 187, "again", { size: 11, fill: "#b45309" }),
    text((right + 120) / 2, 356, "Policy.standard(): the outermost policy sees a request first and its answer last", {
      anchor: "middle",
      fill: "#334155"
    })
  ])
}

/** `export type UploadError = | A | B`, other unions in it resolved. */
const unionOf = (source, name) => {
  const body = new RegExp(`export type ${name} =([^]*?)\\n\\n`).exec(source)?.[1] ?? ""
  return Array.from(body.matchAll(/\b[A-Z]\w+/g), ([member]) => member)
    .flatMap((member) => member.endsWith("Error") ? unionOf(source, member) : [member])
}

const schemaUnion = (source, name) =>
  Array.from(
    new RegExp(`export const ${name} = Schema.Union\\(\\[([^]*?)\\]\\)`).exec(source)[1].matchAll(/\w+/g),
    ([member]) => member
  )

const errors = () => {
  const source = read("src/FilesError.ts")
  const tags = schemaUnion(source, "FilesError")
  const reasons = schemaUnion(source, "Reason")
  const operations = [
    ["upload", "UploadError"],
    ["list", "ListError"],
    ["metadata", "MetadataError"],
    ["download", "DownloadError"],
    ["delete", "DeleteError"],
    ["message", "MessageError"],
    ["stream", "StreamMessageError"],
    ["batch", "CreateBatchError"],
    ["results", "BatchResultsError"]
  ].map(([title, type]) => ({ title, members: new Set(unionOf(source, type)) }))
  const row = 24
  const top = 68
  const column = (i) => 470 + i * 74
  const y = (i) => top + i * row
  const rows = [...tags, ...reasons]
  const width = column(operations.length - 1) + 62
  const requestFailed = tags.indexOf("RequestFailed")
  return picture(width, y(rows.length) + 62, "Which operation can fail with which error", [
    text(24, 36, "What each operation can fail with", { size: 16, weight: "bold" }),
    operations.map(({ title }, i) =>
      text(column(i), 46, title, { anchor: "middle", size: 12, fill: soft, mono: true })
    ),
    `<path d="M32 ${y(0) - 14}V${y(requestFailed) - 4}" stroke="${line}" stroke-width="2"/>`,
    tags.map((tag, i) => [
      i % 2 === 0 ? `<rect x="20" y="${y(i) - 17}" width="${width - 40}" height="${row}" fill="#f8fafc"/>` : "",
      `<path d="M32 ${y(i) - 4}H48" stroke="${line}" stroke-width="2"/>`,
      text(56, y(i), tag, { mono: true, weight: tag === "RequestFailed" ? "bold" : "normal" }),
      operations.map(({ members }, at) =>
        members.has(tag) ? `<circle cx="${column(at)}" cy="${y(i) - 4}" r="5.5" fill="#2563eb"/>` : ""
      )
    ]),
    `<path d="M32 ${y(0) - 14}V${y(requestFailed) - 4}" stroke="${line}" stroke-width="2"/>`,
    `<path d="M70 ${y(requestFailed) + 6}V${y(rows.length - 1) - 4}" stroke="${line}" stroke-width="2"/>`,
    reasons.map((reason, i) => {
      const at = y(tags.length + i)
      return [
        `<path d="M70 ${at - 4}H86" stroke="${line}" stroke-width="2"/>`,
        text(94, at, reason, { mono: true, fill: "#334155" })
      ]
    }),
    text(300, y(tags.length), ["its reason says why the request", "could not be carried out"], {
      size: 12,
      fill: soft
    }),
    `<path d="M24 ${y(rows.length)}H${width - 24}" stroke="${line}"/>`,
    text(24, y(rows.length) + 26, "Beside the operations:", { size: 12, fill: soft }),
    text(
      170,
      y(rows.length) + 26,
      "InvalidConfig and PolicyFailed when a Layer is built · SaveFailed on disk · SyncFailed, UploadStoreFailed in the upload cache · IngestFailed in the fleet",
      {
        size: 12,
        fill: "#334155"
      }
    ),
    text(24, y(rows.length) + 46, "What an operation can't raise does not compile in its catchTag.", {
      size: 12,
      fill: soft
    })
  ])
}

const size = 5_000_000

/** Uploads a file from disk and downloads one, and notes what passes each station. */
const measure = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pictures-"))
  const source = path.join(directory, "scan.pdf")
  fs.writeFileSync(source, Buffer.alloc(size, "%PDF-1.4 "))
  const made = yield* emulator.seed({ filename: "chart.png", content: Buffer.alloc(size, 1), downloadable: true })
  const sent = []
  const received = []
  const program = Effect.gen(function*() {
    const file = yield* Files.upload(
      FileSource.tap(FileSource.path(source), (chunk) => Effect.sync(() => sent.push(chunk.length)))
    )
    yield* Stream.runForEach(Files.download(made.id), (chunk) => Effect.sync(() => received.push(chunk.length)))
    const saved = yield* Transfer.downloadToFile(made.id, path.join(directory, "chart.png"))
    return { stored: file.size_bytes, saved: saved.bytes }
  })
  const layer = NodeFiles.layer({ apiKey: emulator.apiKey, baseUrl: emulator.url }, Policy.standard())
  const { saved, stored } = yield* Effect.provide(program, layer)
  const [upload] = yield* emulator.requests
  fs.rmSync(directory, { recursive: true, force: true })
  return {
    chunks: sent.length,
    largest: Math.max(...sent),
    length: Number(upload.headers["content-length"]),
    stored,
    saved,
    received: received.reduce((sum, bytes) => sum + bytes, 0)
  }
}).pipe(Effect.provide(NodeEmulator.layerServer()))

const figure = (value) => value.toLocaleString("en")

const byte = async () => {
  const run = await Effect.runPromise(measure)
  const up = [
    ["FileSource.path", [`scan.pdf, ${figure(size)} bytes`, "size and time noted"], "disk"],
    ["check", ["name, type, size,", "expiry: nothing sent yet"], "here"],
    ["multipart", [
      `${run.chunks} pieces of up to ${run.largest / 2 ** 20} MiB,`,
      `frame of ${figure(run.length - size)} bytes`
    ], "here"],
    ["policies", ["retry, breaker, places,", "turns, timeouts"], "here"],
    ["socket", [`content-length ${figure(run.length)},`, "as fast as it is taken"], "net"],
    ["service", [`size_bytes ${figure(run.stored)}`, "is what was sent"], "there"]
  ]
  const down = [
    ["service", [`content, ${figure(run.received)} bytes`], "there"],
    ["socket", ["silence is watched,", "length is checked"], "net"],
    ["policies", ["a break goes on", "where it broke"], "here"],
    ["Stream", ["complete, or", "a failure"], "here"],
    ["temporary file", ["0600, beside", "the target; synced"], "disk"],
    ["chart.png", [`${figure(run.saved)} bytes,`, "by a rename"], "disk"]
  ]
  const fills = { disk: "#fff7ed", here: "#eff6ff", net: "#f0fdf4", there: "#f5f3ff" }
  const strokes = { disk: "#f59e0b", here: "#60a5fa", net: "#4ade80", there: "#a78bfa" }
  const box = 172
  const gap = 22
  const lane = (stations, top) =>
    stations.map(([title, says, where], i) => {
      const x = 24 + i * (box + gap)
      return [
        `<rect x="${x}" y="${top}" width="${box}" height="84" rx="8" fill="${fills[where]}" stroke="${
          strokes[where]
        }"/>`,
        text(x + box / 2, top + 26, title, { anchor: "middle", weight: "bold", mono: true }),
        text(x + box / 2, top + 50, says, { anchor: "middle", size: 11, fill: "#334155" }),
        i === 0
          ? ""
          : `<path d="M${x - gap + 2} ${top + 42}H${x - 3}" stroke="${soft}" stroke-width="2" marker-end="url(#to)"/>`
      ]
    })
  const width = 24 + 6 * (box + gap) - gap + 24
  return picture(width, 318, "The way of a byte: up from disk to the service, and down to disk", [
    text(24, 36, "Up", { size: 16, weight: "bold" }),
    lane(up, 52),
    text(24, 182, "Down", { size: 16, weight: "bold" }),
    lane(down, 198),
    text(
      24,
      304,
      "Figures of a real run over NodeFiles against the emulator; memory holds two pieces, whatever the size.",
      {
        size: 11,
        fill: soft
      }
    )
  ])
}

const fleet = () => {
  const box = (x, y, width, title, says, [fill, stroke], mono = false) => [
    `<rect x="${x}" y="${y}" width="${width}" height="84" rx="8" fill="${fill}" stroke="${stroke}"/>`,
    text(x + width / 2, y + 26, title, { anchor: "middle", weight: "bold", mono }),
    text(x + width / 2, y + 50, says, { anchor: "middle", size: 11, fill: "#334155" })
  ]
  const arrow = (path, color = soft, marker = "to") =>
    `<path d="${path}" fill="none" stroke="${color}" stroke-width="2" marker-end="url(#${marker})"/>`
  const input = ["#fff7ed", "#f59e0b"]
  const database = ["#eff6ff", "#60a5fa"]
  const runner = ["#f0fdf4", "#4ade80"]
  const outside = ["#f5f3ff", "#a78bfa"]
  return picture(1010, 392, "How a file goes through durable ingest", [
    `<rect x="206" y="20" width="404" height="352" rx="10" fill="#f8fafc" stroke="${line}"/>`,
    text(222, 44, "Postgres", { size: 15, weight: "bold" }),
    `<rect x="648" y="20" width="182" height="352" rx="10" fill="#f8fafc" stroke="${line}"/>`,
    text(664, 44, "Each runner", { size: 15, weight: "bold" }),
    box(20, 64, 150, "manifest", ["JSONL, CSV, folder,", "rows, or a Stream"], input),
    box(222, 64, 166, "ingest_items", ["an item a row:", "pending"], database, true),
    box(428, 64, 166, "ingest_queue", ["the next 10,000,", "a message each"], database, true),
    box(664, 64, 150, "taker", ["one of concurrency,", "locks its message"], runner),
    box(428, 176, 166, "uploads", ["by SHA-256: a note first,", "then the file's id"], database, true),
    box(664, 176, 150, "upload cache", ["each content once,", "also after a crash"], runner),
    box(664, 276, 150, "policy", ["retries, one rate", "for all runners"], runner),
    box(860, 276, 130, "Files API", ["500 requests", "a minute"], outside),
    box(860, 176, 130, "Redis", ["counts the rate", "of all"], outside),
    box(222, 276, 166, "ingest_items", ["done, with file_id;", "or failed, with its reason"], database, true),
    arrow("M170 106H219"),
    arrow("M388 106H425"),
    arrow("M594 106H661"),
    arrow("M739 148V173"),
    arrow("M664 218H597"),
    arrow("M739 260V273"),
    arrow("M814 318H857"),
    arrow("M814 296C838 296 836 218 857 218"),
    arrow("M664 338H391"),
    text(520, 332, "the row, then the message", { anchor: "middle", size: 11, fill: soft }),
    arrow("M305 276V151", "#b45309", "again"),
    text(298, 208, ["retry, resume,", "renew"], { anchor: "end", size: 11, fill: "#b45309" })
  ])
}

const drawn = {
  "docs/policies.svg": policies(),
  "docs/errors.svg": errors(),
  "docs/byte.svg": await byte(),
  "docs/fleet.svg": fleet()
}

const isCheck = process.argv.includes("--check")
for (const [file, svg] of Object.entries(drawn)) {
  if (!isCheck) {
    fs.writeFileSync(file, svg)
    console.log(`${file}, ${svg.length} characters`)
  } else if (!fs.existsSync(file) || read(file) !== svg) {
    console.log(`${file} is not as it would be drawn: npm run pictures`)
    process.exitCode = 1
  }
}
