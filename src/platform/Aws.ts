/**
 * The Claude Platform on AWS: requests are signed with AWS credentials (SigV4), or sent with a key of the platform.
 *
 * Region, workspace and credentials come from the options, else from the environment (`AWS_REGION`,
 * `ANTHROPIC_AWS_WORKSPACE_ID` …), else from AWS's own chain: shared files, SSO, web identity, instance metadata.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Files } from "effect-anthropic-files"
 * import * as Aws from "effect-anthropic-files/platform/Aws"
 * import { FetchHttpClient } from "effect/http"
 *
 * const live = Files.layerCredentials().pipe(
 *   Layer.provide(Aws.layer({ region: "us-east-1", workspaceId: "wrkspc_…" })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * const program = Files.listPage({ limit: 5 }).pipe(Effect.provide(live))
 * ```
 *
 * Signing needs the package `aws4fetch`, and AWS's chain needs `@aws-sdk/credential-provider-node`. Both are optional
 * peers, loaded on first use; the options `sign` and `credentials` replace them.
 */
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../Credentials.ts"
import { CredentialsFailed, InvalidConfig } from "../FilesError.ts"
import { fixableConfig } from "../internal/advice.ts"
import { credentialsFailed } from "../internal/credentials/failed.ts"
import { type Disk, diskIfAny, readIfThere } from "../internal/credentials/files.ts"
import { describeError, toEpochMillis } from "../internal/credentials/ofEffect.ts"
import { peer } from "../internal/credentials/peer.ts"
import { rotating } from "../internal/credentials/rotating.ts"
import { type Authorization, make, type Shape } from "../internal/credentials/service.ts"
import { secretText } from "../internal/credentials/static.ts"
import * as Tokens from "../internal/credentials/tokens.ts"
import { firstVariable, secretVariable, variable } from "../internal/credentials/variables.ts"
import { isGiven, parseAddress, warnOfPlainHttp } from "../internal/request/baseUrl.ts"
import { Sha256 } from "../internal/sha256.ts"

/** AWS credentials, long-lived or temporary. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted<string>
  /** Only for temporary credentials. */
  readonly sessionToken?: Redacted.Redacted<string> | undefined
  /** `undefined` if they don't expire. */
  readonly expiresAt?: DateTime.DateTime | Date | undefined
}

/** The input of a {@link Signer}. */
export interface Unsigned {
  readonly method: string
  readonly url: string
  /** All of these are signed, and the host. `x-amz-content-sha256` says how the body is signed. */
  readonly headers: Readonly<Record<string, string>>
  readonly credentials: AwsCredentials
  readonly region: string
  readonly service: string
  /** Epoch milliseconds. */
  readonly at: number
}

/**
 * Returns the headers to add to a signed request: `authorization`, `x-amz-date`, and `x-amz-security-token` for temporary
 * credentials.
 */
export type Signer = (request: Unsigned) => Effect.Effect<Readonly<Record<string, string>>, unknown>

/** Options of {@link layer}. */
export interface Options<R = never> {
  /**
   * @default `AWS_REGION`, `AWS_DEFAULT_REGION`, or the region in AWS's shared files
   */
  readonly region?: string | undefined
  /**
   * `wrkspc_…`, sent with every request.
   *
   * @default `ANTHROPIC_AWS_WORKSPACE_ID`
   */
  readonly workspaceId?: string | undefined
  /**
   * @default `ANTHROPIC_AWS_BASE_URL`, else the region's endpoint
   */
  readonly baseUrl?: string | URL | undefined
  /**
   * Allows plain http to hosts other than this machine.
   *
   * @default false
   */
  readonly allowPlainHttp?: boolean | undefined
  /**
   * A key of the platform, sent as Bearer instead of signing requests.
   *
   * @default `ANTHROPIC_AWS_API_KEY`
   */
  readonly apiKey?: Redacted.Redacted<string> | undefined
  /**
   * AWS credentials, or an Effect that provides them and is run again before they expire.
   *
   * @default `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, else AWS's chain
   */
  readonly credentials?: AwsCredentials | Effect.Effect<AwsCredentials, unknown, R> | undefined
  /** The profile in AWS's shared files that AWS's chain uses. */
  readonly profile?: string | undefined
  /**
   * @default a signer that uses `aws4fetch`
   */
  readonly sign?: Signer | undefined
  /**
   * Sends requests unsigned, to a gateway that signs them. Needs `baseUrl`, but no workspace.
   *
   * @default false
   */
  readonly skipAuth?: boolean | undefined
  /**
   * Identifies the caller to caches, rate limits and circuit breakers. Not a secret.
   *
   * @default region and workspace
   */
  readonly identity?: string | undefined
}

