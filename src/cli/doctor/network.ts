/**
 * Checks of `doctor` on the network: proxy, DNS, TLS, an answer of the service, its clock.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Predicate from "effect/Predicate"
import * as NodeDns from "node:dns/promises"
import * as NodeHttps from "node:https"
import process from "node:process"
import * as NodeTls from "node:tls"
import { isLoopback } from "../../internal/request/baseUrl.ts"
import { codeOf, evidenceOf, explain } from "../../internal/request/evidence.ts"
import { printable } from "../../internal/text.ts"
import { anthropicVersion } from "../../internal/wire/constants.ts"
import { type Proxies, proxyError } from "../../node/agents.ts"
import { proxiesOf } from "../../node/proxies.ts"
import * as NodeFiles from "../../NodeFiles.ts"
import { ExitCode } from "../exitCode.ts"
import * as Format from "../screen/format.ts"
import { failed, type Finding, ok, reasonOf, skipped, warning } from "./finding.ts"

/** The address of a route below a base URL. */
export const routeOf = (base: URL, route: string): string =>
  `${base.href.replace(/\/+$/, "").replace(/\/v1$/, "")}/v1/${route}`

/** Whether an entry of NO_PROXY matches this host: `example.com`, `.example.com`, `*.example.com`, `example.com:8080`, `*`. */
export const isNamedBy = (entry: string, { hostname, port, protocol }: URL): boolean => {
  const host = hostname.replace(/^\[|\]$/g, "")
  const given = entry.trim().toLowerCase()
  if (given === "") return false
  if (given === "*" || given === host) return true
  if (given === `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`) return true
  const suffix = given.replace(/^\*/, "")
  return suffix.startsWith(".") && host.endsWith(suffix)
}

/** The proxy on the way to the service, and the settings with which an agent uses it. */
export interface Way {
  readonly finding: Finding
  readonly proxies: Proxies | undefined
}

export const way = (url: URL): Effect.Effect<Way> =>
  Effect.match(proxiesOf(undefined, process.env), {
    onFailure: (error): Way => ({
      finding: failed("proxy", reasonOf(error), "Correct the variable, or unset it.", ExitCode.usage),
      proxies: undefined
    }),
    onSuccess: (proxies): Way => {
      const used = url.protocol === "https:" ? proxies?.https : proxies?.http
      if (proxies === undefined || used === undefined) return { finding: ok("proxy", "none"), proxies: undefined }
      return (proxies.env.NO_PROXY ?? "").split(/[,\s]/).some((entry) => isNamedBy(entry, url))
        ? { finding: ok("proxy", `none, since NO_PROXY matches ${url.hostname}`), proxies: undefined }
        : { finding: ok("proxy", printable(used)), proxies }
    }
  })

export const dns = (url: URL, { proxies }: Way): Effect.Effect<Finding> => {
  if (proxies !== undefined) return Effect.succeed(skipped("DNS", "the proxy looks names up"))
  const host = url.hostname.replace(/^\[|\]$/g, "")
  return Effect.tryPromise({ try: () => NodeDns.lookup(host), catch: reasonOf }).pipe(
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.fail("no answer within 10 s") }),
    Effect.match({
      onFailure: (why) => failed("DNS", `${host}: ${why}`, "Check the base URL and the network.", ExitCode.temporary),
      onSuccess: ({ address }) => ok("DNS", `${host} is ${address}`)
    })
  )
}

const causeOf = (error: unknown): unknown =>
  Predicate.hasProperty(error, "reason") && Predicate.hasProperty(error.reason, "cause") ? error.reason.cause : error

/** A refused tunnel, described by the status that the proxy answered. */
const ofProxy = (cause: unknown, { proxies }: Way): unknown =>
  cause instanceof Error && codeOf(cause)?.startsWith("ERR_PROXY_") === true
    ? proxyError(proxies?.https ?? "", cause)
    : cause

/** The finding for a connection that failed. */
const unreachable = (name: string, error: unknown, way: Way): Finding => {
  const cause = ofProxy(causeOf(error), way)
  const code = codeOf(cause)
  const known = explain(cause)
  const what = known?.what ?? reasonOf(error)
  const advice = known?.advice ?? "Check the base URL, the network and the proxy"
  return failed(
    name,
    code === undefined || code.startsWith("ERR_PROXY_") ? printable(what) : `${printable(what)} (${printable(code)})`,
    `${advice}.`,
    evidenceOf(cause).isPermanent ? ExitCode.refused : ExitCode.temporary
  )
}

