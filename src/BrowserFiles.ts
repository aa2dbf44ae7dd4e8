/**
 * Everything that a page needs, in one Layer: the Files API over `fetch`, and uploads of any `Blob` with progress, in
 * every browser and over HTTP/1.1 as well.
 *
 * A key in a page is everybody's who opens it. Send requests to a server of yours that knows its users and adds the key,
 * with `Credentials.none` in the page.
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
 * `HttpClient` for pages and their workers. A large `Blob` is sent from where it is, over `XMLHttpRequest`, since that
 * tells how much of it has been sent. That follows redirects, though, so that a request with a key goes over `fetch`,
 * which does not: its progress is seen at its end only. A stream of another kind is collected in a `Blob` first.
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient> = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, BrowserClient.make)
).pipe(Layer.provide(FetchHttpClient.layer))

/**
 * What {@link layer} and {@link layerCredentials} give.
 */
export type Services = Files.Files | Messages.Messages | MessageBatches.MessageBatches | HttpClient.HttpClient

const over = <E>(
  services: Layer.Layer<Clients.All, E, HttpClient.HttpClient>,
  policy: Policy | undefined
): Layer.Layer<Services, E | InvalidConfig | PolicyFailed> =>
  Layer.provideMerge(services, policy === undefined ? layerHttpClient : Layer.provide(policy, layerHttpClient))

/**
 * {@link Files.layer}, `Messages.layer` and `MessageBatches.layer` with all that they need in a page.
 *
 * To send a key from a page to the service itself, add the header
 * `anthropic-dangerous-direct-browser-access: true`; without it the service answers no page.
 *
 * @param policy what happens to every request, `Policy.standard()` for example; without one nothing is tried again
 */
export const layer = (options: Files.Options, policy?: Policy): Layer.Layer<Services, InvalidConfig | PolicyFailed> =>
  over(Clients.layer(options), policy)

/**
 * The same over credentials of any kind: `Credentials.none` for a server in between that adds its own, or
 * `Credentials.fromEffect` for a short-lived token that one hands out.
 */
export const layerCredentials = <E>(
  credentials: Layer.Layer<Credentials.Credentials, E, HttpClient.HttpClient>,
  options: Files.ClientOptions = {},
  policy?: Policy
): Layer.Layer<Services, E | InvalidConfig | PolicyFailed> =>
  over(Clients.layerCredentials(credentials, options), policy)
