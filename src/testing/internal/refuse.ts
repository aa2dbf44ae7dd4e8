/**
 * How a test kit's own complaint reaches a program: as a failure that no policy tries again and that the client hands
 * through word by word.
 */
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import { operationOf } from "../../emulator/internal/http/endpoints.ts"
import { InvalidRequest, type Operation, RequestFailed } from "../../FilesError.ts"
import { transportError, urlOf } from "./request.ts"

const operations: Readonly<Record<string, Operation>> = {
  upload: "upload",
  list: "list",
  metadata: "metadata",
  content: "download",
  delete: "delete",
  createMessage: "createMessage",
  createBatch: "createBatch",
  listBatches: "listBatches",
  getBatch: "getBatch",
  cancelBatch: "cancelBatch",
  deleteBatch: "deleteBatch",
  batchResults: "batchResults"
}

export const refuse = (
  request: HttpClientRequest.HttpClientRequest,
  complaint: Error
): HttpClientError.HttpClientError => {
  const operation = operationOf(request.method, urlOf(request).pathname) ?? ""
  return transportError(
    request,
    new RequestFailed({
      operation: operations[operation] ?? "upload",
      reason: new InvalidRequest({
        message: complaint.message,
        isRetryable: false,
        isOutcomeUnknown: false,
        cause: complaint
      })
    }),
    complaint.message
  )
}
