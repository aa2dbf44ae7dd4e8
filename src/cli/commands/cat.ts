/**
 * `cat`: writes the content of a file to standard output.
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { FileId } from "../../FileMetadata.ts"
import * as Files from "../../Files.ts"
import * as Client from "../client.ts"
import { define } from "../define.ts"
import { UsageError } from "../failure.ts"
import { Output } from "../output.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"

/** Refuses the modes in which content can't go to standard output. */
export const checkMode = Effect.gen(function*() {
  const { mode } = yield* Settings
  if (mode !== "text") {
    return yield* new UsageError({
      message: "The content goes to standard output as it is: leave out --json and --jsonl."
    })
  }
})

/** Writes a file to standard output as it arrives. */
export const content = Effect.fnUntraced(function*(id: string) {
  const output = yield* Output
  yield* checkMode
  yield* Stream.runForEach(Files.download(FileId.make(id)), output.bytes)
})

export const cat = define({
  name: "cat",
  description: "Print the content of a file created by a tool or skill",
  examples: [{ command: `${program} cat file_011CNha8iCJcU1wXNR6q4V8w | head`, description: "Its first lines" }],
  flags: { id: Argument.String("id").pipe(Argument.withDescription("Id of the file")) },
  onlyReads: true,
  run: Effect.fnUntraced(function*({ id }) {
    if (id.trim() === "") return yield* new UsageError({ message: "The id is empty." })
    yield* content(id)
  }, Effect.provide(Client.layer))
})
