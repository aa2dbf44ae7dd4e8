/**
 * The real client over the emulator, in memory: a program is tested without a network, a key or a mock, in
 * milliseconds. It starts with the files that it is given, and shows the stored files and the requests.
 *
 * Time is that of the `Clock`: under `TestClock` files expire and policies wait in no real time.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Emulator from "../emulator/Emulator.ts"
import type { Fault } from "../emulator/Fault.ts"
import { operationOf } from "../emulator/internal/http/endpoints.ts"
import type { FileRecord } from "../emulator/Store.ts"
import { FileId, type FileMetadata } from "../FileMetadata.ts"
import type * as Files from "../Files.ts"
import * as Clients from "../internal/clients.ts"
import { concat, decodeText } from "../internal/request/body.ts"
import type * as MessageBatches from "../MessageBatches.ts"
import type * as Messages from "../Messages.ts"
import type { Policy } from "../Policy.ts"
import { readWire, through, toSentRequest, type Wire } from "./internal/request.ts"
import type { SentRequest } from "./SentRequest.ts"

/** A file that is stored before the program begins. */
export interface Seed extends Omit<Emulator.SeedFile, "createdAt" | "workspace"> {
  /** How long ago it was stored. @default 0 */
  readonly age?: Duration.Input | undefined
}

type SeedOptions = Omit<Seed, "filename" | "content" | "downloadable">

/** A file that a user uploaded: messages can use it, and it can't be downloaded. */
export const uploaded = (filename: string, content: Uint8Array | string = "", options?: SeedOptions): Seed => ({
  ...options,
  filename,
  content,
  downloadable: false
})

/** A file that a tool or a skill made: it can be downloaded. */
export const generated = (filename: string, content: Uint8Array | string = "", options?: SeedOptions): Seed => ({
  ...options,
  filename,
  content,
  downloadable: true
})

/** A file whose content is served for `remaining` more. */
export const expiring = (seed: Seed, remaining: Duration.Input): Seed => ({
  ...seed,
  expiresIn: Duration.sum(Duration.fromInputUnsafe(seed.age ?? 0), Duration.fromInputUnsafe(remaining))
})

/** A file that expired an hour ago: its content is no longer served, its metadata still is. */
export const expired = (seed: Seed): Seed => ({ ...seed, age: "2 hours", expiresIn: "1 hour" })

/** What is there when a test begins, and what the client is made from. */
export interface Options extends Omit<Emulator.Options, "apiKey" | "apiKeys" | "maxRecordedRequests"> {
  /** What is stored from the start, oldest first. */
  readonly files?: ReadonlyArray<Seed> | undefined
  /** `dialect`, `idleTimeout` and whatever else a client takes. */
  readonly client?: Omit<Files.Options, "apiKey" | "authToken" | "baseUrl"> | undefined
}

/** A stored file with its content, which is empty once it has expired. */
export interface StoredFile extends FileMetadata {
  readonly bytes: Uint8Array
  /** The bytes as UTF-8. */
  readonly text: string
  readonly expired: boolean
}

/** A request and its outcome. */
export interface AnsweredRequest extends SentRequest {
  /** `upload`, `list`, `metadata`, `content`, `delete`, `createMessage`, …: the names that faults go by. */
  readonly operation: string | undefined
  /** `undefined` while it runs, or when its connection broke. */
  readonly status: number | undefined
}

/**
 * The inspector.
 */
export class FilesTest extends Context.Service<FilesTest, {
  /** All files, newest first. */
  readonly stored: Effect.Effect<ReadonlyArray<StoredFile>>
  /** Every request, each try of a policy by itself, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<AnsweredRequest>>
  /** Stores one more file. */
  readonly seed: (seed: Seed) => Effect.Effect<StoredFile>
  /** Makes something go wrong from now on. */
  readonly fault: (fault: Fault) => Effect.Effect<void>
}>()("effect-anthropic-files/testing/FilesTest") {}

interface Entry {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly wire: () => Wire
  status: number | undefined
}

/** Records the request with as much of its body as is sent. */
const note = Effect.fnUntraced(function*(request: HttpClientRequest.HttpClientRequest, entries: Array<Entry>) {
  const { body, headers } = request
  if (body._tag !== "Stream") {
    const wire = yield* readWire(request)
    const entry: Entry = { request, wire: () => wire, status: undefined }
    entries.push(entry)
    return { entry, noted: request }
  }
  const chunks: Array<Uint8Array> = []
  const entry: Entry = {
    request,
    wire: () => ({ headers, bytes: concat(chunks, chunks.reduce((size, chunk) => size + chunk.length, 0)) }),
    status: undefined
  }
  entries.push(entry)
  const noted = HttpClientRequest.setBody(
    request,
    HttpBody.stream(
      Stream.map(body.stream, (chunk) => {
        chunks.push(chunk.slice())
        return chunk
      }),
      body.contentType,
      body.contentLength
    )
  )
  return { entry, noted }
})

