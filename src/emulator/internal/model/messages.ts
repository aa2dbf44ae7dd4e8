/**
 * Imitates the model: the answers of the emulator to questions about files. Requests are checked like the service does. The
 * answer comes from a rule, or lists what was given, marked as the emulator's own.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Rule from "../../Rule.ts"
import type { Store, StoreFailed } from "../../Store.ts"
import { RequestContext } from "../context.ts"
import * as MimeType from "../files/mimeType.ts"
import { timestamp } from "../files/operations.ts"
import { ApiError, invalidRequest } from "../http/apiError.ts"
import * as Random from "../random.ts"
import * as Attachments from "./attachments.ts"
import { cite } from "./citations.ts"
import * as CodeExecution from "./codeExecution.ts"
import { type Block, text } from "./content.ts"
import { type Json, object, objects } from "./json.ts"
import { marker } from "./marker.ts"
import { Model } from "./model.ts"
import * as Request from "./request.ts"
import * as Shape from "./shape.ts"
import * as Threads from "./threads.ts"
import * as Usage from "./usage.ts"
import { count, plural } from "./words.ts"

/** The answer to `POST /v1/messages`. */
export interface Message {
  readonly id: string
  readonly type: "message"
  readonly role: "assistant"
  readonly model: string
  readonly content: ReadonlyArray<Block | Json>
  readonly container: { readonly id: string; readonly expires_at: string; readonly skills: null } | null
  readonly diagnostics: null
  readonly stop_details: null
  readonly stop_reason: string
  readonly stop_sequence: string | null
  readonly usage: Usage.Usage
}

/** A message, and how to send it. */
export interface Answered {
  readonly message: Message
  readonly isStreamed: boolean
  /** Where the stream ends early, if it does. */
  readonly cut: Rule.Cut | undefined
  /** The error of a rule that comes in the middle of the stream. */
  readonly error: Rule.Failure | undefined
}

type Needs = RequestContext | Store | Model | Scope.Scope

/** An answer before its tokens are counted and it is cut. */
interface Draft {
  readonly content: ReadonlyArray<Block | Json>
  readonly container: Message["container"]
  readonly stopReason: string
  readonly stopSequence: string | null
}

const described = ({ mimeType, name, size, title }: Attachments.Attachment): string =>
  `${title === null ? "" : `"${title}", `}${name} (${mimeType}${size === undefined ? "" : `, ${count(size)} bytes`})`

const list = (attachments: ReadonlyArray<Attachments.Attachment>): string => attachments.map(described).join("; ")

const kinds = [["document", "document"], ["image", "image"], ["container", "container file"]] as const

const introduction = (question: string, attachments: ReadonlyArray<Attachments.Attachment>): string => {
  const given = kinds.flatMap(([kind, name]) => {
    const of = attachments.filter((attachment) => attachment.kind === kind)
    return of.length === 0 ? [] : [`${plural(of.length, name)}: ${list(of)}`]
  })
  const asked = question === ""
    ? "Nothing was asked."
    : `The question was: ${question.length > 500 ? `${question.slice(0, 500)}…` : question}`
  return `${marker} No model read this. I was given ${given.length === 0 ? "no files" : given.join(", and ")}. ${asked}`
}

/** Minutes that a container is kept, as the service documents. */
const containerMinutes = 30

const containerOf = Effect.fnUntraced(function*(request: Request.ModelRequest) {
  const { now } = yield* RequestContext
  return {
    id: request.container ?? (yield* Random.identifier("container")),
    expires_at: timestamp(now + containerMinutes * 60 * 1000),
    skills: null
  }
})

const toolCall = Effect.fnUntraced(function*(name: string, input: Json, id?: string): Effect.fn.Return<Block> {
  return { type: "tool_use", id: id ?? (yield* Random.identifier("toolu")), name, input, caller: { type: "direct" } }
})

const generatedFile = ({ base64, content, filename, mimeType }: Rule.GeneratedFile): CodeExecution.GeneratedFile => {
  const bytes = base64 === undefined
    ? new TextEncoder().encode(content)
    : Result.getOrElse(Base64.decode(base64), () => new Uint8Array(0))
  return { filename, content: bytes, mimeType: mimeType ?? MimeType.detect(filename, bytes.subarray(0, 512)) }
}

const listed = <A>(value: A | ReadonlyArray<A> | undefined): ReadonlyArray<A> => {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value as A]
}

