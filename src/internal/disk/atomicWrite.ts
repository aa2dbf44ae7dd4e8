/**
 * Writes a stream of bytes to a file, completely or not at all.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { offSpan } from "../telemetry.ts"
import { printable } from "../text.ts"
import { causeOf } from "./cause.ts"
import { isNotFound } from "./notFound.ts"
import { make as makeRunNames, type RunNames } from "./runNames.ts"
import { numbered } from "./safeName.ts"
import { persistently, syncDirectory, temporaryIn } from "./temporary.ts"

/** What to do if the file exists. */
export type OnExisting = "fail" | "replace" | "rename"

/** A path that must not be written to. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly reason: "Exists" | "Symlink" | "NotAFile"
  readonly path: string
}

/** A failure of the file system. */
export interface WriteFailed {
  readonly _tag: "WriteFailed"
  /** A {@link PlatformError}, or a defect of the file system. */
  readonly cause: unknown
  /** Bytes that had been written before the failure. */
  readonly written: number
}

const refuse = (reason: Refusal["reason"], path: string): Effect.Effect<never, Refusal> =>
  Effect.fail({ _tag: "Refusal", reason, path })

/** Bytes per write. Writing a MiB costs little more than writing a network packet. */
const blockSize = 1 << 20

const lookAt = (fs: FileSystem.FileSystem, path: string) =>
  fs.lstat(path).pipe(
    Effect.asSome,
    Effect.catchIf(isNotFound, () => Effect.succeedNone)
  )

/**
 * Refuses a path that must not be written to. Returns the permissions of the file that will be replaced, if any.
 */
export const check = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  target: string,
  onExisting: OnExisting
): Effect.fn.Return<number | undefined, Refusal | PlatformError> {
  if (onExisting === "rename") return undefined
  const found = yield* lookAt(fs, target)
  if (Option.isNone(found)) return undefined
  const { mode, type } = found.value
  if (type === "SymbolicLink") return yield* refuse("Symlink", target)
  if (type !== "File") return yield* refuse("NotAFile", target)
  if (onExisting === "fail") return yield* refuse("Exists", target)
  return mode & 0o777
})

/** Counts the bytes that have reached the file. */
interface Count {
  written: number
}

/** Writes one block while the next one is filled. */
const write = <E, R>(
  file: FileSystem.File,
  bytes: Stream.Stream<Uint8Array, E, R>,
  count: Count
): Effect.Effect<void, E | PlatformError, R> =>
  Effect.suspend(() => {
    let block = new Uint8Array(0)
    let spare = new Uint8Array(0)
    let filled = 0
    let writing: Fiber.Fiber<void, PlatformError> | undefined

    const settle = Effect.suspend(() => {
      const current = writing
      writing = undefined
      return current === undefined ? Effect.void : Fiber.join(current)
    })
    const flush = Effect.gen(function*() {
      const full = block.subarray(0, filled)
      yield* settle
      const written = Effect.tap(file.writeAll(full), () => Effect.sync(() => void (count.written += full.length)))
      // A write that has begun can't be cancelled, and the file must not be closed during it.
      writing = yield* Effect.forkChild(Effect.uninterruptible(written), { startImmediately: true })
      const next = spare
      spare = block
      block = next
      filled = 0
    })

    return Stream.runForEachArray(bytes, (chunks) =>
      Effect.gen(function*() {
        for (const chunk of chunks) {
          let rest = chunk
          while (rest.length > 0) {
            if (block.length === 0) block = new Uint8Array(blockSize)
            const part = rest.subarray(0, block.length - filled)
            block.set(part, filled)
            filled += part.length
            rest = rest.subarray(part.length)
            if (filled === block.length) yield* flush
          }
        }
      })).pipe(
        Effect.andThen(Effect.suspend(() => filled > 0 ? flush : Effect.void)),
        Effect.andThen(settle),
        Effect.onExit(() => writing === undefined ? Effect.void : Effect.asVoid(Fiber.await(writing)))
      )
  })

/** Renames a file. Uninterruptible, so that the caller knows whether it happened. */
const rename = (fs: FileSystem.FileSystem, from: string, to: string): Effect.Effect<void, PlatformError> =>
  persistently(Effect.uninterruptible(fs.rename(from, to)))

