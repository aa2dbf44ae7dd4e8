import Anthropic from "@anthropic-ai/sdk"
import { Effect, Redacted } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"

export const program = Effect.gen(function*() {
  const { apiKey, url } = yield* Emulator.Emulator
  const client = new Anthropic({ apiKey: Redacted.value(apiKey), baseURL: url })
  const file = yield* Effect.promise(() => client.files.upload({ file: new File(["hello"], "hello.txt") }))
  return file.filename
}).pipe(Effect.provide(NodeEmulator.layerServer()))
