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
import { InvalidConfig, type PolicyFailed } from "./FilesError.ts"
import * as BrowserClient from "./internal/browser/httpClient.ts"
import * as Clients from "./internal/clients.ts"
import { isGiven } from "./internal/request/baseUrl.ts"
import { defaultBaseUrl } from "./internal/wire/constants.ts"
import type * as MessageBatches from "./MessageBatches.ts"
import type * as Messages from "./Messages.ts"
import type { Policy } from "./Policy.ts"

/**
 * `HttpClient` for pages and their workers. A large `Blob` is sent without being read into memory, over
 * `XMLHttpRequest`, which reports progress. `XMLHttpRequest` follows redirects, so a request with a key or with a header
 * of your own goes over `fetch` instead and reports its progress only at the end. If a request without either is
 * redirected, the upload fails, but the browser has already sent the body on; the page's Content-Security-Policy
 * (`connect-src`) limits where to. Any other stream is first collected in a `Blob`.
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

/** With this header a program accepts that a page's key is readable. Without it the service rejects requests of pages. */
const directAccess = "anthropic-dangerous-direct-browser-access"

const isUnconfirmed = ({ apiKey, authToken, baseUrl, headers }: Files.Options): boolean =>
  (apiKey !== undefined || authToken !== undefined)
  && (!isGiven(baseUrl) || String(baseUrl).startsWith(defaultBaseUrl))
  && !Object.keys(headers ?? {}).some((name) => name.toLowerCase() === directAccess)

const unconfirmed = () =>
  new InvalidConfig({
    option: "headers",
    message:
      "Everyone who opens the page can read its key, so the service rejects pages that do not accept that: send requests "
      + `to a server of your own that adds the key, or set the header ${directAccess} to "true".`
  })

/**
 * {@link Files.layer}, `Messages.layer` and `MessageBatches.layer` with everything that they need in a page.
 *
 * A key that goes from a page to the service itself needs the header `anthropic-dangerous-direct-browser-access: true`
 * among `headers`. Without it the Layer fails with `InvalidConfig`: the service would refuse every request, and the
 * browser would not say why.
 *
 * @param policy applied to every request, for example `Policy.standard()`; without one nothing is retried
 */
export const layer = (options: Files.Options, policy?: Policy): Layer.Layer<Services, InvalidConfig | PolicyFailed> =>
  isUnconfirmed(options)
    ? Layer.effectContext(Effect.suspend(() => Effect.fail(unconfirmed())))
    : over(Clients.layer(options), policy)

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
