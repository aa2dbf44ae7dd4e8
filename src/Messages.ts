/**
 * Messages that refer to uploaded files: ask, stream the answer, find what a run generated.
 *
 * It covers what files need and no more. Any other field of the API goes through as it is given, and whatever an answer
 * holds that is not described here is kept as it came. Shapes: the Messages API reference.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Exit from "effect/Exit"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ContainerUpload, ContentBlock } from "./ContentBlock.ts"
import { FileId, type FileMetadata } from "./FileMetadata.ts"
import { Files } from "./Files.ts"
import {
  type DownloadError,
  type FilesError,
  type InvalidConfig,
  type MessageError,
  type MetadataError,
  type Operation,
  RequestFailed,
  type StreamMessageError,
  TransferInterrupted,
  UnexpectedResponse
} from "./FilesError.ts"
import { call, type Connection, content, decodeJson, send } from "./internal/request/connection.ts"
import { fromEnvironment } from "./internal/request/environment.ts"
import { fromEnvelope, invalidRequest, narrow, type Subject, unexpected } from "./internal/request/errors.ts"
import { type Options, parse } from "./internal/request/options.ts"
import { excerpt } from "./internal/text.ts"
import { nullByDefault, open, otherType } from "./internal/wire/schemas.ts"

export type {
  /** What a client is made from: the same as for `Files`. */
  Options
}

// An interface, such as the official SDK's types are, has no index signature: the plain struct takes those.
const openInput = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Union([open(fields), Schema.Struct(fields)])

/**
 * A block of a request: a file, or any other that the API knows.
 */
export const BlockParam = Schema.Union([ContentBlock, openInput({ type: Schema.String })])

/** @see {@link BlockParam:var} */
export type BlockParam = typeof BlockParam.Type

/**
 * One turn of a request.
 */
export const MessageParam = openInput({
  role: Schema.Literals(["user", "assistant", "system"]),
  content: Schema.Union([Schema.String, Schema.Array(BlockParam)])
})

/** @see {@link MessageParam:var} */
export type MessageParam = typeof MessageParam.Type

const params = {
  model: Schema.NonEmptyString,
  max_tokens: Schema.Natural,
  tools: Schema.optionalKey(Schema.Array(Schema.ObjectKeyword))
}

/**
 * All of a request but its messages.
 */
export const Params = open(params)

/** @see {@link Params:var} */
export type Params = typeof Params.Type

/**
 * A request. Every field of the API that is not described here goes through.
 */
export const Request = open({ ...params, messages: Schema.Array(MessageParam) })

/** @see {@link Request:var} */
export type Request = typeof Request.Type

const cited = {
  cited_text: Schema.String,
  document_index: Schema.Natural,
  document_title: nullByDefault(Schema.String),
  /** The uploaded file that is cited; `null` where the document was no file. */
  file_id: nullByDefault(FileId)
}

/** Where in a document an answer's text comes from. Ends are exclusive; pages count from 1, the rest from 0. */
export const Citation = Schema.Union([
  open({
    type: Schema.Literal("char_location"),
    ...cited,
    start_char_index: Schema.Natural,
    end_char_index: Schema.Natural
  }),
  open({
    type: Schema.Literal("page_location"),
    ...cited,
    start_page_number: Schema.Natural,
    end_page_number: Schema.Natural
  }),
  open({
    type: Schema.Literal("content_block_location"),
    ...cited,
    start_block_index: Schema.Natural,
    end_block_index: Schema.Natural
  }),
  open({
    type: otherType(["web_search_result_location", "search_result_location"], [
      "char_location",
      "page_location",
      "content_block_location"
    ]),
    cited_text: Schema.optionalKey(Schema.String)
  })
])

/** @see {@link Citation:var} */
export type Citation = typeof Citation.Type

export const TextBlock = open({
  type: Schema.Literal("text"),
  text: Schema.String,
  citations: nullByDefault(Schema.Array(Citation))
})

/** @see {@link TextBlock:var} */
export type TextBlock = typeof TextBlock.Type

const executed = { return_code: Schema.Int, stderr: Schema.String }

const failedExecution = <const Type extends string>(type: Type) =>
  open({ type: Schema.Literal(type), error_code: Schema.String })