/** The signature of made-up thinking. Clients send it back, and it is not checked. */
const signature = "ZW11bGF0b3I="

/** The draft of a rule's answer. */
const byRule = Effect.fnUntraced(function*(
  answer: Rule.Answer,
  request: Request.ModelRequest,
  tools: ReadonlyArray<Json>
): Effect.fn.Return<Draft, StoreFailed, Needs> {
  const content: Array<Block | Json> = []
  if (answer.thinking !== undefined) content.push({ type: "thinking", thinking: answer.thinking, signature })
  if (answer.text !== undefined) content.push(text(answer.text))
  if (answer.json !== undefined) content.push(text(JSON.stringify(answer.json)))
  const files = listed(answer.file)
  if (files.length > 0) {
    const generated = yield* Effect.forEach(files, (file) => CodeExecution.store(generatedFile(file)))
    const names = files.map((file) => file.filename)
    const version = request.codeExecution ?? CodeExecution.defaultVersion
    content.push(...(yield* CodeExecution.blocksOf(version, names, { stdout: "", generated })))
  }
  content.push(...(answer.content ?? []))
  const calls = listed(answer.tool_use)
  for (const { id, input, name } of calls) {
    const tool = tools.find((one) => one.name === name)
    content.push(yield* toolCall(name, input ?? (tool === undefined ? {} : yield* Shape.inputOf(tool)), id))
  }
  return {
    content,
    container: files.length > 0 ? yield* containerOf(request) : null,
    stopReason: answer.stop_reason ?? (calls.length > 0 ? "tool_use" : "end_turn"),
    stopSequence: answer.stop_sequence ?? null
  }
})

const endTurn = { container: null, stopReason: "end_turn", stopSequence: null }

/** Puts each text on its own line, since they are read as one. */
const onLines = (content: ReadonlyArray<Block>): ReadonlyArray<Block> => {
  const last = content.findLastIndex(({ type }) => type === "text")
  return content.map((block, i) => block.type === "text" && i < last ? { ...block, text: `${block.text}\n` } : block)
}

/** The draft of an answer without a rule. */
const byItself = Effect.fnUntraced(function*(
  request: Request.ModelRequest,
  attachments: ReadonlyArray<Attachments.Attachment>
): Effect.fn.Return<Draft, StoreFailed, Needs> {
  if (request.forcedTool !== undefined) {
    const call = yield* toolCall(String(request.forcedTool.name), yield* Shape.inputOf(request.forcedTool))
    return { ...endTurn, content: [call], stopReason: "tool_use" }
  }
  if (request.outputSchema !== undefined) {
    return { ...endTurn, content: [text(JSON.stringify(yield* Shape.valueOf(request.outputSchema)))] }
  }
  const content: Array<Block> = [text(introduction(request.question, attachments))]
  for (const attachment of attachments) {
    if (!attachment.isCited) continue
    const citation = yield* cite(attachment, request.question)
    content.push(text(`${marker} ${attachment.name} says: ${citation.cited_text}`, [citation]))
  }
  // Files of earlier turns were dealt with then.
  const uploads = attachments.filter(({ isNew, kind }) => kind === "container" && isNew)
  if (request.codeExecution === undefined || uploads.length === 0) return { ...endTurn, content: onLines(content) }
  const run = yield* CodeExecution.run(uploads)
  const names = uploads.map(({ name }) => name)
  content.push(
    ...(yield* CodeExecution.blocksOf(request.codeExecution, names, run)),
    text(`${marker} Wrote ${run.generated.map((file) => file.filename).join(", ")}.`)
  )
  return { ...endTurn, content: onLines(content), container: yield* containerOf(request) }
})

const perToken = 4

const lengthOf = (block: Block | Json): number => {
  switch (block.type) {
    case "text":
      return String(block.text).length
    case "thinking":
      return String(block.thinking).length
    case "tool_use":
      return JSON.stringify(block.input ?? {}).length
    default:
      return 0
  }
}

const outputTokens = (content: ReadonlyArray<Block | Json>): number =>
  Math.max(1, Math.ceil(content.reduce((sum, block) => sum + lengthOf(block), 0) / perToken))

