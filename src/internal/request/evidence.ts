/**
 * What a transport's failure says of itself: whether a byte of the request can have gone out, whether the same will
 * happen again, and what to tell a reader. The evidence is in the errors, which are nested and differ between runtimes;
 * a code counts only where there is nothing better. What says nothing may have been sent.
 */
import * as Predicate from "effect/Predicate"

export interface Evidence {
  /** The first `code` in the error, its causes and the errors it sums up. */
  readonly code: string | undefined
  /** Not a byte of the request went out. */
  readonly isUnsent: boolean
  /** The same will happen again. */
  readonly isPermanent: boolean
}

const field = (value: unknown, name: string): unknown => Predicate.hasProperty(value, name) ? value[name] : undefined

const text = (value: unknown, name: string): string => {
  const found = field(value, name)
  return Predicate.isString(found) ? found : ""
}

/** Errors within errors are looked at this deep. */
const maxDepth = 8

/** The errors that one sums up: an attempt for each address of a host. */
const partsOf = (error: unknown): ReadonlyArray<unknown> => {
  const parts = field(error, "errors")
  return Array.isArray(parts) ? parts.slice(0, 16) : []
}

/** The system call that failed, where the error names one: these come before a connection is there. */
const connecting: ReadonlySet<string> = new Set(["connect", "getaddrinfo", "queryA", "queryAaaa", "socket"])

/** Codes of runtimes that name no system call, each of a connection that was never made. */
const neverConnected =
  /^(ECONNREFUSED|ENOTFOUND|ENODATA|EAI_\w+|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|EMFILE|ENFILE|UND_ERR_CONNECT_TIMEOUT|ERR_SOCKET_CONNECTION_TIMEOUT|ERR_PROXY_TUNNEL|ERR_PROXY_INVALID_CONFIG|ConnectionRefused|FailedToOpenSocket)$/

/** A certificate is looked at before the request is sent, and will not be better the next time. */
const certificate =
  /^(CERT_|ERR_TLS_CERT_|ERR_TLS_INVALID_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA$|HOSTNAME_MISMATCH$)/

/** TLS that failed while records were exchanged, which can be at any time. */
const inTransit = /bad.record|decryption.failed|bad.decrypt|unexpected.eof|shutdown/i

/** TLS that will fail in the same way: two sides that have no version or cipher in common, or one that speaks none. */
const noCommonTls =
  /wrong.version.number|packet.length.too.long|http.request|unknown.protocol|unsupported.protocol|protocol.version|handshake.failure|no.(protocols|ciphers|shared|suitable)|unrecognized.name|certificate/i

const isTls = (code: string): boolean => code === "EPROTO" || code.startsWith("ERR_SSL_")

/** Alerts that a server sends in a handshake alone. The others (internal error, decode error, …) can come at any time. */
const handshakeAlert =
  /unknown.ca|insufficient.security|(missing|unsupported).extension|psk.identity|application.protocol/i

/** TLS that failed before it was established. Of the errors of OpenSSL not all are such, and an unknown one is none. */
const isHandshake = (code: string, message: string): boolean => {
  const words = `${code} ${message}`
  if (!isTls(code) || inTransit.test(words)) return false
  return code === "EPROTO" || noCommonTls.test(words) || handshakeAlert.test(words)
}

/** With TLS 1.3 a server asks for a certificate, or refuses it, when its client already has the connection for made. */
export const refusesCertificate = (cause: unknown): boolean => {
  const code = text(cause, "code")
  return isTls(code) && /alert.*(certificate|unknown.ca)/i.test(`${code} ${text(cause, "message")}`)
}

/** What was refused before anything was sent, because it can't be sent: a header, a path, a port. */
const refusedHere =
  /^(ERR_INVALID_(ARG|CHAR|HTTP|URL|PROTOCOL)|ERR_UNESCAPED_CHARACTERS|ERR_HTTP_INVALID_|UND_ERR_INVALID_ARG)/

/** How Deno and others that have no code word it. */
const connectWords = /before secure TLS connection|client error \(Connect\)|^bad port$/

const isUnsentItself = (error: unknown): boolean => {
  const tag = text(error, "_tag")
  if (tag === "UnsentError" || tag === "ConnectTimeoutError" || tag === "ProxyError") return true
  const syscall = text(error, "syscall")
  if (connecting.has(syscall)) return true
  const code = text(error, "code")
  const message = text(error, "message")
  if (isHandshake(code, message) || certificate.test(code) || refusedHere.test(code)) return true
  // The same code may come from a read or a write on a connection that was there.
  return (syscall === "" && neverConnected.test(code)) || connectWords.test(message)
}

/** A transport that had the connection knows better than any code. */
const hadConnection = (error: unknown): boolean => text(error, "_tag") === "BrokenConnectionError"

