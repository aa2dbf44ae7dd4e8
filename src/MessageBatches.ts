/**
 * Message Batches: many requests at once, answered within 24 hours. Shapes: the Message Batches API reference.
 *
 * @example
 * ```ts
 * import { Console, Effect, Stream } from "effect"
 * import { type FileMetadata, MessageBatches, Messages } from "effect-anthropic-files"
 *
 * // Asks two questions about every file, and prints the answers when the batch has ended.
 * const survey = Effect.fn(function*(files: ReadonlyArray<FileMetadata.FileMetadata>) {
 *   const plan = yield* MessageBatches.plan({
 *     files,
 *     questions: ["Who signs it?", "When does it end?"],
 *     params: { model: "claude-sonnet-5-5", max_tokens: 256 }
 *   })
 *   const batch = yield* MessageBatches.create(plan.requests)
 *   yield* MessageBatches.wait(batch.id)
 *   yield* Stream.runForEach(MessageBatches.answers(batch.id, plan), ({ file, question, result }) =>
 *     Console.log(file.filename, question, result.type === "succeeded" ? Messages.text(result.message) : result.type))
 * })
 * ```
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ndjson from "effect/encoding/Ndjson"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ContentBlock from "./ContentBlock.ts"
import type { Credentials } from "./Credentials.ts"
import type { FileMetadata } from "./FileMetadata.ts"
import {
  type BatchError,
  type BatchResultsError,
  type ContentBlockError,
  type CreateBatchError,
  FileExpired,
  type FilesError,
  type InvalidConfig,
  type Operation,
  RequestFailed,
  TimedOut,
  TransferInterrupted
} from "./FilesError.ts"
import * as Accessor from "./internal/accessor.ts"
import { defined } from "./internal/defined.ts"
import { encodeBatch, isCustomId } from "./internal/messages/batch.ts"
import { isError } from "./internal/messages/events.ts"
import { hasCodeExecution, needsCodeExecution, warnWithoutCodeExecution } from "./internal/messages/request.ts"
import { innerOperation, operation } from "./internal/operation.ts"
import { type Attempt, mayContinue, newAttempt } from "./internal/request/attempt.ts"
import { type CallOptions, type MessageCallOptions, withCallOptions } from "./internal/request/callOptions.ts"
import { content } from "./internal/request/content.ts"
import { decodeJson } from "./internal/request/decode.ts"
import {
  fromEnvelope,
  invalidRequest,
  quote,
  requestIdOf,
  type Subject,
  toOperationError,
  unexpected
} from "./internal/request/errors.ts"
import * as Layers from "./internal/request/layers.ts"
import type { ClientOptions, Options } from "./internal/request/options.ts"
import { type Answer as Received, call, connect } from "./internal/request/send.ts"
import { ofLines } from "./internal/sha256.ts"
import { annotate, type AnyFiber, observeStream, whole } from "./internal/telemetry.ts"
import { describeValue, excerpt, jsonText, printable } from "./internal/text.ts"
import { rows } from "./internal/wire/cursor.ts"
import { isPathSegment } from "./internal/wire/pathSegment.ts"
import { issueOf, nullByDefault, open, otherType, type TypeOf } from "./internal/wire/schemas.ts"
import * as Messages from "./Messages.ts"

export type {
  /** Options of a single call: `workspaceId`, `headers`. */
  CallOptions,
  /** Options of a client, without its credential: the same as for `Files`. */
  ClientOptions,
  /** Options of a single call that creates a batch: those of {@link CallOptions}, and `userProfileId`. */
  MessageCallOptions,
  /** Options of a client: the same as for `Files`. */
  Options
}

const time = nullByDefault(Schema.DateTimeUtcFromString)

/**
 * A batch and its progress.
 */
