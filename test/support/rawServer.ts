import { Effect, type Scope } from "effect"
import * as net from "node:net"

export interface Exchange {
  readonly socket: net.Socket
  /** Request line and headers. */
  readonly head: string
  /** Body bytes received so far. */
  readonly received: () => number
  /** Resolves when that many body bytes have come, or the peer is gone. */
  readonly waitFor: (bytes: number) => Promise<void>
}

export interface RawServer {
  readonly url: string
  readonly heads: ReadonlyArray<string>
  readonly open: () => number
}

/**
 * A socket server that answers byte for byte what a test says, for what no well-behaved server would do.
 */
export const rawServer = (
  answer: (exchange: Exchange, count: number) => void | Promise<void>
): Effect.Effect<RawServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: net.Server; readonly sockets: Set<net.Socket>; readonly raw: RawServer }>(
      (resume) => {
        const sockets = new Set<net.Socket>()
        const heads: Array<string> = []
        const server = net.createServer((socket) => {
          sockets.add(socket)
          let head = ""
          let body = 0
          let started = false
          const waiting = new Set<() => void>()
          const wake = () => {
            for (const check of waiting) check()
          }
          socket.on("error", () => undefined)
          socket.on("close", () => {
            sockets.delete(socket)
            wake()
          })
          const begin = () => {
            started = true
            heads.push(head)
            const exchange: Exchange = {
              socket,
              head,
              received: () => body,
              waitFor: (bytes) =>
                new Promise<void>((resolve) => {
                  const check = () => {
                    if (body >= bytes || socket.destroyed) {
                      waiting.delete(check)
                      resolve()
                    }
                  }
                  waiting.add(check)
                  check()
                })
            }
            void answer(exchange, heads.length)
          }
          socket.on("data", (chunk) => {
            if (started && /^(GET|POST|DELETE) /.test(chunk.toString("latin1", 0, 8))) {
              // The next request on a kept-alive socket.
              started = false
              head = ""
              body = 0
            }
            if (started) {
              body += chunk.length
              wake()
              return
            }
            head += chunk.toString("latin1")
            const end = head.indexOf("\r\n\r\n")
            if (end < 0) return
            body = head.length - end - 4
            head = head.slice(0, end)
            begin()
          })
        })
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as net.AddressInfo
          resume(Effect.succeed({
            server,
            sockets,
            raw: { url: `http://127.0.0.1:${port}`, heads, open: () => sockets.size }
          }))
        })
      }
    ),
    ({ server, sockets }) =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  ).pipe(Effect.map(({ raw }) => raw))

/** A whole HTTP answer. */
export const http = (
  status: number,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {}
): Buffer => {
  const content = Buffer.from(body as string)
  const all = { "content-length": String(content.length), ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join("")}\r\n`), content])
}
