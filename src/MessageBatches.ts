/**
 * Message Batches: many requests at once, answered within 24 hours. Shapes: the Message Batches API reference.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ContentBlock from "./ContentBlock.ts"
import type { FileMetadata } from "./FileMetadata.ts"
import {
  type BatchError,
  type BatchResultsError,
  type CreateBatchError,
  FileExpired,
  type FilesError,
  type InvalidConfig,
  type Operation,
  RequestFailed,
  TimedOut,
  TransferInterrupted
} from "./FilesError.ts"
import { warnWithoutCodeExecution } from "./internal/messages/request.ts"
import { content } from "./internal/request/content.ts"
import { decodeJson } from "./internal/request/decode.ts"
import { fromEnvironment } from "./internal/request/environment.ts"
import { invalidRequest, narrow, type Subject, unexpected } from "./internal/request/errors.ts"
import type { Options } from "./internal/request/options.ts"
import { type Answer as Received, call, connect, send } from "./internal/request/send.ts"
import { excerpt } from "./internal/text.ts"
import { rows } from "./internal/wire/cursor.ts"
import { nullByDefault, open, otherType } from "./internal/wire/schemas.ts"
import * as Messages from "./Messages.ts"

export type {
  /** What a client is made from: the same as for `Files`. */
  Options
}

const time = nullByDefault(Schema.DateTimeUtcFromString)

/**
 * A batch and how far it has come.
 */
export const MessageBatch = open({
  id: Schema.NonEmptyString,
  /** `in_progress`, `canceling` or `ended`. */
  processing_status: Schema.String,
  /** All but `processing` stay 0 until the whole batch has ended. */
  request_counts: open({
    processing: Schema.Natural,
    succeeded: Schema.Natural,
    errored: Schema.Natural,
    canceled: Schema.Natural,
    expired: Schema.Natural
  }),
  created_at: Schema.DateTimeUtcFromString,
  /** 24 hours after its creation: what has not been answered by then never will be. */
  expires_at: Schema.DateTimeUtcFromString,
  ended_at: time,
  cancel_initiated_at: time,
  archived_at: time,
  results_url: nullByDefault(Schema.String)
})

/** @see {@link MessageBatch:var} */
export type MessageBatch = typeof MessageBatch.Type

const BatchPage = Schema.Struct({
  data: Schema.Array(MessageBatch),
  has_more: Schema.Boolean,
  last_id: nullByDefault(Schema.String)
})

const DeletedBatch = Schema.Struct({ id: Schema.String })

/**
 * What became of one request: `succeeded` with its message, `errored` with an error envelope, `canceled` or `expired`.
 */
export const Outcome = Schema.Union([
  open({ type: Schema.Literal("succeeded"), message: Messages.Message }),
  open({
    type: Schema.Literal("errored"),
    error: open({
      request_id: nullByDefault(Schema.String),
      error: open({ type: Schema.String, message: Schema.String })
    })
  }),
  open({ type: otherType(["canceled", "expired"], ["succeeded", "errored"]) })
])

/** @see {@link Outcome:var} */
export type Outcome = typeof Outcome.Type

/**
 * One line of a batch's results. They come in any order.
 */
export const BatchResult = open({ custom_id: Schema.String, result: Outcome })

/** @see {@link BatchResult:var} */
export type BatchResult = typeof BatchResult.Type

export interface BatchRequest {
  /** 1 to 64 of `a-z A-Z 0-9 _ -`, once in a batch. */
  readonly custom_id: string
  readonly params: Messages.Request
}

export interface ListOptions {
  /**
   * Batches a page, 1 to 1000.
   *
   * @default 20, the service's
   */
  readonly limit?: number | undefined
}

/**
 * The Message Batches API.
 */
