/**
 * Where an `UploadCache` keeps its records: in memory or in a directory. `UploadStoreRedis` and `UploadStoreSql` keep them
 * in Redis and in a SQL database.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { FileSource, UploadCache, UploadStore } from "effect-anthropic-files"
 * import * as NodeFiles from "effect-anthropic-files/NodeFiles"
 *
 * const CacheLive = UploadCache.layer().pipe(
 *   Layer.provide(UploadStore.layerDirectory()),
 *   Layer.provideMerge(NodeFiles.layerConfig())
 * )
 *
 * const program = UploadCache.get(FileSource.path("report.pdf")).pipe(Effect.provide(CacheLive))
 * ```
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as UserDirectories from "effect/persistence/UserDirectories"
import { InvalidConfig } from "./FilesError.ts"
import * as DirectoryStore from "./internal/cache/directoryStore.ts"
import { overMap } from "./internal/cache/memoryStore.ts"
import { storeFailed, UploadStore, type UploadStoreFailed } from "./internal/cache/store.ts"

export {
  /**
   * Strings by key. A store of your own has to read a value, and to swap it for another one atomically. Keys consist of
   * `a-z`, `0-9` and `-`, and have at most 80 characters.
   */
  UploadStore,
  /**
   * The store could not be read or written: disk full, connection lost. An upload that can't be recorded is not begun.
   */
  UploadStoreFailed
} from "./internal/cache/store.ts"

/**
 * A store in memory: for one process, and lost when it ends.
 */
export const layerMemory: Layer.Layer<UploadStore> = Layer.sync(UploadStore, () => overMap(new Map()))

/** The default directory of {@link layerDirectory}: `effect-anthropic-files/uploads` in the user's cache directory. */
export const defaultDirectory: Effect.Effect<
  string,
  UploadStoreFailed,
  FileSystem.FileSystem | Path.Path
> = Effect.gen(function*() {
  const directories = yield* UserDirectories.UserDirectories
  return (yield* Path.Path).join(yield* directories.cache("effect-anthropic-files"), "uploads")
}).pipe(
  Effect.provide(UserDirectories.layer),
  Effect.mapError((cause) =>
    storeFailed("This user has no cache directory: pass UploadStore.layerDirectory the path of one.", cause)
  )
)

/**
 * A store in a directory, for all processes of a machine that use the same one. The directory is created if needed,
 * accessible only by its owner.
 *
 * @param directory on a file system with hard links
 * @default directory `effect-anthropic-files/uploads` in the user's cache directory
 */
export const layerDirectory = (
  directory?: string
): Layer.Layer<UploadStore, InvalidConfig | UploadStoreFailed, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    UploadStore,
    Effect.gen(function*() {
      if (directory !== undefined && (typeof directory !== "string" || directory === "")) {
        return yield* new InvalidConfig({
          message: "The directory of UploadStore.layerDirectory is not a path: name one, or leave it out.",
          option: "directory"
        })
      }
      return yield* DirectoryStore.make(directory ?? (yield* defaultDirectory))
    })
  )
