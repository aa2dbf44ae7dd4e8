/** The beta dialect, for a program that still needs it: the same calls, but pages by id. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const BetaFiles = NodeFiles.layerConfig({ dialect: "beta" }, Policy.standard())

const program = Effect.gen(function*() {
  yield* Files.uploadScoped(FileSource.text("The lamp was lit on 359 nights.", "report.txt"))
  const page = yield* Files.listPage({ limit: 1 })
  yield* Console.log(page.data.map((file) => file.filename), page.has_more)
  if (page.last_id === null) return
  const next = yield* Files.listPage({ limit: 1, afterId: page.last_id })
  yield* Console.log(next.data.map((file) => file.filename), next.has_more)
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(BetaFiles)))
