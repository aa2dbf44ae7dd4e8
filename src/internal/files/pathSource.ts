/**
 * A source that is read from a regular file on disk, and that fails if the file changes while it is read.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "../../FilesError.ts"
import { modifiedAt, versionOf } from "../cache/versions.ts"
import { defined } from "../defined.ts"
import { concat } from "../request/body.ts"
import { Buffers } from "../request/buffers.ts"
import { shorten } from "../text.ts"
import { nameOfPath } from "./names.ts"
import { chunkSize, type Content } from "./openedSource.ts"
import { fail, fromPlatformError } from "./sourceFailed.ts"

interface OpenFile {
  readonly path: string
  readonly file: FileSystem.File
  /** The file's state when it was opened. */
  readonly before: FileSystem.File.Info
  readonly size: number
  readonly onError: (error: PlatformError.PlatformError) => SourceFailed
  readonly isClosed: () => boolean
}

const kinds: Partial<Record<FileSystem.File.Type, string>> = {
  Directory: "a directory",
  BlockDevice: "a device",
  CharacterDevice: "a device",
  FIFO: "a FIFO: pass its bytes as a stream, for example standard input",
  Socket: "a socket"
}

const checkType = (path: string, { type }: FileSystem.File.Info): Effect.Effect<void, SourceFailed> =>
  type === "File"
    ? Effect.void
    : Effect.fail(fail("NotAFile", `${shorten(path)} is ${kinds[type] ?? "not a regular file"}.`, { source: path }))

const changed = ({ path }: OpenFile, what: string): SourceFailed =>
  fail("Changed", `${shorten(path)} ${what} while it was read. Nothing was stored: upload it again.`, { source: path })

const wrongSize = ({ path }: OpenFile, what: string): SourceFailed =>
  fail(
    "NotAFile",
    `${shorten(path)} ${what}, as files of the system do: pass its bytes as a stream, for example standard input.`,
    { source: path }
  )

/** Fails if the file has changed since it was opened, or continues past its size. */
const checkUnchanged = (open: OpenFile): Effect.Effect<void, SourceFailed> =>
  Effect.gen(function*() {
    const { before, file, onError, size } = open
    const beyond = yield* Effect.mapError(file.readAlloc(1, { position: BigInt(size) }), onError)
    const after = yield* Effect.mapError(file.stat, onError)
    if (size === 0 && Option.isSome(beyond)) return yield* wrongSize(open, "has content but reports a size of 0")
    if (Option.isSome(beyond) || after.size !== before.size) return yield* changed(open, "changed in size")
    if (modifiedAt(after) !== modifiedAt(before)) return yield* changed(open, "was written to")
  })

/** Fails because the file ended before its size. */
const endedEarly = (open: OpenFile, read: number): Effect.Effect<never, SourceFailed> =>
  Effect.flatMap(Effect.mapError(open.file.stat, open.onError), (after) =>
    Effect.fail(
      after.size === open.before.size && modifiedAt(after) === modifiedAt(open.before)
        ? wrongSize(open, `reports a size of ${open.size} bytes but ends after ${read}`)
        : changed(open, "shrank")
    ))

/** Reads a chunk, into a buffer of the transport if it lends one. */
const readChunk = (
  { file, onError }: OpenFile,
  lent: Uint8Array | undefined,
  bytes: number,
  position: number
): Effect.Effect<Option.Option<Uint8Array>, SourceFailed> => {
  const options = { position: BigInt(position) }
  if (lent === undefined) return Effect.mapError(file.readAlloc(bytes, options), onError)
  return Effect.mapBoth(file.read(lent, options), {
    onFailure: onError,
    onSuccess: (read) => read === 0 ? Option.none() : Option.some(read === bytes ? lent : lent.subarray(0, read))
  })
}

const bytesOf = (open: OpenFile): Stream.Stream<Uint8Array, SourceFailed> =>
  Stream.fromPull(Effect.map(Buffers, (buffers) => {
    const { isClosed, size } = open
    let position = 0
    return Effect.suspend((): Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, SourceFailed> => {
      if (position === size) return Cause.done()
      if (isClosed()) return Effect.interrupt
      const bytes = Math.min(chunkSize, size - position)
      return Effect.flatMap(readChunk(open, buffers?.take(bytes), bytes, position), (read) => {
        if (isClosed()) return Effect.interrupt
        if (Option.isNone(read)) return endedEarly(open, position)
        position += read.value.length
        const chunk = Arr.of<Uint8Array>(read.value)
        // Checked before the last bytes are handed over, so that a changed file never completes a request.
        return position === size ? Effect.as(checkUnchanged(open), chunk) : Effect.succeed(chunk)
      })
    })
  }))

const openFile = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<OpenFile, SourceFailed, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const onError = fromPlatformError(path)
  // Checked before it is opened, because opening a FIFO would wait for a writer.
  yield* Effect.flatMap(Effect.mapError(fs.stat(path), onError), (info) => checkType(path, info))
  const file = yield* Effect.mapError(fs.open(path), onError)
  // A transport may pull once more after the upload has ended. By then the descriptor is closed, and its number may
  // already belong to another file.
  let closed = false
  yield* Effect.addFinalizer(() => Effect.sync(() => void (closed = true)))
  const before = yield* Effect.mapError(file.stat, onError)
  yield* checkType(path, before)
  return { path, file, before, size: Number(before.size), onError, isClosed: () => closed }
})

export const openPath = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<Content, SourceFailed, FileSystem.FileSystem | Scope.Scope> {
  const open = yield* openFile(path)
  const { before, size } = open
  const content: Content = {
    ...defined({ version: versionOf(before, yield* Clock.currentTimeMillis) }),
    filename: nameOfPath(path),
    mimeType: undefined,
    size,
    bytes: undefined,
    isReplayable: true,
    stream: bytesOf(open)
  }
  if (size > chunkSize) return content
  if (size === 0) yield* checkUnchanged(open)
  const chunks = yield* Stream.runCollect(content.stream)
  return { ...content, bytes: concat(chunks, size) }
})
