/**
 * The complaint of a test kit, as a failure that no policy retries and whose message the client passes on unchanged.
 */
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import { RefusedError } from "../../internal/request/transportErrors.ts"
import { transportError } from "./request.ts"

export const refuse = (
  request: HttpClientRequest.HttpClientRequest,
  complaint: Error
): HttpClientError.HttpClientError => transportError(request, new RefusedError(complaint), complaint.message)
