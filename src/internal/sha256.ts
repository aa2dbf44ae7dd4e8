/**
 * SHA-256, for all that must not be guessed or forged. Bytes come piece by piece, which WebCrypto can't take. The Node
 * Layer brings Node's own, which is several times faster. For what needs no secrecy there is `files/checksum.ts`.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Context from "effect/Context"
import * as Hex from "effect/encoding/Hex"

/** A hash under way. */
export interface Hash {
  /** Takes more bytes. */
  readonly update: (chunk: Uint8Array) => void
  /** In hex. */
  readonly digest: () => string
}

export const portable = (): Hash => {
  const hash = sha256.create()
  return { update: (chunk) => void hash.update(chunk), digest: () => Hex.encode(hash.digest()) }
}

export const Sha256 = Context.Reference<() => Hash>("effect-anthropic-files/internal/Sha256", {
  defaultValue: () => portable
})

/** Of strings, none of which may hold a line break. */
export const ofLines = (...lines: ReadonlyArray<string>): string => {
  const hash = portable()
  hash.update(new TextEncoder().encode(lines.join("\n")))
  return hash.digest()
}
