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
import { anthropicVersion, defaultBaseUrl, type Dialect, filesBeta, maxFileBytes } from "../wire/constants.ts"

export interface Options {
  /** Sent as `x-api-key`. One of `apiKey` and `authToken` is needed. */
  readonly apiKey?: Redacted.Redacted<string> | undefined
  /** Sent as `authorization: Bearer …`. */
  readonly authToken?: Redacted.Redacted<string> | undefined
  /**
   * May carry a path prefix; a trailing slash and a trailing `/v1` are taken off. Plain `http:` is taken only for this
   * machine, since a key in it can be read on the way.
   *
   * @default "https://api.anthropic.com"
   */
  readonly baseUrl?: string | URL | undefined
  /** `wrkspc_…`, for credentials that reach several workspaces. */
  readonly workspaceId?: string | undefined
  /** Sent with every request, `anthropic-version` for example. Names are case-insensitive. */
  readonly headers?: Readonly<Record<string, string>> | undefined
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
   * that moves.
   *
   * @default "60 seconds"
   */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * Larger files are refused before they are sent. Bytes.
   *
   * @default 500_000_000
   */
  readonly maxFileBytes?: number | undefined
}

export interface Settings {
  readonly baseUrl: string
  readonly dialect: Dialect
  /** Sent with every request, keys included. */
  readonly headers: Headers.Headers
  /** Those among them that hold a secret. */
  readonly secretHeaders: ReadonlyArray<string>
  readonly idleTimeout: Duration.Duration
  readonly maxFileBytes: number
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

const invalid = (option: string, message: string) => Effect.fail(new InvalidConfig({ option, message }))

const credential = (option: string, value: Redacted.Redacted<string> | undefined) => {
  const text = value === undefined ? "" : Redacted.value(value).trim()
  // The message never holds the value, not even in part.
  return /^[\x21-\x7e]*$/.test(text)
    ? Effect.succeed(text)
    : invalid(option, `${option} holds a character that no header may carry: a line break, a space or a non-ASCII one.`)
}

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]"
  || /^127\.\d+\.\d+\.\d+$/.test(hostname)

const parseBaseUrl = (input: string | URL): Effect.Effect<string, InvalidConfig> =>
  Effect.gen(function*() {
    const text = String(input).trim()
    // The value itself is not repeated: it may hold a password.
    const url = yield* Effect.mapError(
      Effect.try({ try: () => new URL(text), catch: () => undefined }),
      () =>
        new InvalidConfig({ option: "baseUrl", message: `The base URL is no absolute URL, such as ${defaultBaseUrl}.` })
    )
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      return yield* invalid("baseUrl", `The base URL's scheme is ${url.protocol.slice(0, -1)}, not https.`)
    }
    if (url.username !== "" || url.password !== "") {
      return yield* invalid("baseUrl", "The base URL holds a user name or password: give the key as apiKey instead.")
    }
    if (url.search !== "" || url.hash !== "" || text.includes("?") || text.includes("#")) {
      return yield* invalid("baseUrl", "The base URL holds a query or a fragment, which no request would keep.")
    }
    if (url.protocol === "http:" && !isLoopback(url.hostname)) {
      return yield* invalid(
        "baseUrl",
        `The base URL ${url.origin} is plain http, where the key could be read on its way: use https.`
      )
    }
    return `${url.origin}${url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "").replace(/\/+$/, "")}`
  })