/** Gives a finished file its name; `false` if the name is taken. */
const claim = (
  fs: FileSystem.FileSystem,
  temporary: string,
  target: string
): Effect.Effect<boolean, PlatformError> =>
  // A link refuses an existing name atomically, which a rename does not.
  Effect.uninterruptible(fs.link(temporary, target)).pipe(
    Effect.as(true),
    Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
    // Not every file system has links. Without them another program may take the name between the check and the rename.
    Effect.catch((error) =>
      Effect.flatMap(lookAt(fs, target), (found) => {
        if (Option.isSome(found)) return Effect.succeed(false)
        if (isNotFound(error)) return Effect.fail(error)
        return Effect.as(rename(fs, temporary, target), true)
      })
    )
  )

/**
 * The first `n` whose name is free, if names are taken in order: found by doubling, then by bisection.
 */
const firstFree = Effect.fnUntraced(function*(
  isTaken: (n: number) => Effect.Effect<boolean, PlatformError>
): Effect.fn.Return<number, PlatformError> {
  if (!(yield* isTaken(0))) return 0
  let taken = 0
  let free = 1
  while (yield* isTaken(free)) {
    taken = free
    free *= 2
  }
  while (free - taken > 1) {
    const middle = Math.floor((taken + free) / 2)
    if (yield* isTaken(middle)) taken = middle
    else free = middle
  }
  return free
})

/** Gives a finished file the first free name of `name.ext`, `name (1).ext` and so on. */
const claimFree = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  temporary: string,
  target: string,
  names: RunNames
): Effect.fn.Return<string, PlatformError> {
  const nameOf = (n: number) => numbered(path.basename(target), n)
  const pathOf = (n: number) => path.join(path.dirname(target), nameOf(n))
  const first = yield* firstFree((n) => Effect.map(lookAt(fs, pathOf(n)), Option.isSome))
  for (let n = first;; n++) if (names.take(nameOf(n)) && (yield* claim(fs, temporary, pathOf(n)))) return pathOf(n)
})

/** Takes over the permissions of the file that is replaced. If they can't be set, the new file stays private. */
const keepMode = (fs: FileSystem.FileSystem, temporary: string, target: string, mode: number): Effect.Effect<void> =>
  Effect.catch(fs.chmod(temporary, mode), (error) =>
    offSpan(Effect.logWarning(
      `${printable(target)} is replaced, but its permissions 0${mode.toString(8)} can't be kept: ${causeOf(error)}`
    )))

/** Gives a complete temporary file its final name, and returns that name. */
const publish = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  temporary: string,
  target: string,
  onExisting: OnExisting,
  names: RunNames
): Effect.fn.Return<string, Refusal | PlatformError> {
  if (onExisting === "rename") return yield* claimFree(fs, path, temporary, target, names)
  if (onExisting === "fail") {
    return (yield* claim(fs, temporary, target)) ? target : yield* refuse("Exists", target)
  }
  const mode = yield* check(fs, target, onExisting)
  if (mode !== undefined) yield* keepMode(fs, temporary, target, mode)
  yield* rename(fs, temporary, target)
  return target
})

/**
 * Writes a stream to a temporary file beside the target (0600, exclusive), syncs it, and gives it the target's name in
 * one step. Whatever goes wrong, the target is unchanged and the temporary file is removed.
 *
 * Renaming and removing files may fail temporarily and is retried. Failing to set permissions, and a sync that the file
 * system does not support, only cause a warning.
 *
 * @param names of the run that the file belongs to: `rename` takes none that another file of the run has
 */
export const atomicWrite = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  target: string,
  onExisting: OnExisting,
  names: RunNames = makeRunNames()
): Effect.Effect<
  { readonly path: string; readonly bytes: number },
  E | Refusal | WriteFailed,
  R | FileSystem.FileSystem | Path.Path
> =>
  Effect.suspend(() => {
    const count: Count = { written: 0 }
    const failed = (cause: unknown): WriteFailed => ({ _tag: "WriteFailed", cause, written: count.written })
    // Defects of the stream are told apart from those of the file system.
    let diedWith: ReadonlyArray<unknown> = []
    const watched = Stream.tapCause(bytes, (cause) =>
      Effect.sync(() => {
        diedWith = cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
      }))

    return Effect.scoped(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      yield* check(fs, target, onExisting)
      const directory = path.dirname(target)
      const [temporary] = yield* temporaryIn(fs, path, directory, (file) => write(file, watched, count))
      const place = yield* publish(fs, path, temporary, target, onExisting, names)
      yield* syncDirectory(fs, directory)
      return { path: place, bytes: count.written }
    })).pipe(
      Effect.mapError((error) => error instanceof PlatformError ? failed(error) : error),
      Effect.catchDefect((defect) => diedWith.includes(defect) ? Effect.die(defect) : Effect.fail(failed(defect)))
    )
  })
