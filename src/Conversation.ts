/**
 * Questions about one file. The file is uploaded once and comes first in every request, where the service caches it.
 * Questions are independent of each other, unless one continues from another's answer.
 *
 * @example
 * ```ts
 * import { Console, Effect, Stream } from "effect"
 * import { Conversation, FileSource } from "effect-anthropic-files"
 *
 * const interview = Effect.gen(function*() {
 *   const contract = yield* Conversation.about(
 *     FileSource.path("contract.pdf"),
 *     { model: "claude-sonnet-5-5", max_tokens: 1024 },
 *     { deleteAtEnd: true }
 *   )
 *   // Independent questions; the answers arrive one by one.
 *   yield* Stream.runForEach(
 *     contract.askAll(["Who signs it?", "When does it end?"], { concurrency: 2 }),
 *     ({ question, text }) => Console.log(`${question}\n${text}`)
 *   )
 *   // A question, and a follow-up to its answer.
 *   const fee = yield* contract.ask("What is the fee?")
 *   const due = yield* contract.ask("And when is it due?", { after: fee })
 *   yield* Console.log(due.text)
 * }).pipe(Effect.scoped)
 * ```
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ContentBlock from "./ContentBlock.ts"
import { FileMetadata } from "./FileMetadata.ts"
import { Files, type UploadOptions } from "./Files.ts"
import {
  type FileExpired,
  type MessageError,
  RequestFailed,
  UnexpectedResponse,
  type UploadError
} from "./FilesError.ts"
import { type FileSource, isFileSource } from "./FileSource.ts"
import { deleteAtEnd } from "./internal/files/cleanUp.ts"
import { hasCodeExecution, needsCodeExecution } from "./internal/messages/request.ts"
import { invalidRequest } from "./internal/request/errors.ts"
import { whole } from "./internal/telemetry.ts"
import { describeValue, excerpt, printable } from "./internal/text.ts"
import * as Messages from "./Messages.ts"

/**
 * Options of a conversation.
 */
export interface Options extends ContentBlock.DocumentOptions {
  /**
   * How long the service caches the file after each question.
   *
   * @default { type: "ephemeral" }, which is 5 minutes
   */
  readonly cacheControl?: ContentBlock.CacheControl | undefined
  /**
   * Options of the upload. Not used for a file that is already uploaded.
   *
   * @default {}
   */
  readonly upload?: UploadOptions | undefined
  /**
   * Deletes the file when the scope closes, after success, failure and interruption alike. The deletion is retried for
   * at most 30 seconds, or 5 seconds after an interruption; if it fails, a warning is logged.
   *
   * @default false
   */
  readonly deleteAtEnd?: boolean | undefined
}

/**
 * Options of one question.
 */
export interface AskOptions extends Messages.CallOptions {
  /**
   * Continues from this answer: the questions and answers up to it are sent again, and code runs in its container.
   *
   * @default none: an independent question
   */
  readonly after?: Answer | undefined
}

/**
 * Options of many questions.
 */
export interface AskAllOptions extends Messages.CallOptions {
  /**
   * How many questions may be in flight at a time, after the first one.
   *
   * @default 1
   */
  readonly concurrency?: number | "unbounded" | undefined
}

/**
 * The answer to a question.
 */
export interface Answer {
  readonly question: string
  /** Empty if the model wrote none; `message.stop_reason` says why, for example `refusal`. */
  readonly text: string
  /** Empty unless `citations` is on. */
  readonly citations: ReadonlyArray<Messages.Citation>
  /** The whole answer. If the service paused it, its parts are joined and their tokens added up. */
  readonly message: Messages.Message
  /**
   * The turns that a follow-up continues from: all so far, including this question and its answer. A refused question is
   * left out, because the service would refuse whatever follows it.
   */
  readonly messages: ReadonlyArray<Messages.MessageParam>
  /** The container that code ran in last, and that a follow-up runs its code in. */
  readonly container: Messages.Container | null
}

/**
 * A file that can be asked about.
 */
export interface Conversation {
  readonly file: FileMetadata
  /**
   * Asks one question. If the service pauses the answer (`pause_turn`), it is continued until it is complete.
   */
  readonly ask: (question: string, options?: AskOptions) => Effect.Effect<Answer, MessageError>
  /**
   * Asks independent questions; the answers come in the order of the questions. The first question is asked alone: the
   * cache can be read only once an answer has begun, so questions that all start at once would each pay for the whole
   * file. A question that fails ends the stream, after the answers before it. A single text is one question.
   */
  readonly askAll: (questions: Iterable<string>, options?: AskAllOptions) => Stream.Stream<Answer, MessageError>
}

