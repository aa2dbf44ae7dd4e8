/**
 * What a client is made from, checked once, before any request.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { InvalidConfig } from "../../FilesError.ts"
import type { Authorization, Shape } from "../credentials/service.ts"
import * as Static from "../credentials/static.ts"
import { credentialHeaders, isNone } from "../credentials/static.ts"
import { describeValue } from "../text.ts"
import { anthropicVersion, defaultBaseUrl, type Dialect, filesBeta, maxFileBytes } from "../wire/constants.ts"
import { isGiven, parseAddress, warnOfPlainHttp } from "./baseUrl.ts"
import { TransportSecrets } from "./transportSecrets.ts"
import { userAgent } from "./userAgent.ts"

/**
 * What a client is made from, besides what authorizes its requests.
 */
export interface ClientOptions {
  /**
   * May carry a path prefix; a trailing slash and a trailing `/v1` are taken off. Plain `http:` is taken only for this
   * machine, since a credential in it can be read on the way, unless `allowPlainHttp` is set. An empty one counts as
   * left out.
   *
   * @default the address that goes with the credentials, else "https://api.anthropic.com"
   */
  readonly baseUrl?: string | URL | undefined
  /**
   * Takes a plain `http:` base URL also for another machine: a gateway or an emulator in a network that is trusted. It
   * is warned about once.
   *
   * @default false
   */
  readonly allowPlainHttp?: boolean | undefined
  /** `wrkspc_…`, for credentials that reach several workspaces. */
  readonly workspaceId?: string | undefined
  /** Sent with every request, `anthropic-version` for example. Names are case-insensitive. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  /**
   * `beta` sends `anthropic-beta: files-api-2025-04-14` and speaks that dialect.
   *
   * @default "ga"
   */
  readonly dialect?: Dialect | undefined
  /** Further `anthropic-beta` values. */
  readonly betas?: ReadonlyArray<string> | undefined
  /**
   * The longest time in which nothing moves: no byte of a body in either direction, no answer to a request. An answer
   * to an upload, which the service has to store first, may take ten times as long. There is no limit on a transfer
   * that moves; an answer that is not a file or a stream, but JSON, has to be there in this time after its head.
   *
   * @default "60 seconds"
   */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * Sends `traceparent` with every request, so that the service's trace can join the program's. It goes to the base URL
   * alone, never to the address of a source or of a token.
   *
   * @default false
   */
  readonly propagateTrace?: boolean | undefined
  /**
   * Larger files are refused before they are sent. Bytes.
   *
   * @default 500_000_000
   */
  readonly maxFileBytes?: number | undefined
}

/**
 * What a client is made from.
 */
export interface Options extends ClientOptions {
  /** Sent as `x-api-key`. Of this, `authToken`, `credentials` and a header that carries a credential one is needed. */
  readonly apiKey?: Redacted.Redacted<string> | undefined
  /** Sent as `authorization: Bearer …`. */
  readonly authToken?: Redacted.Redacted<string> | undefined
  /**
   * What authorizes requests: a `Credentials` service, where neither a key nor a token does. `layerCredentials` takes the
   * one in the context.
   */
  readonly credentials?: Shape | undefined
}

export interface Settings {
  readonly baseUrl: string
  /** The scheme, host and port of the base URL. */
  readonly origin: string
  readonly dialect: Dialect
  /** Sent with every request, besides what authorizes it. */
  readonly headers: Headers.Headers
  /** Headers that may hold a secret. */
  readonly secretHeaders: ReadonlyArray<string>
  readonly credentials: Shape
  /** Notes what is secret in an authorization, to be scrubbed from now on. */
  readonly remember: (authorization: Authorization) => void
  readonly idleTimeout: Duration.Duration
  readonly maxFileBytes: number
  readonly propagateTrace: boolean
  readonly scrub: (text: string) => string
}

/** A token, as HTTP calls it: what a header's name consists of. */
export const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

export const headerValue = /^[\x20-\x7e]*$/

/** Set by the client or the transport for each request. */
export const reserved: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "content-type",
  "content-length",
  "transfer-encoding",
  "accept-encoding"
])

