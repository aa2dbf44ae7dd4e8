/**
 * The emulator's HTTP server on Node: who may call it, how connections end, and what Node would refuse by itself.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import * as NodeHttp from "node:http"
import * as NodeNet from "node:net"
import type * as NodeStreams from "node:stream"
import * as Random from "../random.ts"
import { type ApiError, ConnectionReset, envelope, forbidden, invalidRequest, RequestBodyFailed } from "./apiError.ts"
import type * as Pipeline from "./pipeline.ts"

/** Options of the server. */
export interface ServerOptions {
  /** @default 0, any free port */
  readonly port?: number | undefined
  /** An address that is not a loopback one needs `apiKey` or `apiKeys`. @default "127.0.0.1" */
  readonly host?: string | undefined
  /** Host names, besides the loopback ones, by which the emulator may be called. Others are refused against DNS rebinding. @default none */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** Origins of web pages that may call it, for example `https://app.example`. @default none */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  /** Bytes of all request headers together. @default 16 KiB */
  readonly maxHeaderBytes?: number | undefined
  /** Connections at once; more are refused. @default 1024 */
  readonly maxConnections?: number | undefined
  /** Time for the request headers to arrive. @default 30 seconds */
  readonly headersTimeout?: Duration.Input | undefined
  /**
   * A connection is closed if its client neither sends the rest of a request nor reads the answer for this long.
   *
   * @default 30 seconds
   */
  readonly socketTimeout?: Duration.Input | undefined
}

/** Whether a host name or an address is this machine's own. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host.endsWith(".localhost") || host === "::1"
  || (/^127(\.\d{1,3}){3}$/.test(host) && host.split(".").every((part) => Number(part) <= 255))

/** `localhost` of `localhost:8080`, `::1` of `[::1]:8080`. */
const hostName = (host: string): string => {
  const bracketed = /^\[([^\]]*)\]/.exec(host)?.[1]
  return (bracketed ?? host.replace(/:\d+$/, "")).toLowerCase()
}

const guard = (request: HttpServerRequest.HttpServerRequest, options: ServerOptions): Effect.Effect<void, ApiError> => {
  const host = request.headers.host
  if (host === undefined) return Effect.fail(invalidRequest("host: header is required"))
  const name = hostName(host)
  const allowed = options.allowedHosts ?? []
  if (!isLoopback(name) && !allowed.some((entry) => entry.toLowerCase() === name || entry.toLowerCase() === host)) {
    return Effect.fail(forbidden("The host name in this request is not one of this emulator's"))
  }
  const origin = request.headers.origin
  if (origin !== undefined && !(options.allowedOrigins ?? []).includes(origin)) {
    return Effect.fail(forbidden("Requests from web pages of this origin are not allowed"))
  }
  return Effect.void
}

const corsHeaders = (origin: string): Record<string, string> => ({
  "access-control-allow-origin": origin,
  "access-control-allow-headers": "*, authorization, x-api-key, content-type, anthropic-version, anthropic-beta",
  "access-control-allow-methods": "GET, POST, DELETE",
  // All of them, as the service does: otherwise a page would not see `retry-after-ms` and `x-should-retry`.
  "access-control-expose-headers": "*",
  vary: "origin"
})

/**
 * Ends the connection before the answer is complete: with a reset, like a crash, or with a close. What was written before
 * is flushed first, since the end discards what is still buffered.
 */
const breakConnection = (
  request: HttpServerRequest.HttpServerRequest,
  how: "reset" | "close"
): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const { socket } = NodeHttpServerRequest.toIncomingMessage(request)
    const end = () => {
      if (how === "reset") socket.resetAndDestroy()
      else socket.destroy()
      NodeHttpServerRequest.toServerResponse(request).destroy()
      resume(Effect.void)
    }
    if (socket.destroyed) end()
    else socket.write("", end)
  })

/** The body of an answer. If it ends early, so does the connection. */
const onConnection = <E>(
  request: HttpServerRequest.HttpServerRequest,
  body: Stream.Stream<Uint8Array, E>,
  length: number | undefined
): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    let sent = 0
    return body.pipe(
      Stream.tap((chunk) =>
        Effect.sync(() => {
          sent += chunk.byteLength
        })
      ),
      Stream.concat(Stream.fromEffectDrain(Effect.suspend(() =>
        length !== undefined && sent < length ? breakConnection(request, "close") : Effect.void
      ))),
      Stream.catch((error) =>
        error instanceof ConnectionReset
          ? Stream.fromEffectDrain(breakConnection(request, "reset"))
          : Stream.fail(error)
      )
    )
  })

/**
 * Whether a request is answered before its body has arrived, and the rest of it is of unknown length. Its connection can't be
 * used again, which the client has to be told, or it would send the next request on it.
 */
const isCutOff = (request: HttpServerRequest.HttpServerRequest): boolean =>
  request.headers["transfer-encoding"] !== undefined && !NodeHttpServerRequest.toIncomingMessage(request).complete

