/**
 * Bodies handed out as a stream: counted, watched, and whole or an error.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type RequestFailed, TransferInterrupted } from "../../FilesError.ts"
import { excerpt } from "../text.ts"
import { failUnread, parseLength } from "./body.ts"
import { finish, requestIdOf, type Subject, unexpected } from "./errors.ts"
import type { Answer } from "./send.ts"
import { unlessStalled } from "./silence.ts"

/** What is known of a content, over all answers that it takes. The one place where its bytes are counted. */
export interface Part {
  received: number
  /** Bytes of the whole; `undefined` where nothing announced them. */
  expected: number | undefined
}

/**
 * An answer's bytes, counted and watched: they come to exactly the announced length, or fail. Figures in errors are
 * those of the whole content.
 *
 * @param until where in the whole this answer ends, if it is a part of it
 */
export const content = (
  subject: Subject,
  { idle, response }: Answer,
  part: Part = { received: 0, expected: lengthOf(response) },
  until: number | undefined = part.expected
): Stream.Stream<Uint8Array, RequestFailed | TransferInterrupted> =>
  Stream.suspend((): Stream.Stream<Uint8Array, RequestFailed | TransferInterrupted> => {
    if (isEncoded(response) && Option.isNone(HttpClientResponse.toWeb(response))) {
      const encoding = excerpt(subject.scrub(response.headers["content-encoding"] ?? ""))
      return failUnread(
        response,
        unexpected(subject, response, `The content came as ${encoding}, which was not asked for.`, "")
      )
    }
    const requestId = requestIdOf(subject, response.headers)
    const interrupted = (reason: TransferInterrupted["reason"], what: string, cause?: unknown) =>
      finish(
        new TransferInterrupted({
          operation: subject.operation,
          reason,
          message: `${what} after ${part.received} of ${part.expected ?? "an unknown number of"} bytes.`,
          transferred: part.received,
          expected: part.expected,
          fileId: subject.fileId,
          requestId,
          status: response.status,
          isRetryable: true,
          ...(cause === undefined ? undefined : { cause })
        }),
        subject
      )
    const file = subject.fileId ?? (subject.operation === "download" ? "The content" : "The answer")
    return unlessStalled(
      response.stream,
      idle,
      () => interrupted("Stalled", `${file} stalled for ${Duration.format(idle)}`)
    ).pipe(
      Stream.catch((error): Stream.Stream<Uint8Array, TransferInterrupted> => {
        if (error._tag === "TransferInterrupted") return Stream.fail(error)
        if (error.reason._tag === "EmptyBodyError") return Stream.empty
        const cause = "cause" in error.reason ? error.reason.cause : undefined
        return Stream.fail(interrupted("Reset", `${file} broke off`, cause))
      }),
      (bytes) =>
        Stream.transformPull(bytes, (pull) =>
          Effect.succeed(Effect.flatMap(pull, (chunks) => {
            for (const chunk of chunks) part.received += chunk.length
            return until !== undefined && part.received > until
              ? Effect.fail(interrupted("Overrun", `${file} went on past its end,`))
              : Effect.succeed(chunks)
          }))),
      Stream.concat(Stream.suspend(() =>
        until !== undefined && part.received < until
          ? Stream.fail(interrupted("Truncated", `${file} ended`))
          : Stream.empty
      ))
    )
  })

const isEncoded = (response: HttpClientResponse.HttpClientResponse): boolean => {
  const encoding = response.headers["content-encoding"]
  return encoding !== undefined && encoding.toLowerCase() !== "identity"
}

/**
 * The announced length of a body as it is handed out. fetch takes an encoding off by itself, and then the announced
 * length is not that of the bytes it gives.
 */
export const lengthOf = (response: HttpClientResponse.HttpClientResponse): number | undefined =>
  isEncoded(response) ? undefined : parseLength(response.headers["content-length"])
