/**
 * The error envelope of the service, and failures that have no answer.
 */
import * as Data from "effect/Data"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/**
 * An error that is answered with the envelope. `errorCode` becomes `details.error_code`; without it, `details` is absent.
 */
export class ApiError extends Data.TaggedError("ApiError")<{
  readonly status: number
  readonly type: string
  readonly message: string
  readonly errorCode?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}> {}

/**
 * The connection ends without an answer: on a socket it is destroyed, in process the client gets a transport error.
 */
export class ConnectionReset extends Data.TaggedError("ConnectionReset")<{
  readonly description: string
}> {}

/**
 * The request body failed while it was read, so that nobody waits for an answer any more.
 */
export class RequestBodyFailed extends Data.TaggedError("RequestBodyFailed")<{
  readonly cause: unknown
}> {}

/** The body of an error. */
export const envelope = (
  error: Pick<ApiError, "type" | "message" | "errorCode">,
  requestId: string
) => ({
  type: "error",
  error: {
    type: error.type,
    message: error.message,
    ...(error.errorCode === undefined ? {} : { details: { error_code: error.errorCode } })
  },
  request_id: requestId
})

/** @see {@link envelope} */
export const toResponse = (error: ApiError, requestId: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(envelope(error, requestId), {
    status: error.status,
    ...(error.headers === undefined ? {} : { headers: error.headers })
  })

export const invalidRequest = (message: string, errorCode?: string): ApiError =>
  new ApiError({ status: 400, type: "invalid_request_error", message, errorCode })

export const unauthorized = (message: string): ApiError =>
  new ApiError({ status: 401, type: "authentication_error", message })

export const forbidden = (message: string): ApiError => new ApiError({ status: 403, type: "permission_error", message })

export const notFound = (message: string, errorCode?: string): ApiError =>
  new ApiError({ status: 404, type: "not_found_error", message, errorCode })

export const fileNotFound = (id: string): ApiError => notFound(`File not found: ${id}`)

export const fileExpired = (id: string): ApiError =>
  notFound(`File ${id} has expired and its content is no longer available.`, "file_expired")

export const methodNotAllowed = (allow: string): ApiError =>
  new ApiError({ status: 405, type: "invalid_request_error", message: "Method Not Allowed", headers: { allow } })

export const tooLarge = (message: string): ApiError => new ApiError({ status: 413, type: "request_too_large", message })

export const bodyTimeout = (): ApiError =>
  invalidRequest("Timed out waiting for the request body. Nothing was stored.", "request_body_timeout")

export const internal = (message = "Internal server error"): ApiError =>
  new ApiError({ status: 500, type: "api_error", message })
