/**
 * `node bench/link.mjs upstreamPort delayMs bytesPerSecond [certificate key]`: a link to a server on this machine, with
 * a delay each way and a rate each way that all connections share. With a certificate it ends TLS. Its port is the first
 * line that it prints.
 *
 * A connection costs a round trip before its first byte, as TCP's handshake does; the window of TCP is not slowed down.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as tls from "node:tls"

const [upstream, delay, rate] = process.argv.slice(2, 5).map(Number)
const [certificate, key] = process.argv.slice(5)

/** Bytes on their way in one direction of one connection before its source is told to wait. */
const window = 1 << 20

/** One direction of the link: the moment when its last byte will have left. */
const makeWay = () => ({ free: 0 })

const forward = (from, to, way, openAt) => {
  let underWay = 0
  let last = openAt
  const at = (moment, run) => setTimeout(run, Math.max(0, moment - performance.now()))
  from.on("data", (chunk) => {
    const left = Math.max(performance.now(), way.free, openAt) + (rate > 0 ? (chunk.length / rate) * 1000 : 0)
    way.free = left
    last = Math.max(last, left + delay)
    underWay += chunk.length
    if (underWay > window) from.pause()
    at(last, () => {
      underWay -= chunk.length
      if (!to.destroyed) to.write(chunk)
      if (underWay <= window) from.resume()
    })
  })
  from.on("end", () => at(last, () => to.end()))
  from.on("error", () => to.destroy())
  from.on("close", () => at(last + 1, () => to.destroy()))
}

const up = makeWay()
const down = makeWay()

const onConnection = (client) => {
  const server = net.connect({ port: upstream, host: "127.0.0.1", noDelay: true })
  client.setNoDelay?.(true)
  // The handshake's round trip.
  const openAt = performance.now() + 2 * delay
  forward(client, server, up, openAt)
  forward(server, client, down, 0)
}

const listener = certificate === undefined
  ? net.createServer({ allowHalfOpen: true }, onConnection)
  : tls.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, onConnection)

listener.listen(0, "127.0.0.1", () => console.log(listener.address().port))
// It ends when what started it does.
process.stdin.resume().on("end", () => process.exit(0))