export class MessageBatches extends Context.Service<MessageBatches, {
  /** Custom ids are checked before anything is sent. */
  readonly create: (requests: ReadonlyArray<BatchRequest>) => Effect.Effect<MessageBatch, CreateBatchError>
  readonly get: (id: string) => Effect.Effect<MessageBatch, BatchError>
  /** All batches, newest first. A page is fetched only when the stream's consumer comes to it. */
  readonly list: (options?: ListOptions) => Stream.Stream<MessageBatch, BatchError>
  /** What has begun may still be finished; the batch has ended when {@link wait} says so. */
  readonly cancel: (id: string) => Effect.Effect<MessageBatch, BatchError>
  /** Only a batch that has ended can be deleted. */
  readonly delete: (id: string) => Effect.Effect<{ readonly id: string }, BatchError>
  /**
   * The results of a batch that has ended, decoded as they arrive. A line that can't be read fails the stream with its
   * number, after the lines before it.
   */
  readonly results: (id: string) => Stream.Stream<BatchResult, BatchResultsError>
  /**
   * Asks at the schedule's pace until the batch has ended, and gives it. Fails with `TimedOut` where the schedule ends
   * first.
   *
   * @default from 5 seconds, half as long again each time, up to a minute
   */
  readonly wait: (
    id: string,
    schedule?: Schedule.Schedule<unknown, unknown>
  ) => Effect.Effect<MessageBatch, BatchError>
}>()("effect-anthropic-files/MessageBatches") {}

const decodeBatch = decodeJson(MessageBatch)
const decodePage = decodeJson(BatchPage)
const decodeDeleted = decodeJson(DeletedBatch)
const decodeLine = Schema.decodeUnknownExit(Schema.fromJsonString(BatchResult))

const customId = /^[a-zA-Z0-9_-]{1,64}$/

/** A line of results, which holds one message, is at most this long. Bytes. */
const maxLineBytes = 16 * 1024 * 1024

const pace = Schedule.min([Schedule.exponential("5 seconds", 1.5), Schedule.spaced("1 minute")])

const path = "/v1/messages/batches"

