/**
 * What can be uploaded: a path, bytes, text, a `Blob` or `File`, a `Stream`, a web `ReadableStream`, a URL.
 *
 * A source is a description; nothing is opened or read until an upload runs. Its bytes are streamed: whatever its
 * size, a source costs about a chunk of memory.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "./FilesError.ts"
import { modifiedAt, versionOf } from "./internal/cache/versions.ts"
import { fail, fromPlatformError } from "./internal/files/sourceFailed.ts"
import { concat, parseLength } from "./internal/request/body.ts"
import { Buffers } from "./internal/request/buffers.ts"
import { codeOf } from "./internal/request/evidence.ts"
import { userAgent } from "./internal/request/userAgent.ts"
import { printable } from "./internal/text.ts"

const TypeId = "~effect-anthropic-files/FileSource"

/**
 * An opened source, for the duration of one upload.
 */
export interface Content {
  /** The name that the source suggests. */
  readonly filename: string | undefined
  /** The MIME type that the source states; `undefined` leaves it to be inferred from the name. */
  readonly mimeType: string | undefined
  /** The MIME type where the name tells none. */
  readonly fallbackMimeType?: string
  /** Bytes, where it can be known before the first one is read. */
  readonly size: number | undefined
  /** The whole content, where it is at hand in one buffer. */
  readonly bytes: Uint8Array | undefined
  /**
   * Two openings with the same version have the same content; absent where that can't be told without reading it. A
   * path has one unless it was written to within the last seconds: its device, inode, size and time of modification.
   */
  readonly version?: string
  /** Whether `stream` can be run a second time. */
  readonly isReplayable: boolean
  /** The content. */
  readonly stream: Stream.Stream<Uint8Array, SourceFailed>
}

/**
 * Something that can be uploaded. `R` is what opening it needs: a path needs `FileSystem`, a URL needs `HttpClient`.
 */
export interface FileSource<out R = never> {
  readonly [TypeId]: typeof TypeId
  readonly open: Effect.Effect<Content, SourceFailed, R | Scope.Scope>
}

/** Whether `u` is a {@link FileSource}. */
export const isFileSource = (u: unknown): u is FileSource<unknown> => Predicate.hasProperty(u, TypeId)

const make = <R>(open: Effect.Effect<Content, SourceFailed, R | Scope.Scope>): FileSource<R> => ({
  [TypeId]: TypeId,
  open
})

/** Read and sent at a time. Smaller chunks cost throughput: at 64 KiB an upload takes three times as long. */
const chunkSize = 1 << 20

const fromBytes = (bytes: Uint8Array, filename: string | undefined, mimeType: string | undefined): Content => ({
  filename,
  mimeType,
  size: bytes.length,
  bytes,
  isReplayable: true,
  stream: bytes.length === 0 ? Stream.empty : Stream.succeed(bytes)
})

/**
 * Bytes in memory. They must not be changed while an upload runs.
 *
 * @param filename what the service is to call the file; `options.filename` of the upload overrides it
 */
export const bytes = (content: ArrayBufferView | ArrayBuffer, filename: string): FileSource =>
  make(Effect.suspend(() =>
    ArrayBuffer.isView(content)
      ? Effect.succeed(
        fromBytes(new Uint8Array(content.buffer, content.byteOffset, content.byteLength), filename, undefined)
      )
      : content instanceof ArrayBuffer
      ? Effect.succeed(fromBytes(new Uint8Array(content), filename, undefined))
      : Effect.fail(fail("Failed", "FileSource.bytes takes bytes; for a string there is FileSource.text."))
  ))

/**
 * Text, sent as UTF-8. Its MIME type is `text/plain` where the name does not tell another.
 */
export const text = (content: string, filename: string): FileSource =>
  make(Effect.suspend(() =>
    Predicate.isString(content)
      ? Effect.succeed({
        ...fromBytes(new TextEncoder().encode(content), filename, undefined),
        fallbackMimeType: "text/plain"
      })
      : Effect.fail(fail("Failed", "FileSource.text takes a string."))
  ))

/**
 * A `Blob`, or a `File` with its name and type.
 *
 * @param filename needed for a `Blob`, which has no name of its own
 */