const text = (value: unknown): string => printable(Array.isArray(value) ? value.join(", ") : String(value))

const certificateOf = (socket: NodeTls.TLSSocket): string => {
  const { issuer, valid_to } = socket.getPeerCertificate()
  const extra = process.env["NODE_EXTRA_CA_CERTS"]
  return [
    socket.getProtocol() ?? "TLS",
    `certificate by ${text(issuer?.O ?? issuer?.CN ?? "an unnamed authority")}`,
    `valid to ${text(valid_to)}`,
    ...(extra === undefined || extra === "" ? [] : [`NODE_EXTRA_CA_CERTS is ${printable(extra)}`])
  ].join(", ")
}

/** Shows who issued the certificate, through the proxy if there is one: a proxy that intercepts TLS shows up here. */
export const tls = (url: URL, way: Way): Effect.Effect<Finding> => {
  const { proxies } = way
  const name = "TLS"
  if (url.protocol !== "https:") {
    return Effect.succeed(
      isLoopback(url.hostname)
        ? ok(name, "none, to this machine itself")
        : warning(name, "none: others on the network can read the credential", "Use https.")
    )
  }
  return Effect.callback<Finding>((resume) => {
    const agent = new NodeHttps.Agent({ ...(proxies === undefined ? undefined : { proxyEnv: proxies.env }) })
    const request = NodeHttps.request(url.origin, { agent, method: "HEAD", timeout: 10_000 })
    const end = (finding: Finding) => {
      request.destroy()
      agent.destroy()
      resume(Effect.succeed(finding))
    }
    request.once("response", ({ socket }) =>
      end(
        socket instanceof NodeTls.TLSSocket
          ? ok(name, certificateOf(socket))
          : warning(name, "not looked at", "Check the base URL.")
      ))
    request.once(
      "timeout",
      () => end(failed(name, "no answer within 10 s", "Check the network and the proxy.", ExitCode.temporary))
    )
    // Not once: Node 22 emits the refusal of a proxy again when the request is destroyed.
    request.on("error", (error) => end(unreachable(name, error, way)))
    request.end()
    return Effect.sync(() => {
      request.destroy()
      agent.destroy()
    })
  })
}

const answerOf = (status: number, hasRequestId: boolean): Finding => {
  const name = "service"
  if (status >= 500) return failed(name, `answers ${status}`, "Try again later.", ExitCode.temporary)
  if (!hasRequestId) {
    return warning(name, `answers ${status} without a request-id`, "A gateway or another service may be answering.")
  }
  return status === 401 || status === 403
    ? ok(name, `answers ${status} to a request without a credential, as it should`)
    : ok(name, `answers ${status} to a request without a credential`)
}

/** Sends a request without a credential: shows whether an API answers, and compares the clocks. */
export const reach = (url: URL, way: Way): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.get(routeOf(url, "files?limit=1"), {
      headers: { "anthropic-version": anthropicVersion }
    })
    const response = yield* client.execute(request)
    const found = { headers: response.headers, status: response.status, at: yield* Clock.currentTimeMillis }
    yield* Effect.ignore(response.text)
    return found
  }).pipe(
    Effect.timeoutOrElse({ duration: "15 seconds", orElse: () => Effect.fail("no answer within 15 s") }),
    Effect.provide(NodeFiles.layerHttpClient),
    Effect.match({
      onFailure: (error): ReadonlyArray<Finding> => [unreachable("service", error, way)],
      onSuccess: ({ at, headers, status }): ReadonlyArray<Finding> => [
        answerOf(status, headers["request-id"] !== undefined),
        clock(headers["date"], at)
      ]
    })
  )

/** @param now epoch milliseconds of this machine */
export const clock = (date: string | undefined, now: number): Finding => {
  const there = Date.parse(date ?? "")
  if (Number.isNaN(there)) return skipped("clock", "the service sends no date")
  const apart = Math.round(Math.abs(now - there) / 1000)
  const detail = `${Format.duration(apart)} ${now >= there ? "ahead of" : "behind"} the service's`
  if (apart <= 5) return ok("clock", "the same as the service's")
  return apart <= 60
    ? warning("clock", detail, "Set the clock, preferably by NTP.")
    : failed("clock", detail, "Set the clock, preferably by NTP: expiry and signed requests depend on it.")
}
