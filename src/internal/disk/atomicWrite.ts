/**
 * A stream of bytes becomes a file on disk, whole or not at all.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { token } from "../token.ts"
import { withSuffix } from "./safeName.ts"

/** What an existing file means. */
export type OnExisting = "fail" | "replace" | "rename"

/** Why a file can't stand where it was to. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly reason: "Exists" | "Symlink" | "NotAFile"
  readonly path: string
}

const refuse = (reason: Refusal["reason"], path: string): Effect.Effect<never, Refusal> =>
  Effect.fail({ _tag: "Refusal", reason, path })

/** Written at a time: one write of a MiB costs little more than one of a network packet. */
const blockSize = 1 << 20

const lookAt = (fs: FileSystem.FileSystem, path: string) =>
  fs.lstat(path).pipe(
    Effect.asSome,
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeedNone)
  )

/**
 * A new name lives in its folder, and reaches the disk with it. Windows can't open a folder, and needs not.
 */
export const syncDirectory = (fs: FileSystem.FileSystem, directory: string): Effect.Effect<void> =>
  Effect.scoped(Effect.ignore(Effect.flatMap(fs.open(directory, { flag: "r" }), (handle) => handle.sync)))

/**
 * A new file in a folder, private, written and synced, under a name that nobody else has. It goes when the Scope closes.
 */
export const temporaryIn = <A, E, R>(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  directory: string,
  write: (file: FileSystem.File) => Effect.Effect<A, E, R>
): Effect.Effect<readonly [temporary: string, written: A], E | PlatformError, R | Scope.Scope> =>
  Effect.gen(function*() {
    const temporary = path.join(directory, `.${yield* token}.part`)
    // Before it exists, so that no interruption comes in between.
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
    return yield* Effect.scoped(Effect.gen(function*() {
      const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
      const written = yield* write(file)
      yield* file.sync
      return [temporary, written] as const
    }))
  })

/**
 * Whether a file may be put at a path. Gives the permissions of the file it is to replace.
 */
const check = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  target: string,
  onExisting: OnExisting
): Effect.fn.Return<number | undefined, Refusal | PlatformError> {
  const found = yield* lookAt(fs, target)
  if (Option.isNone(found) || onExisting === "rename") return undefined
  const { mode, type } = found.value
  if (type === "SymbolicLink") return yield* refuse("Symlink", target)
  if (type !== "File") return yield* refuse("NotAFile", target)
  if (onExisting === "fail") return yield* refuse("Exists", target)
  return mode & 0o777
})

/** Writes a block while the next one is filled. */
const write = <E, R>(
  file: FileSystem.File,
  bytes: Stream.Stream<Uint8Array, E, R>
): Effect.Effect<number, E | PlatformError, R> =>
  Effect.suspend(() => {
    let block = new Uint8Array(0)
    let spare = new Uint8Array(0)
    let filled = 0
    let written = 0
    let writing: Fiber.Fiber<void, PlatformError> | undefined

    const settle = Effect.suspend(() => {
      const current = writing
      writing = undefined
      return current === undefined ? Effect.void : Fiber.join(current)
    })
    const flush = Effect.gen(function*() {
      const full = block.subarray(0, filled)
      yield* settle
      // One that is begun can't be called off, and the file must not be closed under it.
      writing = yield* Effect.forkChild(Effect.uninterruptible(file.writeAll(full)), { startImmediately: true })
      const next = spare
      spare = block
      block = next
      filled = 0
    })

    return Stream.runForEachArray(bytes, (chunks) =>
      Effect.gen(function*() {
        for (const chunk of chunks) {
          written += chunk.length
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
        Effect.map(() => written),
        Effect.onExit(() => writing === undefined ? Effect.void : Effect.asVoid(Fiber.await(writing)))
      )
  })

/** Gives a finished file its name. `false` where the name is taken. */
const claim = (
  fs: FileSystem.FileSystem,
  temporary: string,
  target: string
): Effect.Effect<boolean, PlatformError> =>
  // A link refuses an existing name in the same step, which a rename does not.
  fs.link(temporary, target).pipe(
    Effect.as(true),
    Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
    // Not every file system has links; between the look and the rename another program may then come first.
    Effect.catch((error) =>
      Effect.flatMap(lookAt(fs, target), (found) =>
        Option.isSome(found)
          ? Effect.succeed(false)
          : error.reason._tag === "NotFound"
          ? Effect.fail(error)
          : Effect.as(fs.rename(temporary, target), true))
    )
  )

/**
 * Writes a stream to a temporary file beside the target (0600, exclusive), syncs it, and gives it the target's name in
 * one step. Whatever goes wrong, the target is as it was and the temporary file is removed.
 */
export const save = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  target: string,
  onExisting: OnExisting
): Effect.Effect<
  { readonly path: string; readonly bytes: number },
  E | Refusal | PlatformError,
  R | FileSystem.FileSystem | Path.Path
> =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const mode = yield* check(fs, target, onExisting)
    const directory = path.dirname(target)
    const [temporary, written] = yield* temporaryIn(fs, path, directory, (file) => write(file, bytes))

    const publish = Effect.gen(function*() {
      if (onExisting === "replace") {
        yield* check(fs, target, onExisting)
        if (mode !== undefined) yield* fs.chmod(temporary, mode)
        yield* fs.rename(temporary, target)
        return target
      }
      if (onExisting === "fail") {
        if (yield* claim(fs, temporary, target)) return target
        return yield* refuse("Exists", target)
      }
      for (let n = 0;; n++) {
        const name = path.basename(target)
        const candidate = n === 0 ? target : path.join(directory, withSuffix(name, ` (${n})`))
        if (yield* claim(fs, temporary, candidate)) return candidate
      }
    })
    const place = yield* Effect.uninterruptible(publish)
    yield* syncDirectory(fs, directory)
    return { path: place, bytes: written }
  }))