export const blob = (content: Blob, filename?: string): FileSource =>
  make(Effect.suspend(() => {
    const name = filename ?? (typeof File !== "undefined" && content instanceof File ? content.name : undefined)
    const mimeType = content.type === "" ? undefined : content.type
    const onError = (cause: unknown) =>
      fail("Failed", `${printable(name ?? "The Blob")} could not be read to its end.`, { source: name, cause })
    if (content.size <= chunkSize) {
      return Effect.map(
        Effect.tryPromise({ try: () => content.arrayBuffer(), catch: onError }),
        (buffer) => fromBytes(new Uint8Array(buffer), name, mimeType)
      )
    }
    return Effect.succeed<Content>({
      filename: name,
      mimeType,
      size: content.size,
      bytes: undefined,
      isReplayable: true,
      stream: Stream.fromReadableStream({ evaluate: () => content.stream(), onError })
    })
  }))

/**
 * A `Stream` of bytes. Its own failures become `SourceFailed` with the reason `Failed` and the failure as `cause`.
 *
 * A retry runs the stream again. One that can be run only once is stated as such, and is then never sent twice.
 */
export const stream = <E, R>(content: Stream.Stream<Uint8Array, E, R>, options: {
  readonly filename: string
  /** Bytes, if known: it gives the request a content-length, and a stream that differs from it fails. */
  readonly size?: number | undefined
  /** @default false */
  readonly once?: boolean | undefined
}): FileSource<R> => {
  const isReplayable = options.once !== true
  const source = Stream.mapError(content, streamFailed(options.filename))
  const guarded = isReplayable ? source : readOnce(source, options.filename)
  return make(Effect.map(Effect.context<R>(), (context): Content => ({
    filename: options.filename,
    mimeType: undefined,
    size: options.size,
    bytes: undefined,
    isReplayable,
    stream: Stream.provideContext(guarded, context)
  })))
}

/**
 * A web `ReadableStream` of bytes. It can be read only once, so it is never sent twice; a function that makes a new
 * one each time can be.
 */
export const readableStream = (
  content: ReadableStream<Uint8Array> | (() => ReadableStream<Uint8Array>),
  options: {
    readonly filename: string
    /** Bytes, if known. */
    readonly size?: number | undefined
  }
): FileSource => {
  const { filename, size } = options
  const onError = streamFailed(filename)
  const isReplayable = typeof content === "function"
  const source = Stream.unwrap(Effect.map(
    Effect.try({
      try: () => {
        const readable = isReplayable ? content() : content
        // Reading one that has a reader already would be a defect.
        if (readable.locked) throw new TypeError("The ReadableStream is locked to another reader")
        return readable
      },
      catch: onError
    }),
    (readable) => Stream.fromReadableStream({ evaluate: () => readable, onError })
  ))
  const guarded = isReplayable ? source : readOnce(source, filename)
  return make(
    Effect.succeed<Content>({
      filename,
      mimeType: undefined,
      size,
      bytes: undefined,
      isReplayable,
      stream: guarded
    })
  )
}

const streamFailed = (filename: string) => (cause: unknown): SourceFailed =>
  fail("Failed", `The stream for ${printable(filename)} failed before its end.`, { source: filename, cause })

/** One guard for all uploads of a source: what a first one has read, a second one can't. */
const readOnce = <R>(
  content: Stream.Stream<Uint8Array, SourceFailed, R>,
  name: string
): Stream.Stream<Uint8Array, SourceFailed, R> => {
  let consumed = false
  return Stream.suspend((): Stream.Stream<Uint8Array, SourceFailed, R> => {
    if (consumed) {
      return Stream.fail(
        fail("Consumed", `${printable(name)} can be read only once and was: it can't be sent again.`, { source: name })
      )
    }
    consumed = true
    return content
  })
}

/**
 * A regular file. It is watched while it is read: one that shrinks, grows or is rewritten fails with `Changed`, and
 * nothing is stored. Directories, FIFOs and devices are refused; give a pipe as a {@link stream}.
 */
