/**
 * The emulator on Node: on a loopback socket, and in a folder.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import type { HttpClient } from "effect/http/HttpClient"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as NodeHttp from "node:http"
import type * as NodeStreams from "node:stream"
import * as DirectoryStore from "./DirectoryStore.ts"
import * as Emulator from "./Emulator.ts"
import {
  ApiError,
  ConnectionReset,
  envelope,
  forbidden,
  invalidRequest,
  RequestBodyFailed
} from "./internal/http/apiError.ts"
import * as Internal from "./internal/http/make.ts"
import type * as Pipeline from "./internal/http/pipeline.ts"
import * as Random from "./internal/random.ts"
import * as NodeProcessProbe from "./internal/store/nodeProcessProbe.ts"
import * as Store from "./Store.ts"

/** How an emulator on Node behaves. */
export interface Options extends Emulator.Options {
  /** The folder to keep files in. @default none: files are kept in memory */
  readonly directory?: string | undefined
}

/** How an emulator on a socket behaves. */
export interface ServerOptions extends Options {
  /** @default 0, any free port */
  readonly port?: number | undefined
  /** Anything but a loopback address is refused unless `apiKey` or `apiKeys` is set. @default "127.0.0.1" */
  readonly host?: string | undefined
  /** Names besides the loopback ones by which the emulator may be called, against DNS rebinding. */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** Web pages that may call it, such as `https://app.example`. @default none */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  /** Serves `/_emulator/` for faults, reset and the like, to holders of a key. @default false */
  readonly adminRoute?: boolean | undefined
  /** Bytes of all request headers together. @default 16 KiB */
  readonly maxHeaderBytes?: number | undefined
  /** Connections at a time; more are refused. @default 1024 */
  readonly maxConnections?: number | undefined
  /** Time for the request headers to arrive. @default 30 seconds */
  readonly headersTimeout?: Duration.Input | undefined
}

/** The emulator could not be started, for a reason that its message gives. */
export class EmulatorFailed extends Schema.TaggedError<EmulatorFailed>()("EmulatorFailed", {
  reason: Schema.Literals(["Refused", "Listen"]),
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** Tells by number, start and place whether a process is alive. */
export const layerProcessProbe: Layer.Layer<DirectoryStore.ProcessProbe> = NodeProcessProbe.layer

/** A store in a folder. */
export const layerDirectory = (directory: string): Layer.Layer<Store.Store, Store.StoreFailed> =>
  DirectoryStore.layer(directory).pipe(
    Layer.provide([NodeFileSystem.layer, NodePath.layer, layerProcessProbe])
  )

const storeOf = (options: Options): Layer.Layer<Store.Store, Store.StoreFailed> =>
  options.directory === undefined ? Store.layerMemory : layerDirectory(options.directory)

/**
 * The emulator in process, in a folder or in memory.
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Emulator.Emulator | HttpClient, Store.StoreFailed> =>
  Emulator.layerStore(options).pipe(Layer.provide(storeOf(options)))

const isLoopback = (host: string): boolean =>
  host === "localhost" || host.endsWith(".localhost") || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)

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
  "access-control-expose-headers": "request-id, retry-after, content-disposition",
  vary: "origin"
})

/**
 * Ends the connection before the answer is complete: with a reset, as a crash would, or with a close. What was written
 * before goes out first, since the end takes back what is still waiting.
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

/** The body of an answer, with its early end, if it has one, made visible on the connection. */
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

const serveEffect = (handle: Pipeline.Handle, options: ServerOptions) =>
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
        return HttpServerResponse.setHeaders(answered, cors)
      }),
      Effect.catch(() => Effect.as(breakConnection(request, "reset"), HttpServerResponse.empty())),
      // The server runs requests uninterruptibly up to their route; faults wait before that.
      Effect.interruptible
    )
  })

/** What Node itself refuses, before there is a request: in the envelope all the same. */
const onClientError = (error: NodeJS.ErrnoException, socket: NodeStreams.Duplex) => {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy()
    return
  }
  const [status, reason, message] = error.code === "HPE_HEADER_OVERFLOW"
    ? [431, "Request Header Fields Too Large", "The request headers are too large"] as const
    : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? [408, "Request Timeout", "Timed out waiting for the request"] as const
    : [400, "Bad Request", "The request is not valid HTTP"] as const
  const id = Effect.runSync(Random.identifier("req"))
  const body = JSON.stringify(envelope(new ApiError({ status, type: "invalid_request_error", message }), id))
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: application/json\r\nrequest-id: ${id}\r\n`
      + `content-length: ${new TextEncoder().encode(body).byteLength}\r\n\r\n${body}`
  )
}

const createServer = (options: ServerOptions): NodeHttp.Server => {
  const server = NodeHttp.createServer({
    maxHeaderSize: options.maxHeaderBytes ?? 16 * 1024,
    headersTimeout: Duration.toMillis(Duration.fromInputUnsafe(options.headersTimeout ?? "30 seconds")),
    // A large upload over a slow line may take any time, as long as it moves: `bodyIdleTimeout` sees to that.
    requestTimeout: 0,
    connectionsCheckingInterval: 1000,
    // Longer than clients keep idle connections, so that none is closed under a request that is just being sent.
    keepAliveTimeout: 65_000,
    // A missing host is answered in the envelope, by `guard`.
    requireHostHeader: false
  })
  server.maxConnections = options.maxConnections ?? 1024
  server.on("clientError", onClientError)
  return server
}

const hasKey = (options: ServerOptions): boolean =>
  options.apiKey !== undefined || Object.keys(options.apiKeys ?? {}).length > 0

/**
 * The emulator on a socket, ready to be called once the layer is built. Closing the scope closes the socket and every
 * connection at once.
 */
export const layerServer = (
  options: ServerOptions = {}
): Layer.Layer<Emulator.Emulator, EmulatorFailed | Store.StoreFailed> =>
  Layer.effect(
    Emulator.Emulator,
    Effect.gen(function*() {
      const host = options.host ?? "127.0.0.1"
      if (!isLoopback(host) && !hasKey(options)) {
        return yield* new EmulatorFailed({
          reason: "Refused",
          message: `Others can reach the emulator on ${host}: set a key of your own, or bind a loopback address.`
        })
      }
      const { control, handle } = yield* Internal.make(options)
      const server = createServer(options)
      const httpServer = yield* NodeHttpServer.make(() => server, { port: options.port ?? 0, host }).pipe(
        Effect.mapError((error) =>
          new EmulatorFailed({
            reason: "Listen",
            message: `Can't listen on ${host}:${options.port ?? 0}: ${
              error.cause instanceof Error ? error.cause.message : String(error.cause)
            }`,
            cause: error
          })
        )
      )
      yield* httpServer.serve(serveEffect(handle, options))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const unspecified = host === "0.0.0.0" || host === "::"
      const reachable = unspecified ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host
      return { url: `http://${reachable}:${port}`, ...control }
    })
  ).pipe(Layer.provide(storeOf(options)))
