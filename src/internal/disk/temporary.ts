/**
 * Temporary files, which are written before they get their final name.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { offSpan } from "../telemetry.ts"
import { printable } from "../text.ts"
import { token } from "../token.ts"
import { causeOf, isUnsupported } from "./cause.ts"

/** Whether a name is one that {@link temporaryIn} makes. */
export const isTemporary = (name: string): boolean => /^\.[0-9a-f]{24}\.part$/.test(name)

/** The first retry comes at once, the others after 50, 150 and 450 milliseconds. */
const pauses = Schedule.concat(Schedule.recurs(1), Schedule.upTo(Schedule.exponential("50 millis", 3), { times: 3 }))

/**
 * Retries a rename or a removal for up to a second, because virus scanners and network file systems may refuse it
 * temporarily.
 */
export const persistently = <A>(operation: Effect.Effect<A, PlatformError>): Effect.Effect<A, PlatformError> =>
  Effect.retry(operation, {
    schedule: pauses,
    while: ({ reason: { _tag } }) => _tag !== "NotFound" && _tag !== "AlreadyExists"
  })

/**
 * Makes a new name durable, which is stored in its directory. On Windows directories can't be opened, and need not be.
 */
export const syncDirectory = (fs: FileSystem.FileSystem, directory: string): Effect.Effect<void> =>
  Effect.flatMap(fs.open(directory, { flag: "r" }), (handle) => handle.sync).pipe(
    Effect.scoped,
    // A failure only costs durability: the file already has its name.
    Effect.catchCause((cause) => offSpan(Effect.logDebug(`${printable(directory)} could not be synced`, cause)))
  )

/** A failed sync is never retried: a second one may succeed even though the first has lost the data. */
const syncFile = (file: FileSystem.File, name: string): Effect.Effect<void, PlatformError> =>
  Effect.catchIf(
    file.sync,
    isUnsupported,
    (error) =>
      offSpan(Effect.logWarning(
        `${printable(name)} was written but not synced, which its file system does not support: ${causeOf(error)}`
      ))
  )

/**
 * Creates a private file with a unique name in a directory, writes it and syncs it. It is removed when the Scope closes.
 */
export const temporaryIn = <A, E, R>(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  directory: string,
  write: (file: FileSystem.File) => Effect.Effect<A, E, R>
): Effect.Effect<readonly [temporary: string, written: A], E | PlatformError, R | Scope.Scope> =>
  Effect.gen(function*() {
    const temporary = path.join(directory, `.${yield* token}.part`)
    // Only what was made here is removed.
    let isMade = false
    const remove = persistently(fs.remove(temporary, { force: true })).pipe(
      Effect.catchCause((cause) =>
        offSpan(Effect.logWarning(`${printable(temporary)} could not be removed: remove it`, cause))
      )
    )
    yield* Effect.addFinalizer(() => isMade ? remove : Effect.void)
    return yield* Effect.scoped(Effect.gen(function*() {
      const file = yield* Effect.uninterruptible(
        Effect.tap(fs.open(temporary, { flag: "wx", mode: 0o600 }), () => Effect.sync(() => void (isMade = true)))
      )
      const written = yield* write(file)
      yield* syncFile(file, temporary)
      return [temporary, written] as const
    }))
  })
