/**
 * Lets one process at a time open a folder.
 *
 * Lock files are numbered, and the highest number counts, so that taking over from a dead process needs no deletion: of two
 * processes that try, one links the next number, and the other finds it taken. No number is used twice, since a released
 * lock stays, marked free, until the next one is in place.
 *
 * For a process that can be seen from here (same machine, boot and process namespace), its number and start tell whether it
 * is alive. One in another container can't be seen: it counts as alive as long as its lock file is touched.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Random from "../random.ts"
import { StoreFailed } from "./records.ts"

/**
 * Tells whether a process is alive, so that the lock of a killed one can be taken over. `NodeEmulator` provides it.
 */
export class ProcessProbe extends Context.Service<ProcessProbe, {
  /** Names this process, and no other one that has ever had its number or will have it. */
  readonly self: string
  /** `undefined` if the process can't be seen from here, for example in another container. */
  readonly isAlive: (process: string) => Effect.Effect<boolean | undefined>
}>()("effect-anthropic-files/emulator/DirectoryStore/ProcessProbe") {}

/** How often the holder touches its lock file. */
const heartbeat = Duration.seconds(2)

/** A lock file that is not touched for this long has no holder. */
const heartbeatTimeout = Duration.seconds(7)

const free = "free"

const encoder = new TextEncoder()

interface Held {
  readonly number: number
  /** The file that marks the lock free. It is written in advance, as the disk may be full when it is needed. */
  readonly mark: string
}

/** Locks the folder for this process, until the scope closes. */
export const acquire = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  directory: string,
  probe: ProcessProbe["Service"],
  onLost: Effect.Effect<void>
): Effect.fn.Return<void, StoreFailed | PlatformError, Scope.Scope> {
  const fileOf = (number: number) => path.join(directory, `lock-${number}`)
  const numbers = Effect.map(fs.readDirectory(directory), (names) =>
    names.flatMap((name) => {
      const number = /^lock-([0-9]+)$/.exec(name)?.[1]
      return number === undefined ? [] : [Number(number)]
    }).sort((a, b) => b - a))
  const locked = new StoreFailed({
    reason: "Locked",
    message: `Another emulator has ${directory} open. Stop it first, or use another folder.`
  })
  const remove = (file: string) => Effect.ignore(fs.remove(file, { force: true }))

  /** Writes a file to be linked or renamed into place, so that nobody sees half of one. */
  const prepare = Effect.fnUntraced(function*(number: number, content: string) {
    const file = path.join(directory, `lock-${number}-${yield* Random.token(16)}.tmp`)
    yield* fs.writeFile(file, encoder.encode(content), { mode: 0o600, flag: "wx" })
    return file
  })

  /** Removes the files of earlier attempts, whose processes were killed. A later attempt has a higher number. */
  const removeLeftovers = Effect.fnUntraced(function*(mine: number) {
    for (const name of yield* fs.readDirectory(directory)) {
      const number = /^lock-([0-9]+)-[0-9A-Za-z]{16}\.tmp$/.exec(name)?.[1]
      if (number !== undefined && Number(number) < mine) yield* remove(path.join(directory, name))
    }
  })

  const touched = (number: number) =>
    Effect.map(fs.stat(fileOf(number)), ({ mtime }) => Option.getOrUndefined(mtime)?.getTime())

  /** Whether a holder that can't be seen touches its file. The times of the file are compared, since clocks may differ. */
  const beats = Effect.fnUntraced(function*(number: number) {
    const before = yield* touched(number)
    yield* Effect.sleep(heartbeatTimeout)
    return (yield* touched(number)) !== before
  })

  const isHeld = Effect.fnUntraced(function*(number: number, holder: string) {
    if (holder === free) return false
    return (yield* probe.isAlive(holder)) ?? (yield* beats(number))
  })

  const attempt: Effect.Effect<Held | undefined, StoreFailed | PlatformError> = Effect.gen(function*() {
    const [highest] = yield* numbers
    if (highest !== undefined) {
      const holder = yield* fs.readFileString(fileOf(highest)).pipe(Effect.orElseSucceed(() => undefined))
      // Gone: another process is taking over right now.
      if (holder === undefined) return undefined
      if (yield* isHeld(highest, holder)) return yield* locked
    }
    const mine = (highest ?? 0) + 1
    const mark = yield* prepare(mine, free)
    const linked = yield* prepare(mine, probe.self).pipe(
      Effect.flatMap((file) => fs.link(file, fileOf(mine)).pipe(Effect.ensuring(remove(file)))),
      Effect.as(true),
      // Taken by another process, or removed by one that is ahead.
      Effect.catchIf(
        ({ reason }) => reason._tag === "AlreadyExists" || reason._tag === "NotFound",
        () => Effect.succeed(false)
      ),
      Effect.onError(() => remove(mark))
    )
    const after = yield* numbers
    if (linked && after[0] === mine) {
      for (const old of after.slice(1)) yield* remove(fileOf(old))
      yield* removeLeftovers(mine)
      return { number: mine, mark }
    }
    // Another process was faster.
    yield* remove(mark)
    if (linked) yield* fs.remove(fileOf(mine), { force: true })
    return undefined
  })

  const held = yield* Effect.acquireRelease(
    attempt.pipe(
      Effect.repeat({ until: (held) => held !== undefined, times: 100 }),
      Effect.filterOrFail((held) => held !== undefined, () => locked)
    ),
    ({ mark, number }) =>
      fs.rename(mark, fileOf(number)).pipe(
        Effect.catch(() => fs.remove(fileOf(number))),
        Effect.ignore
      )
  )

  /** Shows others that this process is alive, and notices if one of them took over anyway. */
  const beat = Effect.gen(function*() {
    const [highest] = yield* numbers
    if (highest !== undefined && highest > held.number) return yield* onLost
    const now = yield* Clock.currentTimeMillis
    yield* fs.utimes(fileOf(held.number), now / 1000, now / 1000)
  })
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(beat), Schedule.spaced(heartbeat)))
})
