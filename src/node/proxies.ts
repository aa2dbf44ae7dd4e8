/**
 * The proxies between this machine and the service, as an option or the environment names them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { isIPv4 } from "node:net"
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

/** What a proxy is sent, and what its URL shows: an answer or a failure may repeat any of it. */
const secretsOf = ({ href }: Proxy): ReadonlyArray<Redacted.Redacted<string>> => {
  const { password, username } = new URL(href)
  const [name, word] = [decodeURIComponent(username), decodeURIComponent(password)]
  return username === "" && password === "" ? [] : [
    Buffer.from(`${name}:${word}`).toString("base64"),
    `${name}:${word}`,
    `${username}:${password}`,
    word,
    password
  ].filter((secret) => secret !== "").map((secret) => Redacted.make(secret))
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

const toAddress = (number: number): string => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".")

/** The addresses of a mask (`10.0.0.0/8`) as a range, which is what Node understands; anything else as it is. */
const asRange = (entry: string): string => {
  const [, address = "", bits] = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(entry) ?? []
  if (bits === undefined || !isIPv4(address) || Number(bits) > 32) return entry
  const size = 2 ** (32 - Number(bits))
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
  const first = number - number % size
  return `${toAddress(first)}-${toAddress(first + size - 1)}`
}

/** `NO_PROXY` as Node reads it. Others also take masks, and blanks between entries. */
const exceptions = (text: string): string => text.split(/[\s,]+/).filter((entry) => entry !== "").map(asRange).join(",")

/**
 * `undefined` when all requests go straight to the service. `NO_PROXY` holds for a proxy that is given in code too.
 */
export const proxiesOf = (
  option: ProxyOption,
  environment: Environment
): Effect.Effect<Proxies | undefined, InvalidConfig> =>
  Effect.gen(function*() {
    if (option === false) return undefined
    const isGiven = option !== undefined && option !== null && option !== true
    const given = Redacted.isRedacted(option) ? Redacted.value(option) : String(option)
    const proxyFor = (name: string) =>
      isGiven ? parse("proxy", given) : parse(nameIn(environment, name), read(environment, name))
    const https = yield* proxyFor("HTTPS_PROXY")
    const http = yield* proxyFor("HTTP_PROXY")
    if (https === undefined && http === undefined) return undefined
    return {
      http: http?.origin,
      https: https?.origin,
      secrets: [https, http].flatMap((proxy) => proxy === undefined ? [] : secretsOf(proxy)),
      env: {
        HTTP_PROXY: http?.href ?? "",
        HTTPS_PROXY: https?.href ?? "",
        NO_PROXY: exceptions(read(environment, "NO_PROXY") ?? "")
      }
    }
  })
