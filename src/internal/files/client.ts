/**
 * What the trips of the Files API share.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { FileId } from "../../FileMetadata.ts"
import type { FilesError, Operation, RequestFailed } from "../../FilesError.ts"
import { type CallOptions, withCallOptions } from "../request/callOptions.ts"
import { invalidRequest, type Subject } from "../request/errors.ts"
import { type Answer, type Call, call, type Connection } from "../request/send.ts"
import { excerpt } from "../text.ts"
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

/** The client as a call's options change it. */
export const calledWith = (
  client: FilesClient,
  operation: Operation,
  options: CallOptions | undefined
): Effect.Effect<FilesClient, RequestFailed> =>
  Effect.map(withCallOptions(client.connection, operation, options), (connection) => ({ ...client, connection }))

/** Sends a request of the Files API. Each of its answers tells something of the service's clock. */
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

// A dot segment in a path would be resolved away and reach another route.
export const isId = (id: unknown): boolean =>
  Predicate.isString(id) && /^[\x21-\x7e]+$/.test(id) && !/^\.{1,2}$/.test(id)

export const notAnId = (operation: Operation, option: string, id: unknown): RequestFailed =>
  invalidRequest(
    operation,
    option,
    `“${excerpt(String(id))}” is not a file id; expected for example file_011CNha8iCJcU1wXNR6q4V8w.`
  )

export const pathTo = (id: FileId): string => `/v1/files/${encodeURIComponent(id)}`

export const pathOf = (operation: Operation, id: FileId): Effect.Effect<string, RequestFailed> =>
  isId(id) ? Effect.succeed(pathTo(id)) : Effect.fail(notAnId(operation, "id", id))

/** A malformed id would fail the whole batched request. */
export const checkIds = (ids: ReadonlyArray<FileId> = []): Effect.Effect<void, RequestFailed> => {
  const wrong = ids.findIndex((id) => !isId(id))
  return wrong < 0 ? Effect.void : Effect.fail(notAnId("list", "ids", ids[wrong]))
}
