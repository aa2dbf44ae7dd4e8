import { Console, Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Foundry from "effect-anthropic-files/platform/Foundry"

// Reads ANTHROPIC_FOUNDRY_RESOURCE and ANTHROPIC_FOUNDRY_API_KEY. Without a key, it asks Entra for a token.
const foundry = NodeFiles.layerCredentials(Foundry.layer(), {}, Policy.standard())

const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.text("a,b\n1,2\n", "table.csv"))
  yield* Console.log(file.id)
  yield* Files.delete(file.id)
}).pipe(
  Effect.provide(foundry),
  // The message says what is missing.
  Effect.catchTag("InvalidConfig", (error) => Console.log(error.message))
)

await Effect.runPromise(program)
