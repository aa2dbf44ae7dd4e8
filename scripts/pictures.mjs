/**
 * The pictures of docs/, made from the source and from a real run: `npm run pictures` draws them, and with `--check` it
 * says which are not as they would be drawn. Expects `npm run build` to have run.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { charts } from "../bench/chart.mjs"
import * as Emulator from "../dist/emulator/Emulator.js"
import * as NodeEmulator from "../dist/emulator/NodeEmulator.js"
import { Files, FileSource, Policy, Transfer } from "../dist/index.js"
import * as NodeFiles from "../dist/NodeFiles.js"
import {
  accent,
  again,
  arrow,
  blue,
  body,
  faint,
  green,
  line,
  orange,
  path as stroke,
  picture,
  rect,
  red,
  soft,
  text,
  violet
} from "./svg.mjs"

const read = (file) => fs.readFileSync(file, "utf8")
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
    timeout: [`${defaultOf(options, "TimeoutOptions", "connect")} to`, "connect; ends", "a silent try"]
  }
  const colours = [orange, red, green, blue, violet]
  const step = 130
  const left = 92
  const right = left + order.length * step + 44
  const width = right + 96
  return picture(width, 348, `The order of Policy.standard, from the outside in: ${order.join(", ")}`, [
    order.map((_, i) =>
      rect(left + i * step, 24 + i * 24, right - 12 * i - left - i * step, 290 - i * 34, colours[i], 10)
    ),
    order.map((name, i) => text(left + 12 + i * step, 48 + 24 * i, name, { size: 14, weight: "bold", mono: true })),
    order.map((name, i) => text(left + 12 + i * step, 226, says[name], { size: 12, fill: body })),
    text(46, 172, ["your", "program"], { anchor: "middle", fill: soft }),
    text(right + 52, 172, ["HttpClient,", "the service"], { anchor: "middle", fill: soft }),
    arrow(`M${left - 10} 164H${right + 6}`),
    arrow(`M${right + 6} 190H${left - 10}`),
    text(left + 12, 156, "request", { size: 12, fill: soft }),
    text(left + 12, 207, "answer", { size: 12, fill: soft }),
    arrow(`M${left + 120} 190C${left + 80} 190 ${left + 80} 164 ${left + 122} 164`, again),
    text(left + 50, 181, "again", { size: 12, fill: again }),
    text(width / 2, 334, "Policy.standard(): the outermost policy sees a request first and its answer last", {
      anchor: "middle",
      fill: body
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
  const top = 82
  const column = (i) => 304 + i * 60
  const y = (i) => top + i * row
  const rows = [...tags, ...reasons]
  const width = column(operations.length - 1) + 46
  const requestFailed = tags.indexOf("RequestFailed")
  const besides = [
    ["InvalidConfig, PolicyFailed", "when a Layer is built"],
    ["SaveFailed", "when a download is put on disk"],
    ["UploadStoreFailed, SyncFailed", "in the upload cache"],
    ["IngestFailed", "in the fleet"]
  ]
  const below = y(rows.length)
  return picture(width, below + 52 + besides.length * 20, "Which operation can fail with which error", [
    text(24, 32, "What each operation can fail with", { size: 16, weight: "bold" }),
    operations.map(({ title }, i) =>
      text(column(i), 58, title, { anchor: "middle", size: 11, fill: soft, mono: true })
    ),
    tags.map((tag, i) => [
      i % 2 === 0 ? `<rect x="20" y="${y(i) - 17}" width="${width - 40}" height="${row}" fill="${faint}"/>` : "",
      stroke(`M32 ${y(i) - 4}H48`, { width: 2 }),
      text(56, y(i), tag, { mono: true, weight: tag === "RequestFailed" ? "bold" : "normal" }),
      operations.map(({ members }, at) =>
        members.has(tag) ? `<circle cx="${column(at)}" cy="${y(i) - 4}" r="5.5" fill="${accent}"/>` : ""
      )
    ]),
    stroke(`M32 ${y(0) - 14}V${y(requestFailed) - 4}`, { width: 2 }),
    stroke(`M70 ${y(requestFailed) + 6}V${y(rows.length - 1) - 4}`, { width: 2 }),
    reasons.map((reason, i) => {
      const at = y(tags.length + i)
      return [
        stroke(`M70 ${at - 4}H86`, { width: 2 }),
        text(94, at, reason, { mono: true, fill: body })
      ]
    }),
    text(282, y(tags.length), "The reason of a RequestFailed says why the request could not be carried out.", {
      size: 12.5,
      fill: soft
    }),
    text(282, y(tags.length) + 20, "What an operation can't raise does not compile in its catchTag.", {
      size: 12.5,
      fill: soft
    }),
    stroke(`M24 ${below}H${width - 24}`),
    text(24, below + 26, "Beside the operations", { size: 12.5, fill: soft }),
    besides.map(([names, when], i) => [
      text(56, below + 48 + i * 20, names, { mono: true }),
      text(304, below + 48 + i * 20, when, { size: 12.5, fill: body })
    ])
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
  const stations = [
    [
      "on disk",
      orange,
      ["FileSource.path", `scan.pdf, ${figure(size)} bytes; size and time are noted`],
      ["Transfer.downloadToFile", `temporary file, synced, renamed: ${figure(run.saved)} bytes`]
    ],
    [
      "in your program",
      blue,
      ["preflight", "name, type, size and expiry, before a byte is sent"],
      ["Stream", "every byte, or a failure"]
    ],
    [
      "in your program",
      blue,
      [
        "multipart",
        `${run.chunks} pieces of up to ${run.largest / 2 ** 20} MiB, a frame of ${figure(run.length - size)} bytes`
      ],
      ["content", "length and silence are watched; a break is resumed"]
    ],
    [
      "in your program",
      blue,
      ["policies", "retry, circuit breaker, concurrency, rate, timeout"],
      ["policies", "the same, in the opposite order"]
    ],
    [
      "on the way",
      green,
      ["socket", `content-length ${figure(run.length)}; as fast as it is taken`],
      ["socket", "as fast as you read"]
    ],
    [
      "at the service",
      violet,
      ["service", `size_bytes ${figure(run.stored)}, which is what was sent`],
      ["service", `a content of ${figure(run.received)} bytes`]
    ]
  ]
  const box = 392
  const height = 52
  const step = 74
  const columns = [24, 24 + box + 22]
  const width = columns[1] + box + 24
  const top = 56
  const last = stations.length - 1
  return picture(
    width,
    top + last * step + height + 44,
    "The way of a byte: up from disk to the service, and back down",
    [
      text(columns[0], 36, "An upload goes down the page …", { size: 15, weight: "bold" }),
      text(columns[1], 36, "… and a download comes up it", { size: 15, weight: "bold" }),
      stations.map(([where, colours, up, down], i) =>
        [up, down].map(([title, says], lane) => [
          rect(columns[lane], top + i * step, box, height, colours),
          text(columns[lane] + 14, top + i * step + 21, title, { weight: "bold", mono: true }),
          text(columns[lane] + box - 14, top + i * step + 21, where, { anchor: "end", size: 11.5, fill: soft }),
          text(columns[lane] + 14, top + i * step + 41, says, { size: 12.5, fill: body })
        ])
      ),
      stations.slice(1).map((_, i) => [
        arrow(`M${columns[0] + 40} ${top + i * step + height}v${step - height - 2}`),
        arrow(`M${columns[1] + 40} ${top + (i + 1) * step}v${height - step + 2}`)
      ]),
      text(
        24,
        top + last * step + height + 28,
        "The figures are those of a real run over NodeFiles. Memory holds two pieces, whatever the size of the file.",
        { size: 12, fill: soft }
      )
    ]
  )
}

const fleet = () => {
  const box = (x, y, width, title, says, colours, mono = false) => [
    rect(x, y, width, 84, colours),
    text(x + width / 2, y + 25, title, { anchor: "middle", weight: "bold", mono }),
    text(x + width / 2, y + (says.length === 3 ? 45 : 49), says, {
      anchor: "middle",
      size: 12,
      fill: body
    })
  ]
  return picture(872, 386, "How a file goes through durable ingest", [
    rect(164, 18, 348, 350, [faint, line], 10),
    text(180, 44, "Postgres", { size: 15, weight: "bold" }),
    rect(538, 18, 172, 350, [faint, line], 10),
    text(554, 44, "Each runner", { size: 15, weight: "bold" }),
    box(16, 60, 122, "manifest", ["JSONL, CSV,", "folder, Stream"], orange),
    box(176, 60, 152, "ingest_items", ["a row for each item:", "pending"], blue, true),
    box(350, 60, 152, "ingest_queue", ["a message for each", "of the next 10,000"], blue, true),
    box(550, 60, 148, "taker", ["locks a message,", "uploads its item"], green),
    box(350, 168, 152, "uploads", ["by SHA-256: a note,", "then the file's id"], blue, true),
    box(550, 168, 148, "upload cache", ["each content once,", "after a crash too"], green),
    box(550, 272, 148, "policy", ["retries; one rate", "for all runners"], green),
    box(738, 272, 118, "Files API", ["500 requests", "a minute"], violet),
    box(738, 168, 118, "Redis", ["counts the rate", "of all runners"], violet),
    box(176, 272, 152, "ingest_items", ["done, with file_id;", "or failed, with", "a reason"], blue, true),
    arrow("M138 102H174"),
    arrow("M328 102H348"),
    arrow("M502 102H548"),
    arrow("M624 144V166"),
    arrow("M550 210H504"),
    arrow("M624 252V270"),
    arrow("M698 326H736"),
    arrow("M698 296H718V210H736"),
    arrow("M550 330H330"),
    text(440, 322, "row, then message", { anchor: "middle", size: 12, fill: soft }),
    arrow("M252 272V146", again),
    text(262, 200, ["retry,", "resume,", "renew"], { size: 12, fill: again })
  ])
}

const drawn = {
  "docs/policies.svg": policies(),
  "docs/errors.svg": errors(),
  "docs/byte.svg": await byte(),
  "docs/fleet.svg": fleet(),
  ...charts(JSON.parse(read("bench/results/latest.json")))
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
