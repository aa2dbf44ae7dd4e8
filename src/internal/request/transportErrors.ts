/**
 * What only a transport knows of a connection that failed. It stands as the cause of a `TransportError`, and is
 * recognised by its tag.
 */

const proxyMessage = (proxy: string, status: number | undefined, cause: Error): string => {
  if (status === 407) {
    return `the proxy ${proxy} asks for a user name and password (407): give them in its URL, as http://name:password@host.`
  }
  if (status !== undefined) return `the proxy ${proxy} made no connection to the service (${status}).`
  const why = "code" in cause && typeof cause.code === "string" ? cause.code : cause.message
  return `the proxy ${proxy} can't be reached (${why}): check its address, in HTTPS_PROXY for example.`
}

/** User name and password in a URL. */
const userinfo = /\/\/[^\s/]*@/g

/** Node 22 names the proxy by its whole URL, with the password, in the message and in the stack. */
const withoutPassword = (cause: Error): Error => {
  const message = cause.message.replaceAll(userinfo, "//")
  if (message === cause.message) return cause
  return Object.assign(new Error(message), "code" in cause ? { code: cause.code } : {})
}

/** The proxy in between failed: not a byte of the request reached the service. */
export class ProxyError extends Error {
  readonly _tag = "ProxyError"
  /** Scheme, host and port, without user name and password. */
  readonly proxy: string
  /** What the proxy answered, where it did. */
  readonly status: number | undefined

  constructor(proxy: string, status: number | undefined, cause: Error) {
    super(proxyMessage(proxy, status, cause), { cause: withoutPassword(cause) })
    this.name = "ProxyError"
    this.proxy = proxy
    this.status = status
  }
}

/**
 * The server closed a kept-alive connection just as it was used again, and no byte of an answer came. It says nothing
 * of the service's health: on a connection of its own the request would most likely have been answered.
 */
export class StaleSocketError extends Error {
  readonly _tag = "StaleSocketError"
  readonly code = "ECONNRESET"

  constructor(cause: Error) {
    super("The server closed the kept-alive connection as it was used again.", { cause })
    this.name = "StaleSocketError"
  }
}

/** The connection broke before it could carry the request, in its TLS handshake for example: not a byte went out. */
export class UnsentError extends Error {
  readonly _tag = "UnsentError"

  constructor(cause: Error) {
    super(cause.message, { cause })
    this.name = "UnsentError"
  }
}

/** A connection that was made broke in a way that otherwise is one of a handshake: the request may have been served. */
export class BrokenConnectionError extends Error {
  readonly _tag = "BrokenConnectionError"

  constructor(cause: Error) {
    super(cause.message, { cause })
    this.name = "BrokenConnectionError"
  }
}

/** A client that stands in for a transport won't take the request, a test's mock for example. Its complaint is final. */
export class RefusedError extends Error {
  readonly _tag = "RefusedError"

  constructor(complaint: Error) {
    super(complaint.message, { cause: complaint })
    this.name = "RefusedError"
  }
}
