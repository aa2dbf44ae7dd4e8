import { Console, Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Aws from "effect-anthropic-files/platform/Aws"

// Reads AWS_REGION, ANTHROPIC_AWS_WORKSPACE_ID, and the credentials of AWS's own chain.
const aws = NodeFiles.layerCredentials(Aws.layer(), {}, Policy.standard())

const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.text("a,b\n1,2\n", "table.csv"))
  yield* Console.log(file.id)
  yield* Files.delete(file.id)
}).pipe(
  Effect.provide(aws),
  // The message says what is missing.
  Effect.catchTag("InvalidConfig", (error) => Console.log(error.message))
)

await Effect.runPromise(program)
