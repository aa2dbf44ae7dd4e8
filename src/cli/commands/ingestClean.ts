/**
 * `ingest clean`: what ended, out of the queue.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ingest from "../../fleet/Ingest.ts"
import { define } from "../define.ts"
import * as Flags from "../flags.ts"
import * as IngestLayer from "../ingestLayer.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { program } from "../usage.ts"

export const clean = define({
  name: "clean",
  path: ["ingest", "clean"],
  description: "Remove from the queue what ended; runners do so by themselves, and the items stay",
  examples: [{ command: `${program} ingest clean --older-than 1d`, description: "When no runner will run for long" }],
  flags: {
    ...IngestLayer.flags,
    olderThan: Flags.duration("older-than", "How long ago it ended, 1h unless given")
  },
  run: Effect.fnUntraced(function*({ databaseUrl, olderThan }) {
    const output = yield* Output
    const { messages, runners } = yield* Effect.provide(
      Ingest.clean({ olderThan: Option.getOrElse(olderThan, () => Duration.hours(1)) }),
      IngestLayer.layer({ databaseUrl })
    )
    yield* output.item(
      { action: "cleaned", data: { messages, runners } },
      `removed ${Format.count(messages)} messages of the queue and ${Format.count(runners)} runners that are gone`
    )
  })
})
