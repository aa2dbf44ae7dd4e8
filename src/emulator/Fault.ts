/**
 * Faults as data: the requests that a fault hits, how often, and what happens to them. The same value works in code, in a
 * file, over the admin route, and over any `HttpClient` (`testing/Faults`).
 *
 * ```ts
 * import * as Fault from "effect-anthropic-files/emulator/Fault"
 *
 * export const faults = [
 *   Fault.rateLimited({ retryAfter: "2 seconds", times: 6 }),
 *   Fault.reset({ at: "response", after: 400, match: { operation: "content" } })
 * ]
 * ```
 */
import * as Duration from "effect/Duration"
import type { Effect } from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type { InvalidConfig } from "../FilesError.ts"
import * as Strict from "./internal/strict.ts"

const Bytes = Schema.Natural

const Millis = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

/** Milliseconds; in a file also a text such as `"2 seconds"`. */
const Wait = Schema.Union([
  Millis,
  Schema.DurationFromString.pipe(Schema.decodeTo(Millis, {
    decode: SchemaGetter.transform(Duration.toMillis),
    encode: SchemaGetter.transform(Duration.millis)
  }))
])

const toMillis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/**
 * The requests that a fault matches. Fields that are left out match everything.
 */
export const Match = Schema.Struct({
  /** `GET`, `POST` or `DELETE`. */
  method: Schema.optional(Schema.String),
  /** An endpoint: `upload`, `list`, `metadata`, `content`, `delete`, `createMessage`, … */
  operation: Schema.optional(Schema.String),
  /** The exact path, without the query. */
  path: Schema.optional(Schema.String)
})

/** @see {@link Match:var} */
export interface Match extends Schema.Schema.Type<typeof Match> {}

const common = {
  /** The requests that it matches. @default all */
  match: Schema.optional(Match),
  /** How many matching requests pass first. @default 0 */
  skip: Schema.optional(Schema.Natural),
  /** How many requests are hit; `null` means no end. @default 1 */
  times: Schema.optional(Schema.NullOr(Schema.Natural)),
  /** The share of the matching requests that is hit. @default 1 */
  probability: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  /** The same seed gives the same hits. @default 1 */
  seed: Schema.optional(Schema.Int)
}

const Common = Schema.Struct(common)

/** Options of every fault: `match`, `skip`, `times`, `probability`, `seed`. */
export interface Options extends Schema.Schema.Type<typeof Common> {}

/** The request waits, and then continues. */
export const Latency = Schema.TaggedStruct("Latency", {
  /** How long the request waits. */
  duration: Wait,
  ...common
})

/** @see {@link Latency:var} */
export interface Latency extends Schema.Schema.Type<typeof Latency> {}

/**
 * Replaces the answer. A `body` is sent as it is (an HTML page, broken JSON, nothing at all); without one, an error envelope
 * is made of `type`, `message` and `errorCode`.
 */
export const Answer = Schema.TaggedStruct("Answer", {
  status: Schema.Int.check(Schema.isBetween({ minimum: 200, maximum: 599 })),
  /** The `type` of the error. @default "api_error" */
  type: Schema.optional(Schema.String),
  /** The `message` of the error. @default "Internal server error" */
  message: Schema.optional(Schema.String),
  /** The `details.error_code` of the error. @default none */
  errorCode: Schema.optional(Schema.String),
  headers: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  /** The whole body, instead of an error envelope. */
  body: Schema.optional(Schema.String),
  /** @default "application/json" */
  contentType: Schema.optional(Schema.String),
  /** `before`: nothing is done. `after`: the request is carried out first, so a file is stored. @default "before" */
  at: Schema.optional(Schema.Literals(["before", "after"])),
  ...common
})

/** @see {@link Answer:var} */
export interface Answer extends Schema.Schema.Type<typeof Answer> {}

const Moment = Schema.Literals(["before", "during", "after", "response"])

/**
 * When a connection breaks or falls silent.
 *
 * - `before`: before the request is read.
 * - `during`: after some bytes of the request body.
 * - `after`: after the request was carried out; a file is stored, but no answer comes.
 * - `response`: after some bytes of the response body.
 */
export type Moment = typeof Moment.Type

/** The connection breaks. */
export const Reset = Schema.TaggedStruct("Reset", {
  at: Moment,
  /** How many bytes of the request's or the response's body go through first. @default 0 */
  after: Schema.optional(Bytes),
  ...common
})

/** @see {@link Reset:var} */
export interface Reset extends Schema.Schema.Type<typeof Reset> {}

/** The connection stays open, but nothing more comes. */
export const Stall = Schema.TaggedStruct("Stall", {
  at: Moment,
  /** How many bytes of the request's or the response's body go through first. @default 0 */
  after: Schema.optional(Bytes),
  ...common
})

/** @see {@link Stall:var} */
export interface Stall extends Schema.Schema.Type<typeof Stall> {}