export const MessageBatch = open({
  id: Schema.NonEmptyString,
  /** `in_progress`, `canceling` or `ended`. */
  processing_status: Schema.String,
  /** All requests count as `processing` until the whole batch has ended. */
  request_counts: open({
    processing: Schema.Natural,
    succeeded: Schema.Natural,
    errored: Schema.Natural,
    canceled: Schema.Natural,
    expired: Schema.Natural
  }),
  created_at: Schema.DateTimeUtcFromString,
  /** 24 hours after the batch's creation. Requests that are not answered by then expire. */
  expires_at: Schema.DateTimeUtcFromString,
  ended_at: time,
  cancel_initiated_at: time,
  archived_at: time,
  results_url: nullByDefault(Schema.String)
})

/** @see {@link MessageBatch:var} */
export interface MessageBatch extends TypeOf<typeof MessageBatch> {}

const BatchPage = Schema.Struct({
  data: Schema.Array(MessageBatch),
  has_more: Schema.Boolean,
  last_id: nullByDefault(Schema.String)
})

const DeletedAnswer = Schema.Struct({ id: Schema.String })

/** The request was answered. */
export const Succeeded = open({ type: Schema.Literal("succeeded"), message: Messages.Message })

/** @see {@link Succeeded:var} */
export interface Succeeded extends TypeOf<typeof Succeeded> {}

/** The request failed, with an error envelope. */
export const Errored = open({
  type: Schema.Literal("errored"),
  error: open({
    request_id: nullByDefault(Schema.String),
    error: open({ type: Schema.String, message: Schema.String })
  })
})

/** @see {@link Errored:var} */
export interface Errored extends TypeOf<typeof Errored> {}

/** The request was not answered, because the batch was cancelled or its 24 hours had passed. */
export const Unanswered = open({ type: otherType(["canceled", "expired"], ["succeeded", "errored"]) })

/** @see {@link Unanswered:var} */
export interface Unanswered extends TypeOf<typeof Unanswered> {}

/**
 * The outcome of one request.
 */
export type Outcome = Succeeded | Errored | Unanswered

/** @see {@link Outcome:type} */
export const Outcome: Schema.Codec<Outcome, unknown> = Schema.Union([Succeeded, Errored, Unanswered])

/**
 * The result of one request. Results arrive in any order.
 */
export const BatchResult = open({ custom_id: Schema.String, result: Outcome })

/** @see {@link BatchResult:var} */
export interface BatchResult extends TypeOf<typeof BatchResult> {}

/** A deleted batch. */
export interface DeletedBatch {
  readonly id: string
}

/**
 * One request of a batch.
 */
export interface BatchRequest {
  /** 1 to 64 of `a-z A-Z 0-9 _ -`, unique in the batch. */
  readonly custom_id: string
  /** The request of the message. */
  readonly params: Messages.Request
}

/**
 * Options of a listing.
 */
export interface ListOptions extends CallOptions {
  /**
   * Batches per page, 1 to 1000.
   *
   * @default 20, the service's
   */
  readonly limit?: number | undefined
}

/**
 * Options of waiting for a batch.
 */
export interface WaitOptions extends CallOptions {
  /**
   * How often the batch is looked up, and for how long.
   *
   * @default after 5 seconds, then with waits that grow by half, up to a minute; without end
   */
  readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined
}

/**
 * The Message Batches API.
 */
