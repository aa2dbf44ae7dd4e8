/**
 * `ingest clean`: what is left of items that ended.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ingest from "../../fleet/Ingest.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import * as Flags from "../flags.ts"
import * as IngestLayer from "../ingestLayer.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { program } from "../usage.ts"

export const clean = define({
  name: "clean",
  path: ["ingest", "clean"],
  description:
    "Remove what is left of items that ended: messages of the queue, runners that are gone, notes of expired files",
  examples: [{ command: `${program} ingest clean --older-than 1d`, description: "When no runner will run for long" }],
  flags: {
    ...IngestLayer.flags,
    olderThan: Flags.duration("older-than", "How long ago messages ended and runners went, 1h unless given"),
    dryRun: Confirm.flags.dryRun
  },
  run: Effect.fnUntraced(function*({ databaseUrl, dryRun, olderThan }) {
    const output = yield* Output
    const cleaned = yield* Effect.provide(
      Ingest.clean({ olderThan: Option.getOrElse(olderThan, () => Duration.hours(1)), dryRun }),
      IngestLayer.layer({ databaseUrl })
    )
    const { messages, notes, runners } = cleaned
    const what = `${Format.count(messages)} messages of the queue, ${Format.count(runners)} runners that are gone and ${
      Format.count(notes)
    } notes of files that have expired`
    yield* output.item(
      dryRun
        ? { action: "planned", would: "clean", data: { ...cleaned } }
        : { action: "cleaned", data: { ...cleaned } },
      `${dryRun ? "would remove" : "removed"} ${what}`
    )
  })
})
