import { Effect, Layer } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"

const FilesOnEmulator = Layer.unwrap(
  Effect.map(Emulator.Emulator, ({ apiKey, url }) => Files.layer({ apiKey, baseUrl: url }))
).pipe(Layer.provideMerge(Emulator.layer()))

export const program = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  // The first upload is stored, and its answer is lost.
  yield* emulator.addFault(Fault.reset({ at: "after", match: { operation: "upload" } }))
  const error = yield* Effect.flip(Files.upload(FileSource.text("hello", "hello.txt")))
  return { error: error._tag, stored: (yield* emulator.files).length }
}).pipe(Effect.provide(FilesOnEmulator))