/**
 * A client over the `HttpClient` in the context.
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<MessageBatches["Service"], InvalidConfig, HttpClient.HttpClient> {
  const connection = yield* connect(options)
  const { settings } = connection

  const subjectOf = (operation: Operation, more?: Partial<Subject>): Subject => ({
    operation,
    dialect: settings.dialect,
    baseUrl: settings.baseUrl,
    scrub: settings.scrub,
    maxFileBytes: settings.maxFileBytes,
    ...more
  })

  const pathOf = (operation: Operation, id: string): Effect.Effect<string, RequestFailed> =>
    // A dot segment would be resolved away and reach another route.
    /^[\x21-\x7e]+$/.test(id) && !/^\.{1,2}$/.test(id)
      ? Effect.succeed(`${path}/${encodeURIComponent(id)}`)
      : Effect.fail(invalidRequest(operation, "id", `${JSON.stringify(id)} is no batch id, such as msgbatch_….`))

  const create = Effect.fn("MessageBatches.create")(
    function*(requests: ReadonlyArray<BatchRequest>): Effect.fn.Return<MessageBatch, FilesError> {
      yield* checkRequests(requests)
      yield* warnWithoutCodeExecution(requests.map(({ params }) => params))
      const body = yield* Effect.mapError(
        HttpBody.json({ requests }),
        () => invalidRequest("createBatch", "requests", "A request holds a value that JSON can't express.")
      )
      const subject = subjectOf("createBatch")
      const batch = yield* call(connection, {
        subject,
        method: "POST",
        path,
        body,
        read: (answer, subject) => decodeBatch(subject, answer),
        // A second batch would be paid for as well.
        canRepeat: (error) => !error.isOutcomeUnknown
      })
      yield* Effect.annotateCurrentSpan({ "batch.id": batch.id, "batch.requests": requests.length })
      return batch
    },
    Effect.mapError(narrow("createBatch"))
  )

  const onOne = <A>(
    operation: "getBatch" | "cancelBatch" | "deleteBatch",
    method: "GET" | "POST" | "DELETE",
    suffix: string,
    id: string,
    read: (subject: Subject, answer: Received) => Effect.Effect<A, FilesError>
  ): Effect.Effect<A, BatchError> =>
    Effect.gen(function*() {
      yield* Effect.annotateCurrentSpan("batch.id", id)
      const subject = subjectOf(operation, { batchId: id })
      return yield* call(connection, {
        subject,
        method,
        path: `${yield* pathOf(operation, id)}${suffix}`,
        read: (answer, subject) => read(subject, answer)
      })
    }).pipe(Effect.mapError(narrow(operation)))

  const get = Effect.fn("MessageBatches.get")((id: string) => onOne("getBatch", "GET", "", id, decodeBatch))

  const cancel = Effect.fn("MessageBatches.cancel")((id: string) =>
    onOne("cancelBatch", "POST", "/cancel", id, decodeBatch)
  )

  const remove = Effect.fn("MessageBatches.delete")((id: string) =>
    onOne("deleteBatch", "DELETE", "", id, decodeDeleted)
  )

  const fetchPage = Effect.fn("MessageBatches.listPage")(
    function*(urlParams: Readonly<Record<string, string>>): Effect.fn.Return<typeof BatchPage.Type, FilesError> {
      const subject = subjectOf("listBatches")
      const read = (answer: Received, subject: Subject) => decodePage(subject, answer)
      return yield* call(connection, { subject, method: "GET", path, urlParams, read })
    },
    Effect.mapError(narrow("listBatches"))
  )

  const list = ({ limit }: ListOptions = {}): Stream.Stream<MessageBatch, BatchError> =>
    Stream.suspend((): Stream.Stream<MessageBatch, BatchError> => {
      if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= 1000)) {
        return Stream.fail(
          invalidRequest("listBatches", "limit", `limit is ${limit}; a page has 1 to 1000 batches.`)
        )
      }
      const size = limit === undefined ? undefined : { limit: String(limit) }
      return rows<MessageBatch, BatchError>({
        direction: "after",
        fetch: (cursor) => fetchPage({ ...size, ...(cursor === undefined ? undefined : { after_id: cursor }) }),
        onEndless: (what) => unexpected(subjectOf("listBatches"), { status: 200, headers: Headers.empty }, what, "")
      })
    })

  const results = (id: string): Stream.Stream<BatchResult, BatchResultsError> =>
    Stream.unwrap(Effect.gen(function*() {
      const subject = subjectOf("batchResults", { batchId: id })
      // Not the batch's results_url: a key is never sent to an address that an answer names.
      const answer = yield* send(connection, {
        subject,
        method: "GET",
        path: `${yield* pathOf("batchResults", id)}/results`,
        headers: { "accept-encoding": "identity" }
      })
      return lines(subject, answer.response, content(subject, answer))
    })).pipe(
      Stream.mapError(narrow("batchResults")),
      Stream.withSpan("MessageBatches.results", { attributes: { "batch.id": id } })
    )

  const wait = Effect.fn("MessageBatches.wait")(
    function*(
      id: string,
      schedule: Schedule.Schedule<unknown, unknown> = pace
    ): Effect.fn.Return<MessageBatch, BatchError> {
      const hasEnded = (batch: MessageBatch) => batch.processing_status === "ended"
      const batch = yield* Effect.repeat(get(id), { schedule, until: hasEnded })
      if (hasEnded(batch)) return batch
      return yield* new RequestFailed({
        operation: "getBatch",
        reason: new TimedOut({
          message: `${id} is still ${batch.processing_status}: wait longer, it ends by ${
            DateTime.formatIso(batch.expires_at)
          }.`,
          isRetryable: true
        })
      })
    }
  )

  return MessageBatches.of({ create, get, list, cancel, delete: remove, results, wait })
})

const checkRequests = (requests: ReadonlyArray<BatchRequest>): Effect.Effect<void, RequestFailed> => {
  const refuse = (message: string) => Effect.fail(invalidRequest("createBatch", "requests", message))
  if (requests.length === 0) return refuse("A batch has at least one request.")
  const seen = new Set<string>()
  for (const { custom_id } of requests) {
    if (!customId.test(custom_id)) {
      return refuse(`The custom id ${JSON.stringify(custom_id.slice(0, 100))} is not 1 to 64 of a-z A-Z 0-9 _ -.`)
    }
    if (seen.has(custom_id)) return refuse(`The custom id ${custom_id} stands twice in the batch.`)
    seen.add(custom_id)
  }
  return Effect.void
}

const lines = (
  subject: Subject,
  response: HttpClientResponse.HttpClientResponse,
  bytes: Stream.Stream<Uint8Array, FilesError>
): Stream.Stream<BatchResult, FilesError> =>
  Stream.suspend(() => {
    let number = 0
    let pending = 0
    return bytes.pipe(
      Stream.mapEffect((chunk) => {
        const end = chunk.lastIndexOf(0x0a)
        pending = end === -1 ? pending + chunk.length : chunk.length - end - 1
        return pending <= maxLineBytes ? Effect.succeed(chunk) : Effect.fail(
          unexpected(subject, response, `A line of the results is longer than ${maxLineBytes} bytes.`, "")
        )
      }),
      Stream.decodeText(),
      Stream.splitLines,
      Stream.map((line) => ({ line, number: ++number })),
      Stream.filter(({ line }) => line.trim() !== ""),
      Stream.mapEffect(({ line, number }) => {
        const decoded = decodeLine(line)
        if (Exit.isSuccess(decoded)) return Effect.succeed(decoded.value)
        const issue = Option.match(Exit.findErrorOption(decoded), {
          onNone: () => "",
          onSome: (error) => excerpt(subject.scrub(error.message))
        })
        return Effect.fail(
          unexpected(
            subject,
            response,
            `Line ${number} of the results is not what the API documents (${issue}).`,
            line.slice(0, 4096)
          )
        )
      })
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
  /** What each custom id asks. The same files and questions give the same ids, in another process too. */
  readonly questions: ReadonlyMap<string, Question>
}

