/**
 * Everything that a program on Node needs, in one Layer: the Files API over `node:http` with pooled, kept-alive
 * sockets, and the file system for paths.
 *
 * Needs `@effect/platform-node`, an optional peer of this package.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodePath from "@effect/platform-node/NodePath"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Files from "./Files.ts"
import type { InvalidConfig } from "./FilesError.ts"

// A larger high-water mark halves the time of a download. Node documents it for the sockets that an agent makes; the
// type of the agent's options leaves it out.
const agentOptions = { keepAlive: true, maxSockets: 64, highWaterMark: 1 << 20 }

/**
 * `HttpClient` over `node:http`: sockets are kept alive and shared, at most 64 to a host. Unlike `fetch` it sends a
 * body no faster than the other side takes it, so that an upload's memory stays flat.
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerNodeHttpOptions(agentOptions)

const platform = Layer.mergeAll(layerHttpClient, NodeFileSystem.layer, NodePath.layer)

/**
 * What {@link layer} and {@link layerConfig} give.
 */
export type Services = Files.Files | HttpClient.HttpClient | FileSystem.FileSystem | Path.Path

/**
 * {@link Files.layer} with all that it needs on Node.
 */
export const layer = (options: Files.Options): Layer.Layer<Services, InvalidConfig> =>
  Layer.provideMerge(Files.layer(options), platform)

/**
 * {@link Files.layerConfig}, which reads `ANTHROPIC_API_KEY` and its companions, with all that it needs on Node.
 */
export const layerConfig = (options?: Files.Options): Layer.Layer<Services, InvalidConfig> =>
  Layer.provideMerge(Files.layerConfig(options), platform)
