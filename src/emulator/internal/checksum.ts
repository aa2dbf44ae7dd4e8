import * as Checksum from "../../internal/files/checksum.ts"

const encoder = new TextEncoder()

/** A checksum of eleven characters. It detects torn lines and flipped bits, not an attacker's changes. */
export const checksum = (text: string): string => {
  const sum = Checksum.make()
  sum.update(encoder.encode(text))
  return sum.short()
}
