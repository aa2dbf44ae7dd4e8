/**
 * Runs the README's first program, compiled beside this file in an empty project, against the emulator of the
 * installed package.
 */
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const main = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  process.env.ANTHROPIC_API_KEY = Redacted.value(emulator.apiKey)
  process.env.ANTHROPIC_BASE_URL = emulator.url
  yield* Effect.promise(() => import("./readme.js"))
  // The program runs on its own; it is done when it has deleted what it uploaded.
  while (!(yield* emulator.requests).some((request) => request.method === "DELETE")) yield* Effect.sleep("20 millis")
  if ((yield* emulator.files).length !== 0) throw new Error("the README's program left a file behind")
}).pipe(Effect.timeout("30 seconds"), Effect.provide(NodeEmulator.layerServer()))

await Effect.runPromise(main)
