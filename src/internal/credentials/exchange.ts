/**
 * The token endpoint: exchanges a refresh token or an identity token for an access token.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { CredentialsFailed } from "../../FilesError.ts"
import { Overrides } from "../policy/options.ts"
import { parseJson, readText } from "../request/body.ts"
import { evidenceOf } from "../request/evidence.ts"
import { isRetryable } from "../request/retryable.ts"
import { userAgent } from "../request/userAgent.ts"
import { excerpt } from "../text.ts"
import { retryAfter } from "../wire/retryAfter.ts"
import { credentialsFailed } from "./failed.ts"
import { isHeaderText } from "./static.ts"

export interface Endpoint {
  /** Without a trailing slash. Already checked: https, or this machine. */
  readonly baseUrl: string
  readonly client: HttpClient.HttpClient
  /** What the client's transport sends. */
  readonly secrets: ReadonlyArray<Redacted.Redacted<string>>
}

export interface Grant {
  readonly source: string
  readonly betas: string
  /** The JSON body. `Redacted` values are scrubbed from every error. */
  readonly fields: Readonly<Record<string, string | Redacted.Redacted<string> | undefined>>
  /** What to do if the endpoint refuses it, as the end of a sentence. */
  readonly hint: (status: number) => string
}

export interface Granted {
  readonly accessToken: Redacted.Redacted<string>
  /** Epoch milliseconds by the clock of this machine. */
  readonly expiresAt: number
  readonly refreshToken: Redacted.Redacted<string> | undefined
}

const maxAnswerBytes = 1024 * 1024

const timeout = Duration.seconds(20)

/** The longest time that an exchange takes, with all its retries. */
const longestExchange = Duration.seconds(60)

const maxRetries = 3

/** If the endpoint asks for a longer wait than this, the exchange fails instead. */
const longestWait = Duration.seconds(30)

/**
 * Requests a token. Temporary failures are retried a few times.
 */
export const exchange = (endpoint: Endpoint, grant: Grant): Effect.Effect<Granted, CredentialsFailed> => {
  const once = ask(endpoint, grant)
  const attempt = (retries: number): Effect.Effect<Granted, CredentialsFailed> =>
    Effect.catch(once, (error) => {
      const asked = error.retryAfter ?? Duration.zero
      if (!error.isRetryable || retries === maxRetries || Duration.isGreaterThan(asked, longestWait)) {
        return Effect.fail(error)
      }
      return Effect.flatMap(Random.next, (random) => {
        const wait = Duration.millis(500 * 2 ** retries * (1 - random / 4))
        return Effect.andThen(Effect.sleep(Duration.max(wait, asked)), attempt(retries + 1))
      })
    })
  return Effect.timeoutOrElse(attempt(0), {
    duration: longestExchange,
    orElse: () =>
      Effect.fail(credentialsFailed(
        grant.source,
        `The token endpoint of ${endpoint.baseUrl} gave no token within ${
          Duration.format(longestExchange)
        }: try again later.`,
        { isRetryable: true }
      ))
  })
}

const ask = ({ baseUrl, client, secrets: sent }: Endpoint, grant: Grant): Effect.Effect<Granted, CredentialsFailed> => {
  const url = `${baseUrl}/v1/oauth/token`
  const fields: Record<string, string> = {}
  const secrets = sent.map(Redacted.value)
  for (const [name, value] of Object.entries(grant.fields)) {
    if (value === undefined) continue
    fields[name] = Redacted.isRedacted(value) ? Redacted.value(value) : value
    if (Redacted.isRedacted(value)) secrets.push(Redacted.value(value))
  }
  const scrub = (text: string) => secrets.reduce((clean, secret) => clean.replaceAll(secret, "[redacted]"), text)
  const request = HttpClientRequest.post(url, {
    headers: { ...userAgent, accept: "application/json", "anthropic-beta": grant.betas },
    body: HttpBody.text(JSON.stringify(fields), "application/json")
  })
  const unreachable = (error: HttpClientError.HttpClientError) => {
    const { code, isPermanent } = evidenceOf("cause" in error.reason ? error.reason.cause : undefined)
    return credentialsFailed(
      grant.source,
      `The token endpoint ${url} can't be reached (${code ?? error.reason._tag}): check the network and the base URL.`,
      // Without the error itself as cause, which holds the request and the secrets in its body.
      { isRetryable: !isPermanent }
    )
  }
  return Effect.gen(function*() {
    // No span, and no trace header to the token endpoint.
    const response = yield* Effect.provideService(
      client.execute(request),
      HttpClient.TracerDisabledWhen,
      () => true
    )
    const { isCut, text } = yield* readText(response, maxAnswerBytes)
    const now = yield* Clock.currentTimeMillis
    return { headers: response.headers, status: response.status, text, isCut, now }
  }).pipe(
    Effect.mapError(unreachable),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () =>
        Effect.fail(credentialsFailed(
          grant.source,
          `The token endpoint ${url} gave no answer within ${Duration.format(timeout)}: try again later.`,
          { isRetryable: true }
        ))
    }),
    Effect.flatMap((answer) => {
      const result = read(url, grant, answer, scrub)
      return Result.isSuccess(result) ? Effect.succeed(result.success) : Effect.fail(result.failure)
    }),
    // fetch would follow a redirect, and send the secrets to whatever address it names.
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
    // It is tried again above, and for all that wait: what one of their calls overrides does not count.
    Effect.provideService(Overrides, { retry: false })
  )
}

