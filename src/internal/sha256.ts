/**
 * SHA-256, for digests that must not be guessed or forged. WebCrypto can't hash bytes piece by piece, so a portable
 * implementation does. The Node Layer provides Node's own, which is several times faster. Digests that need no security
 * use `files/checksum.ts`.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Context from "effect/Context"
import * as Hex from "effect/encoding/Hex"

/** An incremental hash. */
export interface Hash {
  /** Adds bytes. */
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

/** The SHA-256, in hex, of strings that contain no line break. */
export const ofLines = (...lines: ReadonlyArray<string>): string => {
  const hash = portable()
  hash.update(new TextEncoder().encode(lines.join("\n")))
  return hash.digest()
}