/** How many times a paused answer is continued. */
const maxContinuations = 20

/**
 * A conversation about a file that is already uploaded, or about a source that is uploaded now. `params` holds what all
 * requests share: model, max_tokens, system, tools and the other fields of the API.
 *
 * A file that neither a document nor an image block accepts goes to the code execution tool. Without that tool in
 * `params` the call fails with `InvalidFileType`, because the service would ignore the file, and a file that was
 * uploaded for it is deleted.
 */
export const about = Effect.fn("Conversation.about")(function*<R = never>(
  source: FileMetadata | FileSource<R>,
  params: Messages.Params,
  options?: Options
): Effect.fn.Return<Conversation, UploadError | FileExpired, Files | Messages.Messages | Scope.Scope | R> {
  const files = yield* Files
  const messages = yield* Messages.Messages
  if (!isSource(source) && !isMetadata(source)) return yield* notAFile(source)
  const isUploadedNow = isSource(source)
  const open: Effect.Effect<FileMetadata, UploadError, R> = isUploadedNow
    ? files.upload(source, options?.upload)
    : Effect.succeed(source)
  const file = yield* options?.deleteAtEnd === true
    ? Effect.acquireRelease(open, (file, exit) => deleteAtEnd(files, file, exit), { interruptible: true })
    : open
  const block = yield* ContentBlock.forFile(file, { cacheControl: { type: "ephemeral" }, ...options })
  if (block.type === "container_upload" && !hasCodeExecution(params)) {
    const unusable = needsCodeExecution(file)
    if (isUploadedNow && options?.deleteAtEnd !== true) yield* deleteAtEnd(files, file, Exit.fail(unusable))
    return yield* unusable
  }

  const ask = makeAsk(messages, params, block)
  return { file, ask, askAll: makeAskAll(ask) }
}, whole)

/** The parts of an answer, continued as long as the service pauses it, and the container of the last part. */
const complete = Effect.fnUntraced(function*(
  messages: Messages.Messages["Service"],
  params: Messages.Params,
  turns: ReadonlyArray<Messages.MessageParam>,
  before: Messages.Container | null,
  options: Messages.CallOptions
) {
  let container = before
  let parts: ReadonlyArray<Messages.Message> = []
  for (;;) {
    const request = {
      ...params,
      ...inContainer(params, container),
      messages: [...turns, ...assistantTurn(parts)]
    }
    const part = yield* messages.create(request, options)
    parts = [...parts, part]
    container = part.container ?? container
    if (part.stop_reason !== "pause_turn") return { parts, container }
    if (parts.length > maxContinuations) return yield* tooManyPauses()
  }
})

const makeAsk = (
  messages: Messages.Messages["Service"],
  params: Messages.Params,
  block: ContentBlock.ContentBlock
): Conversation["ask"] =>
  Effect.fn("Conversation.ask")(
    function*(question: string, options?: AskOptions): Effect.fn.Return<Answer, MessageError> {
      const { after, ...callOptions } = options ?? {}
      yield* checkQuestion(question, after)
      const before: ReadonlyArray<Messages.MessageParam> = after?.messages ?? [{ role: "user", content: [block] }]
      const turns = withQuestion(before, question)
      const last = yield* usable(after?.container ?? null)
      const { container, parts } = yield* complete(messages, params, turns, last, callOptions)
      const message = joined(parts)
      return {
        question,
        text: Messages.text(message),
        citations: Messages.citations(message),
        message,
        messages: message.stop_reason === "refusal" ? before : [...turns, ...assistantTurn(parts)],
        container
      }
    },
    whole
  )

const makeAskAll = (ask: Conversation["ask"]): Conversation["askAll"] => (questions, options) => {
  const { concurrency = 1, ...callOptions } = options ?? {}
  // Read now, because an iterator gives its questions only once and a stream may be run again.
  const [first, ...rest] = Predicate.isString(questions) ? [questions] : questions
  if (concurrency !== "unbounded" && !(Number.isInteger(concurrency) && concurrency >= 1)) {
    const given = describeValue(concurrency)
    const message = `concurrency is ${given}; expected a whole number of at least 1, or "unbounded".`
    return Stream.fail(invalidRequest("createMessage", "concurrency", message))
  }
  if (first === undefined) return Stream.empty
  return Stream.concat(
    Stream.fromEffect(ask(first, callOptions)),
    Stream.fromIterable(rest).pipe(
      // A failure waits its turn as a value; otherwise it would overtake the answers before it.
      Stream.mapEffect((question) => Effect.result(ask(question, callOptions)), { concurrency }),
      Stream.mapEffect(Effect.fromResult)
    )
  )
}

