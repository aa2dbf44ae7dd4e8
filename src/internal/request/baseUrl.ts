/**
 * Where requests go: an address is checked before a credential is sent to it.
 */
import * as Effect from "effect/Effect"
import { InvalidConfig } from "../../FilesError.ts"
import { fixableConfig } from "../advice.ts"
import { isQuoted, quotedProblem } from "../credentials/static.ts"
import { defaultBaseUrl } from "../wire/constants.ts"

export interface Address {
  /** Without a slash or `/v1` at its end. */
  readonly baseUrl: string
  /** Its scheme, host and port. */
  readonly origin: string
  /** Whether it is plain http to another machine, which only `allowPlainHttp` lets pass. */
  readonly isExposed: boolean
}

/** Whether a host name, as a `URL` gives it, is this machine. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]"
  || /^127\.\d+\.\d+\.\d+$/.test(hostname)

/** A text in which nothing stands counts as absent, as it does in the environment. */
export const isGiven = (input: string | URL | null | undefined): input is string | URL =>
  input !== undefined && input !== null && String(input).trim() !== ""

/**
 * @param option the option or variable that the address was given as
 */
export const parseAddress = Effect.fnUntraced(function*(
  input: string | URL,
  allowPlainHttp: boolean,
  option: string
): Effect.fn.Return<Address, InvalidConfig> {
  const refuse = (message: string) => new InvalidConfig({ option, message })
  const text = String(input).trim()
  if (isQuoted(text)) return yield* refuse(`The base URL ${quotedProblem}.`)
  // The value itself is not repeated: it may hold a password.
  const url = yield* Effect.try({
    try: () => new URL(text),
    catch: () => refuse(`The base URL is not an absolute URL; expected for example ${defaultBaseUrl}.`)
  })
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return yield* refuse(`The base URL's scheme is ${url.protocol.slice(0, -1)}, not https.`)
  }
  if (url.username !== "" || url.password !== "") {
    return yield* refuse(
      "The base URL holds a user name or password: take them out, and give the credential separately."
    )
  }
  if (url.search !== "" || url.hash !== "" || text.includes("?") || text.includes("#")) {
    return yield* refuse("The base URL holds a query or a fragment, which no request would keep.")
  }
  const isExposed = url.protocol === "http:" && !isLoopback(url.hostname)
  if (isExposed && !allowPlainHttp) {
    return yield* fixableConfig(
      option,
      `The base URL ${url.origin} is plain http, and others on the network could read the credential`,
      ["use https"],
      "allowPlainHttp"
    )
  }
  const path = url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "").replace(/\/+$/, "")
  return { baseUrl: `${url.origin}${path}`, origin: url.origin, isExposed }
})

const warned = new Set<string>()

/** One warning an address and process: every service that is made of the same options would repeat it. */
export const warnOfPlainHttp = ({ baseUrl, isExposed }: Address): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (!isExposed || warned.has(baseUrl)) return Effect.void
    warned.add(baseUrl)
    return Effect.logWarning(
      `Requests to ${baseUrl} go over plain http, credential included: whoever is on the way can read them.`
    )
  })
