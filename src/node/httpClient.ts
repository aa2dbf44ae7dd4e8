/**
 * `node:http` for this client's own requests. What other programs send goes through `@effect/platform-node`'s client
 * over the same sockets.
 *
 * A third of the time of a small request is saved: no fiber for a body that is written at once, no stream for an
 * answer that is read whole, no span where no tracer is installed. A body of any size passes through two buffers, and
 * its next chunk is read while the last one is sent.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { NodeHttpIncomingMessage } from "@effect/platform-node/NodeHttpIncomingMessage"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import * as http from "node:http"
import * as https from "node:https"
import { Attempt } from "../internal/request/attempt.ts"
import { joined } from "../internal/request/body.ts"
import { Buffers } from "../internal/request/buffers.ts"
import { withValue } from "../internal/request/client.ts"
import { isTraced, traced } from "./traced.ts"

type Failed = HttpClientError.HttpClientError

const transportError = (request: HttpClientRequest.HttpClientRequest, cause: unknown): Failed =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })

/** Bytes that are read or sent ahead. */
const ahead = 1 << 20

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

const isFilled = (chunks: ReadonlyArray<Uint8Array>): chunks is Chunks => chunks.length > 0

/**
 * What of a message has come and was not taken yet. Its listener is told when that changes.
 */
const receive = (source: http.IncomingMessage, onChange: () => void) => {
  let chunks: Array<Uint8Array> = []
  let size = 0
  let isStopped = false
  const state = {
    isEnded: source.readableEnded,
    error: undefined as unknown,
    take: (): Array<Uint8Array> => {
      const taken = chunks
      chunks = []
      size = 0
      if (source.isPaused()) source.resume()
      return taken
    },
    /** Gives the connection up unless it can carry another request. */
    stop: () => {
      if (isStopped) return
      isStopped = true
      // Nothing comes behind the end but the close of what closes by itself.
      if (state.isEnded && state.error === undefined) return
      source.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose)
      // Destroying a message may still make it emit an error, which nobody else listens for.
      if (!source.destroyed) source.once("error", () => {}).destroy()
    }
  }
  const onData = (chunk: Uint8Array) => {
    chunks.push(chunk)
    size += chunk.length
    if (size >= ahead) source.pause()
    onChange()
  }
  const onEnd = () => {
    state.isEnded = true
    // A tick later the socket is back in the pool, and the next request finds it there.
    queueMicrotask(onChange)
  }
  const onError = (error: unknown) => {
    if (isStopped) return
    state.error ??= error
    onChange()
  }
  const onClose = () => {
    if (!state.isEnded) onError(source.errored ?? new Error("The connection was closed before the body's end"))
  }
  source.on("end", onEnd).on("error", onError).on("close", onClose).on("data", onData)
  return state
}

/** Node gives the names in lower case already. */
const headersOf = ({ headers }: http.IncomingMessage): Headers.Headers => {
  const record: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) record[name] = typeof value === "string" ? value : value.join(", ")
  }
  return Headers.fromRecordUnsafe(record)
}

class Response extends NodeHttpIncomingMessage<Failed> implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  private cachedHeaders: Headers.Headers | undefined
  private whole: Effect.Effect<ArrayBuffer, Failed> | undefined

  constructor(request: HttpClientRequest.HttpClientRequest, source: http.IncomingMessage, url: string) {
    super(source, (cause) =>
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.DecodeError({ request, response: this, cause })
      }))
    this.request = request
    this.url = url
  }

  get status(): number {
    return this.source.statusCode ?? 0
  }

  override get headers(): Headers.Headers {
    return this.cachedHeaders ??= headersOf(this.source)
  }

  override get stream(): Stream.Stream<Uint8Array, Failed> {
    return Stream.fromChannel(Channel.fromTransform((_, scope) =>
      Effect.suspend(() => {
        let wake: (() => void) | undefined
        const body = receive(this.source, () => wake?.())
        const pull: Pull.Pull<Chunks, Failed> = Effect.suspend(() => {
          const chunks = body.take()
          if (isFilled(chunks)) return Effect.succeed(chunks)
          if (body.isEnded) return Cause.done()
          if (body.error !== undefined) return Effect.fail(this.onError(body.error))
          return Effect.flatMap(
            Effect.callback<void>((resume) => {
              wake = () => {
                wake = undefined
                resume(Effect.void)
              }
            }),
            // Whatever else the socket has by the end of this turn of the event loop is taken along.
            () => Effect.andThen(Effect.yieldNow, pull)
          )
        })
        return Effect.as(Scope.addFinalizer(scope, Effect.sync(body.stop)), pull)
      })
    ))
  }

  override get arrayBuffer(): Effect.Effect<ArrayBuffer, Failed> {
    return this.whole ?? Effect.callback<ArrayBuffer, Failed>((resume) => {
      if (this.whole !== undefined) return resume(this.whole)
      const limit = Fiber.getCurrent()?.getRef(HttpIncomingMessage.MaxBodySize)
      const chunks: Array<Uint8Array> = []
      let size = 0
      const body = receive(this.source, () => {
        for (const chunk of body.take()) {
          chunks.push(chunk)
          size += chunk.length
        }
        if (limit !== undefined && size > Number(limit)) {
          body.error ??= new Error("The body is larger than MaxBodySize")
        }
        if (body.error === undefined && !body.isEnded) return
        body.stop()
        this.whole = body.error === undefined
          ? Effect.succeed(joined(chunks, size).buffer)
          : Effect.fail(this.onError(body.error))
        resume(this.whole)
      })
      return Effect.sync(body.stop)
    })
  }

  get cookies(): Cookies.Cookies {
    const header = this.source.headers["set-cookie"]
    return header === undefined ? Cookies.empty : Cookies.fromSetCookie(header)
  }

  get formData(): Effect.Effect<FormData, Failed> {
    return Effect.flatMap(this.arrayBuffer, (body) =>
      Effect.tryPromise({
        try: () => new globalThis.Response(body, { headers: { ...this.headers } }).formData(),
        catch: this.onError
      }))
  }

  get upgrade(): Effect.Effect<Socket.Socket, Failed> {
    return Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.StatusCodeError({
          request: this.request,
          response: this,
          description: "expected 101 Switching Protocols"
        })
      })
    )
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "effect/http/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
}

