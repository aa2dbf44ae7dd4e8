/**
 * Functions that the operations of the Files API share.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { FileId } from "../../FileMetadata.ts"
import type { FilesError, Operation, RequestFailed } from "../../FilesError.ts"
import { type CallOptions, withCallOptions } from "../request/callOptions.ts"
import { invalidRequest, type Subject } from "../request/errors.ts"
import { type Answer, type Call, call, type Connection } from "../request/send.ts"
import { excerpt } from "../text.ts"
import { isPathSegment } from "../wire/pathSegment.ts"
import type { ServiceClock } from "./serviceClock.ts"

export interface FilesClient {
  readonly connection: Connection
  readonly clock: ServiceClock
}

export const subjectOf = (
  { settings }: Connection,
  operation: Operation,
  more?: Partial<Subject>
): Subject => ({
  operation,
  dialect: settings.dialect,
  baseUrl: settings.baseUrl,
  scrub: settings.scrub,
  maxFileBytes: settings.maxFileBytes,
  ...more
})

/** The client with the options of a call applied. */
export const calledWith = (
  client: FilesClient,
  operation: Operation,
  options: CallOptions | undefined
): Result.Result<FilesClient, RequestFailed> =>
  Result.map(
    withCallOptions(client.connection, operation, options),
    (connection) => connection === client.connection ? client : { ...client, connection }
  )

/** Sends a request of the Files API, and learns about the service's clock from its answers. */
export const callFiles = <A>(
  { clock, connection }: FilesClient,
  request: Call<A>,
  attempt?: Parameters<typeof call>[2]
): Effect.Effect<A, FilesError> =>
  call(
    connection,
    {
      ...request,
      read: (answer: Answer, subject) => {
        clock.answered(answer)
        return request.read(answer, subject)
      }
    },
    attempt
  )

export const notAnId = (operation: Operation, option: string, id: unknown): RequestFailed =>
  invalidRequest(
    operation,
    option,
    `“${excerpt(String(id))}” is not a file id; expected for example file_011CNha8iCJcU1wXNR6q4V8w.`
  )

export const pathTo = (id: FileId): string => `/v1/files/${encodeURIComponent(id)}`

export const pathOf = (operation: Operation, id: FileId): Effect.Effect<string, RequestFailed> =>
  isPathSegment(id) ? Effect.succeed(pathTo(id)) : Effect.fail(notAnId(operation, "id", id))

/** A malformed id would fail the whole batched request. */
export const checkIds = (ids: ReadonlyArray<FileId> = []): Effect.Effect<void, RequestFailed> => {
  const wrong = ids.findIndex((id) => !isPathSegment(id))
  return wrong < 0 ? Effect.void : Effect.fail(notAnId("list", "ids", ids[wrong]))
}
