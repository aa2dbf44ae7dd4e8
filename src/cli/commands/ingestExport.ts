/**
 * `ingest export`: the table, as text.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Ingest from "../../fleet/Ingest.ts"
import { define } from "../define.ts"
import { UsageError } from "../failure.ts"
import * as Flags from "../flags.ts"
import { ingestArgument } from "../ingestFlags.ts"
import * as IngestLayer from "../ingestLayer.ts"
import { Output } from "../output.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"

const isState = Schema.is(Ingest.State)

export const exportItems = define({
  name: "export",
  path: ["ingest", "export"],
  description: "Print every item with what became of it, as JSONL or CSV",
  examples: [
    { command: `${program} ingest export corpus --format csv > corpus.csv`, description: "All" },
    { command: `${program} ingest export corpus --state failed`, description: "What failed, with the reasons" }
  ],
  flags: {
    ingest: ingestArgument,
    ...IngestLayer.flags,
    format: Flags.choice("format", ["jsonl", "csv"], "jsonl unless given"),
    state: Flags.list("state", "STATE", `Only items of this state: ${Ingest.State.literals.join(", ")}`)
  },
  onlyReads: true,
  run: Effect.fnUntraced(function*({ databaseUrl, format, ingest, state }) {
    const output = yield* Output
    const { mode } = yield* Settings
    if (mode !== "text") {
      return yield* new UsageError({ message: "The items themselves go to standard output: --format says how." })
    }
    const unknown = state.find((name) => !isState(name))
    if (unknown !== undefined) {
      return yield* new UsageError({
        message: `--state takes ${Ingest.State.literals.join(", ")}, not ${JSON.stringify(unknown)}.`
      })
    }
    const text = Ingest.export(ingest, {
      format: Option.getOrUndefined(format),
      states: state.length === 0 ? undefined : state.filter(isState)
    })
    yield* Effect.provide(
      Stream.runForEachArray(text, (parts) => output.text(parts.join(""))),
      IngestLayer.layer({ databaseUrl })
    )
  })
})