export class MessageBatches extends Context.Service<MessageBatches, {
  /**
   * Creates a batch of 1 to 100,000 requests and at most 256 MB. The requests and their custom ids are checked before
   * anything is sent.
   */
  readonly create: (
    requests: ReadonlyArray<BatchRequest>,
    options?: MessageCallOptions
  ) => Effect.Effect<MessageBatch, CreateBatchError>
  /** The current state of a batch. */
  readonly get: (id: string, options?: CallOptions) => Effect.Effect<MessageBatch, BatchError>
  /** All batches, newest first. A page is fetched only when the stream's consumer pulls it. */
  readonly list: (options?: ListOptions) => Stream.Stream<MessageBatch, BatchError>
  /** Cancels a batch. Requests in progress may still be answered; {@link wait} returns when the batch has ended. */
  readonly cancel: (id: string, options?: CallOptions) => Effect.Effect<MessageBatch, BatchError>
  /** Deletes a batch, which must have ended. */
  readonly delete: (id: string, options?: CallOptions) => Effect.Effect<DeletedBatch, BatchError>
  /**
   * The results of a batch that has ended, decoded as they arrive. A result that can't be decoded fails the stream with
   * its number, after the results before it. Under a retry policy, results that break off are asked for again, and go on
   * with those that have not come yet.
   */
  readonly results: (id: string, options?: CallOptions) => Stream.Stream<BatchResult, BatchResultsError>
  /**
   * Waits until the batch has ended, and returns it. Fails with `TimedOut` if the schedule ends first.
   */
  readonly wait: (id: string, options?: WaitOptions) => Effect.Effect<MessageBatch, BatchError>
}>()("effect-anthropic-files/MessageBatches") {}

const decodeBatch = decodeJson(MessageBatch)
const decodePage = decodeJson(BatchPage)
const decodeDeleted = decodeJson(DeletedAnswer)
const decodeResult = Schema.decodeUnknownExit(BatchResult)

/** The most bytes that a result, which holds one message, may have. */
const maxResultBytes = 16 * 1024 * 1024

/** How much of the beginning of a body is kept for an error, in case it holds no results. Characters. */
const maxHead = 4096

const pace = Schedule.min([Schedule.exponential("5 seconds", 1.5), Schedule.spaced("1 minute")])

const path = "/v1/messages/batches"

const pathOf = (operation: Operation, id: string): Effect.Effect<string, RequestFailed> =>
  isPathSegment(id)
    ? Effect.succeed(`${path}/${encodeURIComponent(id)}`)
    : Effect.fail(
      invalidRequest(operation, "id", `“${excerpt(String(id))}” is not a batch id; expected for example msgbatch_….`)
    )

