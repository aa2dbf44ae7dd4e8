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
  Transfer
} from "effect-anthropic-files"
import * as BrowserFiles from "effect-anthropic-files/BrowserFiles"

interface Place {
  readonly baseUrl: string
  readonly apiKey?: string
}

const layerOf = ({ apiKey, baseUrl }: Place) =>
  Layer.orDie(
    apiKey === undefined
      ? BrowserFiles.layerCredentials(Credentials.none, { baseUrl, idleTimeout: "1 second" })
      : BrowserFiles.layer({
        apiKey: Redacted.make(apiKey),
        baseUrl,
        idleTimeout: "1 second",
        headers: { "anthropic-dangerous-direct-browser-access": "true" }
      })
  )

const run = <A>(
  place: Place,
  program: Effect.Effect<A, FilesError.FilesError, BrowserFiles.Services>,
  signal?: AbortSignal
) => {
  const outcome = Effect.match(program, {
    onSuccess: (value) => ({ value, error: undefined }),
    onFailure: (error) => ({ value: undefined, error: { ...error, message: error.message } })
  })
  return Effect.runPromise(Effect.provide(outcome, layerOf(place)), signal === undefined ? {} : { signal })
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

const program = {
  upload,
  uploadStream: (place: Place, thousands: number) =>
    run(place, Effect.map(Files.upload(chunks(thousands)), ({ size_bytes }) => size_bytes)),
  uploadSmall: (place: Place) =>
    run(place, Effect.map(Files.upload(FileSource.text("größe", "a.txt")), ({ size_bytes }) => size_bytes)),
  uploadChosen: (place: Place) => {
    const [file] = document.querySelector("input")?.files ?? []
    return run(
      place,
      file === undefined
        ? Effect.succeed(0)
        : Effect.map(Files.upload(FileSource.blob(file)), (file) => file.size_bytes)
    )
  },
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
