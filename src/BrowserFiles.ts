/**
 * Everything that a page needs, in one Layer: the Files API over `fetch`, and uploads of any `Blob` with progress, in
 * every browser and over HTTP/1.1 as well.
 *
 * Everyone who opens a page can read a key in it. Send requests to a server of your own that authenticates its users and
 * adds the key, and use `Credentials.none` in the page.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Credentials, FileSource, Progress, Transfer } from "effect-anthropic-files"
 * import * as BrowserFiles from "effect-anthropic-files/BrowserFiles"
 *
 * const live = BrowserFiles.layerCredentials(Credentials.none, { baseUrl: globalThis.location.origin })
 *
 * export const upload = (file: File, progress: Progress.Progress) =>
 *   Transfer.upload({ source: FileSource.blob(file) }, progress).pipe(Effect.provide(live))
 * ```
 */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Credentials from "./Credentials.ts"
import type * as Files from "./Files.ts"
import type { InvalidConfig, PolicyFailed } from "./FilesError.ts"
import * as BrowserClient from "./internal/browser/httpClient.ts"
import * as Clients from "./internal/clients.ts"
import type * as MessageBatches from "./MessageBatches.ts"
import type * as Messages from "./Messages.ts"
import type { Policy } from "./Policy.ts"

/**
 * `HttpClient` for pages and their workers. A large `Blob` is sent without being read into memory, over
 * `XMLHttpRequest`, which reports progress. `XMLHttpRequest` follows redirects, so a request with a key goes over
 * `fetch` instead and reports its progress only at the end. Any other stream is first collected in a `Blob`.
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient> = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, BrowserClient.make)
).pipe(Layer.provide(FetchHttpClient.layer))

/**
 * The services that {@link layer} and {@link layerCredentials} provide.
 */
export type Services = Files.Files | Messages.Messages | MessageBatches.MessageBatches | HttpClient.HttpClient

const over = <E>(
  services: Layer.Layer<Clients.All, E, HttpClient.HttpClient>,
  policy: Policy | undefined
): Layer.Layer<Services, E | InvalidConfig | PolicyFailed> =>
  Layer.provideMerge(services, policy === undefined ? layerHttpClient : Layer.provide(policy, layerHttpClient))

/**
 * {@link Files.layer}, `Messages.layer` and `MessageBatches.layer` with everything that they need in a page.
 *
 * To send a key from a page to the service itself, add the header
 * `anthropic-dangerous-direct-browser-access: true`; without it the service rejects requests from pages.
 *
 * @param policy applied to every request, for example `Policy.standard()`; without one nothing is retried
 */
export const layer = (options: Files.Options, policy?: Policy): Layer.Layer<Services, InvalidConfig | PolicyFailed> =>
  over(Clients.layer(options), policy)

/**
 * As {@link layer}, with any credentials: `Credentials.none` for a server in between that adds its own, or
 * `Credentials.fromEffect` for a short-lived token that such a server issues.
 */
export const layerCredentials = <E>(
  credentials: Layer.Layer<Credentials.Credentials, E, HttpClient.HttpClient>,
  options: Files.ClientOptions = {},
  policy?: Policy
): Layer.Layer<Services, E | InvalidConfig | PolicyFailed> =>
  over(Clients.layerCredentials(credentials, options), policy)
