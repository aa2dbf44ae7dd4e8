/**
 * What can be uploaded: a path, bytes, text, a `Blob` or `File`, a `Stream`, a web `ReadableStream`, a URL.
 *
 * A source is a description: nothing is opened or read until an upload runs. Its bytes are streamed, so it takes about a
 * chunk of memory whatever its size. An upload that fails midway is retried only if its source can be read again;
 * streams can't, unless they are marked as replayable.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Files, FileSource } from "effect-anthropic-files"
 *
 * const program = Effect.gen(function*() {
 *   yield* Files.upload(FileSource.path("report.pdf"))
 *   yield* Files.upload(FileSource.text("a,b\n1,2\n", "table.csv"))
 *   // Each run of this stream gives the same bytes, so a retry may run it again.
 *   const lines = Stream.make("one\n", "two\n").pipe(Stream.encodeText)
 *   yield* Files.upload(FileSource.stream(lines, { filename: "lines.txt", replayable: true }))
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "./FilesError.ts"
import { toBytes } from "./internal/files/bytes.ts"
import { baseName, pathOfUrl } from "./internal/files/names.ts"
import { chunkSize, type Content } from "./internal/files/openedSource.ts"
import { openPath } from "./internal/files/pathSource.ts"
import { onlyBytes, onlyOnce, sameEachTime } from "./internal/files/runs.ts"
import { fail, fromDefect, wordsOf } from "./internal/files/sourceFailed.ts"
import { openUrl } from "./internal/files/urlSource.ts"
import { Buffers } from "./internal/request/buffers.ts"
import { kindOf, shorten } from "./internal/text.ts"
import { statedMimeType } from "./internal/wire/mimeType.ts"

const TypeId = "~effect-anthropic-files/FileSource"

export type {
  /** An opened source, for the duration of one upload. */
  Content
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

/** A defect of a source, such as a bug in a mapping, becomes a final failure of the upload. */
const make = <R>(open: Effect.Effect<Content, SourceFailed, R | Scope.Scope>, name?: string): FileSource<R> => {
  const failed = fromDefect(name)
  return {
    [TypeId]: TypeId,
    open: open.pipe(
      Effect.map((content) => ({
        ...content,
        stream: Stream.catchDefect(content.stream, (defect) => Stream.fail(failed(defect)))
      })),
      Effect.catchDefect((defect) => Effect.fail(failed(defect)))
    )
  }
}

/** The source for an argument that nothing can be read from: it fails when it is opened. */
const refuse = (message: string): FileSource => make(Effect.suspend(() => Effect.fail(fail("Failed", message))))

const fromBytes = (bytes: Uint8Array, filename: string | undefined, mimeType: string | undefined): Content => ({
  filename,
  mimeType,
  size: bytes.length,
  bytes,
  isReplayable: true,
  stream: bytes.length === 0 ? Stream.empty : Stream.succeed(bytes)
})

/**
 * Bytes in memory, of any realm. Don't change them while an upload runs.
 *
 * @param filename the file's name in the service; the upload's `filename` option overrides it
 */
export const bytes = (content: ArrayBufferView | ArrayBufferLike, filename: string): FileSource =>
  make(
    Effect.suspend(() => {
      const bytes = toBytes(content)
      if (bytes !== undefined) return Effect.succeed(fromBytes(bytes, filename, undefined))
      const advice = Predicate.isString(content) ? " For a string, use FileSource.text." : ""
      return Effect.fail(fail("Failed", `FileSource.bytes takes bytes, not ${kindOf(content)}.${advice}`))
    }),
    filename
  )

/**
 * Text, sent as UTF-8. Its MIME type is `text/plain` unless the name implies another.
 */
export const text = (content: string, filename: string): FileSource =>
  Predicate.isString(content)
    ? make(
      Effect.sync(() => ({
        ...fromBytes(new TextEncoder().encode(content), filename, undefined),
        fallbackMimeType: "text/plain"
      })),
      filename
    )
    : refuse(`FileSource.text takes a string, not ${kindOf(content)}.`)

/** The members of `Blob` that are used here. Other realms, runtimes and polyfills have classes of their own. */
interface BlobLike {
  readonly size: number
  readonly type: string
  readonly name?: unknown
  readonly arrayBuffer: () => Promise<unknown>
  readonly stream: () => unknown
}

const isBlobLike = (u: unknown): u is BlobLike =>
  Predicate.hasProperty(u, "size") && Predicate.isNumber(u.size) && Predicate.hasProperty(u, "type")
  && Predicate.isString(u.type) && Predicate.hasProperty(u, "arrayBuffer") && Predicate.isFunction(u.arrayBuffer)
  && Predicate.hasProperty(u, "stream") && Predicate.isFunction(u.stream)

/**
 * A `Blob`, or a `File` with its name and type, of any realm. If the name is a path, its last component is used. If the
 * type is generic, such as `application/octet-stream`, the name decides instead.
 *
 * @param filename needed for a `Blob`, which has no name of its own
 */
