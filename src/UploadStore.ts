/**
 * Where an `UploadCache` keeps what it knows: in memory, in a folder, and in modules of their own in Redis
 * (`UploadStoreRedis`) and SQL (`UploadStoreSql`).
 *
 * A store of one's own needs no more than to read a string and to swap it for another one atomically.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as UserDirectories from "effect/persistence/UserDirectories"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { overMap } from "./internal/cache/memoryStore.ts"
import { syncDirectory, temporaryIn } from "./internal/disk/atomicWrite.ts"
import { printable } from "./internal/text.ts"

/**
 * The store could not be read or written: disk full, connection lost. No upload is begun that it can't note down.
 */
export class UploadStoreFailed
  extends Schema.TaggedError<UploadStoreFailed>("effect-anthropic-files/UploadStoreFailed")(
    "UploadStoreFailed",
    {
      operation: Schema.Literal("upload"),
      message: Schema.String,
      isRetryable: Schema.Boolean,
      isOutcomeUnknown: Schema.Boolean,
      cause: Schema.optionalKey(Schema.Defect())
    }
  )
{}

/** @param message what could not be done, as a sentence */
export const failed = (message: string, cause: unknown): UploadStoreFailed =>
  new UploadStoreFailed({ operation: "upload", message, isRetryable: true, isOutcomeUnknown: false, cause })

/**
 * Strings by key. Keys are made of `a-z`, `0-9` and `-`, and have at most 80 characters.
 */
export class UploadStore extends Context.Service<UploadStore, {
  /** Whether only this machine reaches it: what holds for a path here need not hold elsewhere. */
  readonly isLocal: boolean
  readonly get: (key: string) => Effect.Effect<string | undefined, UploadStoreFailed>
  /**
   * Puts `next` where `current` is, in one step for all who share the store, and on disk before it says `true`. `false`
   * if something else is there. `undefined` stands for nothing.
   */
  readonly swap: (
    key: string,
    current: string | undefined,
    next: string | undefined
  ) => Effect.Effect<boolean, UploadStoreFailed>
}>()("effect-anthropic-files/UploadStore") {}

/**
 * For one process, and gone with it.
 */
export const layerMemory: Layer.Layer<UploadStore> = Layer.sync(UploadStore, () => overMap(new Map()))

/**
 * For all processes of a machine that name the same folder. It is made if need be, for its owner alone.
 *
 * A value is a file that is written, synced and then given its name, `<key>.<version>`, with a link, which fails if
 * another process was first: no lock is left behind by a process that dies, and no half-written value.
 *
 * @param directory on a file system with hard links
 * @default directory `effect-anthropic-files/uploads` in the user's cache directory
 */
export const layerDirectory = (
  directory?: string
): Layer.Layer<UploadStore, UploadStoreFailed, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    UploadStore,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const root = directory ?? path.join(
        yield* UserDirectories.UserDirectories.pipe(
          Effect.flatMap((directories) => directories.cache("effect-anthropic-files")),
          Effect.provide(UserDirectories.layer),
          Effect.mapError((cause) => failed("This user has no cache directory: name a folder for the store.", cause))
        ),
        "uploads"
      )
      const onError = (what: string) => (cause: PlatformError) =>
        failed(`The upload cache in ${printable(root)} can't be ${what}: ${printable(cause.message)}`, cause)
      yield* Effect.mapError(fs.makeDirectory(root, { recursive: true, mode: 0o700 }), onError("made"))

      const folderOf = (key: string) => path.join(root, key.slice(-2))
      const fileOf = (key: string, version: number) => path.join(folderOf(key), `${key}.${version}`)

      const namesIn = (folder: string) =>
        Effect.catchIf(
          fs.readDirectory(folder),
          (error) => error.reason._tag === "NotFound",
          () => Effect.succeed<Array<string>>([])
        )

      const now = yield* Clock.currentTimeMillis
      const tidy = Effect.fnUntraced(function*(folder: string) {
        for (const name of (yield* namesIn(folder)).filter((name) => name.endsWith(".part"))) {
          const { mtime } = yield* fs.stat(path.join(folder, name))
          if (Option.isSome(mtime) && now - mtime.value.getTime() > abandonedAfter) {
            yield* fs.remove(path.join(folder, name), { force: true })
          }
        }
      })
      yield* Effect.ignore(Effect.flatMap(namesIn(root), (folders) =>
        Effect.forEach(folders, (folder) =>
          Effect.ignore(tidy(path.join(root, folder))), {
          concurrency: 8,
          discard: true
        })))

      /** Versions of a value, newest first. */
      const versionsOf = (key: string) =>
        namesIn(folderOf(key)).pipe(
          Effect.map((names) =>
            names
              .flatMap((name) => {
                const version = name.startsWith(`${key}.`) ? Number(name.slice(key.length + 1)) : NaN
                return Number.isSafeInteger(version) ? [version] : []
              })
              .sort((a, b) =>
                b - a
              )
          )
        )

      const read = Effect.fnUntraced(function*(key: string): Effect.fn.Return<
        { readonly version: number; readonly value: string | undefined },
        PlatformError
      > {
        for (let looks = 0;; looks++) {
          const [version] = yield* versionsOf(key)
          if (version === undefined) return { version: 0, value: undefined }
          const content = yield* fs.readFileString(fileOf(key, version)).pipe(
            // Replaced by a newer one in between.
            Effect.catchIf((error) => error.reason._tag === "NotFound" && looks < maxLooks, () => Effect.undefined)
          )
          if (content !== undefined) return { version, value: content === "" ? undefined : content }
        }
      })

      const write = Effect.fnUntraced(function*(
        key: string,
        current: string | undefined,
        next: string | undefined
      ): Effect.fn.Return<boolean, PlatformError> {
        const { value, version } = yield* read(key)
        if (value !== current) return false
        const folder = folderOf(key)
        yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
        const mine = version + 1
        const bytes = new TextEncoder().encode(next ?? "")
        const linked = yield* temporaryIn(fs, path, folder, (file) => file.writeAll(bytes)).pipe(
          Effect.flatMap(([temporary]) => fs.link(temporary, fileOf(key, mine))),
          Effect.as(true),
          Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
          Effect.scoped
        )
        if (!linked) return false
        const versions = yield* versionsOf(key)
        // The name was free because others had gone past it and tidied up since it was looked at.
        if (versions.some((version) => version >= mine + kept)) {
          yield* Effect.ignore(fs.remove(fileOf(key, mine), { force: true }))
          return false
        }
        yield* syncDirectory(fs, folder)
        yield* Effect.forEach(
          versions.filter((version) => version <= mine - kept),
          (version) => Effect.ignore(fs.remove(fileOf(key, version), { force: true })),
          { discard: true }
        )
        return true
      })

      return UploadStore.of({
        isLocal: true,
        get: (key) => Effect.mapError(Effect.map(read(key), ({ value }) => value), onError("read")),
        swap: (key, current, next) =>
          Effect.uninterruptible(Effect.mapError(write(key, current, next), onError("written")))
      })
    })
  )

/**
 * Versions that stay. A process that others have gone past finds its name taken as long as they were no more than that;
 * if they were more, it sees their newest. One that was first and is gone past before it looks is told that it was not.
 */
const kept = 4

/** Looks at a name that can't be read before it is given up. */
const maxLooks = 100

/** What a process that died had begun to write, milliseconds. */
const abandonedAfter = 60 * 60 * 1000
