/**
 * Questions about one file, which is uploaded once and stands at the head of every request, where the service keeps
 * it cached. Questions are independent of each other unless one goes on from another's answer.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ContentBlock from "./ContentBlock.ts"
import type { FileMetadata } from "./FileMetadata.ts"
import { Files, type UploadOptions } from "./Files.ts"
import type { FileExpired, MessageError, UploadError } from "./FilesError.ts"
import { type FileSource, isFileSource } from "./FileSource.ts"
import * as Messages from "./Messages.ts"

export interface Options extends ContentBlock.DocumentOptions {
  /**
   * @default { type: "ephemeral" }, kept for 5 minutes after each question
   */
  readonly cacheControl?: ContentBlock.CacheControl | undefined
  /** How a source is uploaded; a file that is already there needs none. */
  readonly upload?: UploadOptions | undefined
  /**
   * Delete the file when the scope closes, however that comes about.
   *
   * @default false
   */
  readonly deleteAtEnd?: boolean | undefined
}

export interface AskOptions {
  /** Goes on from this answer: what was asked and answered up to there is sent along. */
  readonly after?: Answer | undefined
}

export interface AskAllOptions {
  /**
   * Questions under way at a time.
   *
   * @default 1
   */
  readonly concurrency?: number | "unbounded" | undefined
}

export interface Answer {
  readonly question: string
  readonly text: string
  /** Empty unless `citations` is on. */
  readonly citations: ReadonlyArray<Messages.Citation>
  readonly message: Messages.Message
  /** All turns so far, this answer included. */
  readonly messages: ReadonlyArray<Messages.MessageParam>
}

export interface Conversation {
  readonly file: FileMetadata
  readonly ask: (question: string, options?: AskOptions) => Effect.Effect<Answer, MessageError>
  /**
   * Independent questions, answered in their order. The first is asked alone: the cache can be read only when an answer
   * has begun, and questions that all start at once would each pay for the whole file.
   */
  readonly askAll: (
    questions: Iterable<string>,
    options?: AskAllOptions
  ) => Effect.Effect<ReadonlyArray<Answer>, MessageError>
}

/**
 * A conversation about a file: one that is already uploaded, or a source that is uploaded now. `params` is what all
 * requests share: model, max_tokens, system, tools and every other field of the API.
 */
export const about = Effect.fn("Conversation.about")(function*<R = never>(
  source: FileMetadata | FileSource<R>,
  params: Messages.Params,
  options: Options = {}
): Effect.fn.Return<Conversation, UploadError | FileExpired, Files | Messages.Messages | Scope.Scope | R> {
  const files = yield* Files
  const messages = yield* Messages.Messages
  const open: Effect.Effect<FileMetadata, UploadError, R> = isSource(source)
    ? files.upload(source, options.upload)
    : Effect.succeed(source)
  const remove = (file: FileMetadata) =>
    Effect.catch(
      files.delete(file.id),
      (error) => Effect.logWarning(`${file.filename} (${file.id}) could not be deleted: ${error.message}`)
    )
  const file = yield* options.deleteAtEnd === true
    ? Effect.acquireRelease(open, remove, { interruptible: true })
    : open
  const block = yield* ContentBlock.forFile(file, { cacheControl: { type: "ephemeral" }, ...options })

  const ask = Effect.fn("Conversation.ask")(
    function*(question: string, { after }: AskOptions = {}): Effect.fn.Return<Answer, MessageError> {
      const text = { type: "text" as const, text: question }
      const turns: ReadonlyArray<Messages.MessageParam> = after === undefined
        ? [{ role: "user", content: [block, text] }]
        : [...after.messages, { role: "user", content: [text] }]
      const message = yield* messages.create({ ...params, messages: turns })
      return {
        question,
        text: Messages.text(message),
        citations: Messages.citations(message),
        message,
        messages: [...turns, { role: "assistant", content: message.content }]
      }
    }
  )

  const askAll = (questions: Iterable<string>, { concurrency = 1 }: AskAllOptions = {}) =>
    Effect.suspend(() => {
      const [first, ...rest] = Array.from(questions)
      return first === undefined ? Effect.succeed([]) : Effect.flatMap(ask(first), (answer) =>
        Effect.map(
          Effect.forEach(rest, (question) => ask(question), { concurrency }),
          (answers) => [answer, ...answers]
        ))
    })

  return { file, ask, askAll }
})

const isSource = <R>(source: FileMetadata | FileSource<R>): source is FileSource<R> => isFileSource(source)
