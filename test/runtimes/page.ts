/**
 * What a page does with this package, as functions that a test calls.
 */
import { Effect, Layer, Redacted, Stream } from "effect"
import {
  Credentials,
  type FileMetadata,
  Files,
  type FilesError,
  FileSource,
  Progress,
  Transfer,
  UploadCache,
  UploadStore
} from "effect-anthropic-files"
import * as BrowserFiles from "effect-anthropic-files/BrowserFiles"

interface Place {
  readonly baseUrl: string
  readonly apiKey?: string
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
}

const layerOf = ({ apiKey, baseUrl, headers = {} }: Place) =>
  Layer.orDie(
    apiKey === undefined
      ? BrowserFiles.layerCredentials(Credentials.none, { baseUrl, headers, idleTimeout: "1 second" })
      : BrowserFiles.layer({
        apiKey: Redacted.make(apiKey),
        baseUrl,
        idleTimeout: "1 second",
        headers: { "anthropic-dangerous-direct-browser-access": "true", ...headers }
      })
  )

const cached = Layer.orDie(Layer.provide(UploadCache.layer(), UploadStore.layerMemory))

const run = <A>(
  place: Place,
  program: Effect.Effect<
    A,
    FilesError.FilesError | UploadCache.Failure,
    BrowserFiles.Services | UploadCache.UploadCache
  >,
  signal?: AbortSignal
) => {
  const outcome = Effect.match(program, {
    onSuccess: (value) => ({ value, error: undefined }),
    onFailure: (error) => ({ value: undefined, error: { ...error, message: error.message } })
  })
  return Effect.runPromise(
    Effect.provide(outcome, Layer.provideMerge(cached, layerOf(place))),
    signal === undefined ? {} : { signal }
  )
}

const blob = (size: number) => new File([new Uint8Array(size).fill(7)], "large.bin")

const chunks = (size: number) =>
  Stream.map(Stream.range(1, size), (n) => new Uint8Array(1000).fill(n)).pipe((content) =>
    FileSource.stream(content, { filename: "stream.bin" })
  )

/** Uploads that many bytes, and tells what was counted meanwhile. */
const upload = (place: Place, size: number) => {
  const seen: Array<number> = []
  return run(
    place,
    Effect.gen(function*() {
      const progress = yield* Progress.make
      yield* Effect.forkScoped(
        Stream.runForEach(progress.changes("20 millis"), ({ bytes }) => Effect.sync(() => void seen.push(bytes)))
      )
      return yield* Transfer.upload({ source: FileSource.blob(blob(size)) }, progress)
    }).pipe(Effect.scoped, Effect.map((file: FileMetadata.FileMetadata) => ({ size: file.size_bytes, seen })))
  )
}

/** The file that was chosen in the page. */
const chosen = () => {
  const [file] = document.querySelector("input")?.files ?? []
  return file ?? new File([], "none was chosen")
}

const program = {
  upload,
  uploadStream: (place: Place, thousands: number) =>
    run(place, Effect.map(Files.upload(chunks(thousands)), ({ size_bytes }) => size_bytes)),
  uploadSmall: (place: Place) =>
    run(place, Effect.map(Files.upload(FileSource.text("größe", "a.txt")), ({ size_bytes }) => size_bytes)),
  uploadChosen: (place: Place) =>
    run(place, Effect.map(Files.upload(FileSource.blob(chosen())), ({ size_bytes }) => size_bytes)),
  cacheChosen: (place: Place) =>
    run(place, Effect.map(UploadCache.get(FileSource.blob(chosen())), ({ size_bytes }) => size_bytes)),
  uploadAborted: (place: Place, size: number, millis: number) =>
    run(place, Files.upload(FileSource.blob(blob(size))), AbortSignal.timeout(millis)).then(
      () => ({ value: "done" }),
      () => ({ value: "aborted" })
    ),
  list: (place: Place) =>
    run(place, Effect.map(Stream.runCollect(Files.list()), (files) => files.map(({ filename }) => filename))),
  download: (place: Place, id: FileMetadata.FileId) =>
    run(place, Stream.mkString(Stream.decodeText(Files.download(id)))),
  metadata: (place: Place, id: FileMetadata.FileId) => run(place, Files.metadata(id))
}

Object.assign(globalThis, { program })

type Name = keyof typeof program

/** In a worker: each message is the name of one of these functions and its arguments, with a port for what it gives. */
if (typeof document === "undefined") {
  addEventListener("message", ({ data: [name, ...args], ports: [port] }) => {
    const call = program[name as Name] as (...args: ReadonlyArray<unknown>) => Promise<unknown>
    call(...args).then((outcome) => port?.postMessage(outcome))
  })
  // What the page asks for goes through a service worker of this script.
  addEventListener("fetch", (event) => {
    const { request, respondWith } = event as unknown as {
      readonly request: Request
      readonly respondWith: (response: Promise<Response>) => void
    }
    respondWith.call(event, fetch(request))
  })
}