/** Lends two buffers, and takes each back when it comes whole. */
const makeBuffers = () => {
  const lent = new Map<ArrayBufferLike, number>()
  const free: Array<ArrayBuffer> = []
  let made = 0
  return {
    take: (size: number): Uint8Array | undefined => {
      if (size > ahead || (free.length === 0 && made === 2)) return undefined
      let buffer = free.pop()
      if (buffer === undefined) {
        buffer = new ArrayBuffer(ahead)
        made++
      }
      lent.set(buffer, size)
      return new Uint8Array(buffer, 0, size)
    },
    giveBack: ({ buffer, byteLength }: Uint8Array) => {
      // A part of one may not be the last that is still to be sent.
      if (lent.get(buffer) === byteLength && buffer instanceof ArrayBuffer) free.push(buffer)
      lent.delete(buffer)
    }
  }
}

/** Writes a body no faster than the other side takes it, and reads its next chunk in the meantime. */
const pump = <E>(body: Stream.Stream<Uint8Array, E>, request: http.ClientRequest): Effect.Effect<void, E> =>
  Effect.suspend(() => {
    const buffers = makeBuffers()
    let pending = 0
    let wake: (() => void) | undefined
    const write = (chunk: Uint8Array) => {
      pending += chunk.length
      request.write(chunk, () => {
        pending -= chunk.length
        buffers.giveBack(chunk)
        if (pending <= ahead) wake?.()
      })
    }
    const settled = Effect.callback<void>((resume) => {
      wake = () => {
        wake = undefined
        resume(Effect.void)
      }
    })
    return Stream.runForEachArray(body, (chunks) => {
      for (const chunk of chunks) write(chunk)
      return pending > ahead ? settled : Effect.void
    }).pipe(Effect.provideService(Buffers, buffers))
  })

interface Origin {
  readonly isTls: boolean
  /** As the header says it. */
  readonly host: string
  readonly hostname: string
  readonly port: number
}

interface Target {
  readonly origin: Origin
  /** With the query. */
  readonly path: string
  readonly href: string
}

const toOrigin = ({ host, hostname, port, protocol }: URL): Origin => {
  const isTls = protocol === "https:"
  return {
    isTls,
    host,
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (isTls ? 443 : 80) : Number(port)
  }
}

/** What is nothing else once it is parsed: no character to encode, no dot segment, no user. */
const plainUrl = /^(https?:\/\/[a-z0-9.\-:[\]]+)((?:\/[\w\-~][\w\-~.]*)+)$/

const plainParam = /^[\w\-.*]*$/

const makeTargets = () => {
  const origins = new Map<string, Origin>()
  const originOf = (url: URL): Origin => {
    let origin = origins.get(url.origin)
    if (origin === undefined) {
      origin = toOrigin(url)
      // A client has one, and what redirects there may be are not followed.
      if (origins.size < 100) origins.set(url.origin, origin)
    }
    return origin
  }
  /** Without parsing the same again for each request. */
  const ofPlain = ({ hash, url, urlParams }: HttpClientRequest.HttpClientRequest): Target | undefined => {
    const parts = plainUrl.exec(url)
    const name = parts?.[1]
    const path = parts?.[2]
    if (name === undefined || path === undefined || Option.isSome(hash)) return undefined
    const origin = origins.get(name)
    if (origin === undefined) return undefined
    let query = ""
    for (const [key, value] of urlParams.params) {
      if (!plainParam.test(key) || typeof value !== "string" || !plainParam.test(value)) return undefined
      query += `${query === "" ? "?" : "&"}${key}=${value}`
    }
    return { origin, path: path + query, href: url + query }
  }
  return {
    of: (request: HttpClientRequest.HttpClientRequest): Target | undefined =>
      ofPlain(request) ?? Option.getOrUndefined(Option.map(HttpClientRequest.toUrl(request), (url): Target => ({
        origin: originOf(url),
        path: url.pathname + url.search,
        href: url.href
      })))
  }
}

