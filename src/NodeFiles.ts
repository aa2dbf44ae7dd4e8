/**
 * Everything that a program on Node needs, in one Layer: the Files API over `node:http` with pooled, kept-alive
 * sockets, and the file system for paths. Bun and Deno run it as well.
 *
 * Needs `@effect/platform-node`, an optional peer of this package.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as Redacted from "effect/Redacted"
import type * as Credentials from "./Credentials.ts"
import type * as Files from "./Files.ts"
import type { InvalidConfig, PolicyFailed } from "./FilesError.ts"
import * as Clients from "./internal/clients.ts"
import { TransportSecrets } from "./internal/request/transportSecrets.ts"
import type * as MessageBatches from "./MessageBatches.ts"
import type * as Messages from "./Messages.ts"
import * as NodeClient from "./node/httpClient.ts"
import { proxiesOf } from "./node/proxies.ts"
import * as NodeSha256 from "./node/sha256.ts"
import { secureContextOf } from "./node/trust.ts"
import type { Policy } from "./Policy.ts"

/**
 * What lies between this machine and the service: a proxy, and certificate authorities.
 */
export interface HttpClientOptions {
  /**
   * The `http:` or `https:` URL of the proxy for all requests, with user name and password if it requires them; `false`
   * for none. `NO_PROXY` applies even if a URL is given here.
   *
   * @default `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, whose lower-case names take precedence
   */
  readonly proxy?: string | URL | Redacted.Redacted<string> | boolean | undefined
  /**
   * PEM certificates of authorities to trust, in addition to those that Node trusts and those of `NODE_EXTRA_CA_CERTS`.
   *
   * @default none
   */
  readonly ca?: string | Uint8Array | ReadonlyArray<string | Uint8Array> | undefined
}

/**
 * Options of {@link layer}: those of the client, and how it reaches the service.
 */
export interface Options extends Files.Options, HttpClientOptions {}

/**
 * {@link layerHttpClient} with your own proxy or certificate authorities.
 */
export const layerHttpClientOptions = (
  options: HttpClientOptions
): Layer.Layer<HttpClient.HttpClient, InvalidConfig> =>
  Layer.effectContext(
    Effect.gen(function*() {
      const proxies = yield* proxiesOf(options.proxy, process.env)
      const secureContext = yield* secureContextOf(options.ca)
      const client = yield* NodeClient.make({ proxies, secureContext })
      return Context.make(HttpClient.HttpClient, client).pipe(Context.add(TransportSecrets, proxies?.secrets ?? []))
    })
  )

/**
 * `HttpClient` over `node:http`: sockets are kept alive and shared, at most 64 per host. Unlike `fetch`, it sends a body
 * no faster than the other side accepts it, so an upload's memory stays flat. It uses the proxy that the environment
 * names.
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, InvalidConfig> = layerHttpClientOptions({})

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeSha256.layer)

/**
 * The services that {@link layer}, {@link layerCredentials} and {@link layerConfig} provide.
 */
export type Services =
  | Files.Files
  | Messages.Messages
  | MessageBatches.MessageBatches
  | HttpClient.HttpClient
  | FileSystem.FileSystem
  | Path.Path

const over = <E>(
  services: Layer.Layer<Clients.All, E, HttpClient.HttpClient | FileSystem.FileSystem | Path.Path>,
  { ca, proxy }: HttpClientOptions,
  policy: Policy | undefined
): Layer.Layer<Services, E | InvalidConfig | PolicyFailed> => {
  const isPlain = ca === undefined && proxy === undefined
  const transport = isPlain ? layerHttpClient : layerHttpClientOptions({ ca, proxy })
  const client = policy === undefined ? transport : Layer.provideMerge(policy, transport)
  return Layer.provideMerge(services, Layer.merge(client, platform))
}

/**
 * {@link Files.layer}, `Messages.layer` and `MessageBatches.layer` with everything that they need on Node.
 *
 * @param policy applied to every request, for example `Policy.standard()`; without one nothing is retried
 */
export const layer = (options: Options, policy?: Policy): Layer.Layer<Services, InvalidConfig | PolicyFailed> =>
  over(Clients.layer(options), options, policy)

/**
 * As {@link layer}, with any credentials: a profile, workload identity, a platform.
 *
 * @param credentials may use the `HttpClient` and the file system
 */
export const layerCredentials = <E>(
  credentials: Layer.Layer<
    Credentials.Credentials,
    E,
    HttpClient.HttpClient | FileSystem.FileSystem | Path.Path
  >,
  options: Files.ClientOptions & HttpClientOptions = {},
  policy?: Policy
): Layer.Layer<Services, E | InvalidConfig | PolicyFailed> =>
  over(Clients.layerCredentials(credentials, options), options, policy)

/**
 * As {@link layer}, from `ANTHROPIC_API_KEY` and the other variables that {@link Files.layerConfig} reads. Profiles and
 * token files are read as well.
 */
export const layerConfig = (
  options: Options = {},
  policy?: Policy
): Layer.Layer<Services, InvalidConfig | PolicyFailed> => over(Clients.layerConfig(options), options, policy)