/**
 * What became of a question.
 */
export interface Answer extends Question {
  readonly custom_id: string
  readonly result: Outcome
}

export interface PlanOptions extends ContentBlock.DocumentOptions {
  readonly files: Iterable<FileMetadata>
  readonly questions: Iterable<string>
  /** What all requests share: model, max_tokens, tools and every other field of the API. */
  readonly params: Messages.Params
}

const lifetime = Duration.hours(24)

/**
 * Plans a batch that asks every question about every file. A file whose content may be gone within the 24 hours that
 * the batch may take fails with `FileExpired`. Files and questions that are given twice count once.
 */
export const plan = Effect.fnUntraced(function*(options: PlanOptions): Effect.fn.Return<Plan, FileExpired> {
  const files = Array.from(new Map(Array.from(options.files, (file) => [file.id, file])).values())
  const questions = Array.from(new Set(options.questions))
  const until = DateTime.addDuration(yield* DateTime.now, lifetime)
  // A file's id tells most, but its form is the service's own.
  const isTelling = files.every(({ id }) => customId.test(`${id}-q${questions.length}`))
  const requests: Array<BatchRequest> = []
  const asked = new Map<string, Question>()
  for (const [f, file] of files.entries()) {
    if (file.expires_at !== null && DateTime.isLessThanOrEqualTo(file.expires_at, until)) {
      return yield* new FileExpired({
        operation: "createBatch",
        message: `${file.filename} (${file.id}) expires at ${
          DateTime.formatIso(file.expires_at)
        }, and a batch may take 24 hours: upload it again with a longer expiresIn.`,
        fileId: file.id
      })
    }
    const block = yield* ContentBlock.forFile(file, options)
    for (const [q, question] of questions.entries()) {
      const custom_id = `${isTelling ? file.id : `f${f + 1}`}-q${q + 1}`
      asked.set(custom_id, { file, question })
      requests.push({
        custom_id,
        params: { ...options.params, messages: [{ role: "user", content: [block, { type: "text", text: question }] }] }
      })
    }
  }
  return { requests, questions: asked }
})

