/**
 * Server-sent events of a streamed answer, decoded one by one.
 *
 * Gateways send more than the API documents: pings without a type, keep-alives without data, `[DONE]`. Such events are
 * skipped. An event with a documented type must decode.
 */
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Exit from "effect/Exit"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type FilesError, TransferInterrupted } from "../../FilesError.ts"
import { fromEnvelope, requestIdOf, type Subject, unexpected } from "../request/errors.ts"
import { excerpt } from "../text.ts"
import { issueOf } from "../wire/schemas.ts"

export const parseJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** How much of a body is kept for an error, in case it is not a stream of events. Characters. */
const maxHead = 64 * 1024

/** How much of an event's data an error may show. Characters. */
const maxShown = 4096

/** The beginnings of lines in a stream of events. */
const fields = ["data:", "event:", "id:", "retry:", ":"]

/** Whether a body can be the beginning of a stream of events. */
const isEventStream = (head: string): boolean => {
  const start = head.replace(/^\ufeff/, "").trimStart()
  return fields.some((field) => start.startsWith(field) || field.startsWith(start))
}

/** Whether a value is an error envelope. Some gateways leave out its `type`. */
export const isError = (json: unknown): boolean =>
  Predicate.isObject(json) && Predicate.hasProperty(json, "error")
  && (!Predicate.hasProperty(json, "type") || json.type === "error")

/** The error for a successful answer whose body is not a stream of events. */
const notEvents = (
  subject: Subject,
  response: HttpClientResponse.HttpClientResponse,
  body: string
): FilesError => {
  const json = Option.getOrUndefined(parseJson(body))
  if (isError(json)) return fromEnvelope(subject, response.headers, json)
  const what = json === undefined
    ? "The answer is not a stream of events."
    : "The answer is JSON, not a stream of events."
  return unexpected(subject, response, what, body, { isRetryable: false })
}

/**
 * Decodes events until `isLast`. If the body ends before that, the stream fails: with `TransferInterrupted` if the stream
 * of events was cut off, and with the error that the body contains if it is something else.
 */
export const decodeEvents = <A extends { readonly type: string }>(options: {
  readonly subject: Subject
  readonly response: HttpClientResponse.HttpClientResponse
  readonly bytes: Stream.Stream<Uint8Array, FilesError>
  readonly schema: Schema.Codec<A, unknown>
  /** The types that the API documents. */
  readonly documented: ReadonlySet<string>
  readonly isLast: (event: A) => boolean
}): Stream.Stream<A, FilesError> =>
  Stream.suspend(() => {
    const { documented, isLast, response, schema, subject } = options
    const decodeData = Schema.decodeUnknownExit(schema)
    let received = 0
    let head = ""
    let hasEvents = false
    let ended = false
    let parsed: Array<Sse.Event> = []
    const parser = Sse.makeParser((event) => {
      if (event._tag === "Event") parsed.push(event)
    })

    const decode = ({ data, event }: Sse.Event): Effect.Effect<Option.Option<A>, FilesError> => {
      const json = Option.getOrUndefined(parseJson(data))
      if (event === "error" || isError(json)) {
        const envelope = isError(json) ? json : { error: { message: data } }
        return Effect.fail(fromEnvelope(subject, response.headers, envelope))
      }
      // The `event:` line is optional.
      const type = Predicate.hasProperty(json, "type") && Predicate.isString(json.type) ? json.type : event
      if (!documented.has(type) && (!Predicate.isObject(json) || type === "message")) return Effect.succeedNone
      const decoded = decodeData(Predicate.isObject(json) ? { ...json, type } : json)
      if (Exit.isSuccess(decoded)) return Effect.succeedSome(decoded.value)
      return Effect.fail(unexpected(
        subject,
        response,
        `An event is not what the API documents (${excerpt(issueOf(decoded))}).`,
        data.slice(0, maxShown)
      ))
    }

    const atEnd = (): Stream.Stream<never, FilesError> => {
      if (ended) return Stream.empty
      if (!hasEvents && !isEventStream(head)) return Stream.fail(notEvents(subject, response, head))
      return Stream.fail(
        new TransferInterrupted({
          operation: subject.operation,
          reason: "Truncated",
          message: `The answer ended after ${received} bytes, before its message_stop event.`,
          transferred: received,
          status: response.status,
          requestId: requestIdOf(subject, response.headers),
          isRetryable: true
        })
      )
    }

    return options.bytes.pipe(
      Stream.map((chunk) => {
        received += chunk.length
        return chunk
      }),
      Stream.decodeText(),
      Stream.mapEffect((text) => {
        if (!hasEvents && head.length < maxHead) head += text.slice(0, maxHead - head.length)
        const tooLong = parser.feed(text)
        if (tooLong !== undefined) return Effect.fail(unexpected(subject, response, tooLong.message, ""))
        const complete = parsed
        parsed = []
        hasEvents ||= complete.length > 0
        return Effect.succeed(complete)
      }),
      Stream.flattenIterable,
      Stream.mapEffect(decode),
      Stream.filter(Option.isSome),
      Stream.map((event) => event.value),
      Stream.takeUntil((event) => {
        ended = isLast(event)
        return ended
      }),
      Stream.concat(Stream.suspend(atEnd))
    )
  })
