/**
 * The upload cache, in a folder of this machine.
 */
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as UploadCache from "../UploadCache.ts"
import * as UploadStore from "../UploadStore.ts"
import * as Flags from "./flags.ts"

export const flags = {
  cacheDir: Flags.text("cache-dir", "DIR", "Folder of the upload cache (default: the user's cache folder)")
}

export const layer = (directory: Option.Option<string>) =>
  Layer.provide(UploadCache.layer(), UploadStore.layerDirectory(Option.getOrUndefined(directory)))
