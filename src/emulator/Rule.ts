/**
 * Rules for the answers of the emulator, as data: the message requests that a rule matches, and their answer. The same value
 * works in code, in a file and over the admin route.
 *
 * ```ts
 * import type * as Rule from "effect-anthropic-files/emulator/Rule"
 *
 * export const rules: ReadonlyArray<Rule.Rule> = [
 *   { match: { text: "weather", call: 1 }, answer: { tool_use: { name: "weather", input: { city: "Oslo" } } } },
 *   { match: { toolResult: "rain" }, answer: { text: "Take an umbrella." } },
 *   { match: { file: "invoice.pdf" }, answer: { json: { total: 359 } } },
 *   { match: { model: "claude-opus-5-5" }, answer: { error: { status: 529, type: "overloaded_error" } }, times: 1 }
 * ]
 * ```
 */
import type { Effect } from "effect/Effect"
import * as Schema from "effect/Schema"
import type { InvalidConfig } from "../FilesError.ts"
import * as Strict from "./internal/strict.ts"

/**
 * The message requests that a rule matches. Fields that are left out match everything.
 */
export const Match = Schema.Struct({
  /** The name of the model. */
  model: Schema.optional(Schema.String),
  /** Contained in the text of the turn to be answered, in upper or lower case. */
  text: Schema.optional(Schema.String),
  /** Contained in a tool result of that turn; the empty text matches any result. */
  toolResult: Schema.optional(Schema.String),
  /** The id or the name of a file that the request refers to. */
  file: Schema.optional(Schema.String),
  /** The n-th of the requests that match everything else, counted from 1. */
  call: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)))
})

/** @see {@link Match:var} */
export interface Match extends Schema.Schema.Type<typeof Match> {}

/** A call of a tool that the caller runs. */
export const ToolUse = Schema.Struct({
  name: Schema.String,
  /** @default an input that fits the schema of the tool */
  input: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
  /** @default a new one */
  id: Schema.optional(Schema.String)
})

/** @see {@link ToolUse:var} */
export interface ToolUse extends Schema.Schema.Type<typeof ToolUse> {}

/** A file that the code execution tool wrote. It can be downloaded. */
export const GeneratedFile = Schema.Struct({
  filename: Schema.String,
  /** As text. @default empty */
  content: Schema.optional(Schema.String),
  /** As bytes, instead of `content`. */
  base64: Schema.optional(Schema.String.check(Schema.isBase64())),
  /** @default detected from the name and the content */
  mimeType: Schema.optional(Schema.String)
})

/** @see {@link GeneratedFile:var} */
export interface GeneratedFile extends Schema.Schema.Type<typeof GeneratedFile> {}

/** An error instead of an answer. */
export const Failure = Schema.Struct({
  status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })),
  /** @default "api_error" */
  type: Schema.optional(Schema.String),
  /** @default "Internal server error" */
  message: Schema.optional(Schema.String),
  /** @default none */
  errorCode: Schema.optional(Schema.String)
})

/** @see {@link Failure:var} */
export interface Failure extends Schema.Schema.Type<typeof Failure> {}

/** Where a streamed answer ends too early. Answers that are not streamed are not cut. */
export const Cut = Schema.Struct({
  /** The number of events before the end. */
  after: Schema.Natural,
  /**
   * - `end`: the body ends as if it were complete.
   * - `reset`: the connection breaks.
   * - `stall`: no more events come, and the connection stays open.
   * - `error`: an event with the `error` of the answer, or with an overload.
   *
   * @default "end"
   */
  with: Schema.optional(Schema.Literals(["end", "reset", "stall", "error"]))
})

/** @see {@link Cut:var} */
export interface Cut extends Schema.Schema.Type<typeof Cut> {}

const orList = <S extends Schema.Constraint>(schema: S) => Schema.optional(Schema.Union([schema, Schema.Array(schema)]))

/**
 * An answer. Its blocks are in this order: thinking, text, JSON, a run of the code execution tool, other content, tool
 * calls. `max_tokens` and `stop_sequences` of the request don't shorten it.
 */
export const Answer = Schema.Struct({
  /** A block of thinking. */
  thinking: Schema.optional(Schema.String),
  /** A block of text. */
  text: Schema.optional(Schema.String),
  /** A block of text that holds this value as JSON. */
  json: Schema.optional(Schema.Unknown),
  /** Files that the code execution tool wrote. */
  file: orList(GeneratedFile),
  /** Other blocks, as they are on the wire. */
  content: Schema.optional(Schema.Array(Schema.Record(Schema.String, Schema.Unknown))),
  /** Tool calls. */
  tool_use: orList(ToolUse),
  /** @default "tool_use" with a tool call, else "end_turn" */
  stop_reason: Schema.optional(Schema.String),
  /** @default null */
  stop_sequence: Schema.optional(Schema.String),
  /** Counts that replace the emulator's own. */
  usage: Schema.optional(Schema.Struct({
    input_tokens: Schema.optionalKey(Schema.Natural),
    output_tokens: Schema.optionalKey(Schema.Natural),
    cache_creation_input_tokens: Schema.optionalKey(Schema.Natural),
    cache_read_input_tokens: Schema.optionalKey(Schema.Natural)
  })),
  /** An error instead of an answer. With `cut.with: "error"` it comes in the middle of the stream. */
  error: Schema.optional(Failure),
  /** Where a streamed answer ends too early. */
  cut: Schema.optional(Cut)
})

/** @see {@link Answer:var} */
export interface Answer extends Schema.Schema.Type<typeof Answer> {}

/**
 * A rule. If several match a request, the first that is not used up answers it.
 */
export const Rule = Schema.Struct({
  /** The requests that it matches. @default all */
  match: Schema.optional(Match),
  /** The answer to them. */
  answer: Answer,
  /** How many requests it answers; `null` means no end. @default null */
  times: Schema.optional(Schema.NullOr(Schema.Natural))
})

/** @see {@link Rule:var} */
export interface Rule extends Schema.Schema.Type<typeof Rule> {}

/** A list of rules, as in a file or in the body of the admin route. */
export const Rules = Schema.Array(Rule)

/** @see {@link Rules:var} */
export type Rules = ReadonlyArray<Rule>

/**
 * Decodes rules from parsed JSON. An unknown key is an error that names it.
 */
export const decode: (input: unknown) => Effect<Rules, InvalidConfig> = Strict.decode("rules", Rules)
