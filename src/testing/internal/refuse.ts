/**
 * How a test kit's own complaint reaches a program: as a failure that no policy tries again and that the client hands
 * through word by word.
 */
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import { RefusedError } from "../../internal/request/transportErrors.ts"
import { transportError } from "./request.ts"

export const refuse = (
  request: HttpClientRequest.HttpClientRequest,
  complaint: Error
): HttpClientError.HttpClientError => transportError(request, new RefusedError(complaint), complaint.message)
