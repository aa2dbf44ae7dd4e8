/**
 * SHA-256 by node:crypto, several times faster than the portable one.
 */
import * as Layer from "effect/Layer"
import { createHash } from "node:crypto"
import { Sha256 } from "../internal/sha256.ts"

export const layer = Layer.succeed(Sha256, () => {
  const hash = createHash("sha256")
  return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest("hex") }
})