/**
 * A client over the `HttpClient` in the context.
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<MessageBatches["Service"], InvalidConfig, HttpClient.HttpClient> {
  const connection = yield* connect(options)
  const { baseUrl } = connection.settings

  const subjectOf = (operation: Operation, { settings } = connection, batchId?: string): Subject => ({
    operation,
    dialect: settings.dialect,
    baseUrl: settings.baseUrl,
    scrub: settings.scrub,
    maxFileBytes: settings.maxFileBytes,
    ...defined({ batchId })
  })

  const create = operation(
    "createBatch",
    baseUrl,
    Effect.fnUntraced(function*(
      fiber: AnyFiber,
      requests: ReadonlyArray<BatchRequest>,
      options?: MessageCallOptions
    ): Effect.fn.Return<MessageBatch, FilesError> {
      const bytes = yield* encodeBatch(requests)
      yield* warnWithoutCodeExecution(requests.map(({ params }) => params))
      annotate(fiber, "anthropic.message.batch.request_count", requests.length)
      const called = yield* Effect.fromResult(withCallOptions(connection, "createBatch", options))
      const batch = yield* call(called, {
        subject: subjectOf("createBatch", called),
        method: "POST",
        path,
        body: HttpBody.uint8Array(bytes, "application/json"),
        read: (answer, subject) => decodeBatch(subject, answer),
        // A second batch would have to be paid for as well.
        canRepeat: (error) => !error.isOutcomeUnknown
      })
      annotate(fiber, "anthropic.message.batch.id", called.settings.scrub(batch.id))
      return batch
    })
  )

  const onOne = <O extends "getBatch" | "cancelBatch" | "deleteBatch", A extends { readonly id: string }>(
    name: O,
    method: "GET" | "POST" | "DELETE",
    suffix: string,
    decode: (
      subject: Subject,
      answer: Received,
      then: (value: A) => Effect.Effect<A, FilesError>
    ) => Effect.Effect<A, FilesError>
  ) =>
    operation(
      name,
      baseUrl,
      Effect.fnUntraced(function*(
        fiber: AnyFiber,
        id: string,
        options?: CallOptions
      ): Effect.fn.Return<A, FilesError> {
        annotate(fiber, "anthropic.message.batch.id", id)
        const called = yield* Effect.fromResult(withCallOptions(connection, name, options))
        return yield* call(called, {
          subject: subjectOf(name, called, id),
          method,
          path: `${yield* pathOf(name, id)}${suffix}`,
          read: (answer, subject) =>
            decode(subject, answer, (value) => {
              if (value.id === id) return Effect.succeed(value)
              const what = `The answer is about ${excerpt(value.id)}, but ${id} was requested.`
              return Effect.fail(unexpected(subject, answer.response, what, ""))
            })
        })
      })
    )

  const get = onOne("getBatch", "GET", "", decodeBatch)

  const cancel = onOne("cancelBatch", "POST", "/cancel", decodeBatch)

  const remove = onOne("deleteBatch", "DELETE", "", decodeDeleted)

  const fetchPage = innerOperation(
    "listBatches",
    baseUrl,
    Effect.fnUntraced(function*(
      _: AnyFiber,
      urlParams: Readonly<Record<string, string>>,
      options: CallOptions
    ): Effect.fn.Return<typeof BatchPage.Type, FilesError> {
      const called = yield* Effect.fromResult(withCallOptions(connection, "listBatches", options))
      return yield* call(called, {
        subject: { ...subjectOf("listBatches", called), cursor: urlParams["after_id"] },
        method: "GET",
        path,
        urlParams,
        read: (answer, subject) => decodePage(subject, answer)
      })
    })
  )

  const list = (options?: ListOptions): Stream.Stream<MessageBatch, BatchError> =>
    Stream.suspend((): Stream.Stream<MessageBatch, BatchError> => {
      const { limit, ...callOptions } = options ?? {}
      if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= 1000)) {
        return Stream.fail(
          invalidRequest(
            "listBatches",
            "limit",
            `limit is ${describeValue(limit)}; expected a whole number from 1 to 1000.`
          )
        )
      }
      const size = limit === undefined ? undefined : { limit: String(limit) }
      return rows<MessageBatch, BatchError>({
        direction: "after",
        show: (cursor) => quote(subjectOf("listBatches"), cursor),
        fetch: (cursor) =>
          fetchPage({ ...size, ...(cursor === undefined ? undefined : { after_id: cursor }) }, callOptions),
        onEndless: (what) => unexpected(subjectOf("listBatches"), { status: 200, headers: Headers.empty }, what, "")
      })
    })

  const observedResults = observeStream("batchResults", baseUrl)

  /** The results, by one request; `given` are those that earlier ones have brought. */
  const resultsFrom = Effect.fnUntraced(function*(
    id: string,
    options: CallOptions | undefined,
    attempt: Attempt,
    given: ReadonlySet<string>
  ): Effect.fn.Return<Stream.Stream<BatchResult, FilesError>, FilesError> {
    const called = yield* Effect.fromResult(withCallOptions(connection, "batchResults", options))
    const subject = subjectOf("batchResults", called, id)
    // Not the batch's results_url, because a key is never sent to an address that an answer names.
    const answer = yield* call(called, {
      subject,
      method: "GET",
      path: `${yield* pathOf("batchResults", id)}/results`,
      headers: { "accept-encoding": "identity" },
      read: Effect.succeed
    }, attempt)
    const ids = new Set(given)
    const { retry } = connection
    return decodeResults(subject, answer, content(subject, answer)).pipe(
      Stream.filter(({ custom_id }) => {
        if (retry !== undefined) ids.add(custom_id)
        return !given.has(custom_id)
      }),
      Stream.catch((error) =>
        Stream.unwrap(Effect.gen(function*() {
          const isContinued = error._tag === "TransferInterrupted" && (yield* mayContinue(retry, attempt, error))
          return isContinued ? yield* resultsFrom(id, options, attempt, ids) : Stream.fail(error)
        }))
      )
    )
  })

  const results = (id: string, options?: CallOptions): Stream.Stream<BatchResult, BatchResultsError> =>
    observedResults(
      Stream.unwrap(Effect.suspend(() => resultsFrom(id, options, newAttempt(), new Set()))).pipe(
        Stream.mapError(toOperationError("batchResults"))
      ),
      { "anthropic.message.batch.id": id }
    )

  const wait = Effect.fn("MessageBatches.wait")(
    function*(id: string, options?: WaitOptions): Effect.fn.Return<MessageBatch, BatchError> {
      const { schedule = pace, ...callOptions } = options ?? {}
      const hasEnded = (batch: MessageBatch) => batch.processing_status === "ended"
      const batch = yield* Effect.repeat(get(id, callOptions), { schedule, until: hasEnded })
      if (hasEnded(batch)) return batch
      const end = DateTime.formatIso(batch.expires_at)
      return yield* new RequestFailed({
        operation: "getBatch",
        reason: new TimedOut({
          message: `${id} is still ${batch.processing_status}: wait longer; it ends by ${end}.`,
          isRetryable: true
        })
      })
    },
    whole
  )

  return MessageBatches.of({ create, get, list, cancel, delete: remove, results, wait })
})