const isSource = <R>(source: FileMetadata | FileSource<R>): source is FileSource<R> => isFileSource(source)

const isMetadata = Schema.is(Schema.toType(FileMetadata))

const notAFile = (given: unknown): RequestFailed => {
  const message =
    `“${excerpt(String(given))}” is neither a FileSource nor the metadata of an uploaded file; expected for `
    + "example FileSource.path(\"report.pdf\")."
  return invalidRequest("upload", "source", message)
}

const checkQuestion = (question: string, after: Answer | undefined): Effect.Effect<void, RequestFailed> => {
  if (!Predicate.isString(question) || question.trim() === "") {
    return Effect.fail(
      invalidRequest("createMessage", "question", "The question is empty: pass a text that is not blank.")
    )
  }
  const call = after?.message.stop_reason === "tool_use"
    ? after.message.content.find((block) => block.type === "tool_use")
    : undefined
  if (call?.type !== "tool_use") return Effect.void
  const message = `The previous answer waits for the result of the tool ${printable(call.name)}, which a conversation `
    + "can't send: send it with Messages.create, after the answer's messages."
  return Effect.fail(invalidRequest("createMessage", "after", message))
}

/** The service joins consecutive user turns, so the question goes into the last one if that is the user's. */
const withQuestion = (
  turns: ReadonlyArray<Messages.MessageParam>,
  question: string
): ReadonlyArray<Messages.MessageParam> => {
  const text: Messages.BlockParam = { type: "text", text: question }
  const last = turns.at(-1)
  return last?.role === "user" && !Predicate.isString(last.content)
    ? [...turns.slice(0, -1), { role: "user", content: [...last.content, text] }]
    : [...turns, { role: "user", content: [text] }]
}

/** The answer as a turn, without blank texts, which the service refuses. It refuses empty turns too. */
const assistantTurn = (parts: ReadonlyArray<Messages.Message>): ReadonlyArray<Messages.MessageParam> => {
  const content = parts.flatMap(({ content }) => content)
    .filter((block) => block.type !== "text" || block.text.trim() !== "")
  return content.length === 0 ? [] : [{ role: "assistant", content }]
}

/** The container, unless it has expired. */
const usable = (container: Messages.Container | null): Effect.Effect<Messages.Container | null> =>
  Effect.map(DateTime.now, (now) => {
    const expires = Option.flatMap(Option.fromNullishOr(container?.expires_at), DateTime.make)
    return Option.isSome(expires) && DateTime.isLessThanOrEqualTo(expires.value, now) ? null : container
  })

const inContainer = (params: Messages.Params, container: Messages.Container | null): Partial<Messages.Params> => {
  if (container === null) return {}
  // Skills have to be repeated in each request.
  return Predicate.isObject(params.container)
    ? { container: { ...params.container, id: container.id } }
    : { container: container.id }
}

/** Joins the parts of a paused answer. */
const joined = (parts: ReadonlyArray<Messages.Message>): Messages.Message =>
  parts.reduce((message, part) => ({
    ...part,
    content: [...message.content, ...part.content],
    container: part.container ?? message.container,
    usage: addedUp(message.usage, part.usage)
  }))

const addedUp = (a: Messages.Usage, b: Messages.Usage): Messages.Usage => {
  const sum = (x: number | null, y: number | null) => x === null ? y : x + (y ?? 0)
  return {
    ...b,
    input_tokens: sum(a.input_tokens, b.input_tokens),
    output_tokens: sum(a.output_tokens, b.output_tokens),
    cache_creation_input_tokens: sum(a.cache_creation_input_tokens, b.cache_creation_input_tokens),
    cache_read_input_tokens: sum(a.cache_read_input_tokens, b.cache_read_input_tokens)
  }
}

const tooManyPauses = (): RequestFailed =>
  new RequestFailed({
    operation: "createMessage",
    reason: new UnexpectedResponse({
      message: `The service paused the answer more than ${maxContinuations} times: ask for less at once.`
    })
  })
