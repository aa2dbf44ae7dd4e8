/**
 * Unique names that can't be guessed.
 */
import { randomBytesUnsafe } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"

/** 96 bits in hex. */
export const token: Effect.Effect<string> = Effect.sync(() => Hex.encode(randomBytesUnsafe(12)))
