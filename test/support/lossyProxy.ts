import { Effect, type Scope } from "effect"
import * as net from "node:net"
import type { AddressInfo } from "node:net"

export interface Proxy {
  readonly port: number
  /** From now on nothing goes through, and no connection ends: as behind a cable that was pulled. */
  readonly freeze: Effect.Effect<void>
}

/** Passes on what goes to and from a socket of this machine, until it is frozen. */
export const proxyTo = (socket: string): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    const open = new Set<net.Socket>()
    let isFrozen = false
    const server = net.createServer((client) => {
      const target = net.connect(socket)
      for (const one of [client, target]) {
        open.add(one)
        one.on("error", () => {})
        one.on("close", () => open.delete(one))
        if (isFrozen) one.pause()
      }
      if (isFrozen) return
      client.pipe(target)
      target.pipe(client)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.sync(() => {
          for (const one of open) one.destroy()
          server.close()
        })
    )
    return {
      port: (server.address() as AddressInfo).port,
      freeze: Effect.sync(() => {
        isFrozen = true
        for (const one of open) {
          one.unpipe()
          one.pause()
        }
      })
    }
  })
