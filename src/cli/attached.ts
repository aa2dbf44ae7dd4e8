/**
 * Files that a question is about: those at the service by id, those on this machine uploaded for as long as they are
 * needed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { FileId } from "../FileMetadata.ts"
import * as Files from "../Files.ts"
import * as FileSource from "../FileSource.ts"
import * as Transfer from "../Transfer.ts"
import { isFileId } from "./lookUp.ts"
import { Output } from "./output.ts"

/** Whether this names a file: an id, or a path where there is one. */
export const namesFile = Effect.fnUntraced(function*(text: string) {
  if (isFileId(text)) return true
  return yield* (yield* FileSystem.FileSystem).exists(text).pipe(Effect.orElseSucceed(() => false))
})

/** The service removes it by itself where this process can't. */
const lease = "1 hour"

/** For the time of the scope. */
export const scoped = Effect.fnUntraced(function*(text: string) {
  if (isFileId(text)) return yield* Files.metadata(FileId.make(text))
  return yield* Files.uploadScoped(FileSource.path(text), { expiresIn: lease })
})

/** For as long as a batch may take, and a day more. It is not deleted: the batch goes on without this process. */
export const kept = Effect.fnUntraced(function*(text: string) {
  const output = yield* Output
  return isFileId(text)
    ? yield* Files.metadata(FileId.make(text))
    : yield* Transfer.upload({ source: FileSource.path(text), expiresIn: "2 days" }, output.progress)
})