/** What a shell command of the code execution tool did. */
export const BashCodeExecutionToolResult = open({
  type: Schema.Literal("bash_code_execution_tool_result"),
  tool_use_id: Schema.String,
  content: Schema.Union([
    open({
      type: Schema.Literal("bash_code_execution_result"),
      ...executed,
      stdout: Schema.String,
      content: Schema.Array(open({ type: Schema.Literal("bash_code_execution_output"), file_id: FileId }))
    }),
    failedExecution("bash_code_execution_tool_result_error")
  ])
})

const executionOutput = Schema.Array(open({ type: Schema.Literal("code_execution_output"), file_id: FileId }))

/** What a program of the code execution tool did. */
export const CodeExecutionToolResult = open({
  type: Schema.Literal("code_execution_tool_result"),
  tool_use_id: Schema.String,
  content: Schema.Union([
    open({
      type: Schema.Literal("code_execution_result"),
      ...executed,
      stdout: Schema.String,
      content: executionOutput
    }),
    open({
      type: Schema.Literal("encrypted_code_execution_result"),
      ...executed,
      encrypted_stdout: Schema.String,
      content: executionOutput
    }),
    failedExecution("code_execution_tool_result_error")
  ])
})

/**
 * A block of an answer. Tool results of another shape than the documented one, and every block that is not described
 * here, are kept as they came.
 */
export const Block = Schema.Union([
  TextBlock,
  BashCodeExecutionToolResult,
  CodeExecutionToolResult,
  ContainerUpload,
  open({
    type: otherType([
      "thinking",
      "redacted_thinking",
      "tool_use",
      "server_tool_use",
      "web_search_tool_result",
      "web_fetch_tool_result",
      "text_editor_code_execution_tool_result",
      "tool_search_tool_result"
    ], ["text"])
  })
])

/** @see {@link Block:var} */
export type Block = typeof Block.Type

/** Tokens. */
export const Usage = open({
  input_tokens: Schema.Natural,
  output_tokens: Schema.Natural,
  cache_creation_input_tokens: nullByDefault(Schema.Natural),
  cache_read_input_tokens: nullByDefault(Schema.Natural)
})

/** @see {@link Usage:var} */
export type Usage = typeof Usage.Type

/**
 * An answer.
 */
export const Message = open({
  id: Schema.String,
  type: Schema.Literal("message"),
  role: Schema.Literal("assistant"),
  model: Schema.String,
  content: Schema.Array(Block),
  /** `end_turn`, `max_tokens`, `stop_sequence`, `tool_use`, `pause_turn`, `refusal`, …; `null` while it streams. */
  stop_reason: nullByDefault(Schema.String),
  stop_sequence: nullByDefault(Schema.String),
  /** The code execution container that was used; its id can be given as `container` to go on in it. */
  container: nullByDefault(open({ id: Schema.String })),
  usage: Usage
})

/** @see {@link Message:var} */
export type Message = typeof Message.Type

const index = Schema.Natural

const Delta = Schema.Union([
  open({ type: Schema.Literal("text_delta"), text: Schema.String }),
  open({ type: Schema.Literal("citations_delta"), citation: Citation }),
  open({ type: Schema.Literal("input_json_delta"), partial_json: Schema.String }),
  open({
    type: otherType(["thinking_delta", "signature_delta"], ["text_delta", "citations_delta", "input_json_delta"])
  })
])

const eventTypes = [
  "message_start",
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop"
] as const

/**
 * An event of a streamed answer. One that is not described here is kept as it came.
 */
export const Event = Schema.Union([
  open({ type: Schema.Literal("message_start"), message: Message }),
  open({ type: Schema.Literal("content_block_start"), index, content_block: Block }),
  open({ type: Schema.Literal("content_block_delta"), index, delta: Delta }),
  open({ type: Schema.Literal("content_block_stop"), index }),
  open({
    type: Schema.Literal("message_delta"),
    delta: open({ stop_reason: nullByDefault(Schema.String), stop_sequence: nullByDefault(Schema.String) }),
    usage: open({ output_tokens: Schema.Natural })
  }),
  open({ type: Schema.Literal("message_stop") }),
  open({ type: otherType(["ping"], eventTypes) })
])

/** @see {@link Event:var} */
export type Event = typeof Event.Type

/**
 * The Messages API, as far as files need it.
 */
