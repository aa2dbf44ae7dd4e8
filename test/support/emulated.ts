import { Effect, Layer } from "effect"
import { Files, MessageBatches, Messages } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"

/** `Files` over the emulator in the context. */
export const files = (options: Partial<Files.Options> = {}) =>
  Layer.unwrap(
    Effect.map(Emulator.Emulator, ({ apiKey, url }) => Files.layer({ apiKey, baseUrl: url, ...options }))
  )

/** All clients over the emulator in the context. */
export const clients = Layer.unwrap(Effect.map(Emulator.Emulator, ({ apiKey, url }) => {
  const options = { apiKey, baseUrl: url }
  return Layer.mergeAll(Files.layer(options), Messages.layer(options), MessageBatches.layer(options))
}))
