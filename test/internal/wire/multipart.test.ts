import { assert, describe, it } from "@effect/vitest"
import busboy from "busboy"
import { Arbitrary, Effect, Schema, Stream } from "effect"
import { Readable } from "node:stream"
import * as Multipart from "../../../src/internal/wire/multipart.ts"

const boundary = "effect-anthropic-files-00112233445566778899aabbccddeeff"
/** All but the last character of it is the delimiter. */
const nearBoundary = `${boundary.slice(0, -1)}e`

const encoder = new TextEncoder()

interface Part {
  readonly name: string | undefined
  readonly filename: string | undefined
  readonly mimeType: string | undefined
  readonly content: Uint8Array
}

/** What busboy makes of a body. It does not take the form-data escaping off. */
const busboyParts = (contentType: string, body: Uint8Array): Promise<ReadonlyArray<Part>> =>
  new Promise((resolve, reject) => {
    const parts: Array<Part> = []
    const parser = busboy({
      headers: { "content-type": contentType },
      defParamCharset: "utf8",
      preservePath: true
    })
    parser.on("field", (name, value, { mimeType }) => {
      parts.push({ name, filename: undefined, mimeType, content: encoder.encode(value) })
    })
    parser.on("file", (name, stream, { filename, mimeType }) => {
      const chunks: Array<Buffer> = []
      stream.on("data", (chunk: Buffer) => chunks.push(chunk))
      stream.on("error", reject)
      stream.on("end", () => parts.push({ name, filename, mimeType, content: Buffer.concat(chunks) }))
    })
    parser.on("error", reject)
    parser.on("close", () => resolve(parts))
    Readable.from([body]).pipe(parser)
  })

/** What a WHATWG parser makes of it: the escaping is taken off. */
const webParts = async (contentType: string, body: Uint8Array): Promise<ReadonlyArray<Part>> => {
  const form = await new Response(new Uint8Array(body), { headers: { "content-type": contentType } }).formData()
  const parts: Array<Part> = []
  for (const [name, value] of form) {
    parts.push(
      typeof value === "string"
        ? { name, filename: undefined, mimeType: undefined, content: encoder.encode(value) }
        : { name, filename: value.name, mimeType: value.type, content: new Uint8Array(await value.arrayBuffer()) }
    )
  }
  return parts
}

/** The inverse of the form-data escaping. A name that held `%22` itself comes back as a quote: no escape for `%`. */
const unescape = (name: string) => name.replaceAll("%22", "\"").replaceAll("%0D", "\r").replaceAll("%0A", "\n")

/** What UTF-8 can carry: a lone surrogate becomes U+FFFD. */
const wellFormed = (text: string) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(encoder.encode(text))

/** A name as this parser gives it: it takes one leading byte order mark for just that. */
const decoded = (name: string) => unescape(new TextDecoder().decode(encoder.encode(Multipart.escapeName(name))))

const joined = (pieces: ReadonlyArray<string>) =>
  Arbitrary.map(
    Arbitrary.schema(Schema.Array(Schema.Literals(pieces)).check(Schema.isBetweenLength(1, 24))),
    (chosen) => chosen.join("")
  )

const plain = [
  "a",
  "Z",
  "9",
  " ",
  ".",
  ";",
  "=",
  "'",
  "%",
  "%22",
  "\t",
  "é",
  "e\u0301",
  "日本",
  "😀",
  "\u202e",
  "\u2028",
  "\u200b",
  "\ufeff",
  "--",
  "..",
  "/",
  ":",
  "<",
  "|",
  "*",
  "?"
]

const breakingOut = [
  "\"",
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  "\"; filename=\"x",
  "\"\r\ncontent-type: text/html",
  "\r\nx-forged: 1",
  `\r\n--${boundary}\r\n`,
  `\r\n--${boundary}--\r\n`
]

/** Names that both parsers read back. */
const name = joined([...plain, ...breakingOut])

/** Names that hold raw controls, backslashes and lone surrogates besides: a strict parser may refuse those. */
const hostileName = joined([...plain, ...breakingOut, "\0", "\u0001", "\u001b", "\u007f", "\\", "\\\"", "\ud800"])