/**
 * The results of a planned batch, each with the file and the question that it answers. A custom id that is not the
 * plan's fails the stream: the batch is another one.
 */
export const answers = (
  id: string,
  plan: Plan
): Stream.Stream<Answer, BatchResultsError, MessageBatches> =>
  Stream.suspend(() => {
    const missing = new Set(plan.questions.keys())
    return Stream.mapEffect(results(id), ({ custom_id, result }) => {
      const asked = plan.questions.get(custom_id)
      missing.delete(custom_id)
      return asked === undefined
        ? Effect.fail(
          invalidRequest("batchResults", "plan", `${id} answers ${excerpt(custom_id)}, which the plan does not ask.`)
        )
        : Effect.succeed<Answer>({ ...asked, custom_id, result })
    }).pipe(
      // A body without a length that ends between two lines looks whole.
      Stream.concat(Stream.suspend(() =>
        missing.size === 0 ? Stream.empty : Stream.fail(
          new TransferInterrupted({
            operation: "batchResults",
            reason: "Truncated",
            message: `The results of ${id} ended with ${missing.size} of ${plan.questions.size} answers missing.`,
            transferred: plan.questions.size - missing.size,
            expected: plan.questions.size,
            isRetryable: true
          })
        )
      ))
    )
  })

/**
 * The service from options. It needs an `HttpClient`, and what a policy Layer does to that holds for it.
 */
export const layer = (options: Options): Layer.Layer<MessageBatches, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(MessageBatches, make(options))

/**
 * The service from the environment, as for `Files.layerConfig`.
 */
export const layerConfig = (
  options: Options = {}
): Layer.Layer<MessageBatches, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(MessageBatches, Effect.flatMap(fromEnvironment(options), make))

/** {@link MessageBatches.create} of the service in the context. */
export const create = (
  requests: ReadonlyArray<BatchRequest>
): Effect.Effect<MessageBatch, CreateBatchError, MessageBatches> =>
  Effect.flatMap(MessageBatches, (batches) => batches.create(requests))

/** {@link MessageBatches.get} of the service in the context. */
export const get = (id: string): Effect.Effect<MessageBatch, BatchError, MessageBatches> =>
  Effect.flatMap(MessageBatches, (batches) => batches.get(id))

/** {@link MessageBatches.list} of the service in the context. */
export const list = (options?: ListOptions): Stream.Stream<MessageBatch, BatchError, MessageBatches> =>
  Stream.unwrap(Effect.map(MessageBatches, (batches) => batches.list(options)))

/** {@link MessageBatches.cancel} of the service in the context. */
export const cancel = (id: string): Effect.Effect<MessageBatch, BatchError, MessageBatches> =>
  Effect.flatMap(MessageBatches, (batches) => batches.cancel(id))

/** {@link MessageBatches.results} of the service in the context. */
export const results = (id: string): Stream.Stream<BatchResult, BatchResultsError, MessageBatches> =>
  Stream.unwrap(Effect.map(MessageBatches, (batches) => batches.results(id)))

/** {@link MessageBatches.wait} of the service in the context. */
export const wait = (
  id: string,
  schedule?: Schedule.Schedule<unknown, unknown>
): Effect.Effect<MessageBatch, BatchError, MessageBatches> =>
  Effect.flatMap(MessageBatches, (batches) => batches.wait(id, schedule))

const delete_ = (id: string): Effect.Effect<{ readonly id: string }, BatchError, MessageBatches> =>
  Effect.flatMap(MessageBatches, (batches) => batches.delete(id))

export {
  /** {@link MessageBatches.delete} of the service in the context. */
  delete_ as delete
}
