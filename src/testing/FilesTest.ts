/**
 * The real client over an emulator in memory: tests a program in milliseconds, without a network, a key or a mock. The
 * emulator starts with the files that it is given, and a test can look at the stored files and the requests.
 *
 * Time is that of the `Clock`: under `TestClock`, files expire and policies wait in no real time.
 */
import * as Bytes from "effect/Bytes"
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
import { decodeText } from "../internal/request/body.ts"
import type * as MessageBatches from "../MessageBatches.ts"
import type * as Messages from "../Messages.ts"
import type { Policy } from "../Policy.ts"
import { readWire, through, toSentRequest, type Wire } from "./internal/request.ts"
import type { SentRequest } from "./SentRequest.ts"

/** A file that is stored before the program starts. */
export interface Seed extends Omit<Emulator.SeedFile, "createdAt" | "workspace"> {
  /** How long ago it was stored. @default 0 */
  readonly age?: Duration.Input | undefined
}

const ageOf = ({ age }: Seed): Duration.Duration => Duration.fromInputUnsafe(age ?? 0)

type SeedOptions = Omit<Seed, "filename" | "content" | "downloadable">

/** A file that a user uploaded: messages can refer to it, and it can't be downloaded. */
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

/** The same file, expiring after `remaining`. */
export const expiring = (seed: Seed, remaining: Duration.Input): Seed => ({
  ...seed,
  expiresIn: Duration.sum(ageOf(seed), Duration.fromInputUnsafe(remaining))
})

/**
 * The same file, expired an hour ago: its content is no longer served, its metadata still is. It is at least two hours old.
 */
export const expired = (seed: Seed): Seed => {
  const age = Duration.max(ageOf(seed), Duration.hours(2))
  return { ...seed, age, expiresIn: Duration.subtract(age, Duration.hours(1)) }
}

/** The files that exist when a test starts, and the options of emulator and client. */
export interface Options extends Omit<Emulator.Options, "apiKey" | "apiKeys" | "maxRecordedRequests"> {
  /** The files that exist from the start: by their `age`, and those of the same age oldest first. */
  readonly files?: ReadonlyArray<Seed> | undefined
  /** Options of the client: `dialect`, `idleTimeout` and others. */
  readonly client?: Omit<Files.Options, "apiKey" | "authToken" | "baseUrl"> | undefined
}

/** A stored file with its content, which is empty once the file has expired. */
export interface StoredFile extends FileMetadata {
  readonly bytes: Uint8Array
  /** The bytes as UTF-8. */
  readonly text: string
  readonly expired: boolean
}

/** A request and the status that answered it. */
export interface AnsweredRequest extends SentRequest {
  /** `upload`, `list`, `metadata`, `content`, `delete`, `createMessage`, …: the operations that faults can match. */
  readonly operation: string | undefined
  /** `undefined` while it runs, or when its connection broke. */
  readonly status: number | undefined
}

/**
 * Shows what a program did to the emulator, and changes what it meets there.
 */
export class FilesTest extends Context.Service<FilesTest, {
  /** All files, newest first. */
  readonly stored: Effect.Effect<ReadonlyArray<StoredFile>>
  /** Every request, oldest first. Each try of a policy is one. */
  readonly requests: Effect.Effect<ReadonlyArray<AnsweredRequest>>
  /** Stores one more file. */
  readonly seed: (seed: Seed) => Effect.Effect<StoredFile>
  /** Applies a fault to the requests from now on. */
  readonly fault: (fault: Fault) => Effect.Effect<void>
}>()("effect-anthropic-files/testing/FilesTest") {}

interface Entry {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly wire: () => Wire
  status: number | undefined
}

/** Records a request with the part of its body that is sent. */
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
    wire: () => ({ headers, bytes: Bytes.concat(chunks) }),
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

    const oldestFirst = files.toSorted((a, b) => Duration.toMillis(ageOf(b)) - Duration.toMillis(ageOf(a)))
    yield* Effect.forEach(oldestFirst, seed, { discard: true })

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

/** The services of {@link layer}. `Emulator` is there for what the inspector lacks, its own clock for example. */
export type Services =
  | Files.Files
  | Messages.Messages
  | MessageBatches.MessageBatches
  | HttpClient.HttpClient
  | FilesTest
  | Emulator.Emulator

/**
 * `Files`, `Messages` and `MessageBatches` over an emulator in memory. Each call makes an emulator of its own, which shares
 * nothing with the others.
 *
 * @param policy applied to every request, as in `NodeFiles.layer`: `Policy.standard()` for example. Without a policy
 * nothing is retried.
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
 * `Files`, `Messages` and `MessageBatches` with a made-up key, over any `HttpClient`: `HttpMock` or a replay for example.
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

const needsTestClock = Effect.clockWith((clock) =>
  "adjust" in clock
    ? Effect.void
    : Effect.die(
      new Error("FilesTest.fastForward needs effect's TestClock: use it.effect, or provide TestClock.layer().")
    )
)

/** Times that the program may run before the clock is moved. */
const settling = 10

/**
 * Runs an effect to its end in no real time: whenever it waits, for a retry for example, `TestClock` is moved forward step by
 * step, so that everything happens in order. It needs `TestClock`, and dies under the real clock.
 *
 * @param step how far the clock is moved at a time; waits of hours need a longer one. @default "1 second"
 */
export const fastForward = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  step: Duration.Input = "1 second"
): Effect.Effect<A, E, R> =>
  Effect.andThen(
    needsTestClock,
    Effect.raceFirst(
      effect,
      Effect.forever(
        Effect.andThen(Effect.replicateEffect(Effect.yieldNow, settling, { discard: true }), TestClock.adjust(step))
      )
    )
  )
