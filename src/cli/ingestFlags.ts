/**
 * What the commands of ingests have in common.
 */
import * as Argument from "effect/cli/Argument"

export const ingestArgument = Argument.String("ingest").pipe(Argument.withDescription("Name of the ingest"))