export const blob = (content: Blob, filename?: string): FileSource =>
  isBlobLike(content)
    ? fromBlob(content, filename)
    : refuse(
      `FileSource.blob takes a Blob with arrayBuffer() and stream(), not ${kindOf(content)}.${
        Predicate.isString(content) ? " For a string, use FileSource.text." : ""
      }`
    )

const fromBlob = (content: BlobLike, filename: string | undefined): FileSource => {
  const own = Predicate.isString(content.name) ? baseName(content.name) : undefined
  const name = filename ?? own
  const shown = shorten(name ?? "The Blob")
  const onError = (cause: unknown) =>
    fail("Failed", `${shown} could not be read to the end. Nothing was stored.`, { source: name, cause })
  return make(
    Effect.suspend(() => {
      const { size } = content
      // What a form or a program got wrong says no more than nothing does.
      const mimeType = statedMimeType(content.type) === undefined ? undefined : content.type.replace(/[;\s]+$/, "")
      if (size <= chunkSize) {
        return Effect.flatMap(Effect.tryPromise({ try: () => content.arrayBuffer(), catch: onError }), (buffer) => {
          const bytes = toBytes(buffer)
          if (bytes === undefined) {
            return Effect.fail(
              fail("Failed", `${shown} gave ${kindOf(buffer)} as its bytes; expected an ArrayBuffer.`, { source: name })
            )
          }
          return bytes.length === size
            ? Effect.succeed(fromBytes(bytes, name, mimeType))
            : Effect.fail(
              fail("SizeMismatch", `${shown} declared ${size} bytes but gave ${bytes.length}.`, {
                source: name
              })
            )
        })
      }
      const stream = Stream.unwrap(
        Effect.map(Effect.sync(() => content.stream()), (readable) => fromReadable(readable, shown, name, onError))
      )
      return Effect.succeed<Content>({
        filename: name,
        mimeType,
        size,
        bytes: undefined,
        isReplayable: true,
        ...(typeof Blob !== "undefined" && content instanceof Blob ? { blob: { content } } : undefined),
        stream: sameEachTime(onlyBytes(stream, name ?? "The Blob"), name ?? "The Blob")
      })
    }),
    name
  )
}

/** Recognizes a web stream by its shape, since other realms have classes of their own. */
const isReadableStream = (u: unknown): u is ReadableStream<unknown> =>
  Predicate.hasProperty(u, "getReader") && Predicate.isFunction(u.getReader)

const isAsyncIterable = (u: unknown): u is AsyncIterable<unknown> => Predicate.hasProperty(u, Symbol.asyncIterator)

const fromReadable = (
  readable: unknown,
  shown: string,
  name: string | undefined,
  onError: (cause: unknown) => SourceFailed
): Stream.Stream<unknown, SourceFailed> => {
  if (isReadableStream(readable)) return Stream.fromReadableStream({ evaluate: () => readable, onError })
  // Polyfills of Blob return Node streams.
  if (isAsyncIterable(readable)) return Stream.fromAsyncIterable(readable, onError)
  return Stream.fail(
    fail("Failed", `${shown} gave ${kindOf(readable)} as its stream; expected a web or Node stream.`, { source: name })
  )
}

/** Names what was given in place of an Effect Stream, and what to do with it. */
const otherStream = (given: unknown): string => {
  if (isReadableStream(given)) return `${kindOf(given)}. Use FileSource.readableStream for it.`
  return isAsyncIterable(given)
    ? `${kindOf(given)}. Convert it with Stream.fromAsyncIterable.`
    : `${kindOf(given)}.`
}

const replayableAdvice = "If each run gives the same bytes, set `replayable: true`."

/**
 * A `Stream` of bytes. Its own failures and defects become `SourceFailed` with the reason `Failed` and the original
 * failure as `cause`.
 *
 * A chunk is sent later than it is given, and is not copied: its bytes must not change any more. An async iterable, a
 * generator or a Node stream that fills one buffer again and again has to give a copy each time, `new Uint8Array(buffer)`.
 *
 * By default it is run only once, because a second run may give less: an iterator, a response's body and a Node stream
 * do. An upload that fails midway is then not retried. With `replayable: true` each try runs the stream again; a run
 * that gives fewer, more or other bytes than an earlier one fails with `Consumed`.
 */
export const stream = <E, R>(content: Stream.Stream<Uint8Array, E, R>, options: {
  readonly filename: string
  /** Bytes, if known. The request then has a content-length, and a stream of another length fails. */
  readonly size?: number | undefined
  /**
   * Whether each run of the stream gives the same bytes, so that a retry may run it again.
   *
   * @default false
   */
  readonly replayable?: boolean | undefined
}): FileSource<R> => {
  const { filename, replayable = false, size } = options
  if (!Stream.isStream(content)) {
    return refuse(`FileSource.stream takes an Effect Stream, not ${otherStream(content)}`)
  }
  const source = onlyBytes(Stream.mapError(content, streamFailed(filename)), filename)
  const once = replayable ? undefined : onlyOnce(source, filename, replayableAdvice)
  return make(
    Effect.map(Effect.context<R>(), (context): Content => ({
      filename,
      mimeType: undefined,
      size,
      bytes: undefined,
      isReplayable: replayable,
      stream: Stream.provideContext(once ?? sameEachTime(source, filename), context)
    })),
    filename
  )
}

