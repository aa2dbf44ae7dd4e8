/**
 * Identifiers and secrets, from the platform's secure random source.
 */
import * as Effect from "effect/Effect"

/** The start of every key that an emulator makes up. */
export const keyPrefix = "sk-ant-emulator-"

const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

const unsafeToken = (length: number): string => {
  let out = ""
  const bytes = new Uint8Array(length * 2)
  while (out.length < length) {
    globalThis.crypto.getRandomValues(bytes)
    for (const byte of bytes) {
      // 232 = 4 * 58: larger values are thrown away, so that every character is equally likely.
      if (byte < 232 && out.length < length) out += alphabet[byte % 58]
    }
  }
  return out
}

/** A string of `length` characters that can't be guessed. */
export const token = (length: number): Effect.Effect<string> => Effect.sync(() => unsafeToken(length))

/** An identifier in the service's style, such as `file_011CNha8iCJcU1wXNR6q4V8w`. */
export const identifier = (prefix: string): Effect.Effect<string> => Effect.sync(() => `${prefix}_01${unsafeToken(22)}`)