/** Decodes the results in a body of JSON lines, or says what the body is instead. */
const decodeResults = (
  subject: Subject,
  { response }: Received,
  bytes: Stream.Stream<Uint8Array, FilesError>
): Stream.Stream<BatchResult, FilesError> =>
  Stream.suspend(() => {
    const decoder = new TextDecoder()
    let head = ""
    let received = 0
    let count = 0

    const unreadable = (error: Ndjson.NdjsonError): FilesError => {
      if (error.reason === "LineTooLarge") {
        return unexpected(subject, response, `Result ${count + 1} is longer than ${maxResultBytes} bytes.`, "")
      }
      if (error.unterminated === true && head.trimStart().startsWith("{")) {
        return new TransferInterrupted({
          operation: subject.operation,
          reason: "Truncated",
          message: `The results of ${subject.batchId} ended in the middle of result ${count + 1}.`,
          transferred: received,
          requestId: requestIdOf(subject, response.headers),
          status: response.status,
          isRetryable: true
        })
      }
      const why = error.cause instanceof Error ? excerpt(error.cause.message) : ""
      return unexpected(subject, response, `Result ${count + 1} is not JSON (${why}).`, count === 0 ? head : "")
    }

    const decode = (json: unknown): Effect.Effect<BatchResult, FilesError> => {
      count++
      if (isError(json)) return Effect.fail(fromEnvelope(subject, response.headers, json))
      const decoded = decodeResult(json)
      if (Exit.isSuccess(decoded)) return Effect.succeed(decoded.value)
      const issue = excerpt(issueOf(decoded))
      const what = `Result ${count} is not what the API documents (${issue}).`
      return Effect.fail(unexpected(subject, response, what, jsonText(json)?.slice(0, maxHead) ?? ""))
    }

    return bytes.pipe(
      Stream.map((chunk) => {
        received += chunk.length
        if (head.length < maxHead) head += decoder.decode(chunk.subarray(0, maxHead), { stream: true })
        return chunk
      }),
      Stream.pipeThroughChannelOrFail(Ndjson.decode({ ignoreEmptyLines: true, maxLineBytes: maxResultBytes })),
      Stream.mapError((error) => error._tag === "NdjsonError" ? unreadable(error) : error),
      Stream.mapEffect(decode)
    )
  })

/**
 * A question about a file.
 */