/** Answers one request. */
export const serve = (handle: Pipeline.Handle, options: ServerOptions) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const origin = request.headers.origin
    const cors = origin !== undefined && (options.allowedOrigins ?? []).includes(origin) ? corsHeaders(origin) : {}
    if (request.method === "OPTIONS" && "vary" in cors) return HttpServerResponse.empty({ headers: cors })
    return yield* handle({
      method: request.method,
      url: request.url,
      baseUrl: `http://${request.headers.host ?? ""}`,
      headers: request.headers,
      body: Stream.mapError(request.stream, (cause) => new RequestBodyFailed({ cause })),
      reusesChunks: false,
      checksLength: false,
      guard: guard(request, options)
    }).pipe(
      Effect.map((response) => {
        const { body } = response
        const answered = body._tag !== "Stream" ? response : HttpServerResponse.setBody(
          response,
          HttpBody.stream(
            onConnection(request, body.stream, body.contentLength),
            body.contentType,
            body.contentLength
          )
        )
        return HttpServerResponse.setHeaders(answered, isCutOff(request) ? { ...cors, connection: "close" } : cors)
      }),
      Effect.catch(() => Effect.as(breakConnection(request, "reset"), HttpServerResponse.empty())),
      // The server runs requests uninterruptibly up to their route; faults wait before that.
      Effect.interruptible
    )
  })

/**
 * Closes connections whose client is idle: it does not send a request, or the rest of one, or does not read the answer. A
 * connection that waits for the emulator, because of a fault for example, stays open.
 */
const closeIdle = (server: NodeHttp.Server, timeout: number) => {
  const running = new WeakMap<NodeNet.Socket, NodeHttp.ServerResponse>()
  server.prependListener("request", (request: NodeHttp.IncomingMessage, response: NodeHttp.ServerResponse) => {
    const { socket } = request
    running.set(socket, response)
    response.once("finish", () => {
      if (request.complete) return
      // Answered before its body has arrived. The rest is accepted for a while, so that the client sees the answer.
      AbortSignal.timeout(timeout).addEventListener("abort", () => {
        if (!request.complete) socket.destroy()
      })
    })
  })
  server.setTimeout(timeout, (socket) => {
    const response = running.get(socket)
    const waitsForEmulator = response !== undefined && !response.writableEnded && socket.writableLength === 0
    if (!waitsForEmulator) {
      socket.destroy()
      return
    }
    socket.setTimeout(timeout)
  })
}

/** Why a request never reaches the emulator. */
type Refusal = readonly [status: number, reason: string, message: string]

const refusalOf = ({ code }: NodeJS.ErrnoException): Refusal => {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return [431, "Request Header Fields Too Large", "The request headers are too large"]
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [408, "Request Timeout", "Timed out waiting for the request"]
    default:
      return [400, "Bad Request", "The request is not valid HTTP"]
  }
}

/** The answer to a refused request, in the envelope. */
const refusedAnswer = ([status, , message]: Refusal) => {
  const id = Effect.runSync(Random.identifier("req"))
  const body = JSON.stringify(envelope({ type: "invalid_request_error", message }, id))
  const headers = {
    connection: "close",
    "content-type": "application/json",
    "request-id": id,
    "content-length": new TextEncoder().encode(body).byteLength
  }
  return { status, body, headers }
}

/** Whether an answer is being sent on each socket: nothing else may be written between its bytes. */
const makeAnswering = (server: NodeHttp.Server) => {
  const responses = new WeakMap<NodeStreams.Duplex, Set<NodeHttp.ServerResponse>>()
  server.prependListener("request", ({ socket }: NodeHttp.IncomingMessage, response: NodeHttp.ServerResponse) => {
    const open = responses.get(socket) ?? new Set()
    responses.set(socket, open.add(response))
    response.once("close", () => open.delete(response))
  })
  return (socket: NodeStreams.Duplex): boolean =>
    Array.from(responses.get(socket) ?? []).some(({ headersSent }) => headersSent)
}

/** What Node would refuse by itself, with an empty answer or none. */
const refuseWhatNodeRefuses = (server: NodeHttp.Server, timeout: number): void => {
  const isAnswering = makeAnswering(server)

  /** For a socket on which Node has no response to write to. */
  const refuse = (socket: NodeStreams.Duplex, refusal: Refusal): void => {
    if (!socket.writable || isAnswering(socket)) {
      socket.destroy()
      return
    }
    // The other end may never close.
    if (socket instanceof NodeNet.Socket) socket.setTimeout(timeout, () => socket.destroy())
    const { body, headers, status } = refusedAnswer(refusal)
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${status} ${refusal[1]}\r\n${lines.join("")}\r\n${body}`)
  }

  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET") socket.destroy()
    else refuse(socket, refusalOf(error))
  })
  server.on("checkExpectation", (_, response) => {
    const { body, headers, status } = refusedAnswer([417, "", "expect: only 100-continue is supported"])
    response.writeHead(status, headers).end(body)
  })
  server.on("connect", (_, socket) => refuse(socket, [405, "Method Not Allowed", "Method Not Allowed"]))
}

/** A server that does not listen yet. */
export const createServer = (options: ServerOptions): NodeHttp.Server => {
  const server = NodeHttp.createServer({
    maxHeaderSize: options.maxHeaderBytes ?? 16 * 1024,
    headersTimeout: Duration.toMillis(Duration.fromInputUnsafe(options.headersTimeout ?? "30 seconds")),
    // A large upload over a slow connection may take any time, as long as bytes arrive: `bodyIdleTimeout` checks that.
    requestTimeout: 0,
    connectionsCheckingInterval: 1000,
    // Longer than clients keep idle connections, so that none is closed while a request is being sent.
    keepAliveTimeout: 65_000,
    // `guard` answers a missing host, in the envelope.
    requireHostHeader: false
  })
  server.maxConnections = options.maxConnections ?? 1024
  const timeout = Duration.toMillis(Duration.fromInputUnsafe(options.socketTimeout ?? "30 seconds"))
  refuseWhatNodeRefuses(server, timeout)
  closeIdle(server, timeout)
  return server
}
