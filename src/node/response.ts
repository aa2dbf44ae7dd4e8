/**
 * An answer of `node:http`. One that is read whole takes no stream.
 */
import { NodeHttpIncomingMessage } from "@effect/platform-node/NodeHttpIncomingMessage"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import { pipeArguments } from "effect/Pipeable"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import type { IncomingMessage } from "node:http"
import type { Readable } from "node:stream"
import { joined } from "../internal/request/body.ts"
import { decoderOf } from "./contentEncoding.ts"

type Failed = HttpClientError.HttpClientError

/** Bytes that are read ahead. */
const ahead = 1 << 20

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

const isFilled = (chunks: ReadonlyArray<Uint8Array>): chunks is Chunks => chunks.length > 0

/** The bytes of a body that have come and were not taken yet. The listener is told when that changes. */
const receive = (source: Readable, onChange: () => void) => {
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
    /** Closes the connection, unless the body has ended and it can carry another request. */
    stop: () => {
      if (isStopped) return
      isStopped = true
      // After the end only the automatic close follows.
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
    // By then the socket is back with its agent, and the next request finds it there.
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

/** What describes an encoded body, and no longer what is handed out. */
const ofEncoded: ReadonlySet<string> = new Set(["content-encoding", "content-length"])

/** Node gives the names in lower case already. */
const headersOf = ({ headers }: IncomingMessage, isDecoded: boolean): Headers.Headers => {
  const record: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || (isDecoded && ofEncoded.has(name))) continue
    record[name] = typeof value === "string" ? value : value.join(", ")
  }
  return Headers.fromRecordUnsafe(record)
}

export class Response extends NodeHttpIncomingMessage<Failed> implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  private readonly decode: ((body: Readable) => Readable) | undefined
  private decoded: Readable | undefined
  private cachedHeaders: Headers.Headers | undefined
  private whole: Effect.Effect<ArrayBuffer, Failed> | undefined

  constructor(request: HttpClientRequest.HttpClientRequest, source: IncomingMessage, url: string) {
    super(source, (cause) =>
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.DecodeError({ request, response: this, cause })
      }))
    this.request = request
    this.url = url
    this.decode = decoderOf(source.headers["content-encoding"], source.headers["content-length"])
  }

  /** An encoding that came unasked is taken off; the headers are those of what is handed out. */
  protected override get bodySource(): Readable {
    return this.decoded ??= this.decode === undefined ? this.source : this.decode(this.source)
  }

  get status(): number {
    return this.source.statusCode ?? 0
  }

  override get headers(): Headers.Headers {
    return this.cachedHeaders ??= headersOf(this.source, this.decode !== undefined)
  }

  override get stream(): Stream.Stream<Uint8Array, Failed> {
    return Stream.fromChannel(Channel.fromTransform((_, scope) =>
      Effect.suspend(() => {
        let wake: (() => void) | undefined
        const body = receive(this.bodySource, () => wake?.())
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
      const body = receive(this.bodySource, () => {
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
