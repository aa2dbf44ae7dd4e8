/**
 * Metadata and deletion of a single file.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { DeletedFile, type FileId, FileMetadata } from "../../FileMetadata.ts"
import type { FilesError } from "../../FilesError.ts"
import { operation } from "../operation.ts"
import type { Resolution } from "../request/attempt.ts"
import type { CallOptions } from "../request/callOptions.ts"
import { decodeJson } from "../request/decode.ts"
import { type Subject, unexpected } from "../request/errors.ts"
import type { Answer, Request } from "../request/send.ts"
import { annotate } from "../telemetry.ts"
import { isPathSegment } from "../wire/pathSegment.ts"
import { decodeRow } from "../wire/rows.ts"
import { calledWith, callFiles, type FilesClient, notAnId, pathTo, subjectOf } from "./client.ts"
import type { Internals } from "./internals.ts"

export const decodeMetadata = decodeJson(FileMetadata, decodeRow)
const decodeDeleted = decodeJson(DeletedFile)

/** Checks that an answer is about the requested file. */
const sameFile = <A extends { readonly id: string }>(id: FileId, subject: Subject, answer: Answer) => (file: A) =>
  file.id === id
    ? Effect.succeed(file)
    : Effect.fail(
      unexpected(subject, answer.response, `The answer is about ${file.id}, but ${id} was requested.`, "")
    )

/** An operation on one file. `run` gets the client with the call's options, and what the request begins with. */
const onFile = <O extends "metadata" | "delete", A>(
  client: FilesClient,
  name: O,
  run: (
    client: FilesClient,
    id: FileId,
    request: Pick<Request, "subject" | "path">
  ) => Effect.Effect<A, FilesError>
) =>
  operation(
    name,
    client.connection.settings.baseUrl,
    (fiber, id: FileId, options?: CallOptions): Effect.Effect<A, FilesError> => {
      annotate(fiber, "anthropic.file.id", id)
      if (!isPathSegment(id)) return Effect.fail(notAnId(name, "id", id))
      const called = calledWith(client, name, options)
      if (Result.isFailure(called)) return Effect.fail(called.failure)
      const subject = subjectOf(called.success.connection, name, { fileId: id })
      return run(called.success, id, { subject, path: pathTo(id) })
    }
  )

export const makeMetadata = (client: FilesClient) =>
  onFile(client, "metadata", (client, id, request) =>
    callFiles(client, {
      ...request,
      method: "GET",
      read: (answer, subject) =>
        decodeMetadata(subject, answer, (file) => {
          client.clock.saw(file.created_at.epochMilliseconds, answer.receivedAt)
          return sameFile<FileMetadata>(id, subject, answer)(file)
        })
    }))

const notDone: Resolution<never> = { _tag: "NotDone" }

/** Whether the file no longer exists after a deletion. */
const isGone = (exit: Exit.Exit<unknown, FilesError>): boolean =>
  Exit.isSuccess(exit) || Option.exists(Exit.findErrorOption(exit), ({ _tag }) => _tag === "FileNotFound")

/**
 * @param listeners each is called with every file that is deleted, or found to be gone
 */
export const makeDelete = (client: FilesClient, listeners: Internals["deletionListeners"]) =>
  onFile(client, "delete", (client, id, request) => {
    let isAnswerLost = false
    return callFiles(client, {
      ...request,
      method: "DELETE",
      read: (answer, subject) => decodeDeleted(subject, answer, sameFile<DeletedFile>(id, subject, answer)),
      resolve: () =>
        Effect.sync(() => {
          isAnswerLost = true
          return notDone
        })
    }).pipe(
      // The first answer was lost, and the file is gone as requested.
      Effect.catchTag(
        "FileNotFound",
        (error): Effect.Effect<DeletedFile, FilesError> =>
          isAnswerLost ? Effect.succeed({ id, type: "file_deleted" }) : Effect.fail(error)
      ),
      Effect.onExit((exit) =>
        isGone(exit) ? Effect.forEach(listeners, (listener) => listener(id), { discard: true }) : Effect.void
      )
    )
  })
