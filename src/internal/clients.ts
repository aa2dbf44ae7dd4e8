/**
 * The clients of the API, all made from the same options.
 */
import type { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type { Credentials } from "../Credentials.ts"
import * as Files from "../Files.ts"
import type { InvalidConfig } from "../FilesError.ts"
import * as MessageBatches from "../MessageBatches.ts"
import * as Messages from "../Messages.ts"

export type All = Files.Files | Messages.Messages | MessageBatches.MessageBatches

export const layer = (options: Files.Options): Layer.Layer<All, InvalidConfig, HttpClient> =>
  Layer.mergeAll(Files.layer(options), Messages.layer(options), MessageBatches.layer(options))

export const layerConfig = (options: Files.Options): Layer.Layer<All, InvalidConfig, HttpClient> =>
  Layer.mergeAll(Files.layerConfig(options), Messages.layerConfig(options), MessageBatches.layerConfig(options))

export const layerCredentials = <E, R>(
  credentials: Layer.Layer<Credentials, E, R>,
  options: Files.ClientOptions
): Layer.Layer<All, E | InvalidConfig, HttpClient | R> =>
  Layer.provide(
    Layer.mergeAll(
      Files.layerCredentials(options),
      Messages.layerCredentials(options),
      MessageBatches.layerCredentials(options)
    ),
    credentials
  )