export const path = (path: string): FileSource<FileSystem.FileSystem> =>
  make(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const onError = fromPlatformError(path)
    // Looked at before it is opened: opening a FIFO would wait for a writer.
    yield* Effect.flatMap(Effect.mapError(fs.stat(path), onError), (info) => regularFile(path, info))
    const file = yield* Effect.mapError(fs.open(path), onError)
    // A transport may pull once more after the upload has ended. The descriptor is then closed, and its number may
    // already belong to another file.
    let closed = false
    yield* Effect.addFinalizer(() => Effect.sync(() => void (closed = true)))
    const before = yield* Effect.mapError(file.stat, onError)
    yield* regularFile(path, before)
    const size = Number(before.size)

    const changed = (what: string) =>
      fail("Changed", `${printable(path)} ${what} while it was read: nothing was stored, upload it again.`, {
        source: path
      })

    const unchanged = Effect.gen(function*() {
      const beyond = yield* Effect.mapError(file.readAlloc(1, { position: BigInt(size) }), onError)
      const after = yield* Effect.mapError(file.stat, onError)
      if (size === 0 && Option.isSome(beyond)) {
        return yield* fail(
          "NotAFile",
          `${printable(path)} has content but tells no size, as in /proc: give its bytes as a stream.`,
          { source: path }
        )
      }
      if (Option.isSome(beyond) || after.size !== before.size) return yield* changed("changed its size")
      if (modifiedAt(after) !== modifiedAt(before)) return yield* changed("was written to")
    })

    const stream = Stream.fromPull(Effect.map(Buffers, (buffers) => {
      let position = 0
      return Effect.suspend((): Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, SourceFailed> => {
        if (position === size) return Cause.done()
        if (closed) return Effect.interrupt
        const bytes = Math.min(chunkSize, size - position)
        const lent = buffers?.take(bytes)
        const options = { position: BigInt(position) }
        const reading: Effect.Effect<Option.Option<Uint8Array>, PlatformError.PlatformError> = lent === undefined
          ? file.readAlloc(bytes, options)
          : Effect.map(
            file.read(lent, options),
            (read) => read === 0 ? Option.none() : Option.some(read === bytes ? lent : lent.subarray(0, read))
          )
        return reading.pipe(
          Effect.mapError(onError),
          Effect.flatMap((read) => {
            if (closed) return Effect.interrupt
            if (Option.isNone(read)) return Effect.fail(changed("shrank"))
            position += read.value.length
            const chunk = Arr.of<Uint8Array>(read.value)
            // Asked before the last bytes are handed over, so that a changed file never completes a request.
            return position === size ? Effect.as(unchanged, chunk) : Effect.succeed(chunk)
          })
        )
      })
    }))

    const version = versionOf(before, yield* Clock.currentTimeMillis)
    const content: Content = {
      ...(version === undefined ? undefined : { version }),
      filename: path.replace(/[/\\]+$/, "").replace(/^.*[/\\]/s, ""),
      mimeType: undefined,
      size,
      bytes: undefined,
      isReplayable: true,
      stream
    }
    if (size > chunkSize) return content
    if (size === 0) yield* unchanged
    const chunks = yield* Stream.runCollect(stream)
    return { ...content, bytes: concat(chunks, size) }
  }))

const kinds: Partial<Record<FileSystem.File.Type, string>> = {
  Directory: "a directory",
  BlockDevice: "a device",
  CharacterDevice: "a device",
  FIFO: "a FIFO: give its bytes as a stream",
  Socket: "a socket"
}

const regularFile = (path: string, info: FileSystem.File.Info): Effect.Effect<void, SourceFailed> =>
  info.type === "File"
    ? Effect.void
    : Effect.fail(
      fail("NotAFile", `${printable(path)} is ${kinds[info.type] ?? "not a regular file"}.`, { source: path })
    )

/**
 * What a GET of a URL answers, a presigned one for example: streamed through, never on disk. Redirects are followed.
 * The URL's query, which may hold a signature, appears in no error.
 *
 * The answer's content-type is taken unless it says nothing; the filename is the last segment of the URL's path.
 */
