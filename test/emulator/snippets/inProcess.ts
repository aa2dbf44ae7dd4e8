import { Effect, Layer, Stream } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"

const FilesOnEmulator = Layer.unwrap(
  Effect.map(Emulator.Emulator, ({ apiKey, url }) => Files.layer({ apiKey, baseUrl: url }))
).pipe(Layer.provideMerge(Emulator.layer()))

export const program = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  const made = yield* emulator.seed({ filename: "made.csv", content: "a,b\n1,2\n", downloadable: true })
  const table = yield* Stream.mkString(Stream.decodeText(Files.download(made.id)))

  const file = yield* Files.upload(FileSource.text("hello", "hello.txt"), { expiresIn: "1 hour" })
  yield* emulator.advance("2 hours")
  const expired = yield* Effect.flip(Stream.runDrain(Files.download(file.id)))
  return { table, error: expired._tag }
}).pipe(Effect.provide(FilesOnEmulator))
