/** Counts all files, however many there are, by type and size. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Files } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const program = Effect.gen(function*() {
  const types = new Map<string, { readonly files: number; readonly bytes: number }>()
  yield* Stream.runForEach(Files.list({ limit: 1000 }), (file) =>
    Effect.sync(() => {
      const { bytes, files } = types.get(file.mime_type) ?? { files: 0, bytes: 0 }
      types.set(file.mime_type, { files: files + 1, bytes: bytes + file.size_bytes })
    }))
  yield* Console.log(`Files of ${types.size} types`)
  for (const [type, { bytes, files }] of types) yield* Console.log(`${type}: ${files} files, ${bytes} bytes`)
})

NodeRuntime.runMain(program.pipe(Effect.provide(NodeFiles.layerConfig())))
