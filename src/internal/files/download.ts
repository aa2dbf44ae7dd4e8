/**
 * Downloads, which are either complete or fail. A download that breaks off continues where it stopped.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import { type DownloadError, type FilesError, type MetadataError, TransferInterrupted } from "../../FilesError.ts"
import { type Attempt, mayContinue, newAttempt } from "../request/attempt.ts"
import { failUnread, letGo } from "../request/body.ts"
import type { CallOptions } from "../request/callOptions.ts"
import { content, lengthOf, type Part } from "../request/content.ts"
import { finish, type Subject, toOperationError, unexpected } from "../request/errors.ts"
import type { Answer, Call } from "../request/send.ts"
import { moved, observeStream, report } from "../telemetry.ts"
import * as Checksum from "./checksum.ts"
import { calledWith, callFiles, type FilesClient, pathOf, subjectOf } from "./client.ts"

type Lookup = (id: FileId, options?: CallOptions) => Effect.Effect<FileMetadata, MetadataError>

export const makeDownload = (own: FilesClient, find: Lookup) => {
  const observed = observeStream("download", own.connection.settings.baseUrl)
  return (id: FileId, options?: CallOptions): Stream.Stream<Uint8Array, DownloadError> =>
    observed(
      Stream.unwrap(
        Effect.gen(function*() {
          const client = yield* Effect.fromResult(calledWith(own, "download", options))
          const metadata: Lookup = (id) => find(id, options)
          const subject = subjectOf(client.connection, "download", { fileId: id })
          const request: Call<Answer> = {
            subject,
            method: "GET",
            path: `${yield* pathOf("download", id)}/content`,
            headers: { accept: "application/binary", "accept-encoding": "identity" },
            read: (answer, subject) => checkType(id, subject, answer, metadata)
          }
          const attempt = newAttempt()
          const first = yield* callFiles(client, request, attempt)
          return whole(client, id, request, first, attempt, metadata, yield* Effect.context()).pipe(
            Stream.mapError((error) => finish(error, client.connection.settings))
          )
        }).pipe(Effect.mapError(toOperationError("download")))
      ).pipe(Stream.mapError(toOperationError("download"))),
      { "anthropic.file.id": id }
    )
}

/** Fails if HTML came for a file that is not HTML, which then is a gateway's page. */
const checkType = (
  id: FileId,
  subject: Subject,
  answer: Answer,
  metadata: Lookup
): Effect.Effect<Answer, FilesError> => {
  if (!isHtml(answer.response.headers["content-type"])) return Effect.succeed(answer)
  return Effect.flatMap(metadata(id), (file) =>
    isHtml(file.mime_type)
      ? Effect.succeed(answer)
      : Effect.fail(unexpected(
        subject,
        answer.response,
        `An HTML page came instead of ${id}, which is ${file.mime_type}: a gateway or proxy answered instead of the service.`,
        ""
      ))).pipe(Effect.onError(() => letGo(answer.response)))
}

const isHtml = (type: string | undefined): boolean => /^(text\/html|application\/xhtml\+xml)\b/i.test(type ?? "")

const isImage = (type: string): boolean => /^image\//i.test(type)

/** The strong validator of an answer: two answers with the same one have the same content. */
const validatorOf = ({ response: { headers } }: Answer): string | undefined => {
  const { etag } = headers
  return etag === undefined || etag.startsWith("W/") ? undefined : etag
}

/** Parses `content-range: bytes first-last/total`. */
const rangeOf = ({ response }: Answer) => {
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers["content-range"] ?? "")
  if (range === null) return undefined
  const [first, last] = [Number(range[1]), Number(range[2])]
  return first > last ? undefined : { first, last, total: range[3] === "*" ? undefined : Number(range[3]) }
}