export const parse = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Settings, InvalidConfig> {
  for (const option of ["apiKey", "authToken"] as const) {
    if (options[option] !== undefined && !Redacted.isRedacted(options[option])) {
      return yield* invalid(option, `${option} has to be a Redacted: give Redacted.make(…).`)
    }
  }
  const apiKey = yield* credential("apiKey", options.apiKey)
  const authToken = yield* credential("authToken", options.authToken)
  if (apiKey === "" && authToken === "") {
    return yield* invalid(
      "apiKey",
      "There is no key: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN), or give apiKey to the layer."
    )
  }
  const baseUrl = yield* parseBaseUrl(options.baseUrl ?? defaultBaseUrl)
  const dialect = options.dialect ?? "ga"
  if (dialect !== "ga" && dialect !== "beta") {
    return yield* invalid("dialect", "dialect is neither \"ga\" nor \"beta\".")
  }

  const headers: Record<string, string> = { "anthropic-version": anthropicVersion }
  const betas = new Set<string>(dialect === "beta" ? [filesBeta] : [])
  const secrets = [apiKey, authToken]
  const secretHeaders = ["x-api-key", "authorization"]
  for (const [given, value] of Object.entries(options.headers ?? {})) {
    const name = given.toLowerCase()
    if (!headerName.test(name) || !Predicate.isString(value) || !headerValue.test(value)) {
      return yield* invalid("headers", `The header ${JSON.stringify(given)} is not one that HTTP can carry.`)
    }
    if (reserved.has(name)) return yield* invalid("headers", `The header ${name} is set by the client itself.`)
    if (name === "anthropic-beta") {
      for (const beta of value.split(",")) if (beta.trim() !== "") betas.add(beta.trim())
    } else {
      headers[name] = value.trim()
      // A gateway's own headers may hold a secret under any name.
      if (!name.startsWith("anthropic-")) {
        secretHeaders.push(name)
        // Without the scheme in front of it too, as it may be repeated.
        secrets.push(value.trim(), ...value.trim().split(/\s+/))
      }
    }
  }
  if (options.betas !== undefined && !Array.isArray(options.betas)) {
    return yield* invalid("betas", "betas has to be a list of anthropic-beta values.")
  }
  for (const beta of options.betas ?? []) {
    if (!headerName.test(beta)) return yield* invalid("betas", `${JSON.stringify(beta)} is no anthropic-beta value.`)
    betas.add(beta)
  }
  if (betas.has(filesBeta) && dialect === "ga") {
    return yield* invalid("betas", `${filesBeta} selects the beta dialect: set dialect to "beta" instead.`)
  }
  if (options.workspaceId !== undefined && options.workspaceId.trim() !== "") {
    const workspaceId = options.workspaceId.trim()
    if (!headerName.test(workspaceId)) {
      return yield* invalid("workspaceId", `${JSON.stringify(workspaceId)} is no workspace id, such as wrkspc_….`)
    }
    headers["anthropic-workspace-id"] = workspaceId
  }
  if (betas.size > 0) headers["anthropic-beta"] = Array.from(betas).join(",")
  if (apiKey !== "") headers["x-api-key"] = apiKey
  if (authToken !== "") headers["authorization"] = `Bearer ${authToken}`

  const idleTimeout = Duration.fromInput(options.idleTimeout ?? "60 seconds")
  if (Option.isNone(idleTimeout) || !Duration.isGreaterThan(idleTimeout.value, Duration.zero)) {
    return yield* invalid("idleTimeout", "idleTimeout has to be a positive duration.")
  }
  const maximum = options.maxFileBytes ?? maxFileBytes
  if (!Number.isSafeInteger(maximum) || maximum < 0) {
    return yield* invalid("maxFileBytes", "maxFileBytes has to be a whole number of bytes.")
  }
  // Shorter ones would blank out ordinary words. The longest first: one may begin with another.
  const scrubbed = secrets.filter((secret) => secret.length >= 8).sort((a, b) => b.length - a.length)
  return {
    baseUrl,
    dialect,
    headers: Headers.fromInput(headers),
    secretHeaders,
    idleTimeout: idleTimeout.value,
    maxFileBytes: maximum,
    scrub: (text) => scrubbed.reduce((clean, secret) => clean.replaceAll(secret, "[redacted]"), text)
  }
})

/**
 * `ANTHROPIC_CUSTOM_HEADERS`: lines of `Name: value`.
 */
export const parseCustomHeaders = (
  text: string
): Effect.Effect<Record<string, string>, InvalidConfig> =>
  Effect.suspend(() => {
    const headers: Record<string, string> = {}
    for (const line of text.split(/\r?\n/)) {
      if (line.trim() === "") continue
      const colon = line.indexOf(":")
      if (colon <= 0) {
        return invalid("ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS has a line that is not `Name: value`.")
      }
      headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
    }
    return Effect.succeed(headers)
  })
