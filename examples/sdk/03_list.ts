/** Lists the newest files: one page. */
import { Effect } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const page = await Effect.runPromise(Effect.provide(Files.listPage(), NodeFiles.layerConfig({}, Policy.standard())))
for (const file of page.data) console.log(file.id, file.filename)
if (page.next_page !== null) console.log("There are more.")
