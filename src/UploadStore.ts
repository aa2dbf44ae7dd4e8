/**
 * Where an `UploadCache` keeps its notes: in memory, in a directory, and in modules of their own in Redis
 * (`UploadStoreRedis`) and SQL (`UploadStoreSql`).
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
   * Strings by key, of which a store of your own needs to read one and to swap it for another atomically. Keys are made
   * of `a-z`, `0-9` and `-`, and have at most 80 characters.
   */
  UploadStore,
  /**
   * The store could not be read or written: disk full, connection lost. No upload is begun that can't be noted down.
   */
  UploadStoreFailed
} from "./internal/cache/store.ts"

/**
 * For one process, and gone with it.
 */
export const layerMemory: Layer.Layer<UploadStore> = Layer.sync(UploadStore, () => overMap(new Map()))

/** Where {@link layerDirectory} keeps what it knows: `effect-anthropic-files/uploads` in the user's cache directory. */
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
    storeFailed("This user has no cache directory: give UploadStore.layerDirectory the path of one.", cause)
  )
)

/**
 * For all processes of a machine that name the same directory. It is made if need be, for its owner alone.
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
          message: "UploadStore.layerDirectory got an empty path: name a directory, or leave it out.",
          option: "directory"
        })
      }
      return yield* DirectoryStore.make(directory ?? (yield* defaultDirectory))
    })
  )