export class Messages extends Context.Service<Messages, {
  /**
   * Sends a message and waits for the whole answer, ten times the idle timeout at most: a longer one is better
   * streamed.
   */
  readonly create: (request: Request) => Effect.Effect<Message, MessageError>
  /**
   * Sends a message and gives the answer as it is written. The stream ends after `message_stop` and fails where the
   * connection breaks or stalls before; an `error` event fails it like an answer of the status that belongs to the
   * error's type.
   */
  readonly stream: (request: Request) => Stream.Stream<Event, StreamMessageError>
}>()("effect-anthropic-files/Messages") {}

const decodeMessage = decodeJson(Message)
const decodeEvent = Schema.decodeUnknownExit(Event)
const parseJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
const checkRequest = Schema.encodeUnknownExit(Request)

/**
 * A client over the `HttpClient` in the context.
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Messages["Service"], InvalidConfig, HttpClient.HttpClient> {
  const settings = yield* parse(options)
  const connection: Connection = { settings, client: yield* HttpClient.HttpClient }

  const prepare = Effect.fnUntraced(function*(operation: Operation, request: Request, stream: true | undefined) {
    const checked = checkRequest(request)
    if (Exit.isFailure(checked)) {
      return yield* invalidRequest(operation, "request", `The request is not what the API takes (${issueOf(checked)}).`)
    }
    yield* warnWithoutCodeExecution([request])
    const body = yield* Effect.mapError(
      HttpBody.json({ ...request, stream }),
      () => invalidRequest(operation, "request", "The request holds a value that JSON can't express.")
    )
    const subject: Subject = {
      operation,
      dialect: settings.dialect,
      baseUrl: settings.baseUrl,
      scrub: settings.scrub,
      maxFileBytes: settings.maxFileBytes,
      model: request.model,
      fileIds: () => fileIdsOf(request.messages)
    }
    return { subject, method: "POST", path: "/v1/messages", body } as const
  })

  const create = Effect.fn("Messages.create")(
    function*(request: Request): Effect.fn.Return<Message, FilesError> {
      const prepared = yield* prepare("createMessage", request, undefined)
      const { value } = yield* call(connection, {
        ...prepared,
        read: (response) => decodeMessage(prepared.subject, response)
      })
      return value
    },
    Effect.mapError(narrow("createMessage"))
  )

  const stream = (request: Request): Stream.Stream<Event, StreamMessageError> =>
    Stream.unwrap(Effect.gen(function*() {
      const prepared = yield* prepare("streamMessage", request, true)
      const response = yield* send(connection, {
        ...prepared,
        headers: { accept: "text/event-stream", "accept-encoding": "identity" }
      })
      return events(connection, prepared.subject, response)
    })).pipe(
      Stream.mapError(narrow("streamMessage")),
      Stream.withSpan("Messages.stream")
    )

  return Messages.of({ create, stream })
})

const issueOf = (exit: Exit.Failure<unknown, Schema.SchemaError>): string =>
  Option.match(Exit.findErrorOption(exit), { onNone: () => "", onSome: (error) => excerpt(error.message) })

const events = (
  connection: Connection,
  subject: Subject,
  response: HttpClientResponse.HttpClientResponse
): Stream.Stream<Event, FilesError> =>
  Stream.suspend(() => {
    let bytes = 0
    let ended = false
    let parsed: Array<Sse.Event> = []
    const parser = Sse.makeParser((event) => {
      if (event._tag === "Event") parsed.push(event)
    })
    const decode = ({ data, event }: Sse.Event): Effect.Effect<Event, FilesError> => {
      const json = Option.getOrUndefined(parseJson(data))
      if (event === "error" || (Predicate.hasProperty(json, "type") && json.type === "error")) {
        return Effect.fail(fromEnvelope(subject, response.headers, json))
      }
      const decoded = decodeEvent(json)
      return Exit.isSuccess(decoded) ? Effect.succeed(decoded.value) : Effect.fail(unexpected(
        subject,
        response,
        `An event is not what the API documents (${subject.scrub(issueOf(decoded))}).`,
        data.slice(0, 4096)
      ))
    }
    return content(connection, subject, response).pipe(
      Stream.map((chunk) => {
        bytes += chunk.length
        return chunk
      }),
      Stream.decodeText(),
      Stream.mapEffect((text) => {
        const tooLong = parser.feed(text)
        if (tooLong !== undefined) return Effect.fail(unexpected(subject, response, tooLong.message, ""))
        const complete = parsed
        parsed = []
        return Effect.succeed(complete)
      }),
      Stream.flattenIterable,
      Stream.mapEffect(decode),
      Stream.takeUntil((event) => {
        ended = event.type === "message_stop"
        return ended
      }),
      Stream.concat(Stream.suspend(() =>
        ended ? Stream.empty : Stream.fail(
          new TransferInterrupted({
            operation: subject.operation,
            reason: "Truncated",
            message: `The answer ended after ${bytes} bytes, before its message_stop event.`,
            transferred: bytes,
            status: response.status,
            ...(response.headers["request-id"] === undefined ? undefined : {
              requestId: excerpt(subject.scrub(response.headers["request-id"]))
            }),
            isRetryable: true,
            isOutcomeUnknown: false
          })
        )
      ))
    )
  })

/** Every file that a request refers to, wherever it stands. */
const fileIdsOf = (value: unknown): ReadonlyArray<string> => {
  const ids = new Set<string>()
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk)
    if (!Predicate.isObject(value)) return
    for (const [name, field] of Object.entries(value)) {
      if (name === "file_id" && Predicate.isString(field)) ids.add(field)
      else walk(field)
    }
  }
  walk(value)
  return Array.from(ids)
}

