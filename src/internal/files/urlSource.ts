/**
 * A source that is fetched from a URL while it is uploaded.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "../../FilesError.ts"
import { letGo, parseLength } from "../request/body.ts"
import { codeOf, evidenceOf } from "../request/evidence.ts"
import { userAgent } from "../request/userAgent.ts"
import { inSpan } from "../telemetry.ts"
import { printable, shorten } from "../text.ts"
import { commaList } from "../wire/commaList.ts"
import { statedMimeType } from "../wire/mimeType.ts"
import { nameOfDisposition, nameOfUrl, parseUrl } from "./names.ts"
import type { Content } from "./openedSource.ts"
import { fail } from "./sourceFailed.ts"

/** The longest wait for an answer, and between two chunks of it. */
const urlTimeout = Duration.seconds(60)

const maxRedirects = 10

interface Opened {
  readonly response: HttpClientResponse.HttpClientResponse
  /** The final URL, after redirects. */
  readonly url: URL
}

const isWeb = ({ protocol }: URL): boolean => protocol === "https:" || protocol === "http:"

/** The URL in a form that may be shown: without its query, which may hold a signature, and without a password. */
const shownUrl = (url: URL): string => shorten(`${url.origin}${url.pathname}`)

/** Encodings that the bytes still have. Stores keep `aws-chunked` in the header although they have decoded it. */
const encodingsOf = (header: string | undefined): ReadonlyArray<string> =>
  commaList(header?.toLowerCase()).filter((name) => name !== "identity" && name !== "aws-chunked")

const isSigned = (chunk: Uint8Array): boolean =>
  /^[0-9a-f]+;chunk-signature=/i.test(new TextDecoder("latin1").decode(chunk.subarray(0, 40)))

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status)

/** Whether a status is likely to be temporary. */
const isTemporary = (status: number): boolean => status >= 500 || status === 408 || status === 425 || status === 429

const causeOf = (error: HttpClientError.HttpClientError): unknown =>
  "cause" in error.reason ? error.reason.cause : undefined

/** Makes the failures of one URL. */
const failedFor =
  (shown: string) =>
  (what: string, options: { readonly cause?: unknown; readonly isRetryable?: boolean } = {}): SourceFailed => {
    const code = codeOf(options.cause)
    return fail("Failed", `${shown} ${what}${code === undefined ? "" : ` (${code})`}. Nothing was stored.`, {
      source: shown,
      isRetryable: options.isRetryable ?? false
    })
  }

type Failed = ReturnType<typeof failedFor>

/** The URL to begin with. The text itself appears in no message, because it may hold a signature. */
const startOf = (url: string | URL): Effect.Effect<URL, SourceFailed> => {
  const start = parseUrl(url)
  if (start === undefined) {
    const message = "FileSource.url takes an absolute URL; expected for example https://example.com/a.pdf."
    return Effect.fail(fail("Unreadable", message))
  }
  if (isWeb(start)) return Effect.succeed(start)
  const advice = start.protocol === "file:" ? " For a file, use FileSource.path." : ""
  const message = `A ${start.protocol} URL can't be fetched; expected http: or https:.${advice}`
  return Effect.fail(fail("Unreadable", message))
}

/** Requests one address, with a new request, so that no header of one address goes to another. */
const ask = (
  client: HttpClient.HttpClient,
  failed: Failed,
  target: URL
): Effect.Effect<HttpClientResponse.HttpClientResponse, SourceFailed> =>
  client.execute(HttpClientRequest.get(target, { headers: { ...userAgent, "accept-encoding": "identity" } })).pipe(
    // A signature in the query must not appear in a span either.
    Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
    Effect.mapError((error) => {
      const cause = causeOf(error)
      return failed("can't be reached", { cause, isRetryable: !evidenceOf(cause).isPermanent })
    }),
    Effect.timeoutOrElse({
      duration: urlTimeout,
      orElse: () => Effect.fail(failed(`gave no answer within ${Duration.format(urlTimeout)}`, { isRetryable: true }))
    }),
    Effect.tap(({ status }) =>
      Effect.annotateCurrentSpan({ "server.address": target.hostname, "http.response.status_code": status })
    )
  )

