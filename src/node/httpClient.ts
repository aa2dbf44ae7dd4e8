/**
 * `node:http` for this package's own requests. What other programs send takes `@effect/platform-node`'s client, over
 * sockets of its own.
 *
 * The short way saves a third of the time of a small request: no fiber for a body that is written at once, no stream
 * for an answer that is read whole, no span where no tracer is installed. A body of any size passes through two
 * buffers, and its next chunk is read while the last one is sent.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import http from "node:http"
import https from "node:https"
import type { Duplex } from "node:stream"
import { evidenceOf, refusesCertificate } from "../internal/request/evidence.ts"
import { CurrentOwnRequest, type OwnRequest } from "../internal/request/ownRequest.ts"
import { CurrentSilence } from "../internal/request/silence.ts"
import { BrokenConnectionError, StaleSocketError, UnsentError } from "../internal/request/transportErrors.ts"
import * as Agents from "./agents.ts"
import { sendBytes, sendStream } from "./body.ts"
import { Pool } from "./pool.ts"
import { Response } from "./response.ts"
import { isTraced, traced } from "./traced.ts"

type Failed = HttpClientError.HttpClientError

const transportError = (request: HttpClientRequest.HttpClientRequest, cause: unknown): Failed =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })

const encodeError = (request: HttpClientRequest.HttpClientRequest, cause: unknown): Failed =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.EncodeError({ request, cause }) })

/** A scheme, host and port, and the requests that are under way to it. */
interface Origin {
  readonly isTls: boolean
  /** As the header says it. */
  readonly host: string
  readonly hostname: string
  readonly port: number
  /**
   * When the server last closed a kept-alive socket that was taken up again, in nanoseconds of a clock that nobody
   * sets. It may do so after each of its answers.
   */
  closedAt: bigint | undefined
  readonly pool: Pool
}

const makeOrigin = (origin: string): Origin => {
  const { host, hostname, port, protocol } = new URL(origin)
  const isTls = protocol === "https:"
  const standard = isTls ? 443 : 80
  return {
    isTls,
    host,
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? standard : Number(port),
    closedAt: undefined,
    pool: new Pool(Agents.maxSockets)
  }
}

/** How long each request gets a socket of its own after one that was kept alive has failed. Nanoseconds. */
const distrust = BigInt(60_000_000_000)

const now = (context: Context.Context<never>): bigint => Context.get(context, Clock.Clock).monotonicTimeNanosUnsafe()

const isDistrusted = ({ closedAt }: Origin, context: Context.Context<never>): boolean =>
  closedAt !== undefined && now(context) - closedAt < distrust

interface Transport {
  readonly kept: NodeHttpClient.HttpAgent["Service"]
  readonly fresh: NodeHttpClient.HttpAgent["Service"]
  readonly proxies: Agents.Proxies | undefined
}

interface Target {
  readonly origin: Origin
  /** With the query. */
  readonly path: string
  readonly href: string
}

/** The headers of a request that is given them as a list are written as they are, which saves time. */
const headersOf = (
  { body, headers, method }: HttpClientRequest.HttpClientRequest,
  origin: Origin
): Array<string> => {
  const list = headers["host"] === undefined ? ["host", origin.host] : []
  if (headers["accept-encoding"] === undefined) list.push("accept-encoding", "identity")
  for (const name in headers) list.push(name, headers[name] ?? "")
  // Node would announce chunks of a body that there might be.
  if (body._tag === "Empty" && method === "POST") list.push("content-length", "0")
  return list
}

const toRecord = (list: ReadonlyArray<string>): Record<string, string> => {
  const record: Record<string, string> = {}
  for (let n = 0; n < list.length; n += 2) record[list[n] ?? ""] = list[n + 1] ?? ""
  return record
}

/** Sending it twice is the same as sending it once. */
const isIdempotent = (method: string): boolean => method === "GET" || method === "HEAD"

const isReset = (cause: Error): boolean => "code" in cause && (cause.code === "ECONNRESET" || cause.code === "EPIPE")

/** The socket refused bytes of the request, so the server can't have all of it. */
const isIncomplete = (cause: Error): boolean => "syscall" in cause && cause.syscall === "write"

type Answer = Effect.Effect<HttpClientResponse.HttpClientResponse, Failed>

/**
 * A request under way, and its one answer. It may take a second message of Node's: a kept-alive socket can turn out to
 * be closed.
 */
class Exchange {
  private readonly transport: Transport
  private readonly request: HttpClientRequest.HttpClientRequest
  private readonly target: Target
  private readonly context: Context.Context<never>
  private readonly resume: (answer: Answer) => void
  /** The message that the answer is expected to. */
  private current: http.ClientRequest | undefined
  /** The connection that was made for the request, until its answer. */
  private connection: Duplex | undefined
  private isConnected = false
  private isGivenUp = false
  /** Ends what the current message holds. */
  private release = () => {}

