/**
 * Anthropic's Files API, served locally: the same wire format and real storage, without a network and without a model.
 *
 * `Emulator.layer()` serves it in process, as the `HttpClient` of your program, without a socket. It runs wherever Effect
 * runs. `NodeEmulator.layerServer()` serves the same routes on a loopback socket.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type { Armed } from "./internal/faults.ts"
import type * as Control from "./internal/http/control.ts"
import * as InProcess from "./internal/http/inProcess.ts"
import * as Internal from "./internal/http/make.ts"
import type * as InternalOptions from "./internal/http/options.ts"
import type * as RequestLog from "./internal/http/requestLog.ts"
import type * as Tokens from "./internal/http/tokens.ts"
import type { Counted } from "./internal/model/rules.ts"
import * as Store from "./Store.ts"

export { openApi, type OpenApiDocument, type OpenApiOperation } from "./internal/http/openApi.ts"

/** Options of an emulator. Each has a default. */
export interface Options extends InternalOptions.Options {}

/** The credentials that the token endpoint exchanges for access tokens. */
export interface CredentialOptions extends Tokens.Options {}

/** A request that the emulator received. */
export interface RecordedRequest extends RequestLog.RecordedRequest {}

/** A file that is stored without an upload. */
export interface SeedFile extends Control.SeedFile {}

/** Options of an access token that is issued without an exchange. */
export interface TokenOptions extends Control.TokenOptions {}

/** An access token that was issued. */
export interface IssuedToken extends Tokens.IssuedToken {}

/** The control surface of a running emulator. */
export interface Running extends Control.Control {
  /** The base URL for a client. In process it is a placeholder, and any other URL works too. */
  readonly url: string
}

/** A fault, and the number of requests that it has hit. */
export interface ArmedFault extends Armed {}

/** A rule, and the number of requests that it has answered. */
export interface CountedRule extends Counted {}

/**
 * A running emulator: its URL and key, the requests that it received, the files that it holds, its faults and rules.
 */
export class Emulator extends Context.Service<Emulator, Running>()(
  "effect-anthropic-files/emulator/Emulator"
) {}

/** The base URL in process. Nothing listens there. */
export const placeholderUrl = "http://emulator.localhost"

/**
 * The emulator in process, over the store of your choice.
 */
export const layerStore = (
  options: Options = {}
): Layer.Layer<Emulator | HttpClient.HttpClient, never, Store.Store> =>
  Layer.effectContext(Effect.gen(function*() {
    const { control, handle } = yield* Internal.make(options)
    return Context.make(Emulator, { url: placeholderUrl, ...control }).pipe(
      Context.add(HttpClient.HttpClient, InProcess.make(handle))
    )
  }))

/**
 * The emulator in process, in memory: an `HttpClient` that reaches it without a socket, whatever the base URL.
 */
export const layer = (options: Options = {}): Layer.Layer<Emulator | HttpClient.HttpClient> =>
  layerStore(options).pipe(Layer.provide(Store.layerMemory))
