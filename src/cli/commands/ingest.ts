/**
 * `ingest`: files by the million, on any number of machines.
 */
import * as Command from "effect/cli/Command"
import { add } from "./ingestAdd.ts"
import { clean } from "./ingestClean.ts"
import { deleteUploaded } from "./ingestDelete.ts"
import { exportItems } from "./ingestExport.ts"
import { run } from "./ingestRun.ts"
import { status } from "./ingestStatus.ts"
import { cancel, pause, renew, resume, retry } from "./ingestSteer.ts"

export const ingest = Command.make("ingest").pipe(
  Command.withDescription("Upload files by the million, on any number of machines, through a Postgres"),
  Command.withSubcommands([add, run, status, pause, resume, cancel, retry, renew, exportItems, deleteUploaded, clean])
)