/** The whole content, put together from as many parts as it takes. */
const whole = (
  client: FilesClient,
  id: FileId,
  request: Call<Answer>,
  first: Answer,
  attempt: Attempt,
  metadata: Lookup,
  context: Context.Context<never>
): Stream.Stream<Uint8Array, FilesError> =>
  Stream.suspend(() => {
    const { subject } = request
    const validator = validatorOf(first)
    const checksum = Checksum.make()
    const part: Part = { received: 0, expected: lengthOf(first.response) }

    const deliver = (answer: Answer, until: number | undefined, from: number) =>
      content(subject, answer, part, until).pipe(
        from === 0 ? (bytes) => bytes : skip(from, checksum.digest(), () => changed(answer)),
        Stream.map((chunk) => {
          checksum.update(chunk)
          moved(context, "receive", chunk.length)
          return chunk
        }),
        Stream.catch((error) => afterFailure(error, from)),
        // A part may end before the content does.
        Stream.concat(Stream.suspend(() =>
          part.expected !== undefined && part.received < part.expected && until !== undefined ? rest() : Stream.empty
        ))
      )

    const changed = (answer: Answer) =>
      unexpected(subject, answer.response, `${id} changed while it was downloaded.`, "")

    /** @param passed bytes at the start of the answer that had been delivered before */
    const afterFailure = (error: FilesError, passed: number): Stream.Stream<Uint8Array, FilesError> => {
      part.received = Math.max(part.received, passed)
      // Any other error means that the content is different or was not requested.
      if (error._tag !== "TransferInterrupted" || error.reason === "Overrun") return Stream.fail(error)
      // The connection broke after the last byte.
      if (part.received === part.expected) return Stream.empty
      return Stream.unwrap(
        Effect.map(
          mayContinue(client.connection.retry, attempt, error),
          (isContinued) => isContinued ? rest() : Stream.fail(error)
        )
      )
    }

    const rest = (): Stream.Stream<Uint8Array, FilesError> =>
      Stream.unwrap(Effect.gen(function*() {
        const from = part.received
        const ask = (isRanged: boolean) =>
          callFiles(client, {
            ...request,
            headers: {
              ...request.headers,
              ...(isRanged ? { range: `bytes=${from}-` } : undefined),
              ...(isRanged && validator !== undefined ? { "if-range": validator } : undefined)
            },
            partial: isRanged
          }, attempt)
        // There is nothing behind what was delivered, or the service has no ranges after all: the whole content tells.
        const answer = from === 0
          ? yield* ask(false)
          : yield* Effect.catchIf(ask(true), ({ status }) => status === 416, () => ask(false))
        const isPart = answer.response.status === 206
        yield* report("resumed", `${id} continues after ${from} bytes`, { offset: from, ranged: isPart })
        const now = validatorOf(answer)
        if (validator !== undefined && now !== undefined && now !== validator) {
          return failUnread(answer.response, changed(answer))
        }
        if (!isPart) {
          const length = lengthOf(answer.response)
          if (part.expected !== undefined && length !== undefined && length !== part.expected) {
            return failUnread(answer.response, changed(answer))
          }
          part.expected ??= length
          part.received = 0
          return deliver(answer, undefined, from)
        }
        const range = rangeOf(answer)
        const total = range?.total ?? part.expected
        const isOther = range === undefined || range.first !== from
          || (part.expected !== undefined && total !== part.expected)
          || (total !== undefined && range.last >= total)
        if (isOther) {
          return failUnread(
            answer.response,
            unexpected(subject, answer.response, "The service sent a different part than was requested.", "")
          )
        }
        part.expected = total
        return deliver(answer, range.last + 1, 0)
      }))

    const bytes = deliver(first, undefined, 0)
    if (part.expected !== undefined) return bytes
    // Without an announced length, the bytes alone don't show whether the content ended early.
    return Stream.concat(
      bytes,
      Stream.unwrap(Effect.map(
        shorterThan(id, part, metadata),
        Option.match({
          onNone: () => Stream.empty,
          onSome: (size) => {
            part.expected = size
            return afterFailure(endedEarly(id, part.received, size), 0)
          }
        })
      ))
    )
  })

const endedEarly = (id: FileId, received: number, size: number) =>
  new TransferInterrupted({
    operation: "download",
    reason: "Truncated",
    message: `${id} came without a length and ended after ${received} of ${size} bytes.`,
    transferred: received,
    expected: size,
    fileId: id,
    isRetryable: true
  })

/**
 * The file's size, if no answer announced a length and the content ended before that size.
 */
const shorterThan = (id: FileId, part: Part, metadata: Lookup): Effect.Effect<Option.Option<number>> => {
  if (part.expected !== undefined) return Effect.succeedNone
  const warn = (what: string) =>
    Effect.as(Effect.logWarning(`${id} came without a length, ${what}`), Option.none<number>())
  return Effect.matchEffect(metadata(id), {
    onFailure: (error) => warn(`and its size could not be looked up: ${error.message}`),
    onSuccess: ({ mime_type, size_bytes }) => {
      const { received } = part
      if (size_bytes === received) return Effect.succeedNone
      // A generated image may differ in size from its metadata.
      return received < size_bytes && !isImage(mime_type)
        ? Effect.succeedSome(size_bytes)
        : warn(`and has ${received} bytes; its metadata says ${size_bytes}.`)
    }
  })
}

/** Skips the first bytes, which must equal those that were delivered before. */
const skip =
  (count: number, expected: string, changed: () => FilesError) =>
  (bytes: Stream.Stream<Uint8Array, FilesError>): Stream.Stream<Uint8Array, FilesError> =>
    Stream.suspend(() => {
      const seen = Checksum.make()
      let left = count
      return Stream.mapEffect(bytes, (chunk) => {
        if (left === 0) return Effect.succeed(chunk)
        const known = chunk.subarray(0, left)
        seen.update(known)
        left -= known.length
        return left === 0 && seen.digest() !== expected
          ? Effect.fail(changed())
          : Effect.succeed(chunk.subarray(known.length))
      }).pipe(
        Stream.filter((chunk) => chunk.length > 0),
        // The answer is shorter than what was delivered before.
        Stream.concat(Stream.suspend(() => left > 0 ? Stream.fail(changed()) : Stream.empty))
      )
    })