/** Streams that any source has read from: their bytes are gone. */
const consumed = new WeakSet<ReadableStream<unknown>>()

/** Node's mark on a stream that something has read from. Other runtimes have none. */
const disturbed = Symbol.for("nodejs.stream.disturbed")

const isConsumed = (readable: ReadableStream<unknown>): boolean =>
  consumed.has(readable) || (Predicate.hasProperty(readable, disturbed) && readable[disturbed] === true)

/**
 * A web `ReadableStream` of bytes. It can be read only once, so an upload of it is never retried. A function that
 * returns a new stream of the same bytes can be retried: it is called for each try, and returning a stream that was read
 * already, or one with other bytes, fails with `Consumed`. A chunk is not copied: its bytes must not change once it is
 * given.
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
  const taken = Effect.suspend((): Effect.Effect<ReadableStream<unknown>, SourceFailed> => {
    const readable: unknown = isReplayable ? content() : content
    if (!isReadableStream(readable)) {
      return Effect.fail(fail(
        "Failed",
        `FileSource.readableStream takes a web ReadableStream, not ${kindOf(readable)}.${
          isAsyncIterable(readable) ? " Convert a Node stream with Readable.toWeb or Stream.fromAsyncIterable." : ""
        }`,
        { source: filename }
      ))
    }
    if (isConsumed(readable)) {
      return Effect.fail(
        fail(
          "Consumed",
          `The stream for ${shorten(filename)} was read already. Pass a function that returns a new one each time.`,
          { source: filename }
        )
      )
    }
    if (readable.locked) return Effect.fail(onError(new TypeError("The ReadableStream is locked to another reader")))
    consumed.add(readable)
    return Effect.succeed(readable)
  })
  const source = onlyBytes(
    Stream.unwrap(
      Effect.map(
        Effect.catchDefect(taken, (defect) => Effect.fail(onError(defect))),
        (readable) => Stream.fromReadableStream({ evaluate: () => readable, onError })
      )
    ),
    filename
  )
  return make(
    Effect.sync((): Content => ({
      filename,
      mimeType: undefined,
      size,
      bytes: undefined,
      isReplayable,
      stream: isReplayable ? sameEachTime(source, filename) : source
    })),
    filename
  )
}

const streamFailed = (filename: string) => (cause: unknown): SourceFailed =>
  fail("Failed", `The stream for ${shorten(filename)} failed before its end${wordsOf(cause)}. Nothing was stored.`, {
    source: filename,
    cause
  })

/** A URL of any realm, or a `file:` URL as a string. */
const isUrl = (u: unknown): u is string | URL =>
  Predicate.isString(u)
    ? u.startsWith("file://")
    : Predicate.hasProperty(u, "href") && Predicate.hasProperty(u, "protocol") && Predicate.hasProperty(u, "pathname")

/**
 * A regular file, by its path or its `file:` URL. If it shrinks, grows or is rewritten while it is read, the upload
 * fails with `Changed` and nothing is stored. Directories, FIFOs and devices are refused; pass a pipe as a
 * {@link stream}.
 */
export const path = (path: string | URL): FileSource<FileSystem.FileSystem> => {
  if (isUrl(path)) {
    const found = pathOfUrl(path)
    return "path" in found ? fromPath(found.path) : refuse(`${shorten(String(path))} ${found.problem}.`)
  }
  return Predicate.isString(path)
    ? fromPath(path)
    : refuse(`FileSource.path takes a path or a file: URL, not ${kindOf(path)}.`)
}

const fromPath = (path: string): FileSource<FileSystem.FileSystem> => make(openPath(path), path)

/**
 * The content of a URL, such as a presigned one, fetched with GET and streamed through without touching the disk.
 * Redirects to http and https are followed. No credential of this client is sent along, and the URL's query, which may
 * hold a signature, appears in no error.
 *
 * The name comes from the response's content-disposition, else from the last segment of the final URL. The response's
 * content-type is used unless it is malformed or generic. A retry fetches the URL again.
 */
export const url = (url: string | URL): FileSource<HttpClient.HttpClient> => make(openUrl(url))

/**
 * Runs `f` with each chunk as it is handed to the transport, for progress, a hash or a copy.
 */
export const tap = <R, R2>(
  self: FileSource<R>,
  f: (chunk: Uint8Array) => Effect.Effect<unknown, never, R2>
): FileSource<R | R2> => {
  if (!isFileSource(self)) return refuse(`FileSource.tap takes a FileSource, not ${kindOf(self)}.`)
  return make(Effect.gen(function*() {
    const content = yield* self.open
    const context = yield* Effect.context<R2>()
    return {
      ...content,
      bytes: undefined,
      // `f` may keep its chunks, so their buffers must not be reused.
      stream: Stream.provideService(
        Stream.tap(content.stream, (chunk) => Effect.provideContext(f(chunk), context)),
        Buffers,
        undefined
      )
    }
  }))
}