  constructor(
    transport: Transport,
    request: HttpClientRequest.HttpClientRequest,
    target: Target,
    context: Context.Context<never>,
    resume: (answer: Answer) => void
  ) {
    this.transport = transport
    this.request = request
    this.target = target
    this.context = context
    this.resume = resume
  }

  /** Gives what gives the request up. */
  begin({ needsFreshSocket }: OwnRequest): () => void {
    const { fresh, kept } = this.transport
    const { origin } = this.target
    const stopWaiting = origin.pool.enter(
      this.context,
      () => this.send(needsFreshSocket || isDistrusted(origin, this.context) ? fresh : kept)
    )
    return () => {
      this.isGivenUp = true
      stopWaiting()
      this.current?.destroy()
      // A tunnel that is being made is told of it by an error alone.
      this.connection?.destroy(new Error("The request was given up"))
      this.release()
    }
  }

  private fail(cause: unknown): void {
    this.resume(Effect.fail(transportError(this.request, cause)))
  }

  private send(agents: NodeHttpClient.HttpAgent["Service"]): void {
    const { origin } = this.target
    const opened = Result.try(() => this.open(agents))
    if (Result.isFailure(opened)) {
      origin.pool.leave()
      return this.resume(Effect.fail(encodeError(this.request, opened.failure)))
    }
    const message = opened.success
    let isAnswered = false
    let isReleased = false
    let sending: Fiber.Fiber<void> | undefined = undefined
    const release = () => {
      if (isReleased) return
      isReleased = true
      sending?.interruptUnsafe()
      origin.pool.leaveSoon()
    }
    this.current = message
    this.release = release

    // Stays on: an error after the answer's head comes through its body as well, and must not end the process.
    message.on("error", (cause) => {
      if (!isAnswered && !this.isGivenUp && this.current === message) this.onError(message, cause)
    })
    message.on("close", () => {
      release()
      if (isAnswered || this.isGivenUp || this.current !== message) return
      this.fail(new Error("The connection was closed before an answer came"))
    })
    message.on("response", (response) => {
      isAnswered = true
      this.onResponse(message, response)
    })
    // 101: nobody asked for another protocol. The answer is handed out for what it is.
    message.on("upgrade", (response, socket) => {
      isAnswered = true
      socket.destroy()
      response.push(null)
      this.answer(response)
    })
    sending = this.sendBody(message)
  }

  private open(agents: NodeHttpClient.HttpAgent["Service"]): http.ClientRequest {
    const { origin, path } = this.target
    const list = headersOf(this.request, origin)
    const options: Agents.RequestOptions = {
      host: origin.hostname,
      port: origin.port,
      path,
      method: this.request.method,
      // To plain http a proxy adds a header of its own, which Node does not write behind a list.
      headers: !origin.isTls && this.transport.proxies?.http !== undefined ? toRecord(list) : list,
      agent: origin.isTls ? agents.https : agents.http,
      connecting: {
        context: this.context,
        onSocket: (socket) => {
          this.connection = socket
          // The socket to a proxy is followed by the one through its tunnel.
          if ("secureConnecting" in socket && socket.secureConnecting === false) this.isConnected = true
          socket.once(origin.isTls || "encrypted" in socket ? "secureConnect" : "connect", () => {
            this.isConnected = true
          })
        },
        onProxyError: (error) => this.fail(error)
      }
    }
    // By the module's own property: a test may have put a function of its own there.
    return origin.isTls ? https.request(options) : http.request(options)
  }

  private sendBody(message: http.ClientRequest): Fiber.Fiber<void> | undefined {
    const { body } = this.request
    if (body._tag !== "Stream" && body._tag !== "Uint8Array") return void message.end()
    const clock = Context.get(this.context, Clock.Clock)
    const silence = Context.get(this.context, CurrentSilence)
    const onTaken = () => silence?.moved()
    if (body._tag === "Stream") {
      return Effect.runForkWith(this.context)(Effect.matchCause(sendStream(message, body.stream, clock, onTaken), {
        onSuccess: () => {},
        onFailure: (cause) => {
          this.resume(Effect.fail(encodeError(this.request, Cause.squash(cause))))
          message.destroy()
        }
      }))
    }
    return void sendBytes(message, body.body, clock, onTaken)
  }

  /** The same request again, on a socket of its own. */
  private sendAgain(): void {
    this.current = undefined
    this.target.origin.pool.again()
    this.send(this.transport.fresh)
  }

  private onError(message: http.ClientRequest, cause: Error): void {
    if (!message.reusedSocket || !isReset(cause)) return this.fail(this.connectionError(message, cause))
    // The server closed a kept-alive socket as it was taken up again. Nothing is wrong with the request.
    const { body, method } = this.request
    this.target.origin.closedAt = now(this.context)
    if (isIdempotent(method) || (isIncomplete(cause) && body._tag !== "Stream")) return this.sendAgain()
    this.fail(new StaleSocketError(cause))
  }