/** The response body ends early. */
export const Truncate = Schema.TaggedStruct("Truncate", {
  /** How many bytes of the body come. */
  after: Bytes,
  /**
   * Whether the content-length still announces the whole body. If not, no length is sent, and the body looks complete.
   *
   * @default true
   */
  keepLength: Schema.optional(Schema.Boolean),
  ...common
})

/** @see {@link Truncate:var} */
export interface Truncate extends Schema.Schema.Type<typeof Truncate> {}

/** The response body comes in small pieces, with a pause before each. */
export const Drip = Schema.TaggedStruct("Drip", {
  /** The size of a piece. */
  bytes: Schema.Int.check(Schema.isGreaterThan(0)),
  /** The pause before each piece. */
  every: Wait,
  ...common
})

/** @see {@link Drip:var} */
export interface Drip extends Schema.Schema.Type<typeof Drip> {}

/**
 * One fault. Several that only slow a request down (`Latency`, `Drip`) may hit it. Of the others, only one hits a request:
 * the first in the list that is not used up. The others wait for the next request.
 */
export const Fault = Schema.Union([Latency, Answer, Reset, Stall, Truncate, Drip])

/** @see {@link Fault:var} */
export type Fault = Latency | Answer | Reset | Stall | Truncate | Drip

/** A list of faults, as in a file or in the body of the admin route. */
export const Faults = Schema.Array(Fault)

/** @see {@link Faults:var} */
export type Faults = ReadonlyArray<Fault>

/**
 * Decodes faults from parsed JSON. An unknown key is an error that names it.
 */
export const decode: (input: unknown) => Effect<Faults, InvalidConfig> = Strict.decodeTagged("faults", {
  Latency,
  Answer,
  Reset,
  Stall,
  Truncate,
  Drip
})

/** Replaces the answer. @see {@link Answer:var} */
export const answer = (options: Omit<Answer, "_tag">): Answer => ({ _tag: "Answer", ...options })

/** 429. The `retry-after` header is in seconds. */
export const rateLimited = (
  options: Options & {
    /** The value of `retry-after`. @default no such header */
    readonly retryAfter?: Duration.Input | undefined
  } = {}
): Answer => {
  const { retryAfter, ...rest } = options
  return answer({
    ...rest,
    status: 429,
    type: "rate_limit_error",
    message: "This request would exceed your rate limit.",
    ...(retryAfter === undefined
      ? undefined
      : { headers: { "retry-after": String(Duration.toSeconds(Duration.fromInputUnsafe(retryAfter))) } })
  })
}

/** 529, the status of the service for overload. */
export const overloaded = (options: Options = {}): Answer =>
  answer({ ...options, status: 529, type: "overloaded_error", message: "Overloaded" })

/** 500. With `at: "after"`, a file is stored anyway. */
export const serverError = (options: Options & Pick<Answer, "at"> = {}): Answer =>
  answer({ ...options, status: 500, type: "api_error", message: "Internal server error" })

/** The answer of a failing gateway: an HTML page, not an envelope. */
export const htmlPage = (
  options: Options & Pick<Answer, "at"> & {
    /** @default 502 */
    readonly status?: number | undefined
  } = {}
): Answer => {
  const status = options.status ?? 502
  return answer({
    ...options,
    status,
    contentType: "text/html; charset=utf-8",
    body: `<!doctype html><html><head><title>${status}</title></head><body><h1>${status}</h1></body></html>`
  })
}

/** A success whose JSON is cut in the middle. The request is carried out. */
export const malformedJson = (options: Options = {}): Answer =>
  answer({ ...options, status: 200, contentType: "application/json", body: "{\"id\":\"file_", at: "after" })

/** A success with no body at all. The request is carried out. */
export const emptyBody = (options: Options = {}): Answer =>
  answer({ ...options, status: 200, contentType: "application/json", body: "", at: "after" })

/** The connection breaks. @see {@link Reset:var} */
export const reset = (options: Omit<Reset, "_tag">): Reset => ({ _tag: "Reset", ...options })

/** The connection goes silent. @see {@link Stall:var} */
export const stall = (options: Omit<Stall, "_tag">): Stall => ({ _tag: "Stall", ...options })

/** The body ends early. @see {@link Truncate:var} */
export const truncate = (options: Omit<Truncate, "_tag">): Truncate => ({ _tag: "Truncate", ...options })

/** The request waits first. @see {@link Latency:var} */
export const latency = (
  options: Omit<Latency, "_tag" | "duration"> & { readonly duration: Duration.Input }
): Latency => ({
  ...options,
  _tag: "Latency",
  duration: toMillis(options.duration)
})

/** The body comes slowly. @see {@link Drip:var} */
export const drip = (options: Omit<Drip, "_tag" | "every"> & { readonly every: Duration.Input }): Drip => ({
  ...options,
  _tag: "Drip",
  every: toMillis(options.every)
})
