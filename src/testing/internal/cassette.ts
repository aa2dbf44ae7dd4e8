/**
 * The format of a recording.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Sse from "effect/encoding/Sse"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeText, parseJson } from "../../internal/request/body.ts"

const Text = { text: Schema.optionalKey(Schema.String), base64: Schema.optionalKey(Schema.String) }

/**
 * A body: parsed if it is JSON, JSON lines or events with JSON in them; otherwise its size, and its bytes unless they are
 * redacted.
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
  /** When the recording began. At a replay, times in answers are as far from now as they were from this. */
  recordedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  exchanges: Schema.Array(Exchange)
})

export const decodeCassette = Schema.decodeUnknownEffect(Schema.fromJsonString(Cassette))

const strict = new TextDecoder("utf-8", { fatal: true })

/** Bytes as text if they are UTF-8, else as Base64. */
export const textOrBase64 = (bytes: Uint8Array): { readonly text: string } | { readonly base64: string } =>
  Result.match(Result.try({ try: () => strict.decode(bytes), catch: () => undefined }), {
    onSuccess: (text) => ({ text }),
    onFailure: () => ({ base64: Base64.encode(bytes) })
  })

const parsed = (text: string): Option.Option<unknown> => Result.getSuccess(parseJson(text))

const parseLines = (text: string): Option.Option<ReadonlyArray<unknown>> =>
  Option.all(text.split("\n").filter((line) => line.trim() !== "").map(parsed))

const parseEvents = (text: string): Option.Option<NonNullable<Body["events"]>> => {
  const events: Array<Sse.AnyEvent> = []
  // A last event that is not ended by a blank line counts too.
  const failure = Sse.makeParser((event) => void events.push(event)).feed(`${text}\n\n`)
  if (failure !== undefined) return Option.none()
  return Option.all(
    events.map((event) =>
      event._tag === "Retry"
        ? Option.none()
        : Option.map(parsed(event.data), (data) => ({
          ...(event.event === "message" ? undefined : { event: event.event }),
          data
        }))
    )
  )
}

/** The input of a tool, as a stream's events give it piece by piece. */
const InputDelta = Schema.Struct({
  type: Schema.Literal("content_block_delta"),
  index: Schema.Int,
  delta: Schema.Struct({ type: Schema.Literal("input_json_delta"), partial_json: Schema.String })
})

const isInputDelta = Schema.is(InputDelta)

/** The body with each tool's input as a whole, parsed, in the first event that has a piece of it. */
export const withWholeInputs = (body: Body): Body => {
  if (body.events === undefined) return body
  const pieces = new Map<number, string>()
  for (const { data } of body.events) {
    if (isInputDelta(data)) pieces.set(data.index, (pieces.get(data.index) ?? "") + data.delta.partial_json)
  }
  const events = body.events.map((event) => {
    if (!isInputDelta(event.data)) return event
    const { delta, index } = event.data
    const whole = pieces.get(index) ?? ""
    pieces.set(index, "")
    const partial_json = whole === "" ? "" : Option.getOrElse(parsed(whole), () => whole)
    return { ...event, data: { ...event.data, delta: { ...delta, partial_json } } }
  })
  return { ...body, events }
}

/** A body, parsed by its type; `undefined` if it can't be, or if its type is another one. */
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

/** A whole input in an event is a text there. */
const inputAsText = (key: string, value: unknown): unknown =>
  key === "partial_json" && !Predicate.isString(value) ? JSON.stringify(value) : value

/** The bytes of a body. Redacted bytes are all `x`. */
export const toBytes = (body: Body | undefined): Uint8Array => {
  if (body === undefined) return new Uint8Array()
  if ("json" in body) return encoder.encode(JSON.stringify(body.json))
  if (body.lines !== undefined) return encoder.encode(body.lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
  if (body.events !== undefined) {
    return encoder.encode(
      body.events.map(({ data, event = "message" }) =>
        Sse.encoder.write({ _tag: "Event", event, id: undefined, data: JSON.stringify(data, inputAsText) })
      ).join("")
    )
  }
  if (body.text !== undefined) return encoder.encode(body.text)
  if (body.base64 !== undefined) return Result.getOrElse(Base64.decode(body.base64), () => new Uint8Array())
  return new Uint8Array(body.size ?? 0).fill(0x78)
}

/** Fields that hold free-form JSON, in which neither a key nor a number is the API's own. */
const freeForm = /^(input|input_schema|input_examples|partial_json|schema|metadata)$/

/**
 * Maps every text in a value. `name` is the field that holds it, `parent` the field around that. Free-form JSON, the input
 * of a tool for example, is given to `free` as a whole.
 */
export const mapTexts = (
  value: unknown,
  f: (text: string, name: string, parent: string) => unknown,
  free: (value: unknown) => unknown = identity,
  name = "",
  parent = ""
): unknown => {
  if (Predicate.isString(value)) return f(value, name, parent)
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, f, free, name, parent))
  if (!Predicate.isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      freeForm.test(key) ? free(inner) : mapTexts(inner, f, free, key, name)
    ])
  )
}

/** Maps every text, key and number of free-form JSON. */
export const mapFree = (
  value: unknown,
  on: {
    readonly text: (text: string) => unknown
    readonly number: (number: number) => unknown
    readonly fields: (fields: ReadonlyArray<readonly [key: string, value: unknown]>) => unknown
  }
): unknown => {
  if (Predicate.isString(value)) return on.text(value)
  if (Predicate.isNumber(value)) return on.number(value)
  if (Array.isArray(value)) return value.map((item) => mapFree(item, on))
  if (!Predicate.isObject(value)) return value
  return on.fields(Object.entries(value).map(([key, inner]) => [key, mapFree(inner, on)]))
}