/** What is wrong with headers as a whole: those of a `Headers` or a `Map` are not its own properties. */
export const headersProblem = (headers: unknown): string | undefined =>
  headers === undefined || headers === null || (Predicate.isObject(headers) && !Predicate.isIterable(headers))
    ? undefined
    : "headers has to be an object of names and values; Object.fromEntries makes one of a Headers or a Map."

/** Names and values of the headers that have one. */
const givenHeaders = (headers: Options["headers"]): ReadonlyArray<readonly [name: string, value: string]> =>
  Object.entries(headers ?? {}).flatMap(([name, value]) => value === undefined ? [] : [[name, value] as const])

const invalid = (option: string, message: string) => Effect.fail(new InvalidConfig({ option, message }))

/** What of the options carries a credential, by name. An option takes precedence over the header that it is sent as. */
export const givenCredentials = (options: Options): ReadonlyArray<string> => {
  const names = givenHeaders(options.headers).map(([name]) => name.toLowerCase())
  const given: Array<string> = []
  if (options.apiKey !== undefined) given.push("apiKey")
  if (options.authToken !== undefined) given.push("authToken")
  if (options.credentials !== undefined && !isNone(options.credentials)) given.push("credentials")
  const covered = [
    options.apiKey === undefined ? "" : "x-api-key",
    options.authToken === undefined ? "" : "authorization"
  ]
  const byHand = names.filter((name) => credentialHeaders.has(name) && !covered.includes(name))
  if (byHand.length > 0) given.push(`the header ${byHand.join(" and ")}`)
  return given
}

/** The one credential of the options. Headers given by hand count as one. */
const credentialsOf = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Shape, InvalidConfig> {
  const { apiKey, authToken, credentials, headers } = options
  const given = givenCredentials(options)
  if (given.length > 1) {
    return yield* invalid(
      given[1] ?? "apiKey",
      `${given.join(" and ")} are given, and a request carries one credential only: give one of them.`
    )
  }
  if (apiKey !== undefined) return yield* Static.apiKey(apiKey, { option: "apiKey" })
  if (authToken !== undefined) return yield* Static.bearer(authToken, { option: "authToken" })
  const byHand = givenHeaders(headers).filter(([name]) => credentialHeaders.has(name.toLowerCase()))
  if (byHand.length > 0) return Static.byHand(Object.fromEntries(byHand), { option: "headers" })
  if (credentials !== undefined) return credentials
  return yield* invalid(
    "apiKey",
    "There is no credential: give apiKey, or use layerConfig, which reads ANTHROPIC_API_KEY."
  )
})

/** Secrets that are remembered: those of the newest requests. */
const maxSecrets = 64

/** Shorter ones would blank out ordinary words. */
const minSecret = 8

/** A secret, and without the scheme in front of it too, as it may be repeated. */
const formsOf = (secret: string): ReadonlyArray<string> =>
  [secret, ...secret.split(/\s+/)].filter((form) => form.length >= minSecret)

/** Takes out of a text what must not be shown, should a server echo it. */
const makeScrub = (secrets: ReadonlyArray<string>) => {
  const own = secrets.flatMap(formsOf)
  const sent = new Set<string>()
  let sorted: ReadonlyArray<string> | undefined
  let last: Authorization | undefined
  return {
    scrub: (text: string): string => {
      // The longest first: one may begin with another.
      sorted ??= [...own, ...sent].sort((a, b) => b.length - a.length)
      return sorted.reduce((clean, secret) => clean.replaceAll(secret, "[redacted]"), text)
    },
    remember: (authorization: Authorization): void => {
      if (last === authorization) return
      last = authorization
      sorted = undefined
      const forms = Object.values(authorization).flatMap((value) =>
        Redacted.isRedacted(value) ? formsOf(Redacted.value(value)) : []
      )
      for (const form of forms) {
        // At the end again: one that is still sent is not the oldest.
        sent.delete(form)
        sent.add(form)
      }
      for (const oldest of sent) {
        if (sent.size <= maxSecrets) break
        sent.delete(oldest)
      }
    }
  }
}

/** The API's own headers, and others that say nothing secret under any circumstances. */
const plainHeaders: ReadonlySet<string> = new Set([
  "accept",
  "user-agent",
  "anthropic-version",
  "anthropic-beta",
  "anthropic-workspace-id",
  "anthropic-user-profile-id",
  "anthropic-dangerous-direct-browser-access"
])