const service = "aws-external-anthropic"

const source = "the AWS credentials"

const invalid = (option: string, message: string) => new InvalidConfig({ option, message })

/** Headers that proxies and transports set, change or remove. */
const unsigned: ReadonlySet<string> = new Set([
  "accept-encoding",
  "authorization",
  "baggage",
  "b3",
  "cache-control",
  "connection",
  "content-length",
  "expect",
  "from",
  "keep-alive",
  "max-forwards",
  "pragma",
  "referer",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "x-amzn-trace-id"
])

const isSigned = (name: string, value: string): boolean =>
  !unsigned.has(name) && !/^(proxy-|sec-|x-b3-)/.test(name)
  && !(name === "content-type" && value.startsWith("multipart/"))

const compactDate = (at: number): string => new Date(at).toISOString().replace(/[:-]|\.\d{3}/g, "")

// Signing keys, which are derived from a secret for each day, kept as long as the credentials.
const derived = new WeakMap<AwsCredentials, Map<string, ArrayBuffer>>()

/**
 * A signer that uses `aws4fetch`, which has no dependencies and runs wherever WebCrypto does.
 */
export const sign: Signer = ({ at, credentials, headers, method, region, service, url }) =>
  Effect.flatMap(peer(source, "aws4fetch", () => import("aws4fetch")), ({ AwsV4Signer }) => {
    const cache = derived.get(credentials) ?? new Map<string, ArrayBuffer>()
    derived.set(credentials, cache)
    const { accessKeyId, secretAccessKey, sessionToken } = credentials
    const signer = new AwsV4Signer({
      method,
      url,
      headers: { ...headers },
      accessKeyId,
      secretAccessKey: Redacted.value(secretAccessKey),
      ...(sessionToken === undefined ? undefined : { sessionToken: Redacted.value(sessionToken) }),
      region,
      service,
      datetime: compactDate(at),
      cache,
      // `isSigned` has already chosen the headers to sign.
      allHeaders: true
    })
    return Effect.map(
      Effect.tryPromise({
        try: () => signer.authHeader(),
        catch: (cause) => credentialsFailed(source, `The request can't be signed: ${describeError(cause)}`)
      }),
      (authorization): Record<string, string> => ({
        authorization,
        "x-amz-date": compactDate(at),
        ...(sessionToken === undefined ? undefined : { "x-amz-security-token": Redacted.value(sessionToken) })
      })
    )
  })

const encoder = new TextEncoder()

/** How a body is signed: by its digest if it is in memory, not at all if it is streamed. */
const payloadOf = ({ body }: HttpClientRequest.HttpClientRequest): Effect.Effect<string> => {
  switch (body._tag) {
    case "Empty":
      return digest(new Uint8Array())
    case "Uint8Array":
      return digest(body.body)
    case "Raw":
      return typeof body.body === "string" ? digest(encoder.encode(body.body)) : Effect.succeed("UNSIGNED-PAYLOAD")
    case "FormData":
    case "Stream":
      return Effect.succeed("UNSIGNED-PAYLOAD")
  }
}

const digest = (bytes: Uint8Array): Effect.Effect<string> =>
  Effect.map(Sha256, (make) => {
    const hash = make()
    hash.update(bytes)
    return hash.digest()
  })

const urlOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Option.match(HttpClientRequest.toUrl(request), { onNone: () => request.url, onSome: (url) => url.href })

const signed = Effect.fnUntraced(function*(
  signer: Signer,
  region: string,
  workspaceId: string | undefined,
  credentials: AwsCredentials,
  request: HttpClientRequest.HttpClientRequest
): Effect.fn.Return<Authorization, CredentialsFailed> {
  const added: Record<string, string> = { "x-amz-content-sha256": yield* payloadOf(request) }
  // A call may name another workspace.
  if (workspaceId !== undefined && request.headers["anthropic-workspace-id"] === undefined) {
    added["anthropic-workspace-id"] = workspaceId
  }
  const headers = Object.fromEntries(
    Object.entries({ ...request.headers, ...added }).filter(([name, value]) => isSigned(name, value))
  )
  const at = yield* Clock.currentTimeMillis
  const more = yield* Effect.mapError(
    signer({ method: request.method, url: urlOf(request), headers, credentials, region, service, at }),
    (cause) =>
      cause instanceof CredentialsFailed
        ? cause
        : credentialsFailed(source, `The request can't be signed: ${describeError(cause)}`, { cause })
  )
  return {
    ...added,
    ...Object.fromEntries(
      Object.entries(more).map(([spelled, value]) => {
        const name = spelled.toLowerCase()
        return [name, /authorization|token/.test(name) ? Redacted.make(value) : value]
      })
    )
  }
})

