/**
 * `ingest delete-uploaded`: the files that an ingest uploaded.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Ingest from "../../fleet/Ingest.ts"
import { printable } from "../../internal/text.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import * as Flags from "../flags.ts"
import { ingestArgument } from "../ingestFlags.ts"
import * as IngestLayer from "../ingestLayer.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"
import { maxDelete, maxDeleteHelp, warning } from "./rm.ts"

interface Own {
  readonly filename: string
  readonly size_bytes: number
}

/** What the ingest uploaded, by id: no more than one beyond what may be deleted. */
const ownFiles = Effect.fnUntraced(function*(ingest: string, most: number) {
  const files = new Map<string, Own>()
  yield* Ingest.items(ingest, { states: ["done"] }).pipe(
    Stream.filter(({ uploaded }) => uploaded),
    Stream.runForEachWhile(({ file_id, key, size_bytes }) =>
      Effect.sync(() => {
        if (file_id !== null) files.set(file_id, { filename: key, size_bytes: size_bytes ?? 0 })
        return files.size <= most
      })
    )
  )
  return files
})

const tell = Effect.fnUntraced(function*(event: Ingest.DeleteEvent) {
  const output = yield* Output
  const [key = ""] = event.keys
  const id = event.file_id
  if (event._tag === "DeleteFailed") return yield* output.problemOfMany(event.error, { id })
  if (event._tag === "Kept") {
    return yield* output.item(
      { action: "skipped", id, key },
      `kept ${printable(id)} ${printable(key)}: another ingest has it as well`
    )
  }
  yield* output.item({ action: "deleted", id, key }, `deleted ${printable(id)} ${printable(key)}`)
})

export const deleteUploaded = define({
  name: "delete-uploaded",
  path: ["ingest", "delete-uploaded"],
  description: "Delete the files that this ingest uploaded, and no others",
  examples: [
    { command: `${program} ingest delete-uploaded corpus --dry-run`, description: "Which ones it would be" },
    { command: `${program} ingest delete-uploaded corpus --yes --max-delete 5000`, description: "Without a question" }
  ],
  flags: {
    ingest: ingestArgument,
    ...IngestLayer.runnerFlags,
    maxDelete: Flags.count("max-delete", maxDeleteHelp, 0),
    ...Confirm.flags
  },
  main: "deleted",
  run: Effect.fnUntraced(function*({ databaseUrl, dryRun, ingest, maxDelete: limit, redisUrl, yes }) {
    const output = yield* Output
    const { concurrency } = yield* Settings
    const most = Option.getOrElse(limit, () => maxDelete)

    const plan = Effect.gen(function*() {
      const files = yield* ownFiles(ingest, Number.POSITIVE_INFINITY)
      yield* output.items(Array.from(files, ([id, { filename, size_bytes }]) =>
        [
          { action: "planned", would: "delete", id, key: filename, bytes: size_bytes },
          `would delete ${printable(id)} ${printable(filename)} (${Format.bytes(size_bytes)})`
        ] as const))
    })

    const deletion = Effect.gen(function*() {
      const files = yield* ownFiles(ingest, most)
      if (files.size === 0) return yield* output.note("It uploaded nothing that is still there.")
      // If they are too many, the ingest itself says so, and how many.
      const agreed = files.size > most
        || (yield* Confirm.confirm(warning([...files.values()]), `Delete ${Format.files(files.size)}?`, yes))
      if (!agreed) return yield* output.note("Nothing was deleted.")
      yield* Stream.runForEach(Ingest.deleteUploaded(ingest, { maxDeletions: most, concurrency }), tell)
    })

    yield* dryRun
      ? Effect.provide(plan, IngestLayer.layer({ databaseUrl }))
      : Effect.provide(deletion, IngestLayer.layerRunner({ databaseUrl, redisUrl }))
  })
})
