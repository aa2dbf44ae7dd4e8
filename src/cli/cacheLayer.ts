/**
 * The upload cache, in a folder of this machine.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as UploadCache from "../UploadCache.ts"
import * as UploadStore from "../UploadStore.ts"
import { UsageError } from "./failure.ts"
import * as Flags from "./flags.ts"

export const flags = {
  cacheDir: Flags.text("cache-dir", "DIR", "Folder of the upload cache (default: the user's cache folder)")
}

/** The folder that the flag names, or the user's own. */
export const directoryOf = (given: Option.Option<string>) =>
  Option.isSome(given) ? Effect.succeed(given.value) : Effect.mapError(
    UploadStore.defaultDirectory,
    () => new UsageError({ message: "This user has no cache folder: name a folder with --cache-dir." })
  )

export const store = (given: Option.Option<string>) =>
  Layer.unwrap(Effect.map(directoryOf(given), UploadStore.layerDirectory))

export const layer = (given: Option.Option<string>) => Layer.provide(UploadCache.layer(), store(given))

/**
 * Lets the cache forget what the client deletes. Where there is none, or it can't be read, nothing is made, and nothing
 * fails: no other command can use that cache either.
 */
export const layerForgetting = (given: Option.Option<string>) =>
  Layer.effectDiscard(
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* directoryOf(given)
      yield* fs.access(directory, { readable: true })
      yield* Layer.build(layer(Option.some(directory)))
    }).pipe(
      Effect.catch((error) => Effect.logDebug(`There is no upload cache that could forget files: ${error.message}`))
    )
  )
