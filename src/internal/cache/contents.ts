/**
 * What a source holds: told by reading it, or by a key of the caller's.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type RequestFailed, SourceFailed } from "../../FilesError.ts"
import type { Content, FileSource } from "../../FileSource.ts"
import { invalidRequest } from "../request/errors.ts"
import { type Hash, Sha256 } from "../sha256.ts"
import { printable } from "../text.ts"
import { mimeTypeOf } from "../wire/mimeType.ts"
import type { CacheContext, Prepared, UploadOptions, Wanted } from "./context.ts"
import * as Keys from "./keys.ts"
import type { UploadStoreFailed } from "./store.ts"

/** Hashes of paths that are kept in memory. */
const maxHashes = 10_000

const sourceFailed = (reason: "Changed" | "Consumed", message: string, source?: string): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason,
    message,
    isRetryable: false,
    isOutcomeUnknown: false,
    ...(source === undefined ? undefined : { source })
  })

const changed = (name: string): SourceFailed =>
  sourceFailed(
    "Changed",
    `${printable(name)} changed after it was read for its hash: nothing was stored, upload it again.`,
    name
  )

const readOnce = (name: string | undefined): SourceFailed =>
  sourceFailed(
    "Consumed",
    `${
      printable(name ?? "The source")
    } can be read only once, and an upload cache reads twice: give it as bytes, as a path, as a stream that is replayable, or with a key that tells its content.`
  )

const hashOf = (makeHash: () => Hash, bytes: Uint8Array): string => {
  const hash = makeHash()
  hash.update(bytes)
  return hash.digest()
}

/** Reads a content to its end. */
const readToEnd = Effect.fnUntraced(function*(
  { bytes, filename, isReplayable, stream }: Content
): Effect.fn.Return<Keys.Hashed, SourceFailed> {
  const makeHash = yield* Sha256
  if (bytes !== undefined) return { sha256: hashOf(makeHash, bytes), size: bytes.length }
  if (!isReplayable) return yield* readOnce(filename)
  const hash = makeHash()
  let size = 0
  yield* Stream.runForEach(stream, (chunk) =>
    Effect.sync(() => {
      size += chunk.length
      hash.update(chunk)
    }))
  return { sha256: hash.digest(), size }
})

const remember = (hashes: Map<string, Keys.Hashed>, version: string, hashed: Keys.Hashed) => {
  const [oldest] = hashes.keys()
  if (hashes.size >= maxHashes && oldest !== undefined) hashes.delete(oldest)
  hashes.set(version, hashed)
}

/**
 * SHA-256 and size of an opened content, which is read only if it has not been before.
 *
 * @param isNoted whether the hash is noted down for other processes, where they have the same paths
 */
export const hash = Effect.fnUntraced(function*(
  { hashes, isLocal, leases }: CacheContext,
  content: Content,
  isNoted: boolean
): Effect.fn.Return<Keys.Hashed, SourceFailed | UploadStoreFailed> {
  const { version } = content
  if (version === undefined) return yield* readToEnd(content)
  const remembered = hashes.get(version)
  if (remembered !== undefined) return remembered
  const cell = isNoted && isLocal ? yield* leases.read(Keys.hash(version)) : undefined
  const hashed = cell?.value ?? (yield* readToEnd(content))
  remember(hashes, version, hashed)
  if (cell !== undefined && cell.value === undefined) yield* cell.put(hashed)
  return hashed
})

/** The same source, which fails if it no longer is what was hashed. */
export const verified = <R>(
  source: FileSource<R>,
  filename: string,
  { sha256 }: Keys.Hashed,
  version: string | undefined
): FileSource<R> => ({
  ...source,
  open: Effect.gen(function*() {
    const content = yield* source.open
    if (version !== undefined && content.version === version) return content
    const makeHash = yield* Sha256
    if (content.bytes !== undefined) {
      return hashOf(makeHash, content.bytes) === sha256 ? content : yield* changed(filename)
    }
    return {
      ...content,
      stream: Stream.suspend(() => {
        const hash = makeHash()
        return Stream.concat(
          Stream.map(content.stream, (chunk) => {
            hash.update(chunk)
            return chunk
          }),
          // Before the request's last byte: a request that is broken off stores nothing.
          Stream.suspend(() => hash.digest() === sha256 ? Stream.empty : Stream.fail(changed(filename)))
        )
      })
    }
  })
})

const typeOf = (options: UploadOptions, { fallbackMimeType, mimeType }: Content, filename: string): string =>
  options.mimeType ?? mimeType ?? mimeTypeOf(filename) ?? fallbackMimeType ?? ""

/** Reads a source for its hash, and closes it again: who waits for another's upload keeps nothing open. */
const byContent = <R>(
  cache: CacheContext,
  source: FileSource<R>,
  options: UploadOptions
): Effect.Effect<Wanted<R>, SourceFailed | UploadStoreFailed, R> =>
  Effect.scoped(Effect.gen(function*() {
    const opened = yield* source.open
    const hashed = yield* hash(cache, opened, true)
    const filename = options.filename ?? opened.filename ?? ""
    const mimeType = typeOf(options, opened, filename)
    const prepared: Prepared<R> = {
      filename,
      mimeType,
      size: hashed.size,
      source: verified(source, filename, hashed, opened.version)
    }
    return {
      content: Keys.contentOf(cache.identity, hashed, mimeType),
      hashed,
      prepare: Effect.succeed(prepared),
      options
    }
  }))

/** Opens the source only for an upload, which then reads that very opening. */
const byKey = <R>(cache: CacheContext, source: FileSource<R>, options: UploadOptions, key: string): Wanted<R> => ({
  // As far as it is known without opening the source.
  content: Keys.contentOfKey(cache.identity, key, options.mimeType ?? mimeTypeOf(options.filename ?? "") ?? ""),
  options,
  prepare: Effect.gen(function*() {
    const opened = yield* source.open
    const filename = options.filename ?? opened.filename ?? ""
    return {
      filename,
      mimeType: typeOf(options, opened, filename),
      // An upload whose answer is lost is looked for by its size.
      size: opened.size ?? (yield* readToEnd(opened)).size,
      source: { ...source, open: Effect.succeed(opened) }
    }
  })
})

/** What is to be asked for, for a source. */
export const wantedOf = <R>(
  cache: CacheContext,
  source: FileSource<R>,
  options: UploadOptions
): Effect.Effect<Wanted<R>, SourceFailed | RequestFailed | UploadStoreFailed, R> => {
  const { key } = options
  if (key === undefined) return byContent(cache, source, options)
  return typeof key === "string" && key !== ""
    ? Effect.succeed(byKey(cache, source, options, key))
    : Effect.fail(
      invalidRequest("upload", "key", "key has to be a string that tells the content, an ETag for example.")
    )
}