export interface Question {
  readonly file: FileMetadata
  readonly question: string
}

/**
 * Every question about every file, as requests of a batch.
 */
export interface Plan {
  readonly requests: ReadonlyArray<BatchRequest>
  /** The question of each custom id. The same files and questions give the same ids in every process. */
  readonly questions: ReadonlyMap<string, Question>
}

/**
 * The outcome of a question.
 */
export interface Answer extends Question {
  readonly custom_id: string
  readonly result: Outcome
}

/**
 * Options of {@link plan}.
 */
export interface PlanOptions extends ContentBlock.DocumentOptions {
  readonly files: Iterable<FileMetadata>
  /** A single text is one question. */
  readonly questions: Iterable<string>
  /** Fields that all requests share: model, max_tokens, tools and others of the API. */
  readonly params: Messages.Params
}

const lifetime = Duration.hours(24)

const expiresTooEarly = (file: FileMetadata, at: DateTime.Utc): FileExpired =>
  new FileExpired({
    operation: "createBatch",
    message: `${printable(file.filename)} (${file.id}) expires at ${DateTime.formatIso(at)}, and a batch may take 24 `
      + "hours: upload it again with a longer expiresIn.",
    fileId: file.id
  })

const digestOf = (text: string): string => ofLines(JSON.stringify(text)).slice(0, 24)

/**
 * Plans a batch that asks every question about every file. Duplicate files and questions count once.
 *
 * Fails with `FileExpired` if a file would expire within the 24 hours that the batch may take, and with
 * `InvalidFileType` if only the code execution tool can read a file and that tool is not in `params`.
 */
export const plan = Effect.fn("MessageBatches.plan")(
  function*(options: PlanOptions): Effect.fn.Return<Plan, ContentBlockError> {
    const { params } = options
    const files = Array.from(new Map(Array.from(options.files, (file) => [file.id, file])).values())
    const questions = Predicate.isString(options.questions)
      ? [options.questions]
      : Array.from(new Set(options.questions))
    const until = DateTime.addDuration(yield* DateTime.now, lifetime)
    // Not by its position: the answers of a plan with other questions, or in another order, must not be taken for its own.
    const asking = questions.map((question) => [question, digestOf(question)] as const)
    const customIdOf = ({ id }: FileMetadata, digest: string): string => {
      const customId = `${id}-${digest}`
      // A file's id is the most helpful custom id, but the service may change the form of its ids.
      return isCustomId(customId) ? customId : digestOf(customId)
    }
    const requests: Array<BatchRequest> = []
    const asked = new Map<string, Question>()
    for (const file of files) {
      if (file.expires_at !== null && DateTime.isLessThanOrEqualTo(file.expires_at, until)) {
        return yield* expiresTooEarly(file, file.expires_at)
      }
      const block = yield* ContentBlock.forFile(file, options)
      if (block.type === "container_upload" && !hasCodeExecution(params)) return yield* needsCodeExecution(file)
      for (const [question, digest] of asking) {
        const custom_id = customIdOf(file, digest)
        asked.set(custom_id, { file, question })
        requests.push({
          custom_id,
          params: { ...params, messages: [{ role: "user", content: [block, { type: "text", text: question }] }] }
        })
      }
    }
    return { requests, questions: asked }
  }
)

/**
 * The results of a planned batch, each with the file and the question that it answers. The stream fails if a custom id
 * is not in the plan, because the batch is a different one, and if answers are missing at the end.
 */
