/**
 * Contracts come in by path and by presigned URL. Each content is uploaded once, the same questions are asked about
 * each, and every answer is stored with what it cites as soon as it is there. A run that was killed continues where it
 * was.
 *
 * The state is kept in a directory: `answers.jsonl`, `uploads.jsonl` with the ids of the files that were uploaded
 * here, and the upload cache.
 */
import { Console, Effect, FileSystem, Layer, Option, Result, Schema, Semaphore, Stream } from "effect"
import { Conversation, FileMetadata, Files, FileSource, UploadCache, UploadStore } from "effect-anthropic-files"
import type { HttpClient } from "effect/http"
import { model } from "../shared/example.ts"

/** A line of the manifest. */
export const Contract = Schema.Struct({
  key: Schema.NonEmptyString,
  /** Of a file on disk, or a URL that needs no other credential. */
  source: Schema.NonEmptyString
})
export type Contract = typeof Contract.Type

/** A line of `answers.jsonl`. */
export const Answer = Schema.Struct({
  key: Schema.String,
  question: Schema.String,
  text: Schema.String,
  citations: Schema.Array(Schema.String),
  file: FileMetadata.FileId
})

const Upload = Schema.Struct({ file: FileMetadata.FileId, expiresAt: Schema.NullOr(Schema.String) })

export const questions = [
  "Who are the parties?",
  "How can it be ended, and by when?",
  "What is to be paid, and when?"
]

/**
 * A file of JSON lines that is only appended to. A line that was cut off by a kill counts as never written; the line
 * break of the next one ends it.
 */
const lines = Effect.fn(function*<A, I>(path: string, schema: Schema.Codec<A, I>) {
  const fs = yield* FileSystem.FileSystem
  const json = Schema.fromJsonString(schema)
  const decode = Schema.decodeUnknownOption(json)
  const encode = Schema.encodeEffect(json)
  const text = (yield* fs.exists(path)) ? yield* fs.readFileString(path) : ""
  const file = yield* fs.open(path, { flag: "a" })
  if (text !== "" && !text.endsWith("\n")) yield* file.writeAll(new TextEncoder().encode("\n"))
  const turn = yield* Semaphore.make(1)
  return {
    before: text.split("\n").flatMap((line) => Option.toArray(decode(line))),
    /** The line is on disk when this ends. */
    add: (value: A) =>
      Effect.gen(function*() {
        yield* file.writeAll(new TextEncoder().encode(`${yield* encode(value)}\n`))
        yield* file.sync
      }).pipe(turn.withPermit, Effect.uninterruptible)
  }
})

const sourceOf = (
  { source }: Contract
): FileSource.FileSource<FileSystem.FileSystem | HttpClient.HttpClient> =>
  /^https?:\/\//.test(source) ? FileSource.url(source) : FileSource.path(source)

/** The upload cache of the folder, for all runs. */
export const layerCache = (folder: string) =>
  UploadCache.layer().pipe(Layer.provide(UploadStore.layerDirectory(`${folder}/cache`)))

/** Asks the open questions about each contract, and returns the contracts that failed. The others continue. */
export const answerAll = Effect.fn("contracts.answerAll")(function*(
  contracts: ReadonlyArray<Contract>,
  folder: string
) {
  const answers = yield* lines(`${folder}/answers.jsonl`, Answer)
  const uploads = yield* lines(`${folder}/uploads.jsonl`, Upload)
  const known = new Set(uploads.before.map(({ file }) => file))
  const answered = new Set(answers.before.map(({ key, question }) => JSON.stringify([key, question])))
  const isOpen = (key: string) => (question: string) => !answered.has(JSON.stringify([key, question]))

  const answer = Effect.fn("contracts.answer")(function*(contract: Contract) {
    const { key } = contract
    yield* Effect.annotateCurrentSpan("contract.key", key)
    if (!questions.some(isOpen(key))) return
    yield* UploadCache.use(sourceOf(contract), (file) =>
      Effect.gen(function*() {
        if (!known.has(file.id)) {
          known.add(file.id)
          yield* uploads.add({ file: file.id, expiresAt: file.expires_at === null ? null : String(file.expires_at) })
        }
        const about = yield* Conversation.about(file, { model, max_tokens: 1024 }, { citations: true })
        yield* Stream.runForEach(about.askAll(questions.filter(isOpen(key))), ({ citations, question, text }) =>
          Effect.gen(function*() {
            const cited = citations.map(({ cited_text }) =>
              cited_text ?? ""
            )
            yield* answers.add({ key, question, text, citations: cited, file: file.id })
            answered.add(JSON.stringify([key, question]))
          }))
      }).pipe(Effect.scoped), { expiresIn: "1 day" })
    yield* Console.log(`${key}: answered`)
  })

  const failed = yield* Effect.forEach(
    contracts,
    (contract) =>
      Effect.map(
        Effect.result(answer(contract)),
        Result.match({
          onSuccess: () => [],
          onFailure: (error) => [{ contract, error }]
        })
      ),
    { concurrency: 4 }
  )
  return failed.flat()
}, Effect.scoped)

/** Deletes files that were uploaded here: the expired ones, or all of them. Other files are left alone. */
export const cleanUp = Effect.fn("contracts.cleanUp")(function*(folder: string, which: "expired" | "all") {
  const { before } = yield* lines(`${folder}/uploads.jsonl`, Upload)
  const found = (yield* Files.findMany(before.map(({ file }) => file))).flatMap(Option.toArray)
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
  const over = found.filter(({ expires_at }) =>
    which === "all" || (expires_at !== null && expires_at.epochMilliseconds <= now)
  )
  yield* Effect.forEach(over, ({ id }) => Files.delete(id), { concurrency: 4, discard: true })
  return over.length
}, Effect.scoped)
