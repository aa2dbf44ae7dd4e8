import * as Checksum from "../../internal/files/checksum.ts"

const encoder = new TextEncoder()

/** A check value of `text` against half a line and flipped bits, as eleven characters: for chance, not for an attacker. */
export const checksum = (text: string): string => {
  const sum = Checksum.make()
  sum.update(encoder.encode(text))
  return sum.short()
}
