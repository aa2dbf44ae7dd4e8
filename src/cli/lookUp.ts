/**
 * Looks up files by id.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { FileId, type FileMetadata } from "../FileMetadata.ts"
import * as Files from "../Files.ts"
import { FileNotFound } from "../FilesError.ts"
import { UsageError } from "./failure.ts"
import { Output } from "./output.ts"

export const isFileId = (text: string): boolean => /^file_[\x21-\x7e]+$/.test(text) && !/[\\/]/.test(text)

export const idOf = (text: string): Effect.Effect<FileId, UsageError> =>
  text.trim() === ""
    ? Effect.fail(new UsageError({ message: "An id is empty; expected for example file_011CNha8iCJcU1wXNR6q4V8w." }))
    : Effect.succeed(FileId.make(text))

/** The files that exist, in the order of the ids, each once. One that does not exist is a failure of the run. */
export const found = Effect.fnUntraced(function*(texts: ReadonlyArray<string>) {
  const output = yield* Output
  const ids = yield* Effect.forEach(Array.from(new Set(texts)), idOf)
  const [only] = ids
  if (ids.length === 1 && only !== undefined) return [yield* Files.metadata(only)]
  const looked = yield* Files.findMany(ids)
  const files: Array<FileMetadata> = []
  for (const [i, file] of looked.entries()) {
    const id = ids[i]
    if (Option.isSome(file)) files.push(file.value)
    else if (id !== undefined) yield* output.problem(notFound(id), { id })
  }
  return files
})

const notFound = (id: FileId): FileNotFound =>
  new FileNotFound({
    operation: "metadata",
    message: `There is no ${id} in this workspace.`,
    fileId: id
  })