const send = (
  agents: NodeHttpClient.HttpAgent["Service"],
  request: HttpClientRequest.HttpClientRequest,
  { href, origin, path }: Target
): Effect.Effect<HttpClientResponse.HttpClientResponse, Failed> =>
  Effect.callback((resume) => {
    const { body, headers, method } = request
    const context = Fiber.getCurrent()?.context ?? Context.empty()
    // As a list, Node writes them as they are, which it does not with an object; and it parses no URL again.
    const list = headers["host"] === undefined ? ["host", origin.host] : []
    for (const name in headers) list.push(name, headers[name] ?? "")
    // It would announce chunks of a body that may be there otherwise.
    if (body._tag === "Empty" && method === "POST") list.push("content-length", "0")
    let current: http.ClientRequest | undefined
    const start = (isFresh: boolean) => {
      const { hostname, isTls, port } = origin
      const options = { host: hostname, port, path, method, headers: list }
      const node = isTls
        ? https.request({ ...options, agent: isFresh ? false : agents.https })
        : http.request({ ...options, agent: isFresh ? false : agents.http })
      current = node
      let sending: Fiber.Fiber<void> | undefined
      const stopSending = () => sending?.interruptUnsafe()
      let isAnswered = false
      // Stays on: an error behind the response's head comes through the body as well, and must not end the process.
      node.on("error", (cause) => {
        // The server closed a kept-alive socket as it was taken up again. Nothing is wrong with the request: a socket
        // of its own serves it at once.
        if (method === "GET" && node.reusedSocket && !isAnswered && isReset(cause)) start(true)
        else resume(Effect.fail(transportError(request, cause)))
      })
      node.once("response", (response) => {
        isAnswered = true
        // A server may answer before it has read all. Sending goes on for as long as the answer is read.
        if (sending !== undefined) response.once("close", stopSending)
        resume(Effect.succeed(new Response(request, response, href)))
      })
      if (body._tag === "Stream") {
        node.once("close", stopSending)
        sending = Effect.runForkWith(context)(Effect.matchCause(pump(body.stream, node), {
          onSuccess: () => void node.end(),
          onFailure: (cause) => {
            const reason = new HttpClientError.EncodeError({ request, cause: Cause.squash(cause) })
            resume(Effect.fail(new HttpClientError.HttpClientError({ reason })))
            node.destroy()
          }
        }))
      } else {
        node.end(body._tag === "Uint8Array" ? body.body : undefined)
      }
    }
    start(false)
    return Effect.sync(() => void current?.destroy())
  })

const isReset = (cause: Error): boolean => "code" in cause && (cause.code === "ECONNRESET" || cause.code === "EPIPE")

// Nor is a URL with a user, which becomes a header.
const isOurs = ({ body, headers, url }: HttpClientRequest.HttpClientRequest): boolean =>
  (body._tag === "Empty" || body._tag === "Uint8Array" || body._tag === "Stream") && headers["upgrade"] === undefined
  && !url.includes("@")

/**
 * The client over an agent's sockets.
 */
export const layer: Layer.Layer<HttpClient.HttpClient, never, NodeHttpClient.HttpAgent> = Layer.effect(
  HttpClient.HttpClient,
  Effect.gen(function*() {
    const agents = yield* NodeHttpClient.HttpAgent
    const platform = yield* NodeHttpClient.makeNodeHttp
    const targets = makeTargets()
    return HttpClient.makeWith<Failed, never, Failed, never>(
      (effect) =>
        withValue(effect, (request) =>
          Effect.withFiber((fiber) => {
            if (fiber.getRef(Attempt) === undefined || !isOurs(request)) return platform.execute(request)
            const target = targets.of(request)
            // The platform's client says what is wrong with it.
            if (target === undefined) return platform.execute(request)
            if (!isTraced(fiber, request)) return send(agents, request, target)
            const { hostname, isTls, port } = target.origin
            const place = { href: target.href, path: target.path, scheme: isTls ? "https" : "http", hostname, port }
            return traced(fiber, request, place, (request) => send(agents, request, target))
          })),
      Effect.succeed
    )
  })
)
