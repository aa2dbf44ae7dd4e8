/**
 * The proxies between this machine and the service, as an option or the environment names them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InvalidConfig } from "../FilesError.ts"
import type { Proxies } from "./agents.ts"

export type ProxyOption = string | URL | Redacted.Redacted<string> | boolean | undefined

type Environment = Readonly<Record<string, string | undefined>>

interface Proxy {
  /** With user name and password. */
  readonly href: string
  /** Without. */
  readonly origin: string
}

const decodes = (text: string): boolean => {
  const decoded = Option.liftThrowable(decodeURIComponent)(text)
  return Option.isSome(decoded)
}

/** No message repeats the value: it may hold a password. */
const parse = (option: string, value: string | undefined): Effect.Effect<Proxy | undefined, InvalidConfig> => {
  const text = value?.trim() ?? ""
  if (text === "") return Effect.undefined
  const invalid = (message: string) => Effect.fail(new InvalidConfig({ option, message }))
  // Without a scheme it is plain http, as everywhere.
  const url = Option.liftThrowable((href: string) => new URL(href))(text.includes("://") ? text : `http://${text}`)
  if (Option.isNone(url) || !decodes(url.value.username) || !decodes(url.value.password)) {
    return invalid(`${option} is not the URL of a proxy; expected for example http://proxy.example.com:8080.`)
  }
  const { host, href, protocol } = url.value
  return protocol === "http:" || protocol === "https:"
    ? Effect.succeed({ href, origin: `${protocol}//${host}` })
    : invalid(`${option} names a ${protocol.slice(0, -1)} proxy; only http and https proxies are supported.`)
}

/** Lower case comes first, and what is empty counts as unset. */
const read = (environment: Environment, name: string) =>
  environment[name.toLowerCase()] || environment[name.toUpperCase()] || undefined

const nameIn = (environment: Environment, name: string) => environment[name.toLowerCase()] ? name.toLowerCase() : name

/**
 * `undefined` when all requests go straight to the service. `NO_PROXY` holds for a proxy that is given in code too.
 */
export const proxiesOf = (
  option: ProxyOption,
  environment: Environment
): Effect.Effect<Proxies | undefined, InvalidConfig> =>
  Effect.gen(function*() {
    if (option === false) return undefined
    const isGiven = option !== undefined && option !== true
    const given = Redacted.isRedacted(option) ? Redacted.value(option) : String(option)
    const proxyFor = (name: string) =>
      isGiven ? parse("proxy", given) : parse(nameIn(environment, name), read(environment, name))
    const https = yield* proxyFor("HTTPS_PROXY")
    const http = yield* proxyFor("HTTP_PROXY")
    if (https === undefined && http === undefined) return undefined
    return {
      http: http?.origin,
      https: https?.origin,
      env: {
        HTTP_PROXY: http?.href ?? "",
        HTTPS_PROXY: https?.href ?? "",
        NO_PROXY: read(environment, "NO_PROXY") ?? ""
      }
    }
  })
