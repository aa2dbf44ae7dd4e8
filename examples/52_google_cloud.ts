import { Console, Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as GoogleCloud from "effect-anthropic-files/platform/GoogleCloud"

// Reads GOOGLE_CLOUD_PROJECT and ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID. The token comes from gcloud's login, a key file
// or the machine.
const google = NodeFiles.layerCredentials(GoogleCloud.layer(), {}, Policy.standard())

const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.text("a,b\n1,2\n", "table.csv"))
  yield* Console.log(file.id)
  yield* Files.delete(file.id)
}).pipe(
  Effect.provide(google),
  // The message says what is missing.
  Effect.catchTag("InvalidConfig", (error) => Console.log(error.message))
)

await Effect.runPromise(program)