/** Whether a header may hold a secret: a gateway's own may, under any name. */
export const mayHoldSecret = (name: string): boolean => !plainHeaders.has(name)

export const parse = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Settings, InvalidConfig> {
  const problem = headersProblem(options.headers)
  if (problem !== undefined) return yield* invalid("headers", problem)
  const credentials = yield* credentialsOf(options)
  const address = yield* parseAddress(
    isGiven(options.baseUrl) ? options.baseUrl : credentials.baseUrl ?? defaultBaseUrl,
    options.allowPlainHttp === true,
    "baseUrl"
  )
  yield* warnOfPlainHttp(address)
  const dialect = options.dialect ?? "ga"
  if (dialect !== "ga" && dialect !== "beta") {
    return yield* invalid("dialect", "dialect is neither \"ga\" nor \"beta\".")
  }

  const headers: Record<string, string> = {
    ...userAgent,
    accept: "application/json",
    "anthropic-version": anthropicVersion
  }
  const betas = new Set<string>(dialect === "beta" ? [filesBeta] : [])
  const secrets = (yield* TransportSecrets).map(Redacted.value)
  const secretHeaders = [...credentialHeaders, "x-amz-security-token"]
  for (const [given, value] of givenHeaders(options.headers)) {
    const name = given.toLowerCase()
    if (!headerName.test(name) || !Predicate.isString(value) || !headerValue.test(value)) {
      return yield* invalid("headers", `The header ${JSON.stringify(given)} is not one that HTTP can carry.`)
    }
    if (reserved.has(name)) return yield* invalid("headers", `The header ${name} is set by the client itself.`)
    // They are the credential, or stand behind an option.
    if (credentialHeaders.has(name)) continue
    if (name === "anthropic-beta") {
      for (const beta of value.split(",")) if (beta.trim() !== "") betas.add(beta.trim())
    } else {
      headers[name] = value.trim()
      if (mayHoldSecret(name)) {
        secretHeaders.push(name)
        secrets.push(value)
      }
    }
  }
  if (options.betas !== undefined && options.betas !== null && !Array.isArray(options.betas)) {
    return yield* invalid("betas", "betas has to be a list of anthropic-beta values.")
  }
  for (const beta of options.betas ?? []) {
    if (!headerName.test(beta)) {
      return yield* invalid(
        "betas",
        `${JSON.stringify(beta)} is not an anthropic-beta value; expected for example ${filesBeta}.`
      )
    }
    betas.add(beta)
  }
  if (betas.has(filesBeta) && dialect === "ga") {
    return yield* invalid("betas", `${filesBeta} selects the beta dialect: choose the dialect beta instead.`)
  }
  const given: unknown = options.workspaceId
  const workspaceId = Predicate.isString(given) ? given.trim() : given ?? ""
  if (workspaceId !== "") {
    if (!Predicate.isString(workspaceId) || !headerName.test(workspaceId)) {
      return yield* invalid(
        "workspaceId",
        `${describeValue(workspaceId)} is not a workspace id; expected for example wrkspc_….`
      )
    }
    headers["anthropic-workspace-id"] = workspaceId
  }
  if (betas.size > 0) headers["anthropic-beta"] = Array.from(betas).join(",")

  const idleTimeout = Duration.fromInput(options.idleTimeout ?? "60 seconds")
  if (Option.isNone(idleTimeout) || !Duration.isGreaterThan(idleTimeout.value, Duration.zero)) {
    return yield* invalid("idleTimeout", "idleTimeout has to be a positive duration.")
  }
  const maximum = options.maxFileBytes ?? maxFileBytes
  if (!Number.isSafeInteger(maximum) || maximum < 0) {
    return yield* invalid("maxFileBytes", "maxFileBytes has to be a whole number of bytes.")
  }
  return {
    baseUrl: address.baseUrl,
    origin: address.origin,
    dialect,
    headers: Headers.fromInput(headers),
    secretHeaders,
    credentials,
    idleTimeout: idleTimeout.value,
    maxFileBytes: maximum,
    propagateTrace: options.propagateTrace === true,
    ...makeScrub(secrets)
  }
})
