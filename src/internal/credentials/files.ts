/**
 * The folder of profiles, and its secret files.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import type { CredentialsFailed } from "../../FilesError.ts"
import { isNotFound } from "../disk/notFound.ts"
import { syncDirectory, temporaryIn } from "../disk/temporary.ts"
import { parseJson } from "../request/body.ts"
import { printable } from "../text.ts"
import { token } from "../token.ts"
import { credentialsFailed } from "./failed.ts"
import type { Variables } from "./variables.ts"

/** The services that read and write files. */
export interface Disk {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
}

export const disk = Effect.gen(function*() {
  const services: Disk = { fs: yield* FileSystem.FileSystem, path: yield* Path.Path }
  return services
})

/** The same, or `undefined` if the runtime has no file system. */
export const diskIfAny: Effect.Effect<Disk | undefined> = Effect.gen(function*() {
  const fs = yield* Effect.serviceOption(FileSystem.FileSystem)
  const path = yield* Effect.serviceOption(Path.Path)
  return Option.isSome(fs) && Option.isSome(path) ? { fs: fs.value, path: path.value } : undefined
})

const isWindows = ({ path }: Disk): boolean => path.sep === "\\"

/**
 * The folder of profiles, `undefined` if the environment names none.
 */
export const configFolder = (disk: Disk, variables: Variables): string | undefined => {
  const { path } = disk
  if (variables.configDir !== undefined) return variables.configDir
  if (isWindows(disk)) {
    if (variables.appData !== undefined) return path.join(variables.appData, "Anthropic")
    return variables.userProfile === undefined
      ? undefined
      : path.join(variables.userProfile, "AppData", "Roaming", "Anthropic")
  }
  if (variables.xdgConfigHome !== undefined) return path.join(variables.xdgConfigHome, "anthropic")
  return variables.home === undefined ? undefined : path.join(variables.home, ".config", "anthropic")
}

/** A file's text; `undefined` if there is no such file. */
export const readIfThere = ({ fs }: Disk, file: string): Effect.Effect<string | undefined, PlatformError> =>
  Effect.catchIf(fs.readFileString(file), isNotFound, () => Effect.undefined)

/** A JSON object with any fields. */
export type Json = Readonly<Record<string, unknown>>

const ownUid = (): number | undefined => {
  const runtime: unknown = Reflect.get(globalThis, "process")
  return Predicate.hasProperty(runtime, "getuid") && Predicate.isFunction(runtime.getuid)
    ? Number(runtime.getuid())
    : undefined
}

/**
 * A secret file as JSON, `undefined` if there is none. A file that others can read or change is refused.
 */
export const readSecret = Effect.fnUntraced(function*(
  disk: Disk,
  source: string,
  file: string
): Effect.fn.Return<Json | undefined, CredentialsFailed> {
  const { fs } = disk
  const unreadable = (error: PlatformError) =>
    credentialsFailed(source, `${printable(file)} can't be read (${error.reason._tag}): check its permissions.`)
  const target = yield* Effect.mapError(
    Effect.catchIf(fs.realPath(file), isNotFound, () => Effect.undefined),
    unreadable
  )
  if (target === undefined) return undefined
  const info = yield* Effect.mapError(fs.stat(target), unreadable)
  if (!isWindows(disk)) {
    const open = info.mode & 0o066
    if (open !== 0) {
      const mode = (info.mode & 0o777).toString(8).padStart(3, "0")
      const what = (open & 0o022) !== 0 ? "change" : "read"
      return yield* credentialsFailed(
        source,
        `${printable(target)} has mode ${mode}, so others can ${what} it: run chmod 600 ${printable(target)}.`
      )
    }
    const uid = Option.getOrUndefined(info.uid)
    const own = ownUid()
    if (uid !== undefined && own !== undefined && uid !== own) {
      yield* Effect.logWarning(`${printable(target)} belongs to another user (${uid}).`)
    }
  }
  const text = yield* Effect.mapError(readIfThere(disk, target), unreadable)
  if (text === undefined) return undefined
  const json = Option.getOrUndefined(Option.getSuccess(parseJson(text)))
  if (!Predicate.isObject(json) || Array.isArray(json)) {
    return yield* credentialsFailed(source, `${printable(target)} is not a JSON object: log in again.`)
  }
  return { ...json }
})

/**
 * Writes a secret file atomically, accessible only by its owner. If it is a symbolic link, the link's target is written.
 */
export const writeSecret = (
  { fs, path }: Disk,
  file: string,
  json: Json
): Effect.Effect<void, PlatformError> =>
  Effect.scoped(Effect.gen(function*() {
    const target = yield* Effect.catchIf(fs.realPath(file), isNotFound, () => Effect.succeed(file))
    const folder = path.dirname(target)
    yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
    const bytes = new TextEncoder().encode(JSON.stringify(json, null, 2))
    const [temporary] = yield* temporaryIn(fs, path, folder, (handle) => handle.writeAll(bytes))
    yield* fs.rename(temporary, target)
    yield* syncDirectory(fs, folder)
  }))

/** A lock that is older than the longest exchange was left by a process that died. Milliseconds. */
const abandonedAfter = 75_000

/** Milliseconds. */
const pollEvery = 100

/** Every lock of this package begins with this. */
const lockMark = "effect-anthropic-files "

/**
 * Runs an effect while no other process of this package does the same for the file. While another one does, `settled` is
 * polled, and a value from it ends the wait. If the folder does not allow a lock, the effect runs without one.
 */
export const locked = <A, E>(
  { fs }: Disk,
  file: string,
  settled: Effect.Effect<A | undefined>,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const lock = `${file}.lock`
  const readLock = Effect.orElseSucceed(fs.readFileString(lock), () => undefined)

  /** `true` if the lock was taken, `false` if another process holds it, `undefined` if it can't be created. */
  const take = (mine: string): Effect.Effect<boolean | undefined> =>
    Effect.scoped(Effect.flatMap(
      fs.open(lock, { flag: "wx", mode: 0o600 }),
      (handle) => handle.writeAll(new TextEncoder().encode(mine))
    )).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.succeed(error.reason._tag === "AlreadyExists" ? false : undefined))
    )
  const release = (mine: string) =>
    Effect.flatMap(
      readLock,
      (found) => found === mine ? Effect.ignore(fs.remove(lock, { force: true })) : Effect.void
    )
  /** Removes an abandoned lock. The rename lets only one of several processes succeed. */
  const clear = (abandoned: string, mine: string) =>
    Effect.gen(function*() {
      if ((yield* readLock) !== abandoned) return
      const aside = `${lock}.${mine.slice(lockMark.length)}`
      yield* fs.rename(lock, aside)
      yield* fs.remove(aside, { force: true })
    }).pipe(Effect.ignore)

  return Effect.gen(function*() {
    const mine = `${lockMark}${yield* token}`
    let seen: string | undefined
    let since = 0
    for (;;) {
      const taken = yield* take(mine)
      if (taken !== false) {
        return yield* taken === true ? Effect.ensuring(effect, release(mine)) : effect
      }
      const found = yield* readLock
      const now = yield* Clock.currentTimeMillis
      if (found !== seen || now < since) {
        seen = found
        since = now
      }
      if (now - since >= abandonedAfter) {
        // A file that this package did not make is never removed, so there can be no lock.
        if (seen === undefined || !seen.startsWith(lockMark)) return yield* effect
        yield* clear(seen, mine)
      }
      const value = yield* settled
      if (value !== undefined) return value
      yield* Effect.sleep(pollEvery)
    }
  })
}
