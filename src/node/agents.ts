/**
 * The sockets of the Node client: which are kept, how long a connection may take to be made, and what stands between
 * them and the service.
 */
import type * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import http from "node:http"
import https from "node:https"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import type * as tls from "node:tls"
import { ConnectTimeout, ConnectTimeoutError } from "../internal/request/connectTimeout.ts"
import { ProxyError } from "../internal/request/transportErrors.ts"

/** A socket that has been idle for this long may be dead on the way without a sign of it. Milliseconds. */
const maxIdle = 4_000

/** Sockets to one origin. */
export const maxSockets = 64

/** What a request says of the connection that may be made for it. */
export interface Connecting {
  readonly context: Context.Context<never>
  readonly onSocket: (socket: Duplex) => void
  readonly onProxyError: (error: ProxyError) => void
}

/** Node hands the options of a request on to its agent. */
export interface RequestOptions extends https.RequestOptions {
  readonly connecting: Connecting
}

export interface Proxies {
  /** As Node's agents take them: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. */
  readonly env: Readonly<Record<string, string>>
  /** Of requests over plain http and over https, without user name and password. */
  readonly http: string | undefined
  readonly https: string | undefined
  /** User names and passwords, in every form in which they may be repeated. */
  readonly secrets: ReadonlyArray<Redacted.Redacted<string>>
}

export interface Options {
  readonly proxies: Proxies | undefined
  readonly secureContext: tls.SecureContext | undefined
}

const connectingOf = (options: http.ClientRequestArgs): Connecting | undefined =>
  "connecting" in options ? (options as RequestOptions).connecting : undefined

/** Keeps `Policy.timeout`'s limit on connecting, and gives what ends the limit. */
const limitConnecting = (
  socket: Duplex,
  connected: "connect" | "secureConnect",
  connecting: Connecting | undefined
): () => void => {
  connecting?.onSocket(socket)
  // A request of another program: its fiber is running, unless it had to wait for a socket.
  const context = connecting?.context ?? Fiber.getCurrent()?.context
  const limit = context && Context.get(context, ConnectTimeout)
  if (context === undefined || limit === undefined || !Duration.isFinite(limit)) return () => {}
  const error = new ConnectTimeoutError(limit)
  const timer = Effect.runForkWith(context)(Effect.delay(Effect.sync(() => void socket.destroy(error)), limit))
  const stop = () => timer.interruptUnsafe()
  socket.once(connected, stop).once("close", stop)
  return stop
}

/**
 * The timer runs on while a request uses the socket, and starts anew with each byte: it ends a socket only when it is
 * idle. Setting it once is what makes it cheap.
 */
const keepAlive = (socket: Duplex): boolean => {
  if (!(socket instanceof Socket)) return false
  socket.setKeepAlive(true, 1000).unref()
  if (socket.timeout !== maxIdle) socket.setTimeout(maxIdle)
  return true
}

/** Whether the server says that it will close the socket before this client would. */
export const endsSoon = (response: http.IncomingMessage): boolean => {
  const hint = response.headers["keep-alive"]
  const seconds = hint === undefined ? undefined : /\btimeout=(\d+)/.exec(String(hint))?.[1]
  // Its clock began to run a moment earlier.
  return seconds !== undefined && Number(seconds) * 1000 < maxIdle + 1000
}

/** Bytes that are read from a socket at a time. */
const readSize = 1 << 17

/** Bun and Deno have this module's `process`, but sockets and parsers of their own. */
const isNode = !("bun" in process.versions || "deno" in process.versions)

/**
 * Reads into one buffer, instead of a new one for each read. What a read gave is parsed before the next one begins, and
 * Node's parser copies what it hands on.
 */
const intoOneBuffer = () => ({
  onread: {
    buffer: Buffer.allocUnsafeSlow(readSize),
    callback(this: Socket, size: number, buffer: Buffer): boolean {
      this.emit("data", buffer.subarray(0, size))
      return true
    }
  }
})

class HttpAgent extends http.Agent {
  override keepSocketAlive(socket: Duplex): boolean {
    return keepAlive(socket)
  }

  override createConnection(
    options: http.ClientRequestArgs,
    callback?: (error: Error | null, socket: Duplex) => void
  ): Duplex | null | undefined {
    const socket = super.createConnection(options, callback)
    if (socket != null) limitConnecting(socket, "connect", connectingOf(options))
    return socket
  }
}

class HttpsAgent extends https.Agent {
  private readonly proxy: string

  constructor(options: https.AgentOptions, proxy: string | undefined) {
    super(options)
    this.proxy = proxy ?? ""
  }

  override keepSocketAlive(socket: Duplex): boolean {
    return keepAlive(socket)
  }

  override createConnection(
    options: http.ClientRequestArgs,
    callback?: (error: Error | null, socket: Duplex) => void
  ): Duplex | null | undefined {
    const connecting = connectingOf(options)
    let stop = () => {}
    const socket = super.createConnection(options, (error, made) => {
      // Only a tunnel through a proxy calls back. Until it stands, the socket is the one to the proxy.
      stop()
      if (error === null) connecting?.onSocket(made)
      else if (made === socket) connecting?.onProxyError(proxyError(this.proxy, error))
      callback?.(error, made)
    })
    if (socket != null) stop = limitConnecting(socket, "secureConnect", connecting)
    return socket
  }
}

export const proxyError = (proxy: string, cause: Error): ProxyError =>
  new ProxyError(
    proxy,
    "statusCode" in cause && typeof cause.statusCode === "number" ? cause.statusCode : undefined,
    cause
  )

const agents = (
  { proxies, secureContext }: Options,
  options: https.AgentOptions
): Effect.Effect<NodeHttpClient.HttpAgent["Service"], never, Scope.Scope> => {
  // A larger high-water mark halves the time of a download. Node documents it for the sockets that an agent makes; the
  // type of the agent's options leaves it out.
  const all = {
    ...options,
    highWaterMark: 1 << 20,
    // A tunnel's first answer is read in another way.
    ...(isNode && proxies === undefined ? intoOneBuffer() : undefined),
    ...(proxies === undefined ? undefined : { proxyEnv: proxies.env }),
    ...(secureContext === undefined ? undefined : { secureContext })
  }
  return Effect.acquireRelease(
    Effect.sync(() => ({ http: new HttpAgent(all), https: new HttpsAgent(all, proxies?.https) })),
    (pair) =>
      Effect.sync(() => {
        pair.http.destroy()
        pair.https.destroy()
      })
  )
}

const kept = { keepAlive: true }

/** Sockets are kept alive. How many there are is up to the client, which counts its requests. */
export const makeKept = (options: Options) => agents(options, kept)

/** A socket for each request. */
export const makeFresh = (options: Options) => agents(options, { keepAlive: false })

/** Sockets are kept alive and bounded in number by the agent itself, for the platform's client. */
export const makeBounded = (options: Options) => agents(options, { ...kept, maxSockets })
