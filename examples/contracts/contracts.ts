/**
 * Contracts come in by path and by presigned URL. Each content is uploaded once, the same questions are asked about
 * each, and every answer is stored with what it cites as soon as it is there. A run that was killed continues where it
 * was.
 *
 * The state is kept in a directory: `answers.jsonl`, `uploads.jsonl` with the ids of the files that were uploaded
 * here, and the upload cache. Answers are kept by the contract's key: a contract whose text has changed needs another.
 */
import { Console, Data, Effect, FileSystem, Layer, Option, Path, Result, Schema, Semaphore, Stream } from "effect"
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

const isUrl = (source: string): boolean => /^https?:\/\//.test(source)

/** Nothing was done: the manifest or the directory can't be used. */
export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

/** Some contracts have no answers yet. */
export class Unfinished extends Data.TaggedError("Unfinished")<{ readonly message: string }> {}

/** Reads a manifest. A path in it is relative to the manifest's own directory. */
export const readManifest = Effect.fn("contracts.readManifest")(function*(manifest: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Contract))
  const text = yield* Effect.mapError(
    fs.readFileString(manifest),
    ({ reason }) => new Refused({ message: `${manifest} can't be read (${reason._tag}).` })
  )
  const numbered = text.split("\n").map((line, index) => [line, index + 1] as const)
  const keys = new Set<string>()
  return yield* Effect.forEach(
    numbered.filter(([line]) => line.trim() !== ""),
    ([line, number]) =>
      Effect.gen(function*() {
        const where = `Line ${number} of ${manifest}`
        const { key, source } = yield* Effect.mapError(
          decode(line),
          () => new Refused({ message: `${where} is not {"key": …, "source": path or URL}.` })
        )
        if (keys.has(key)) return yield* new Refused({ message: `${where} has the key ${key}, as one before it.` })
        keys.add(key)
        return { key, source: isUrl(source) ? source : path.resolve(path.dirname(manifest), source) }
      })
  )
})

const isAlive = (pid: number): boolean => pid > 0 && Option.isSome(Option.liftThrowable(() => process.kill(pid, 0))())

/**
 * Makes the directory if it isn't there, and keeps it to this process until the Scope closes: two at once would ask
 * every question twice and delete each other's files. What a killed process leaves behind is no obstacle.
 */
export const claim = Effect.fn("contracts.claim")(
  function*(folder: string) {
    const fs = yield* FileSystem.FileSystem
    const file = `${folder}/running.pid`
    const write = fs.writeFileString(file, String(process.pid), { flag: "wx" })
    const takeOver = Effect.gen(function*() {
      const owner = Number(yield* fs.readFileString(file))
      if (isAlive(owner)) {
        return yield* new Refused({
          message: `Process ${owner} works in ${folder}: wait for it, or remove ${file} if that is another program.`
        })
      }
      yield* fs.remove(file)
      yield* write
    })
    yield* Effect.acquireRelease(
      Effect.andThen(
        fs.makeDirectory(folder, { recursive: true }),
        Effect.catchIf(write, ({ reason }) => reason._tag === "AlreadyExists", () => takeOver)
      ),
      () => Effect.ignore(fs.remove(file))
    ).pipe(
      Effect.catchTag(
        "PlatformError",
        ({ reason }) =>
          Effect.fail(new Refused({ message: `${folder} can't be used for the answers (${reason._tag}).` }))
      )
    )
  }
)

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
  isUrl(source) ? FileSource.url(source) : FileSource.path(source)

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
  yield* Effect.forEach(over, ({ id }) => Effect.catchTag(Files.delete(id), "FileNotFound", () => Effect.void), {
    concurrency: 4,
    discard: true
  })
  return over.length
}, Effect.scoped)
