import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Credentials, Files } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

// Which credential the environment has, and why that one: for a message, a log, a `doctor`.
const explained = Effect.gen(function*() {
  const { message, steps } = yield* Credentials.explain
  yield* Console.log(message)
  for (const { detail, source, state } of steps) yield* Console.log(`${state.padEnd(8)} ${source}: ${detail}`)
})

// Profiles are read where there are files.
await Effect.runPromise(Effect.provide(explained, Layer.merge(NodeFileSystem.layer, NodePath.layer)))

// A profile, by its name or the active one. A login, with `ant auth login` for example, makes it.
export const profile = NodeFiles.layerCredentials(Credentials.profile())

const program = Effect.gen(function*() {
  const page = yield* Files.listPage({ limit: 5 })
  yield* Console.log(`${page.data.length} files`)
})

await Effect.runPromise(Effect.provide(program, NodeFiles.layerConfig()))