/** Ends the draft at the first stop sequence in a text. */
const atStopSequence = (draft: Draft, sequences: ReadonlyArray<string>): Draft => {
  for (const [i, block] of draft.content.entries()) {
    if (block.type !== "text") continue
    const value = String(block.text)
    const [first] = sequences
      .map((sequence) => ({ sequence, at: value.indexOf(sequence) }))
      .filter(({ at }) => at !== -1)
      .sort((a, b) => a.at - b.at)
    if (first === undefined) continue
    return {
      ...draft,
      content: [...draft.content.slice(0, i), { ...block, text: value.slice(0, first.at) }],
      stopReason: "stop_sequence",
      stopSequence: first.sequence
    }
  }
  return draft
}

/** Cuts the draft where `max_tokens` are used up. */
const atMaxTokens = (draft: Draft, maxTokens: number): Draft => {
  let left = maxTokens * perToken
  const content: Array<Block | Json> = []
  for (const block of draft.content) {
    const length = lengthOf(block)
    if (length > left) {
      if (block.type === "text") content.push({ ...block, text: String(block.text).slice(0, left) })
      // An incomplete call has no usable input.
      else content.push({ ...block, input: {} })
      return { ...draft, content, stopReason: "max_tokens", stopSequence: null }
    }
    left -= length
    content.push(block)
  }
  return draft
}

const targetOf = (
  request: Request.ModelRequest,
  attachments: ReadonlyArray<Attachments.Attachment>
) => ({
  model: request.model,
  text: request.lastText,
  toolResults: request.toolResults,
  files: attachments.flatMap(({ file, name }) => file === undefined ? [name] : [name, file.id])
})

const failure = (
  { errorCode, message = "Internal server error", status, type = "api_error" }: Rule.Failure
): ApiError => new ApiError({ status, type, message, errorCode })

/**
 * The answer to a message request, whose parsed JSON is `body`. Fails like the service if the request is invalid, or a file
 * is unknown, expired, of the wrong type for its block, or too large for the context window.
 */
export const create = Effect.fnUntraced(function*(
  body: unknown,
  serviceTier: "standard" | "batch" = "standard"
): Effect.fn.Return<Answered, ApiError | StoreFailed, Needs> {
  const { isBeta, limits } = yield* RequestContext
  const { cache, models, rules, threads } = yield* Model
  const whole = yield* Threads.resume(threads, body)
  const request = yield* Request.parse(whole, { isBeta, models })
  const attachments = yield* Effect.forEach(request.references, Attachments.resolve)
  const prompt = yield* Usage.count(request, attachments, cache)
  if (prompt.total > limits.contextWindow) {
    return yield* invalidRequest(`prompt is too long: ${prompt.total} tokens > ${limits.contextWindow} maximum`)
  }

  const rule = rules.answer(targetOf(request, attachments))
  const isCutByError = request.isStreamed && rule?.cut?.with === "error"
  if (rule?.error !== undefined && !isCutByError) return yield* failure(rule.error)
  const draft = rule === undefined
    ? atMaxTokens(atStopSequence(yield* byItself(request, attachments), request.stopSequences), request.maxTokens)
    : yield* byRule(rule, request, objects(object(whole).tools))
  const usage = Usage.toWire(prompt, outputTokens(draft.content), serviceTier)
  const id = yield* Random.identifier("msg")
  yield* Threads.keep(threads, body, whole, { id, content: draft.content })
  return {
    message: {
      id,
      type: "message",
      role: "assistant",
      model: request.model,
      content: draft.content,
      container: draft.container,
      diagnostics: null,
      stop_details: null,
      stop_reason: draft.stopReason,
      stop_sequence: draft.stopSequence,
      usage: { ...usage, ...rule?.usage, ...(isBeta ? Usage.betaFields : undefined) },
      ...(isBeta ? { context_management: null } : undefined)
    },
    isStreamed: request.isStreamed,
    cut: rule?.cut,
    error: rule?.error
  }
})

/** Counts the tokens of a request. File sources are refused, as the service does. */
export const countTokens = Effect.fnUntraced(function*(body: unknown): Effect.fn.Return<
  { readonly input_tokens: number },
  ApiError | StoreFailed,
  Needs
> {
  const { isBeta } = yield* RequestContext
  const { models } = yield* Model
  const request = yield* Request.parse(body, { isBeta, models, isCount: true })
  if (request.references.some(({ source }) => source.type === "file")) {
    return yield* invalidRequest("File sources are not supported in the token counting endpoint")
  }
  const attachments = yield* Effect.forEach(request.references, Attachments.resolve)
  const { total } = yield* Usage.count(request, attachments, new Map())
  return { input_tokens: total }
})
