/**
 * Files that a question is about. Those of the service are given by id; those on this machine are uploaded for as long as they
 * are needed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { FileId } from "../FileMetadata.ts"
import * as Files from "../Files.ts"
import * as FileSource from "../FileSource.ts"
import * as Transfer from "../Transfer.ts"
import * as Inputs from "./inputs.ts"
import { isFileId } from "./lookUp.ts"
import { Output } from "./output.ts"

/** Whether this is the id of a file, or the path of one that exists. */
export const namesFile = Effect.fnUntraced(function*(text: string) {
  if (isFileId(text)) return true
  return yield* (yield* FileSystem.FileSystem).exists(text).pipe(Effect.orElseSucceed(() => false))
})

/** The service removes the file by itself where this process can't. */
const expiresIn = "1 hour"

/** The file; one that was uploaded is deleted when the scope ends. */
export const scoped = Effect.fnUntraced(function*(text: string) {
  if (isFileId(text)) return yield* Files.metadata(FileId.make(text))
  return yield* Files.uploadScoped(FileSource.path(text), { expiresIn })
})

/** Looks at a file as {@link kept} does before it sends, and fails where it would. */
export const look = Effect.fnUntraced(function*(text: string) {
  if (isFileId(text)) yield* Files.metadata(FileId.make(text))
  else yield* Inputs.look(text)
})

/** The file; one that was uploaded outlives the batch by a day. It is not deleted, since the batch runs without this process. */
export const kept = Effect.fnUntraced(function*(text: string) {
  const output = yield* Output
  return isFileId(text)
    ? yield* Files.metadata(FileId.make(text))
    : yield* Transfer.upload({ source: FileSource.path(text), expiresIn: "2 days" }, output.progress)
})
