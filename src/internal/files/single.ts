/**
 * Metadata and deletion of a single file.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { DeletedFile, type FileId, FileMetadata } from "../../FileMetadata.ts"
import type { FilesError } from "../../FilesError.ts"
import type { Resolution } from "../request/attempt.ts"
import type { CallOptions } from "../request/callOptions.ts"
import { decodeJson } from "../request/decode.ts"
import { type Subject, toOperationError, unexpected } from "../request/errors.ts"
import type { Answer } from "../request/send.ts"
import { annotate, observe } from "../telemetry.ts"
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

export const makeMetadata = (client: FilesClient) =>
  Effect.fn("anthropic.files.retrieve_metadata", { kind: "client" })(
    (id: FileId, options?: CallOptions): Effect.Effect<FileMetadata, FilesError> =>
      Effect.withFiber((fiber) => {
        annotate(fiber, "anthropic.file.id", id)
        if (!isPathSegment(id)) return Effect.fail(notAnId("metadata", "id", id))
        return Effect.flatMap(calledWith(client, "metadata", options), (client) =>
          callFiles(client, {
            subject: subjectOf(client.connection, "metadata", { fileId: id }),
            method: "GET",
            path: pathTo(id),
            read: (answer, subject) =>
              decodeMetadata(subject, answer, (file) => {
                client.clock.saw(file.created_at.epochMilliseconds, answer.receivedAt)
                return sameFile<FileMetadata>(id, subject, answer)(file)
              })
          }))
      }),
    Effect.mapError(toOperationError("metadata")),
    observe("metadata", client.connection.settings.baseUrl)
  )

const notDone: Resolution<never> = { _tag: "NotDone" }

/** Whether the file no longer exists after a deletion. */
const isGone = (exit: Exit.Exit<unknown, FilesError>): boolean =>
  Exit.isSuccess(exit) || Option.exists(Exit.findErrorOption(exit), ({ _tag }) => _tag === "FileNotFound")

/**
 * @param listeners each is called with every file that is deleted, or found to be gone
 */
export const makeDelete = (client: FilesClient, listeners: Internals["deletionListeners"]) =>
  Effect.fn("anthropic.files.delete", { kind: "client" })(
    (id: FileId, options?: CallOptions): Effect.Effect<DeletedFile, FilesError> =>
      Effect.withFiber((fiber) => {
        annotate(fiber, "anthropic.file.id", id)
        if (!isPathSegment(id)) return Effect.fail(notAnId("delete", "id", id))
        let isAnswerLost = false
        return Effect.flatMap(calledWith(client, "delete", options), (client) =>
          callFiles(client, {
            subject: subjectOf(client.connection, "delete", { fileId: id }),
            method: "DELETE",
            path: pathTo(id),
            read: (answer, subject) => decodeDeleted(subject, answer, sameFile<DeletedFile>(id, subject, answer)),
            resolve: () =>
              Effect.sync(() => {
                isAnswerLost = true
                return notDone
              })
          })).pipe(
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
      }),
    Effect.mapError(toOperationError("delete")),
    observe("delete", client.connection.settings.baseUrl)
  )
