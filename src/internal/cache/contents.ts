/**
 * Identifies the content of a source, by reading it or by the caller's key.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type FileTooLarge, type RequestFailed, SourceFailed } from "../../FilesError.ts"
import type { Content, FileSource } from "../../FileSource.ts"
import { dropOldest } from "../bounded.ts"
import { defined } from "../defined.ts"
import { fileTooLarge, invalidRequest } from "../request/errors.ts"
import { type Hash, Sha256 } from "../sha256.ts"
import { describeValue, printable } from "../text.ts"
import { maxFileBytes } from "../wire/constants.ts"
import { mimeTypeOf } from "../wire/mimeType.ts"
import type { CacheContext, Prepared, UploadOptions, Wanted } from "./context.ts"
import * as Keys from "./keys.ts"
import type { UploadStoreFailed } from "./store.ts"

/** How many hashes of paths are kept in memory. */
const maxHashes = 10_000

const sourceFailed = (reason: "Changed" | "Consumed", message: string, source?: string): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason,
    message,
    ...defined({ source })
  })

const changed = (name: string): SourceFailed =>
  sourceFailed(
    "Changed",
    `${printable(name)} changed after it was read for its hash. Nothing was stored: upload it again.`,
    name
  )

const readOnce = (name: string | undefined): SourceFailed =>
  sourceFailed(
    "Consumed",
    `${
      printable(name ?? "The source")
    } can be read only once, and an upload cache reads twice: pass bytes, a path or a replayable stream, or a key that identifies its content.`
  )

const hashOf = (makeHash: () => Hash, bytes: Uint8Array): string => {
  const hash = makeHash()
  hash.update(bytes)
  return hash.digest()
}

/** Reads a content to the end, for its hash and size. */
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
  hashes.set(version, hashed)
  dropOldest(hashes, maxHashes)
}

/**
 * SHA-256 and size of an opened content. It is read only if this version of it has not been read before.
 *
 * @param isShared whether the hash is stored for other processes, if all of them are on this machine
 */
export const hash = Effect.fnUntraced(function*(
  { hashes, isLocal, leases }: CacheContext,
  content: Content,
  isShared: boolean
): Effect.fn.Return<Keys.Hashed, SourceFailed | UploadStoreFailed> {
  const { version } = content
  if (version === undefined) return yield* readToEnd(content)
  const remembered = hashes.get(version)
  if (remembered !== undefined) return remembered
  const cell = isShared && isLocal ? yield* leases.read(Keys.hash(version)) : undefined
  const hashed = cell?.value ?? (yield* readToEnd(content))
  remember(hashes, version, hashed)
  if (cell !== undefined && cell.value === undefined) yield* cell.put(hashed)
  return hashed
})

/** The same source, which fails if its content is no longer what was hashed. */
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
          // Before the request's last byte, because an aborted request stores nothing.
          Stream.suspend(() => hash.digest() === sha256 ? Stream.empty : Stream.fail(changed(filename)))
        )
      })
    }
  })
})

const typeOf = (options: UploadOptions, { fallbackMimeType, mimeType }: Content, filename: string): string =>
  options.mimeType ?? mimeType ?? mimeTypeOf(filename) ?? fallbackMimeType ?? ""

/** Reads a source for its hash and closes it again, so that nothing stays open while another upload is awaited. */
const byContent = <R>(
  cache: CacheContext,
  source: FileSource<R>,
  options: UploadOptions
): Effect.Effect<Wanted<R>, SourceFailed | FileTooLarge | UploadStoreFailed, R> =>
  Effect.scoped(Effect.gen(function*() {
    const opened = yield* source.open
    const filename = options.filename ?? opened.filename ?? ""
    // What would be refused is not read for its hash.
    if (opened.size !== undefined && opened.size > maxFileBytes) {
      return yield* fileTooLarge(filename, opened.size, maxFileBytes)
    }
    const hashed = yield* hash(cache, opened, true)
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
  // The MIME type as far as it is known without opening the source.
  content: Keys.contentOfKey(cache.identity, key, options.mimeType ?? mimeTypeOf(options.filename ?? "") ?? ""),
  options,
  prepare: Effect.gen(function*() {
    const opened = yield* source.open
    const filename = options.filename ?? opened.filename ?? ""
    return {
      filename,
      mimeType: typeOf(options, opened, filename),
      // An upload whose answer is lost is searched by its size.
      size: opened.size ?? (yield* readToEnd(opened)).size,
      source: { ...source, open: Effect.succeed(opened) }
    }
  })
})

/** What a caller wants for a source. */
export const wantedOf = <R>(
  cache: CacheContext,
  source: FileSource<R>,
  options: UploadOptions
): Effect.Effect<Wanted<R>, SourceFailed | FileTooLarge | RequestFailed | UploadStoreFailed, R> => {
  const { key } = options
  if (key === undefined) return byContent(cache, source, options)
  return typeof key === "string" && key !== ""
    ? Effect.succeed(byKey(cache, source, options, key))
    : Effect.fail(
      invalidRequest(
        "upload",
        "key",
        `key is ${describeValue(key)}; expected a string that identifies the content, for example an ETag.`
      )
    )
}
