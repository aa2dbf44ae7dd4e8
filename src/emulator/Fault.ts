/**
 * Things that go wrong, as data: which requests they hit, how often, and what happens to them. The same value works
 * in code, in a file and over the admin route.
 */
import * as Schema from "effect/Schema"

const Bytes = Schema.Natural
const Millis = Schema.Natural

/**
 * The requests a fault is for. Everything left out matches everything.
 */
export const Match = Schema.Struct({
  /** `GET`, `POST`, `DELETE`. */
  method: Schema.optionalKey(Schema.String),
  /** An endpoint of the `Api`: `upload`, `list`, `metadata`, `content`, `delete`, `createMessage`, … */
  operation: Schema.optionalKey(Schema.String),
  /** The exact path, without the query. */
  path: Schema.optionalKey(Schema.String)
})

/** @see {@link Match:var} */
export type Match = typeof Match.Type

/** Waits, then goes on as if nothing had happened. */
export const Latency = Schema.TaggedStruct("Latency", { millis: Millis })

/**
 * Another answer than the right one. With `body` it is sent as it stands (an HTML page, broken JSON, nothing at all);
 * without, an error envelope is made from `type`, `message` and `errorCode`.
 */
export const Answer = Schema.TaggedStruct("Answer", {
  status: Schema.Int.check(Schema.isBetween({ minimum: 200, maximum: 599 })),
  type: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String),
  errorCode: Schema.optionalKey(Schema.String),
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  body: Schema.optionalKey(Schema.String),
  contentType: Schema.optionalKey(Schema.String),
  /** `before`: nothing was done. `after`: the request was carried out first, a file is stored. */
  when: Schema.optionalKey(Schema.Literals(["before", "after"]))
})

/**
 * The connection breaks.
 *
 * - `before`: nothing was read.
 * - `during`: after `afterBytes` of the request body.
 * - `after`: the request was carried out, a file is stored, no answer comes.
 * - `response`: after `afterBytes` of the response body.
 */
export const Reset = Schema.TaggedStruct("Reset", {
  when: Schema.Literals(["before", "during", "after", "response"]),
  afterBytes: Schema.optionalKey(Bytes)
})

/** Nothing more comes, and the connection stays open. The moments are those of {@link Reset}. */
export const Stall = Schema.TaggedStruct("Stall", {
  when: Schema.Literals(["before", "during", "after", "response"]),
  afterBytes: Schema.optionalKey(Bytes)
})

/**
 * The response body ends early. With `keepLength` (the default) the content-length still promises all of it; without,
 * no length is sent and the end looks like a good one.
 */
export const Truncate = Schema.TaggedStruct("Truncate", {
  keepBytes: Bytes,
  keepLength: Schema.optionalKey(Schema.Boolean)
})

/** The response body comes in pieces of `bytes`, with `millis` between them. */
export const Drip = Schema.TaggedStruct("Drip", {
  bytes: Schema.Int.check(Schema.isGreaterThan(0)),
  millis: Millis
})

/** What happens to a request that is hit. */
export const Effect = Schema.Union([Latency, Answer, Reset, Stall, Truncate, Drip])

/** @see {@link Effect:var} */
export type Effect = typeof Effect.Type

/**
 * One fault. Several may hit the same request: their latencies add up, and of two that end it the earlier one wins.
 */
export const Fault = Schema.Struct({
  match: Schema.optionalKey(Match),
  effect: Effect,
  /** Matching requests that pass untouched first. @default 0 */
  after: Schema.optionalKey(Schema.Natural),
  /** Requests that are hit in all; `null` is no end. @default 1 */
  times: Schema.optionalKey(Schema.NullOr(Schema.Natural)),
  /** Of the matching requests, the share that is hit. @default 1 */
  probability: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  /** The same seed gives the same hits. @default 1 */
  seed: Schema.optionalKey(Schema.Int)
})

/** @see {@link Fault:var} */
export type Fault = typeof Fault.Type

/** A list of faults, as it stands in a file or in the body of the admin route. */
export const Faults = Schema.Array(Fault)

/** What `rateLimited`, `overloaded` and their like leave open. */
export type Options = Omit<Fault, "effect">

/** 429 with `retry-after` in seconds. */
export const rateLimited = (retryAfter: number, options: Options = {}): Fault => ({
  ...options,
  effect: {
    _tag: "Answer",
    status: 429,
    type: "rate_limit_error",
    message: "This request would exceed your rate limit.",
    headers: { "retry-after": String(retryAfter) }
  }
})

/** 529, the service's own status for too much load. */
export const overloaded = (options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Answer", status: 529, type: "overloaded_error", message: "Overloaded" }
})

/** 500. With `when: "after"` a file is stored all the same. */
export const serverError = (when: "before" | "after" = "before", options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Answer", status: 500, type: "api_error", message: "Internal server error", when }
})

/** What a gateway answers when it is in trouble: a page, not an envelope. */
export const htmlPage = (status = 502, options: Options = {}): Fault => ({
  ...options,
  effect: {
    _tag: "Answer",
    status,
    contentType: "text/html; charset=utf-8",
    body: `<!doctype html><html><head><title>${status}</title></head><body><h1>${status}</h1></body></html>`
  }
})

/** A success whose JSON is cut in the middle. The request is carried out. */
export const malformedJson = (options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Answer", status: 200, contentType: "application/json", body: "{\"id\":\"file_", when: "after" }
})

/** A success with no body at all. The request is carried out. */
export const emptyBody = (options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Answer", status: 200, contentType: "application/json", body: "", when: "after" }
})

/** The connection breaks. @see {@link Reset} */
export const reset = (when: typeof Reset.Type["when"], afterBytes?: number, options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Reset", when, ...(afterBytes === undefined ? {} : { afterBytes }) }
})

/** Silence. @see {@link Stall} */
export const stall = (when: typeof Stall.Type["when"], afterBytes?: number, options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Stall", when, ...(afterBytes === undefined ? {} : { afterBytes }) }
})

/** A body shorter than promised. @see {@link Truncate} */
export const truncate = (keepBytes: number, keepLength = true, options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Truncate", keepBytes, keepLength }
})

/** Time before anything happens. */
export const latency = (millis: number, options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Latency", millis }
})

/** A body in drops. @see {@link Drip} */
export const drip = (bytes: number, millis: number, options: Options = {}): Fault => ({
  ...options,
  effect: { _tag: "Drip", bytes, millis }
})
