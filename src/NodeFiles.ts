/**
 * Everything that a program on Node needs, in one Layer: the Files API over `node:http` with pooled, kept-alive
 * sockets, and the file system for paths.
 *
 * Needs `@effect/platform-node`, an optional peer of this package.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as NodeHttp from "node:http"
import * as Files from "./Files.ts"
import type { InvalidConfig } from "./FilesError.ts"
import { ConnectTimeout, ConnectTimeoutError } from "./internal/request/connectTimeout.ts"
import * as MessageBatches from "./MessageBatches.ts"
import * as Messages from "./Messages.ts"
import * as NodeClient from "./node/httpClient.ts"
import * as NodeSha256 from "./node/sha256.ts"
import type { Policy } from "./Policy.ts"

// A larger high-water mark halves the time of a download. Node documents it for the sockets that an agent makes; the
// type of the agent's options leaves it out.
const agentOptions = { keepAlive: true, maxSockets: 64, highWaterMark: 1 << 20 }

/**
 * Keeps `Policy.timeout`'s limit on connecting. An agent makes a socket while the fiber that needs one is running; one
 * that it makes later, for a request that had to queue, gets the limit of the request before.
 */
const limitConnecting = <Agent extends NodeHttp.Agent>(agent: Agent, connected: "connect" | "secureConnect"): Agent => {
  const create = agent.createConnection.bind(agent)
  let limit: Duration.Duration | undefined
  agent.createConnection = (options, callback) => {
    const fiber = Fiber.getCurrent()
    if (fiber !== undefined) limit = fiber.getRef(ConnectTimeout)
    const socket = create(options, callback)
    if (limit !== undefined && Duration.isFinite(limit)) {
      const error = new ConnectTimeoutError(limit)
      const timer = Effect.runFork(Effect.delay(Effect.sync(() => socket?.destroy(error)), limit))
      const stop = () => timer.interruptUnsafe()
      socket?.once(connected, stop).once("close", stop)
    }
    return socket
  }
  return agent
}

const layerAgent = Layer.effect(
  NodeHttpClient.HttpAgent,
  Effect.map(NodeHttpClient.makeAgent(agentOptions), ({ http, https }) => ({
    http: limitConnecting(http, "connect"),
    https: limitConnecting(https, "secureConnect")
  }))
)

/**
 * `HttpClient` over `node:http`: sockets are kept alive and shared, at most 64 to a host. Unlike `fetch` it sends a
 * body no faster than the other side takes it, so that an upload's memory stays flat.
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient> = Layer.provide(
  NodeClient.layer,
  layerAgent
)

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeSha256.layer)

/**
 * What {@link layer} and {@link layerConfig} give.
 */
export type Services =
  | Files.Files
  | Messages.Messages
  | MessageBatches.MessageBatches
  | HttpClient.HttpClient
  | FileSystem.FileSystem
  | Path.Path

const over = <E>(
  services: Layer.Layer<
    Files.Files | Messages.Messages | MessageBatches.MessageBatches,
    E,
    HttpClient.HttpClient
  >,
  policy: Policy | undefined
): Layer.Layer<Services, E> => {
  const client = policy === undefined ? layerHttpClient : Layer.provide(policy, layerHttpClient)
  return Layer.provideMerge(services, Layer.merge(client, platform))
}

/**
 * {@link Files.layer}, `Messages.layer` and `MessageBatches.layer` with all that they need on Node.
 *
 * @param policy what happens to every request, `Policy.standard()` for example; without one nothing is tried again
 */
export const layer = (options: Files.Options, policy?: Policy): Layer.Layer<Services, InvalidConfig> =>
  over(Layer.mergeAll(Files.layer(options), Messages.layer(options), MessageBatches.layer(options)), policy)

/**
 * The same from `ANTHROPIC_API_KEY` and its companions, as {@link Files.layerConfig} reads them.
 */
export const layerConfig = (options?: Files.Options, policy?: Policy): Layer.Layer<Services, InvalidConfig> =>
  over(
    Layer.mergeAll(Files.layerConfig(options), Messages.layerConfig(options), MessageBatches.layerConfig(options)),
    policy
  )