const isCodeExecution = (tool: object): boolean =>
  Predicate.hasProperty(tool, "type") && Predicate.isString(tool.type) && tool.type.startsWith("code_execution")

/**
 * Says so where a `container_upload` block stands in a request without the code execution tool: the service ignores it
 * without a word.
 */
export const warnWithoutCodeExecution = (requests: ReadonlyArray<Request>): Effect.Effect<void> => {
  const ignored = requests.some(({ messages, tools }) =>
    !(tools ?? []).some(isCodeExecution)
    && messages.some(({ content }) =>
      !Predicate.isString(content) && content.some((block) => block.type === "container_upload")
    )
  )
  return ignored
    ? Effect.logWarning(
      "A container_upload block stands in a message without the code execution tool, so the service ignores the file: "
        + "add { type: \"code_execution_20250825\", name: \"code_execution\" } to tools."
    )
    : Effect.void
}

/**
 * The text of an answer, its blocks joined.
 */
export const text = (message: Message): string =>
  message.content.map((block) => block.type === "text" ? block.text : "").join("")

/**
 * All citations of an answer, in its order.
 */
export const citations = (message: Message): ReadonlyArray<Citation> =>
  message.content.flatMap((block) => block.type === "text" ? block.citations ?? [] : [])

/**
 * The pieces of text of a streamed answer, as they come.
 */
export const textStream = <E, R>(events: Stream.Stream<Event, E, R>): Stream.Stream<string, E, R> =>
  events.pipe(
    Stream.map((event) =>
      event.type === "content_block_delta" && event.delta.type === "text_delta" ? event.delta.text : ""
    ),
    Stream.filter((piece) => piece !== "")
  )

type Draft = Record<string, unknown>

const decodeFinal = Schema.decodeUnknownExit(Message)
const encodeStart = Schema.encodeSync(Message)

/**
 * Runs a streamed answer to its end and gives the message it amounts to, the same that {@link create} would give.
 * `Stream.tap` before it sees the events as they come.
 */