interface Answer {
  readonly status: number
  readonly headers: Headers.Headers
  readonly text: string
  readonly isCut: boolean
  readonly now: number
}

const text = (value: unknown, name: string): string | undefined => {
  if (!Predicate.hasProperty(value, name)) return undefined
  const found = value[name]
  return Predicate.isString(found) && found !== "" ? found : undefined
}

const read = (
  url: string,
  grant: Grant,
  answer: Answer,
  scrub: (text: string) => string
): Result.Result<Granted, CredentialsFailed> => {
  const { headers, now, status } = answer
  const json = Result.getOrUndefined(parseJson(answer.text))
  const requestId = headers["request-id"]
  const about = {
    status,
    requestId: requestId === undefined ? undefined : excerpt(requestId),
    retryAfter: retryAfter(headers, now)
  }
  const fail = (message: string, details: { readonly isRetryable?: boolean; readonly body?: string } = {}) =>
    Result.fail(credentialsFailed(grant.source, message, { ...about, ...details }))

  if (status < 200 || status > 299) {
    const redirects = status === 0 || (status >= 300 && status < 400)
    if (redirects) {
      return fail(`The token endpoint ${url} redirects, and redirects are not followed: correct the base URL.`)
    }
    const code = text(json, "error")
    const described = text(json, "error_description")
    const said = code === undefined ? "" : ` (${excerpt(scrub([code, described].filter(Boolean).join(": ")))})`
    const again = isRetryable(status, headers, undefined)
    return fail(
      again
        ? `The token endpoint ${url} answered ${status}${said}: try again later.`
        : `The token endpoint ${url} refused ${grant.source} with ${status}${said}: ${grant.hint(status)}.`,
      { isRetryable: again, body: scrub(shown(json, answer.text)) }
    )
  }
  const broken = (what: string) => fail(`The answer of the token endpoint ${url} ${what}: check the base URL.`)
  if (answer.isCut) return broken(`is longer than ${maxAnswerBytes} bytes`)
  const token = text(json, "access_token")
  const lifetime = Predicate.hasProperty(json, "expires_in") ? toSeconds(json.expires_in) : NaN
  const type = text(json, "token_type")
  if (token === undefined) return broken("has no access_token")
  if (!isHeaderText(token)) return broken("has an access_token with characters that a header can't hold")
  if (!Number.isFinite(lifetime)) return broken("has no expires_in with the token's lifetime in seconds")
  if (type !== undefined && type.toLowerCase() !== "bearer") return broken("has a token_type other than bearer")
  const refreshToken = text(json, "refresh_token")
  return Result.succeed({
    accessToken: Redacted.make(token),
    expiresAt: now + lifetime * 1000,
    refreshToken: refreshToken === undefined ? undefined : Redacted.make(refreshToken)
  })
}

const toSeconds = (value: unknown): number => {
  if (Predicate.isNumber(value)) return value
  return Predicate.isString(value) && value.trim() !== "" ? Number(value) : NaN
}

/** The part of an answer that may be shown. The rest may repeat the secrets that were sent. */
const shown = (json: unknown, body: string): string => {
  if (Array.isArray(json)) return "null"
  if (!Predicate.isObject(json)) return excerpt(body)
  const kept = ["error", "error_description", "error_uri"].flatMap((name) => {
    const value = text(json, name)
    return value === undefined ? [] : [[name, value] as const]
  })
  return JSON.stringify(Object.fromEntries(kept))
}
