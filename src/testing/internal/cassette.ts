/**
 * What a recording holds, and how it is read and written.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeText, parseJson } from "../../internal/request/body.ts"

const Text = { text: Schema.optionalKey(Schema.String), base64: Schema.optionalKey(Schema.String) }

/**
 * A body: parsed where it is JSON, lines of JSON or events with JSON in them, else its size, and its bytes unless they
 * are redacted.
 */
export const Body = Schema.Struct({
  json: Schema.optionalKey(Schema.Unknown),
  lines: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  events: Schema.optionalKey(Schema.Array(Schema.Struct({
    event: Schema.optionalKey(Schema.String),
    data: Schema.Unknown
  }))),
  parts: Schema.optionalKey(Schema.Array(Schema.Struct({
    name: Schema.String,
    filename: Schema.optionalKey(Schema.String),
    contentType: Schema.optionalKey(Schema.String),
    size: Schema.Natural,
    ...Text
  }))),
  size: Schema.optionalKey(Schema.Natural),
  ...Text
})

export type Body = typeof Body.Type

const Fields = Schema.Record(Schema.String, Schema.String)

export const Request = Schema.Struct({
  method: Schema.String,
  path: Schema.String,
  query: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  headers: Fields,
  body: Schema.optionalKey(Body)
})

export type Request = typeof Request.Type

export const Response = Schema.Struct({
  status: Schema.Int,
  headers: Fields,
  body: Schema.optionalKey(Body),
  /** The connection broke in the middle of the body. */
  broken: Schema.optionalKey(Schema.Boolean)
})

export type Response = typeof Response.Type

export const Exchange = Schema.Struct({
  request: Request,
  response: Schema.optionalKey(Response),
  /** The code with which the connection failed, where there was no answer. */
  failure: Schema.optionalKey(Schema.String)
})

export type Exchange = typeof Exchange.Type

export const Cassette = Schema.Struct({
  version: Schema.Literal(1),
  /** When the recording began. Times in its answers are played back as far from now as they were from this. */
  recordedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  exchanges: Schema.Array(Exchange)
})

export const decodeCassette = Schema.decodeUnknownEffect(Schema.fromJsonString(Cassette))

const strict = new TextDecoder("utf-8", { fatal: true })

/** As text where it is text. */
export const textOrBase64 = (bytes: Uint8Array): { readonly text: string } | { readonly base64: string } =>
  Result.match(Result.try({ try: () => strict.decode(bytes), catch: () => undefined }), {
    onSuccess: (text) => ({ text }),
    onFailure: () => ({ base64: Base64.encode(bytes) })
  })

const parsed = (text: string): Option.Option<unknown> => Result.getSuccess(parseJson(text))

const parseLines = (text: string): Option.Option<ReadonlyArray<unknown>> =>
  Option.all(text.split("\n").filter((line) => line.trim() !== "").map(parsed))

const field = (lines: ReadonlyArray<string>, name: string): string =>
  lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("\n")

const parseEvents = (text: string): Option.Option<NonNullable<Body["events"]>> =>
  Option.all(
    text.split(/\r?\n\r?\n/).filter((event) => event.trim() !== "").map((event) => {
      const lines = event.split(/\r?\n/)
      const name = field(lines, "event")
      return Option.map(
        parsed(field(lines, "data")),
        (data) => ({ ...(name === "" ? undefined : { event: name }), data })
      )
    })
  )

/** What is known of a body by its type; nothing where it is not what its type says. */
export const parseBody = (contentType: string, bytes: Uint8Array): Body | undefined => {
  const text = decodeText(bytes)
  if (contentType.includes("event-stream")) {
    return Option.getOrUndefined(Option.map(parseEvents(text), (events) => ({ events })))
  }
  if (contentType.includes("jsonl")) return Option.getOrUndefined(Option.map(parseLines(text), (lines) => ({ lines })))
  if (contentType.includes("json")) return Option.getOrUndefined(Option.map(parsed(text), (json) => ({ json })))
  return undefined
}

const encoder = new TextEncoder()

/** The bytes of a body; those of one whose bytes were redacted are all `x`. */
export const toBytes = (body: Body | undefined): Uint8Array => {
  if (body === undefined) return new Uint8Array()
  if ("json" in body) return encoder.encode(JSON.stringify(body.json))
  if (body.lines !== undefined) return encoder.encode(body.lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
  if (body.events !== undefined) {
    return encoder.encode(
      body.events.map(({ data, event }) =>
        `${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`
      ).join("")
    )
  }
  if (body.text !== undefined) return encoder.encode(body.text)
  if (body.base64 !== undefined) return Result.getOrElse(Base64.decode(body.base64), () => new Uint8Array())
  return new Uint8Array(body.size ?? 0).fill(0x78)
}

/** Every text in a value through `f`, with the names of the fields that lead to it, the innermost first. */
export const mapTexts = (
  value: unknown,
  f: (text: string, name: string, parent: string) => unknown,
  name = "",
  parent = ""
): unknown => {
  if (Predicate.isString(value)) return f(value, name, parent)
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, f, name, parent))
  if (!Predicate.isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapTexts(inner, f, key, name)]))
}