const isUnsentWithin = (error: unknown, depth: number): boolean => {
  if (depth > maxDepth || !Predicate.isObject(error) || hadConnection(error)) return false
  const parts = partsOf(error)
  if (parts.length > 0) return parts.every((part) => isUnsentWithin(part, depth + 1))
  return isUnsentItself(error) || isUnsentWithin(field(error, "cause"), depth + 1)
}

/** A proxy that asks for a password asks for it again. */
const isRefusedByProxy = (error: unknown): boolean =>
  text(error, "_tag") === "ProxyError" && field(error, "status") === 407

const isPermanentItself = (error: unknown): boolean => {
  const code = text(error, "code")
  if (certificate.test(code) || refusedHere.test(code) || isRefusedByProxy(error)) return true
  const message = text(error, "message")
  return isHandshake(code, message) && noCommonTls.test(`${code} ${message}`)
}

const isPermanentWithin = (error: unknown, depth: number): boolean => {
  if (depth > maxDepth || !Predicate.isObject(error) || hadConnection(error)) return false
  const parts = partsOf(error)
  if (parts.length > 0) return parts.every((part) => isPermanentWithin(part, depth + 1))
  return isPermanentItself(error) || isPermanentWithin(field(error, "cause"), depth + 1)
}

const codeWithin = (error: unknown, depth: number): string | undefined => {
  if (depth > maxDepth || !Predicate.isObject(error)) return undefined
  const code = text(error, "code")
  if (code !== "") return code
  for (const inner of [field(error, "cause"), ...partsOf(error)]) {
    const found = codeWithin(inner, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

export const evidenceOf = (cause: unknown): Evidence => ({
  code: codeWithin(cause, 0),
  isUnsent: isUnsentWithin(cause, 0),
  isPermanent: isPermanentWithin(cause, 0)
})

/** The first `code` in an error, its causes and the errors it sums up, as Node, undici and Bun give one. */
export const codeOf = (cause: unknown): string | undefined => codeWithin(cause, 0)

/** The innermost message, without the place in OpenSSL's source that it may name. */
const wordsWithin = (error: unknown, depth: number): string => {
  if (depth > maxDepth || !Predicate.isObject(error)) return ""
  for (const inner of [field(error, "cause"), ...partsOf(error)]) {
    const found = wordsWithin(inner, depth + 1)
    if (found !== "") return found
  }
  const message = text(error, "message")
  return /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/i.exec(message)?.[1]?.trim() ?? message
}

/** What an error says, in its own words. */
export const wordsOf = (cause: unknown): string => wordsWithin(cause, 0)

export interface Explanation {
  /** What is wrong, as the end of a sentence about an address. */
  readonly what: string
  readonly advice: string | undefined
}

const explanations: ReadonlyArray<readonly [code: RegExp, what: string, advice?: string]> = [
  [/^(ECONNREFUSED|ConnectionRefused)$/, "nothing accepts connections there", "Check the base URL"],
  [/^(ENOTFOUND|ENODATA)$/, "its host name is not known", "Check the base URL and the network"],
  [/^EAI_/, "its host name could not be looked up", "Check the network"],
  [/^(EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL)$/, "there is no way to it", "Check the network"],
  [/^(EMFILE|ENFILE)$/, "too many files and sockets are open", "Raise their limit, or do less at once"],
  [/^(EACCES|EPERM)$/, "this machine does not allow the connection", "Check its firewall and sandbox"],
  [/TIMEDOUT|TIMEOUT/, "no connection came about in time", "Check the network"],
  [/^ERR_PROXY_/, "the proxy did not connect to it", "Check the proxy and HTTPS_PROXY"],
  [/^CERT_HAS_EXPIRED$/, "its certificate has expired"],
  [/ALTNAME|HOSTNAME_MISMATCH/, "its certificate is for another host", "Check the base URL"],
  [certificate, "its certificate is not trusted", "Where a proxy opens TLS, add its certificate (NODE_EXTRA_CA_CERTS)"],
  [/^HPE_/, "what answered there does not speak HTTP", "Check the base URL: it may be an https address"]
]

/** Words for a failure's code, where there are better ones than the error's own. */
export const explain = (cause: unknown): Explanation | undefined => {
  if (text(cause, "_tag") === "ProxyError") {
    return {
      what: text(cause, "message").replace(/^The /, "the ").replace(/\.$/, ""),
      advice: "Check the proxy's address, in HTTPS_PROXY for example"
    }
  }
  const code = codeOf(cause)
  if (code === undefined) return undefined
  if (isTls(code)) {
    const words = wordsOf(cause)
    return /wrong.version.number|packet.length.too.long|http.request/i.test(`${code} ${words}`)
      ? { what: "it does not speak TLS", advice: "It may be an http address" }
      : { what: "no TLS connection came about", advice: undefined }
  }
  const known = explanations.find(([pattern]) => pattern.test(code))
  return known === undefined ? undefined : { what: known[1], advice: known[2] }
}
