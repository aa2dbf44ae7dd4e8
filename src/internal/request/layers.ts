/**
 * The Layers of a service that sends requests, which differ in where its credential comes from.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import { Credentials, fromEnvironment as credentialsOfEnvironment } from "../../Credentials.ts"
import type { InvalidConfig } from "../../FilesError.ts"
import { fromEnvironment } from "./environment.ts"
import { type ClientOptions, givenCredentials, type Options } from "./options.ts"

export interface Service<I, S> {
  readonly tag: Context.Key<I, S>
  readonly make: (options: Options) => Effect.Effect<S, InvalidConfig, HttpClient.HttpClient>
}

/** Authorized by the `Credentials` in the context. */
export const layerCredentials = <I, S>(
  { make, tag }: Service<I, S>,
  options: ClientOptions
): Layer.Layer<I, InvalidConfig, HttpClient.HttpClient | Credentials> =>
  Layer.effect(tag, Effect.flatMap(Credentials, (credentials) => make({ ...options, credentials })))

/** The same, with the options that the environment has. */
const layerCompleted = <I, S>(
  { make, tag }: Service<I, S>,
  options: Options
): Layer.Layer<I, InvalidConfig, HttpClient.HttpClient | Credentials> =>
  Layer.effect(
    tag,
    Effect.flatMap(Credentials, (credentials) => Effect.flatMap(fromEnvironment({ ...options, credentials }), make))
  )

type EnvironmentCredentials = Layer.Layer<Credentials, InvalidConfig, HttpClient.HttpClient>

const made = new WeakMap<ClientOptions, EnvironmentCredentials>()

/**
 * Credentials of the environment, for a client that is given none in code. Layers are shared by reference: services that
 * are made from the same options share one token.
 */
const environmentOf = (options: ClientOptions): EnvironmentCredentials => {
  const { allowPlainHttp, baseUrl } = options
  const known = made.get(options)
  if (known !== undefined) return known
  const layer = credentialsOfEnvironment({ allowPlainHttp, baseUrl })
  made.set(options, layer)
  return layer
}

/** Authorized by what the options say, else by what the environment has. */
export const layerConfig = <I, S>(
  service: Service<I, S>,
  options: Options
): Layer.Layer<I, InvalidConfig, HttpClient.HttpClient> =>
  givenCredentials(options).length > 0
    ? Layer.effect(service.tag, Effect.flatMap(fromEnvironment(options), service.make))
    : Layer.provide(layerCompleted(service, options), environmentOf(options))