  /** Says what only this client knows: whether the connection came to carry the request. */
  private connectionError(message: http.ClientRequest, cause: Error): Error {
    const { isUnsent } = evidenceOf(cause)
    if (message.reusedSocket || this.isConnected) {
      const isRefused = !message.reusedSocket && refusesCertificate(cause)
      return isUnsent && !isRefused ? new BrokenConnectionError(cause) : cause
    }
    if (this.connection === undefined) return cause
    if (this.isProxied(message)) return this.proxyError(cause)
    return isUnsent ? cause : new UnsentError(cause)
  }

  /** To plain http a proxy is given the whole URL, and fails where it can't be connected to or asks for a password. */
  private isProxied(message: http.ClientRequest): boolean {
    return this.transport.proxies?.http !== undefined && message.path.startsWith("http://")
  }

  private proxyError(cause: Error): Error {
    return Agents.proxyError(this.transport.proxies?.http ?? "", cause)
  }

  private onResponse(message: http.ClientRequest, response: http.IncomingMessage): void {
    const { body, method } = this.request
    const { statusCode } = response
    if (Agents.endsSoon(response)) message.shouldKeepAlive = false
    // Sent while the socket was idle, and about nothing.
    if (statusCode === 408 && message.reusedSocket && isIdempotent(method)) {
      response.resume()
      return this.sendAgain()
    }
    if (statusCode === 407 && this.isProxied(message)) {
      response.resume()
      return this.fail(this.proxyError(Object.assign(new Error("407"), { statusCode })))
    }
    // A server may answer before it has read all. Sending goes on for as long as the answer is read.
    if (body._tag !== "Empty") {
      response.on("close", () => {
        if (!message.writableFinished) message.destroy()
      })
    }
    this.answer(response)
  }

  private answer(response: http.IncomingMessage): void {
    this.connection = undefined
    this.resume(Effect.succeed(new Response(this.request, response, this.target.href)))
  }
}

const send = (
  transport: Transport,
  own: OwnRequest,
  request: HttpClientRequest.HttpClientRequest,
  target: Target
): Answer =>
  Effect.callback((resume) => {
    const context = Fiber.getCurrent()?.context ?? Context.empty()
    return Effect.sync(new Exchange(transport, request, target, context, resume).begin(own))
  })

/** Of the origins that this client has asked; the requests to more than that many are not counted. */
const maxOrigins = 100

const makeOrigins = () => {
  const origins = new Map<string, Origin>()
  return (name: string): Origin => {
    const known = origins.get(name)
    if (known !== undefined) return known
    const origin = makeOrigin(name)
    if (origins.size < maxOrigins) origins.set(name, origin)
    return origin
  }
}

/** Whether a request can go the short way. Other bodies have to be made. */
const isPlain = ({ body, headers }: HttpClientRequest.HttpClientRequest): boolean =>
  (body._tag === "Empty" || body._tag === "Uint8Array" || body._tag === "Stream") && headers["upgrade"] === undefined

/**
 * Where a request goes, if it can go the short way. A URL that is still as the operation made it needs no parsing; a
 * fragment is never sent.
 */
const targetOf = (
  originOf: (name: string) => Origin,
  own: OwnRequest,
  request: HttpClientRequest.HttpClientRequest
): Target | undefined => {
  if (request.url === own.url) {
    const query = request.urlParams.params.length === 0 ? "" : `?${UrlParams.toString(request.urlParams)}`
    const href = own.url + query
    return { origin: originOf(own.origin), path: href.slice(own.origin.length), href }
  }
  const url = Option.getOrUndefined(HttpClientRequest.toUrl(request))
  // A user in the URL has to become a header.
  if (url === undefined || url.username !== "" || url.password !== "") return undefined
  return { origin: originOf(url.origin), path: url.pathname + url.search, href: url.href }
}

/**
 * The client, with sockets of its own that live as long as its scope.
 */
export const make = (options: Agents.Options): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  Effect.gen(function*() {
    const transport: Transport = {
      kept: yield* Agents.makeKept(options),
      fresh: yield* Agents.makeFresh(options),
      proxies: options.proxies
    }
    const platform = yield* Effect.provideService(
      NodeHttpClient.makeNodeHttp,
      NodeHttpClient.HttpAgent,
      yield* Agents.makeBounded(options)
    )
    const originOf = makeOrigins()
    return HttpClient.makeWith<Failed, never, Failed, never>(
      Effect.flatMap((request) =>
        Effect.withFiber((fiber) => {
          const own = fiber.getRef(CurrentOwnRequest)
          const target = own && isPlain(request) ? targetOf(originOf, own, request) : undefined
          // The platform's client says what is wrong with a URL.
          if (own === undefined || target === undefined) return platform.execute(request)
          if (!isTraced(fiber, request)) return send(transport, own, request, target)
          const { origin: { hostname, isTls, port }, href, path } = target
          const place = { href, path, scheme: isTls ? "https" : "http", hostname, port }
          return traced(fiber, request, place, (request) => send(transport, own, request, target))
        })
      ),
      Effect.succeed
    )
  })