const Bytes = Arbitrary.map(
  Arbitrary.schema(Schema.Array(Schema.Union([
    Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))),
    Schema.Literals([
      "\r\n",
      "\r\n--",
      "--",
      `--${nearBoundary}`,
      `\r\n--${nearBoundary}`,
      "\r\n--effect-anthropic-files-",
      "\r",
      "\n\r\n\r",
      "content-disposition: form-data; name=\"file\"\r\n\r\n"
    ])
  ]))),
  (pieces) => Buffer.concat(pieces.map((piece) => Buffer.from(piece as string)))
)

const value = joined([...plain, "\"", "\r\n", "\r\n--", "\n", "--", "\0", "3600"])

const fields = (names: Arbitrary.Arbitrary<string>) => Arbitrary.array(Arbitrary.all([names, value]), { maxLength: 3 })

const mimeType = Arbitrary.schema(
  Schema.UndefinedOr(Schema.Literals(["text/plain", "application/pdf", "image/svg+xml"]))
)

const bodyOf = (input: {
  readonly filename: string
  readonly fields: ReadonlyArray<readonly [string, string]>
  readonly mimeType?: string | undefined
  readonly content: Uint8Array
}) => {
  const frame = Multipart.frame({ boundary, mimeType: undefined, ...input })
  return { frame, body: Multipart.toBytes(frame, input.content) }
}

const checkParts = (
  parts: ReadonlyArray<Part>,
  input: { readonly fields: ReadonlyArray<readonly [string, string]>; readonly content: Uint8Array },
  name: string
) => {
  const file = parts.at(-1)
  assert.strictEqual(parts.length, input.fields.length + 1)
  assert.strictEqual(file?.name, "file")
  assert.strictEqual(file?.filename, name)
  assert.isTrue(file !== undefined && Buffer.compare(file.content, input.content) === 0, "the content differs")
  input.fields.forEach(([, value], index) => {
    // The platform's parser takes byte order marks off the start of a text, one or all of them.
    const unmarked = (text: string) => text.replace(/^\ufeff+/, "")
    const read = Buffer.from(parts[index]?.content ?? []).toString()
    assert.strictEqual(unmarked(read), unmarked(wellFormed(value)))
  })
}