/** Requests the URL, and follows its redirects. */
const get = (client: HttpClient.HttpClient, failed: Failed, start: URL): Effect.Effect<Opened, SourceFailed> =>
  Effect.gen(function*() {
    let target = start
    for (let redirects = 0; redirects <= maxRedirects; redirects++) {
      const response = yield* ask(client, failed, target)
      const { headers, status } = response
      // fetch follows redirects by itself, and reports the final URL. Other statuses of success don't have the whole content.
      if (status === 200 || status === 203) return { response, url: parseUrl(response.url) ?? target }
      yield* letGo(response)
      const location = headers["location"]
      if (!isRedirect(status) || location === undefined) {
        return yield* failed(`answered ${status} instead of its content`, { isRetryable: isTemporary(status) })
      }
      const next = parseUrl(location, target)
      if (next === undefined) return yield* failed("redirects to an invalid URL")
      if (!isWeb(next)) return yield* failed(`redirects to a ${next.protocol} URL, which can't be fetched`)
      target = next
    }
    return yield* failed(`redirects more than ${maxRedirects} times`)
  }).pipe(inSpan("FileSource.url"))

/** The bytes of an answer, complete or with a failure. */
const bytesOf = (failed: Failed, { response }: Opened): Stream.Stream<Uint8Array, SourceFailed> =>
  Stream.suspend(() => {
    const encoding = response.headers["content-encoding"]
    const length = encodingsOf(encoding).length > 0 ? undefined : parseLength(response.headers["content-length"])
    let count = 0
    const brokeOff = (cause?: unknown) =>
      failed(`broke off after ${count} of ${length ?? "an unknown number of"} bytes`, { cause, isRetryable: true })
    return response.stream.pipe(
      Stream.timeoutOrElse({
        duration: urlTimeout,
        orElse: () => Stream.fail(failed(`stalled for ${Duration.format(urlTimeout)}`, { isRetryable: true }))
      }),
      Stream.catch((error): Stream.Stream<Uint8Array, SourceFailed> => {
        if (error._tag === "SourceFailed") return Stream.fail(error)
        return error.reason._tag === "EmptyBodyError" ? Stream.empty : Stream.fail(brokeOff(causeOf(error)))
      }),
      Stream.mapEffect((chunk) => {
        if (count === 0 && encoding !== undefined && isSigned(chunk)) {
          return Effect.fail(
            failed("was stored with the framing of its own upload (aws-chunked), so it is not a plain file")
          )
        }
        count += chunk.length
        return Effect.succeed(chunk)
      }),
      Stream.concat(
        Stream.suspend(() => length === undefined || count === length ? Stream.empty : Stream.fail(brokeOff()))
      )
    )
  })

export const openUrl = (
  url: string | URL
): Effect.Effect<Content, SourceFailed, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const start = yield* startOf(url)
    const failed = failedFor(shownUrl(start))
    const client = yield* HttpClient.HttpClient
    const first = yield* get(client, failed, start)
    let opened: Opened | undefined = first
    // An upload that ends before it pulls the body must not leave the connection open.
    yield* Effect.addFinalizer(() => opened === undefined ? Effect.void : letGo(opened.response))
    const { headers } = first.response
    const encodings = encodingsOf(headers["content-encoding"])
    // fetch decodes by itself. With other clients the encoded bytes would be stored.
    if (encodings.length > 0 && Option.isNone(HttpClientResponse.toWeb(first.response))) {
      return yield* failed(`sent its content as ${printable(encodings.join(", "))}, which was not requested`)
    }
    return {
      filename: nameOfDisposition(headers["content-disposition"]) ?? nameOfUrl(first.url),
      mimeType: statedMimeType(headers["content-type"]),
      size: encodings.length > 0 ? undefined : parseLength(headers["content-length"]),
      bytes: undefined,
      isReplayable: true,
      // The first run reads the answer that is open; each later one fetches the URL again. Not guarded by
      // `sameEachTime`: each answer is complete in itself, so a later one may have other content.
      stream: Stream.suspend(() => {
        const current = opened
        opened = undefined
        return current === undefined
          ? Stream.unwrap(Effect.map(get(client, failed, start), (again) => bytesOf(failed, again)))
          : bytesOf(failed, current)
      })
    }
  })