const toStored = (record: FileRecord, bytes: Uint8Array): StoredFile => ({
  id: FileId.make(record.id),
  type: "file",
  filename: record.filename,
  mime_type: record.mimeType,
  size_bytes: record.size,
  created_at: DateTime.makeUnsafe(record.createdAt),
  downloadable: record.downloadable,
  expires_at: record.expiresAt === null ? null : DateTime.makeUnsafe(record.expiresAt),
  scope: record.scope,
  ...(record.purpose === null ? undefined : { purpose: record.purpose }),
  bytes,
  get text() {
    return decodeText(bytes)
  },
  expired: record.expired
})

/** The inspector, and a client of the emulator that records every request. */
const layerInspector = (files: ReadonlyArray<Seed>) =>
  Layer.effectContext(Effect.gen(function*() {
    const emulator = yield* Emulator.Emulator
    const client = yield* HttpClient.HttpClient
    const entries: Array<Entry> = []

    const withContent = (record: FileRecord) =>
      Effect.map(emulator.content(record.id), (bytes) => toStored(record, bytes ?? new Uint8Array()))

    const seed = ({ age, ...file }: Seed) =>
      Effect.gen(function*() {
        const createdAt = age === undefined
          ? undefined
          : DateTime.subtractDuration(yield* DateTime.now, Duration.fromInputUnsafe(age))
        return yield* withContent(yield* emulator.seed({ ...file, createdAt }))
      }).pipe(Effect.orDie)

    yield* Effect.forEach(files, seed, { discard: true })

    return Context.make(
      HttpClient.HttpClient,
      through(client, (request, send) =>
        Effect.flatMap(note(request, entries), ({ entry, noted }) =>
          Effect.map(send(noted), (response) => {
            entry.status = response.status
            return response
          })))
    ).pipe(Context.add(
      FilesTest,
      FilesTest.of({
        stored: Effect.orDie(Effect.flatMap(emulator.files, Effect.forEach(withContent))),
        requests: Effect.sync(() =>
          entries.map(({ request, status, wire }): AnsweredRequest => {
            const sent = toSentRequest(request, wire())
            return { ...sent, operation: operationOf(sent.method, sent.path), status }
          })
        ),
        seed,
        fault: emulator.addFault
      })
    ))
  }))

/** What {@link layer} gives. `Emulator` is for what the inspector lacks, its own clock for example. */
export type Services =
  | Files.Files
  | Messages.Messages
  | MessageBatches.MessageBatches
  | HttpClient.HttpClient
  | FilesTest
  | Emulator.Emulator

/**
 * `Files`, `Messages` and `MessageBatches` as a program knows them, over an emulator of its own in memory. Each call
 * makes another one, and they share nothing.
 *
 * @param policy what happens to every request, as in `NodeFiles.layer`: `Policy.standard()` for example. Without one
 * nothing is tried again.
 */
export const layer = (options: Options = {}, policy?: Policy): Layer.Layer<Services> => {
  const { client, files = [], ...emulator } = options
  const inspected = Layer.provideMerge(layerInspector(files), Emulator.layer(emulator))
  const http = policy === undefined ? inspected : Layer.provideMerge(Layer.orDie(policy), inspected)
  const services = Layer.unwrap(
    Effect.map(Emulator.Emulator, ({ apiKey, url }) => layerServices({ ...client, apiKey, baseUrl: url }))
  )
  return Layer.provideMerge(services, http)
}

const layerServices = (options: Files.Options) => Layer.orDie(Clients.layer(options))

/**
 * `Files`, `Messages` and `MessageBatches` with a made-up key, over any `HttpClient`: over `HttpMock` or a replay.
 */
export const layerClient = (
  options: Files.Options = {}
): Layer.Layer<Files.Files | Messages.Messages | MessageBatches.MessageBatches, never, HttpClient.HttpClient> =>
  layerServices({ apiKey: Redacted.make("sk-ant-test-key-of-no-use"), baseUrl: "http://localhost", ...options })

/** `stored` of the inspector in the context. */
export const stored: Effect.Effect<ReadonlyArray<StoredFile>, never, FilesTest> = Effect.flatMap(
  FilesTest,
  (test) => test.stored
)

/** `requests` of the inspector in the context. */
export const requests: Effect.Effect<ReadonlyArray<AnsweredRequest>, never, FilesTest> = Effect.flatMap(
  FilesTest,
  (test) => test.requests
)

/** `seed` of the inspector in the context. */
export const seed = (seed: Seed): Effect.Effect<StoredFile, never, FilesTest> =>
  Effect.flatMap(FilesTest, (test) => test.seed(seed))

/** `fault` of the inspector in the context. */
export const fault = (fault: Fault): Effect.Effect<void, never, FilesTest> =>
  Effect.flatMap(FilesTest, (test) => test.fault(fault))

/** Turns of the scheduler that a program gets to run until it waits. */
const settling = 10

/**
 * Runs an effect to its end without its waits: whenever it waits, for a retry for example, `TestClock` is moved forward,
 * and everything happens in its order. Under the real clock it dies.
 *
 * @param step how far the clock is moved at a time; a longer step is faster in waits of hours. @default "1 second"
 */
export const fastForward = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  step: Duration.Input = "1 second"
): Effect.Effect<A, E, R> =>
  Effect.raceFirst(
    effect,
    Effect.forever(
      Effect.andThen(Effect.replicateEffect(Effect.yieldNow, settling, { discard: true }), TestClock.adjust(step))
    )
  )
