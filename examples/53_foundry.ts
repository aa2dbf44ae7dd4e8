import { Console, Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Foundry from "effect-anthropic-files/platform/Foundry"

// The resource out of ANTHROPIC_FOUNDRY_RESOURCE, its key out of ANTHROPIC_FOUNDRY_API_KEY; without a key Entra is asked.
const foundry = NodeFiles.layerCredentials(Foundry.layer(), {}, Policy.standard())

const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.text("a,b\n1,2\n", "table.csv"))
  yield* Console.log(file.id)
  yield* Files.delete(file.id)
}).pipe(
  Effect.provide(foundry),
  // It says what is missing.
  Effect.catchTag("InvalidConfig", (error) => Console.log(error.message))
)

await Effect.runPromise(program)