export const answers = (
  id: string,
  plan: Plan,
  options?: CallOptions
): Stream.Stream<Answer, BatchResultsError, MessageBatches> =>
  Stream.suspend(() => {
    const missing = new Set(plan.questions.keys())
    const answered = Stream.mapEffect(results(id, options), ({ custom_id, result }) => {
      const asked = plan.questions.get(custom_id)
      missing.delete(custom_id)
      if (asked !== undefined) return Effect.succeed<Answer>({ ...asked, custom_id, result })
      const message = `${id} answers ${excerpt(custom_id)}, which is not in the plan: pass the plan of this batch.`
      return Effect.fail(invalidRequest("batchResults", "plan", message))
    })
    // A body without a length that is cut between two lines looks complete.
    const atEnd = Stream.suspend(() => {
      if (missing.size === 0) return Stream.empty
      return Stream.fail(
        new TransferInterrupted({
          operation: "batchResults",
          reason: "Truncated",
          message: `The results of ${id} ended with ${missing.size} of ${plan.questions.size} answers missing.`,
          transferred: plan.questions.size - missing.size,
          expected: plan.questions.size,
          isRetryable: true
        })
      )
    })
    return Stream.concat(answered, atEnd)
  })

/**
 * The service from options. It needs an `HttpClient`; a policy Layer over that client applies to the service.
 */
export const layer = (options: Options): Layer.Layer<MessageBatches, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(MessageBatches, make(options))

/**
 * The service over the `Credentials` in the context: a profile, workload identity, a platform.
 */
export const layerCredentials = (
  options: ClientOptions = {}
): Layer.Layer<MessageBatches, InvalidConfig, HttpClient.HttpClient | Credentials> =>
  Layers.layerCredentials({ tag: MessageBatches, make }, options)

/**
 * The service from the environment, as for `Files.layerConfig`.
 */
export const layerConfig = (
  options: Options = {}
): Layer.Layer<MessageBatches, InvalidConfig, HttpClient.HttpClient> =>
  Layers.layerConfig({ tag: MessageBatches, make }, options)

/** {@link MessageBatches.create} of the service in the context. */
export const create: (
  requests: ReadonlyArray<BatchRequest>,
  options?: MessageCallOptions
) => Effect.Effect<MessageBatch, CreateBatchError, MessageBatches> = Accessor.effect(
  MessageBatches,
  "MessageBatches.create"
)(({ create }) => create)

/** {@link MessageBatches.get} of the service in the context. */
export const get: (
  id: string,
  options?: CallOptions
) => Effect.Effect<MessageBatch, BatchError, MessageBatches> = Accessor.effect(
  MessageBatches,
  "MessageBatches.get"
)(({ get }) => get)

/** {@link MessageBatches.list} of the service in the context. */
export const list: (options?: ListOptions) => Stream.Stream<MessageBatch, BatchError, MessageBatches> = Accessor.stream(
  MessageBatches,
  "MessageBatches.list"
)(({ list }) => list)

/** {@link MessageBatches.cancel} of the service in the context. */
export const cancel: (
  id: string,
  options?: CallOptions
) => Effect.Effect<MessageBatch, BatchError, MessageBatches> = Accessor.effect(
  MessageBatches,
  "MessageBatches.cancel"
)(({ cancel }) => cancel)

/** {@link MessageBatches.results} of the service in the context. */
export const results: (
  id: string,
  options?: CallOptions
) => Stream.Stream<BatchResult, BatchResultsError, MessageBatches> = Accessor.stream(
  MessageBatches,
  "MessageBatches.results"
)(({ results }) => results)

/** {@link MessageBatches.wait} of the service in the context. */
export const wait: (
  id: string,
  options?: WaitOptions
) => Effect.Effect<MessageBatch, BatchError, MessageBatches> = Accessor.effect(
  MessageBatches,
  "MessageBatches.wait"
)(({ wait }) => wait)

/** Deletes a batch that has ended, with the service in the context. */
const delete_: (
  id: string,
  options?: CallOptions
) => Effect.Effect<DeletedBatch, BatchError, MessageBatches> = Accessor.effect(
  MessageBatches,
  "MessageBatches.delete"
)((batches) => batches.delete)

export {
  /** {@link MessageBatches.delete} of the service in the context. */
  delete_ as delete
}