export const url = (url: string | URL): FileSource<HttpClient.HttpClient> =>
  make(Effect.gen(function*() {
    const parsed = yield* Effect.try({
      try: () => new URL(url),
      // The cause repeats the text, and with it a signature.
      catch: () => fail("Unreadable", "That is not an absolute URL.")
    })
    if (parsed.protocol !== "https:" && parsed.protocol !== "http:") {
      return yield* fail("Unreadable", `A ${parsed.protocol} URL can't be fetched, only http: and https: ones can.`)
    }
    const shown = printable(`${parsed.origin}${parsed.pathname}`)
    const failed = (what: string, cause?: unknown) => {
      const code = codeOf(cause)
      return fail("Failed", `${shown} ${what}${code === undefined ? "" : ` (${code})`}.`, { source: shown })
    }
    const client = HttpClient.followRedirects(yield* HttpClient.HttpClient)
    const request = HttpClientRequest.get(parsed, { headers: { ...userAgent, "accept-encoding": "identity" } })
    const get = client.execute(request).pipe(
      // A signature in the query belongs in no span either.
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.mapError((error) => failed("can't be reached", "cause" in error.reason ? error.reason.cause : undefined)),
      Effect.timeoutOrElse({
        duration: urlTimeout,
        orElse: () => Effect.fail(failed(`gave no answer within ${Duration.format(urlTimeout)}`))
      }),
      Effect.filterOrElse(
        (response) => response.status >= 200 && response.status < 300,
        (response) =>
          Effect.andThen(letGo(response), Effect.fail(failed(`answered ${response.status} instead of its content`)))
      )
    )
    const bodyOf = (response: HttpClientResponse.HttpClientResponse) =>
      response.stream.pipe(
        Stream.timeoutOrElse({
          duration: urlTimeout,
          orElse: () => Stream.fail(failed(`stalled for ${Duration.format(urlTimeout)}`))
        }),
        Stream.catch((error): Stream.Stream<Uint8Array, SourceFailed> => {
          if (error._tag === "SourceFailed") return Stream.fail(error)
          return error.reason._tag === "EmptyBodyError"
            ? Stream.empty
            : Stream.fail(failed("broke off before its end", "cause" in error.reason ? error.reason.cause : undefined))
        })
      )
    let opened: HttpClientResponse.HttpClientResponse | undefined = yield* get
    // An upload that ends before it pulls the body must not leave the connection open.
    yield* Effect.addFinalizer(() => opened === undefined ? Effect.void : letGo(opened))
    const { headers } = opened
    const encoding = headers["content-encoding"]
    const isEncoded = encoding !== undefined && encoding.toLowerCase() !== "identity"
    // fetch takes an encoding off by itself; elsewhere the file would be stored as the encoded bytes.
    if (isEncoded && Option.isNone(HttpClientResponse.toWeb(opened))) {
      return yield* failed(`sent its content as ${printable(encoding)}, which was not asked for`)
    }
    const mimeType = headers["content-type"]?.split(";")[0]?.trim().toLowerCase()
    const segment = parsed.pathname.split("/").at(-1) ?? ""
    return {
      filename: yield* Effect.orElseSucceed(
        Effect.try({ try: () => decodeURIComponent(segment), catch: () => segment }),
        () => segment
      ),
      mimeType: mimeType === "" || mimeType === "application/octet-stream" || mimeType === "binary/octet-stream"
        ? undefined
        : mimeType,
      size: isEncoded ? undefined : parseLength(headers["content-length"]),
      bytes: undefined,
      isReplayable: true,
      stream: Stream.suspend(() => {
        const response = opened
        opened = undefined
        return response === undefined ? Stream.unwrap(Effect.map(get, bodyOf)) : bodyOf(response)
      })
    }
  }))

/** For an answer, and between two chunks of it. */
const urlTimeout = Duration.seconds(60)

/** Closes a response nobody reads: its stream is begun and interrupted before a byte is waited for. */
const letGo = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Effect.ignore(Effect.raceFirst(Stream.runDrain(response.stream), Effect.yieldNow))

/**
 * Runs `f` with each chunk as it is handed to the transport: progress, a hash, a copy.
 */
export const tap = <R, R2>(
  self: FileSource<R>,
  f: (chunk: Uint8Array) => Effect.Effect<unknown, never, R2>
): FileSource<R | R2> =>
  make(Effect.gen(function*() {
    const content = yield* self.open
    const context = yield* Effect.context<R2>()
    return {
      ...content,
      bytes: undefined,
      // `f` may keep what it is given.
      stream: Stream.provideService(
        Stream.tap(content.stream, (chunk) => Effect.provideContext(f(chunk), context)),
        Buffers,
        undefined
      )
    }
  }))
