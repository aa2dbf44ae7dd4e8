import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Credentials, Files } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

// Says which credential of the environment is used, and why.
const explained = Effect.gen(function*() {
  const { message, steps } = yield* Credentials.explain
  yield* Console.log(message)
  for (const { detail, source, state } of steps) yield* Console.log(`${state.padEnd(8)} ${source}: ${detail}`)
})

// Reading profiles needs a file system.
await Effect.runPromise(Effect.provide(explained, Layer.merge(NodeFileSystem.layer, NodePath.layer)))

// The active profile, or one by name. A login such as `ant auth login` creates it.
export const profile = NodeFiles.layerCredentials(Credentials.profile())

const program = Effect.gen(function*() {
  const page = yield* Files.listPage({ limit: 5 })
  yield* Console.log(`${page.data.length} files`)
})

await Effect.runPromise(Effect.provide(program, NodeFiles.layerConfig()))