describe("frame, read by busboy", () => {
  it.effect.prop(
    "any name, fields and bytes come through",
    { filename: name, fields: fields(name), mimeType, content: Bytes },
    (input) =>
      Effect.gen(function*() {
        const { body, frame } = bodyOf(input)
        const parts = yield* Effect.promise(() => busboyParts(frame.contentType, body))
        checkParts(parts, input, Multipart.escapeName(input.filename))
        input.fields.forEach(([name], index) => {
          assert.strictEqual(parts[index]?.name, Multipart.escapeName(name))
        })
        // Its default for a part without a type is text/plain.
        assert.strictEqual(parts.at(-1)?.mimeType, input.mimeType ?? "text/plain")
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.each([255, 256, 500])("a name of %i characters comes through", (length) =>
    Effect.gen(function*() {
      for (const filename of ["x".repeat(length), "é".repeat(length), "😀".repeat(length)]) {
        const { body, frame } = bodyOf({ filename, fields: [], content: new Uint8Array([1]) })
        const [part] = yield* Effect.promise(() => busboyParts(frame.contentType, body))
        assert.strictEqual(part?.filename, filename)
      }
    }))
})

describe("frame, read by the platform's Response.formData", () => {
  it.effect.prop(
    "any name, fields and bytes come through",
    { filename: hostileName, fields: fields(hostileName), mimeType, content: Bytes },
    (input) =>
      Effect.gen(function*() {
        const { body, frame } = bodyOf(input)
        const parts = yield* Effect.promise(() => webParts(frame.contentType, body))
        checkParts(parts, input, decoded(input.filename))
        input.fields.forEach(([name], index) => {
          assert.strictEqual(parts[index]?.name, decoded(name))
        })
        if (input.mimeType !== undefined) assert.strictEqual(parts.at(-1)?.mimeType, input.mimeType)
      }),
    { arbitrary: { runs: 300 } }
  )
})

describe("frame", () => {
  it.effect.prop(
    "no name adds a header line or a part",
    { filename: hostileName, fields: fields(hostileName), mimeType },
    ({ fields, filename, mimeType }) =>
      Effect.sync(() => {
        // Values may hold anything; only what stands in headers is looked at here.
        const frame = Multipart.frame({ boundary, filename, mimeType, fields: fields.map(([name]) => [name, "v"]) })
        const head = Buffer.from(frame.head).toString()
        const lines = head.split("\r\n")
        const perField = 4
        assert.strictEqual(lines.length, fields.length * perField + (mimeType === undefined ? 4 : 5))
        assert.strictEqual(lines.filter((line) => line === `--${boundary}`).length, fields.length + 1)
        assert.strictEqual(lines.filter((line) => line.startsWith("Content-Disposition: ")).length, fields.length + 1)
        assert.strictEqual(
          lines.filter((line) => line.startsWith("Content-Type: ")).length,
          mimeType === undefined ? 0 : 1
        )
        assert.isFalse(/\r(?!\n)|(?<!\r)\n/.test(head), "a lone CR or LF stands in the head")
        for (const line of lines.filter((line) => line.startsWith("Content-Disposition: "))) {
          assert.include([2, 4], line.split("\"").length - 1)
        }
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.prop(
    "its lengths add up, and the stream is the same as the bytes",
    { filename: hostileName, fields: fields(hostileName), content: Bytes, mimeType },
    (input) =>
      Effect.gen(function*() {
        const { body, frame } = bodyOf(input)
        assert.strictEqual(body.length, frame.head.length + input.content.length + frame.tail.length)
        const chunks = Array.from({ length: Math.ceil(input.content.length / 7) }, (_, index) =>
          input.content.subarray(index * 7, index * 7 + 7))
        const streamed = yield* Stream.mkUint8Array(Multipart.toStream(frame, Stream.fromIterable(chunks)))
        assert.isTrue(Buffer.compare(streamed, body) === 0)
        const whole = yield* Stream.mkUint8Array(Multipart.toStream(frame, Stream.make(input.content)))
        assert.isTrue(Buffer.compare(whole, body) === 0)
      })
  )

  it.effect("a failure of the content fails the stream, and the tail never follows", () =>
    Effect.gen(function*() {
      const { frame } = bodyOf({ filename: "a", fields: [], content: new Uint8Array() })
      const seen: Array<Uint8Array> = []
      const error = yield* Multipart.toStream(frame, Stream.concat(Stream.make(encoder.encode("x")), Stream.fail("no")))
        .pipe(Stream.runForEach((chunk) => Effect.sync(() => seen.push(chunk))), Effect.flip)
      assert.strictEqual(error, "no")
      assert.strictEqual(Buffer.concat(seen).toString(), `${Buffer.from(frame.head).toString()}x`)
    }))

  it.effect("the file goes last, and has no content-type when none is known", () =>
    Effect.sync(() => {
      const { body, frame } = bodyOf({
        filename: "a.txt",
        fields: [["expires_in_seconds", "3600"]],
        content: encoder.encode("hello")
      })
      assert.strictEqual(frame.contentType, `multipart/form-data; boundary=${boundary}`)
      assert.strictEqual(
        Buffer.from(body).toString(),
        [
          `--${boundary}`,
          "Content-Disposition: form-data; name=\"expires_in_seconds\"",
          "",
          "3600",
          `--${boundary}`,
          "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"",
          "",
          "hello",
          `--${boundary}--`,
          ""
        ].join("\r\n")
      )
    }))
})

describe("makeBoundary", () => {
  it.effect("is a new token of at most 70 characters each time", () =>
    Effect.sync(() => {
      const made = Array.from({ length: 200 }, () => Multipart.makeBoundary())
      for (const boundary of made) assert.match(boundary, /^effect-anthropic-files-[0-9a-f-]{32,36}$/)
      assert.isAtMost(made[0]?.length ?? 0, 70)
      assert.strictEqual(new Set(made).size, made.length)
    }))
})