const chain = (profile: string | undefined): Effect.Effect<AwsCredentials, CredentialsFailed> =>
  Effect.flatMap(
    peer(
      source,
      "@aws-sdk/credential-provider-node",
      () => import("@aws-sdk/credential-provider-node")
    ),
    ({ defaultProvider }) =>
      Effect.tryPromise({
        // A new provider each time, because it caches credentials until they expire, even if the service refused them.
        try: () => defaultProvider(profile === undefined ? {} : { profile })(),
        catch: (cause) =>
          credentialsFailed(
            source,
            `AWS's chain has no credentials: ${
              describeError(cause)
            } Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with the AWS command line.`,
            { cause }
          )
      })
  ).pipe(Effect.map(({ accessKeyId, expiration, secretAccessKey, sessionToken }) => ({
    accessKeyId,
    secretAccessKey: Redacted.make(secretAccessKey),
    sessionToken: sessionToken === undefined ? undefined : Redacted.make(sessionToken),
    expiresAt: expiration
  })))

/** A value in a section of an INI file. */
const iniValue = (text: string, section: string, name: string): string | undefined => {
  let current = ""
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim()
    const header = /^\[(.+)\]/.exec(trimmed)?.[1]
    if (header !== undefined) {
      current = header.trim().replace(/^profile\s+/, "")
      continue
    }
    // An indented line belongs to a nested value.
    if (current !== section || /^\s/.test(line) || trimmed.startsWith("#") || trimmed.startsWith(";")) continue
    const [key, ...rest] = trimmed.split("=")
    if (key?.trim() === name && rest.length > 0) return rest.join("=").trim() || undefined
  }
  return undefined
}

const regionOfFiles = Effect.fnUntraced(function*(
  { fs, path }: Disk,
  profile: string | undefined
): Effect.fn.Return<string | undefined, InvalidConfig> {
  const home = yield* firstVariable("HOME", "USERPROFILE")
  const section = profile ?? (yield* variable("AWS_PROFILE")) ?? "default"
  const files = [["AWS_SHARED_CREDENTIALS_FILE", "credentials"], ["AWS_CONFIG_FILE", "config"]] as const
  for (const [name, file] of files) {
    const place = (yield* variable(name)) ?? (home === undefined ? undefined : path.join(home, ".aws", file))
    if (place === undefined) continue
    const text = yield* Effect.orElseSucceed(readIfThere({ fs, path }, place), () => undefined)
    const region = text === undefined ? undefined : iniValue(text, section, "region")
    if (region !== undefined) return region
  }
  return undefined
})

const fromEnvironment = Effect.gen(function*() {
  const accessKeyId = yield* variable("AWS_ACCESS_KEY_ID")
  const secretAccessKey = yield* secretVariable("AWS_SECRET_ACCESS_KEY")
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    return yield* invalid(
      accessKeyId === undefined ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both."
    )
  }
  const found: AwsCredentials = {
    accessKeyId,
    secretAccessKey,
    sessionToken: yield* secretVariable("AWS_SESSION_TOKEN")
  }
  return found
})

const isSame = (a: AwsCredentials, b: AwsCredentials): boolean =>
  a.accessKeyId === b.accessKeyId && Redacted.value(a.secretAccessKey) === Redacted.value(b.secretAccessKey)
  && (a.sessionToken === undefined ? undefined : Redacted.value(a.sessionToken))
    === (b.sessionToken === undefined ? undefined : Redacted.value(b.sessionToken))

const checked = Effect.fnUntraced(function*(
  given: AwsCredentials
): Effect.fn.Return<AwsCredentials, InvalidConfig> {
  const { accessKeyId, expiresAt, secretAccessKey, sessionToken } = given
  return {
    accessKeyId: yield* secretText("accessKeyId", Redacted.make(accessKeyId)),
    secretAccessKey: Redacted.make(yield* secretText("secretAccessKey", secretAccessKey)),
    sessionToken: sessionToken === undefined
      ? undefined
      : Redacted.make(yield* secretText("sessionToken", sessionToken)),
    expiresAt
  }
})

const lend = (given: AwsCredentials): Tokens.Lent<AwsCredentials> => ({
  value: given,
  expiresAt: given.expiresAt === undefined ? undefined : toEpochMillis(given.expiresAt)
})

type Acquire = Effect.Effect<Tokens.Lent<AwsCredentials>, CredentialsFailed>