export const collect = <E, R>(
  events: Stream.Stream<Event, E, R>
): Effect.Effect<Message, E | RequestFailed, R> =>
  Effect.suspend(() => {
    let message: Draft | undefined
    const blocks: Array<Draft> = []
    const inputs = new Map<Draft, string>()
    let problem: string | undefined

    const extend = (block: Draft, field: string, piece: unknown) => {
      if (Predicate.isString(piece)) block[field] = `${Predicate.isString(block[field]) ? block[field] : ""}${piece}`
    }
    const add = (event: Event): void => {
      switch (event.type) {
        case "message_start":
          message = { ...encodeStart(event.message) }
          return
        case "content_block_start":
          blocks[event.index] = { ...event.content_block }
          return
        case "content_block_delta": {
          const { delta } = event
          const block = blocks[event.index]
          if (block === undefined) {
            problem ??= `a delta for block ${event.index}, which has not begun`
            return
          }
          switch (delta.type) {
            case "text_delta":
              return extend(block, "text", delta.text)
            case "citations_delta":
              block.citations = [...(Array.isArray(block.citations) ? block.citations : []), delta.citation]
              return
            case "input_json_delta":
              inputs.set(block, (inputs.get(block) ?? "") + delta.partial_json)
              return
            case "thinking_delta":
              return extend(block, "thinking", delta.thinking)
            case "signature_delta":
              return extend(block, "signature", delta.signature)
          }
          return
        }
        case "message_delta":
          if (message !== undefined) {
            const known = Object.entries(event.usage).filter(([, tokens]) => tokens !== null)
            Object.assign(message, event.delta, {
              usage: { ...(Predicate.isObject(message.usage) ? message.usage : {}), ...Object.fromEntries(known) }
            })
          }
      }
    }
    return Effect.flatMap(
      Stream.runForEach(events, (event) => Effect.sync(() => add(event))),
      (): Effect.Effect<Message, RequestFailed> => {
        for (const [block, json] of inputs) {
          const input = parseJson(json)
          // Cut off by max_tokens: what came is kept as text.
          block.input = Option.getOrElse(input, () => json)
        }
        if (message === undefined) problem = "no message_start"
        const decoded = decodeFinal({ ...message, content: blocks })
        return problem === undefined && Exit.isSuccess(decoded)
          ? Effect.succeed(decoded.value)
          : Effect.fail(
            new RequestFailed({
              operation: "streamMessage",
              reason: new UnexpectedResponse({
                message: `The events don't add up to a message: ${
                  problem ?? (Exit.isFailure(decoded) ? issueOf(decoded) : "")
                }.`,
                isRetryable: true,
                isOutcomeUnknown: false
              })
            })
          )
      }
    )
  })

const isFileId = Schema.is(FileId)

const resultTypes: ReadonlySet<unknown> = new Set(["bash_code_execution_tool_result", "code_execution_tool_result"])

/**
 * The ids of all files that a run generated, each once, in the order they were made. A failed execution has none.
 */
export const outputs = (message: Message): ReadonlyArray<FileId> => {
  const ids = new Set<FileId>()
  // Read leniently, since a result of a shape that is new holds its files in the same way: entries, or one of them.
  const walk = (content: unknown, depth = 0): void => {
    // Documented results nest twice.
    if (depth > 16) return
    if (Array.isArray(content)) return content.forEach((entry) => walk(entry, depth + 1))
    if (!Predicate.isObject(content)) return
    if (Predicate.hasProperty(content, "file_id") && isFileId(content.file_id)) ids.add(content.file_id)
    if (Predicate.hasProperty(content, "content")) walk(content.content, depth + 1)
  }
  for (const block of message.content) if (resultTypes.has(block.type)) walk(block.content)
  return Array.from(ids)
}

/** A generated file. */
export interface Output {
  readonly file: FileMetadata
  readonly content: Stream.Stream<Uint8Array, DownloadError>
}

/**
 * All files that a run generated, one after another: what each is called, and its content, which is fetched when it is
 * read.
 */
export const downloads = (message: Message): Stream.Stream<Output, MetadataError, Files> =>
  Stream.unwrap(Effect.map(Files, (files) =>
    Stream.fromIterable(outputs(message)).pipe(
      Stream.mapEffect((id) => files.metadata(id)),
      Stream.map((file): Output => ({ file, content: files.download(file.id) }))
    )))

/**
 * The service from options. It needs an `HttpClient`, and what a policy Layer does to that holds for it.
 */
export const layer = (options: Options): Layer.Layer<Messages, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(Messages, make(options))

/**
 * The service from the environment, as for `Files.layerConfig`.
 */
export const layerConfig = (options: Options = {}): Layer.Layer<Messages, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(Messages, Effect.flatMap(fromEnvironment(options), make))

/** {@link Messages.create} of the service in the context. */
export const create = (request: Request): Effect.Effect<Message, MessageError, Messages> =>
  Effect.flatMap(Messages, (messages) => messages.create(request))

/** {@link Messages.stream} of the service in the context. */
export const stream = (request: Request): Stream.Stream<Event, StreamMessageError, Messages> =>
  Stream.unwrap(Effect.map(Messages, (messages) => messages.stream(request)))
