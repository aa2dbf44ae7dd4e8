import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import { HttpBody } from "effect/http"
import { makeFilter } from "../../src/emulator/internal/files/delimiterBlanks.ts"
import { call, inProcess } from "./support.ts"

const boundary = "xYzBoundary"

const disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\""

const part = (lines: ReadonlyArray<string>, content = "hello") =>
  `--${boundary}\r\n${lines.join("\r\n")}\r\n\r\n${content}\r\n--${boundary}--\r\n`

const post = (type: string, body: string, size = 1_000_000) => {
  const bytes = new TextEncoder().encode(body)
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size))
  return call("POST", "/v1/files", { body: HttpBody.stream(Stream.fromIterable(pieces, { chunkSize: 1 }), type) })
}

const plain = `multipart/form-data; boundary=${boundary}`

const bodies: ReadonlyArray<readonly [what: string, type: string, body: string, filename?: string]> = [
  [
    "a quoted boundary, bare parameters, filename* as well",
    `multipart/form-data; charset=utf-8; boundary="${boundary}"`,
    part([
      "Content-Type: text/plain",
      "Content-Disposition: form-data; name=file; filename=a.txt; filename*=utf-8''a.txt"
    ])
  ],
  [
    "filename* alone",
    plain,
    part(["Content-Disposition: form-data; name=\"file\"; filename*=utf-8''J%C3%A4hrlich.pdf"]),
    "J\u00e4hrlich.pdf"
  ],
  ["a part with its own length", plain, part([disposition, "Content-Length: 5", "Content-Type: text/plain"])],
  ["a transfer encoding of binary", plain, part([disposition, "Content-Transfer-Encoding: binary"])],
  [
    "upper case throughout",
    `Multipart/Form-Data; BOUNDARY=${boundary}`,
    part(["CONTENT-DISPOSITION: FORM-DATA; NAME=\"file\"; FILENAME=\"a.txt\""])
  ],
  ["no line break at the end", plain, part([disposition]).slice(0, -2)],
  ["blanks behind the first delimiter", plain, part([disposition]).replace(`--${boundary}\r\n`, `--${boundary}  \r\n`)],
  ["blanks behind every delimiter", plain, part([disposition]).replaceAll(/(--xYzBoundary(?:--)?)\r\n/g, "$1 \t\r\n")],
  ["a preamble", plain, `ignore me\r\n${part([disposition])}`],
  ["an epilogue", plain, `${part([disposition])}ignore me\r\n`]
]

describe("multipart bodies of other clients", () => {
  for (const [what, type, body, filename = "a.txt"] of bodies) {
    it.effect(`are understood with ${what}, in pieces of any size`, () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        for (const size of [1, 3, 17, 1_000_000]) {
          const answer = yield* post(type, body, size)
          assert.strictEqual(answer.json.filename, filename, `${size} at a time: ${answer.text}`)
          assert.strictEqual(new TextDecoder().decode(yield* emulator.content(answer.json.id)), "hello")
        }
      }).pipe(Effect.provide(inProcess())))
  }

  it.effect.each<readonly [what: string, body: string, said: RegExp]>([
    ["line feeds alone", part([disposition]).replaceAll("\r\n", "\n"), /each line ends with CR LF/],
    ["a name of 100,000 characters", part([disposition.replace("a.txt", "x".repeat(100_000))]), /too large/],
    ["200 headers", part([disposition, ...Array.from({ length: 200 }, (_, i) => `x-${i}: 1`)]), /too many/]
  ])("are refused in plain words with $0", ([, body, said]) =>
    Effect.gen(function*() {
      const answer = yield* post(plain, body)
      assert.strictEqual(answer.status, 400)
      assert.match(answer.text, said)
    }).pipe(Effect.provide(inProcess())))

  it.effect("keep blanks and delimiters that are part of the content", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const contents = [
        `he\r\n--${boundary.slice(0, -1)}\r\nllo`,
        `x--${boundary} \r\n`,
        `\r\n --${boundary}\r\n`,
        `\r\r\n--${boundary.slice(0, 5)} \r\n`,
        " \r\n\t\r\n",
        "\r"
      ]
      for (const content of contents) {
        for (const size of [1, 7, 1_000_000]) {
          const answer = yield* post(plain, part([disposition], content), size)
          const stored = new TextDecoder().decode(yield* emulator.content(answer.json.id))
          assert.strictEqual(stored, content, `${size} at a time`)
        }
      }
    }).pipe(Effect.provide(inProcess())))

  it("are not copied if there is nothing to remove", () => {
    const filter = makeFilter(boundary)
    filter(new TextEncoder().encode(`--${boundary}\r\n`))
    filter(new Uint8Array(1000).fill(65))
    const chunk = new Uint8Array(1000).fill(65)
    const [piece] = filter(chunk)
    assert.strictEqual(piece?.buffer, chunk.buffer)
  })
})