/** Finds AWS credentials: in the options, else in the environment, else with AWS's chain. */
const provider = <R>(
  options: Options<R>
): Effect.Effect<{ readonly acquire: Acquire }, InvalidConfig, R> =>
  Effect.gen(function*() {
    const { credentials, profile } = options
    if (credentials !== undefined && Effect.isEffect(credentials)) {
      const context = yield* Effect.context<R>()
      const acquire: Acquire = Effect.provideContext(credentials, context).pipe(
        Effect.mapError((cause) =>
          cause instanceof CredentialsFailed
            ? cause
            : credentialsFailed(source, `There are no AWS credentials: ${describeError(cause)}`, { cause })
        ),
        Effect.flatMap((given) => Effect.mapError(checked(given), ({ message }) => credentialsFailed(source, message))),
        Effect.map(lend)
      )
      return { acquire }
    }
    if (credentials !== undefined) return { acquire: Effect.succeed(lend(yield* checked(credentials))) }
    const found = profile === undefined ? yield* fromEnvironment : undefined
    return { acquire: found === undefined ? Effect.map(chain(profile), lend) : Effect.succeed(lend(found)) }
  })

const shape = <R>(options: Options<R>) =>
  Effect.gen(function*() {
    const names = ["apiKey", "credentials", "profile"] as const
    const given = names.filter((name) => options[name] !== undefined)
    if (given.length > 1 || (options.skipAuth === true && given.length > 0)) {
      return yield* invalid(
        given[0] ?? "apiKey",
        `${
          (options.skipAuth === true ? ["skipAuth", ...given] : given).join(" and ")
        } exclude each other: pass one of them.`
      )
    }
    const key = options.apiKey ?? (given.length > 0 || options.skipAuth === true
      ? undefined
      : yield* secretVariable("ANTHROPIC_AWS_API_KEY"))
    const ownBase = isGiven(options.baseUrl) ? options.baseUrl : yield* variable("ANTHROPIC_AWS_BASE_URL")
    const workspaceId = options.workspaceId?.trim() || (yield* variable("ANTHROPIC_AWS_WORKSPACE_ID"))
    const files = yield* diskIfAny
    const region = options.region?.trim() || (yield* firstVariable("AWS_REGION", "AWS_DEFAULT_REGION"))
      || (files === undefined ? undefined : yield* regionOfFiles(files, options.profile))

    if (options.skipAuth === true && ownBase === undefined) {
      return yield* invalid("baseUrl", "skipAuth sends requests to a gateway: pass its baseUrl.")
    }
    if (workspaceId === undefined && options.skipAuth !== true) {
      return yield* fixableConfig("workspaceId", "The Claude Platform on AWS needs a workspace", [
        "set ANTHROPIC_AWS_WORKSPACE_ID"
      ])
    }
    if (region === undefined && (ownBase === undefined || (key === undefined && options.skipAuth !== true))) {
      return yield* fixableConfig("region", "There is no AWS region", ["set AWS_REGION"])
    }
    if (region !== undefined && !/^[a-z0-9-]+$/.test(region)) {
      return yield* invalid("region", `${JSON.stringify(region)} is not a region; expected for example us-east-1.`)
    }
    const address = yield* parseAddress(
      ownBase ?? `https://${service}.${region}.api.aws`,
      options.allowPlainHttp === true,
      "baseUrl"
    )
    yield* warnOfPlainHttp(address)
    const common = {
      identity: options.identity ?? `aws ${region ?? address.baseUrl} workspace ${workspaceId ?? "none"}`,
      baseUrl: address.baseUrl
    }
    const workspace: Record<string, string> = workspaceId === undefined
      ? {}
      : { "anthropic-workspace-id": workspaceId }
    if (options.skipAuth === true) {
      const plain: Shape = make({
        ...common,
        headersFor: () => Effect.succeed(workspace),
        source: "a request that is not signed",
        advice: "check the gateway"
      })
      return plain
    }
    if (key !== undefined) {
      const headers: Authorization = {
        ...workspace,
        authorization: Redacted.make(`Bearer ${yield* secretText("apiKey", key)}`)
      }
      return make({
        ...common,
        headersFor: () => Effect.succeed(headers),
        source: "the key of the Claude Platform on AWS",
        advice: "check ANTHROPIC_AWS_API_KEY"
      })
    }
    const { acquire } = yield* provider(options)
    const tokens = yield* Tokens.make(() => acquire, isSame)
    const signer = options.sign ?? sign
    return rotating(
      tokens,
      (credentials, request) => signed(signer, region ?? "", workspaceId, credentials, request),
      { ...common, source, advice: "check which AWS credentials are used, and their permissions" }
    )
  })

/**
 * Credentials and base URL of the Claude Platform on AWS. Options take precedence over the environment.
 */
export const layer = <R = never>(options: Options<R> = {}): Layer.Layer<Credentials, InvalidConfig, R> =>
  Layer.effect(Credentials, shape(options))
