/**
 * Messages that refer to uploaded files: ask, stream the answer, find the files that a run generated.
 *
 * Requests are typed field by field; {@link extend} and {@link customBlock} add fields and blocks that are newer than
 * these types. Whatever an answer holds beyond these types is kept unchanged. Shapes: the Messages API reference.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { ContentBlock, type FileMetadata, Messages } from "effect-anthropic-files"
 *
 * // Prints an answer about a file as it is written.
 * const explain = Effect.fn(function*(file: FileMetadata.FileMetadata) {
 *   const events = Messages.stream({
 *     model: "claude-sonnet-5-5",
 *     max_tokens: 1024,
 *     messages: [{
 *       role: "user",
 *       content: [yield* ContentBlock.forFile(file), { type: "text", text: "What is this about?" }]
 *     }]
 *   })
 *   yield* Stream.runForEach(Messages.textStream(events), (text) => Effect.sync(() => process.stdout.write(text)))
 * })
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Stream from "effect/Stream"
import { ContainerUpload } from "./ContentBlock.ts"
import type { Credentials } from "./Credentials.ts"
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
  UnexpectedResponse
} from "./FilesError.ts"
import * as Accessor from "./internal/accessor.ts"
import { decodeEvents, parseJson } from "./internal/messages/events.ts"
import {
  type BlockParam,
  checkRequest,
  fileIdsOf,
  type MessageParam,
  type Params,
  type Request,
  warnWithoutCodeExecution
} from "./internal/messages/request.ts"
import { follow, received, sending } from "./internal/messages/spans.ts"
import { operation } from "./internal/operation.ts"
import { type MessageCallOptions, withCallOptions } from "./internal/request/callOptions.ts"
import { content } from "./internal/request/content.ts"
import { decodeJson } from "./internal/request/decode.ts"
import { invalidRequest, type Subject, toOperationError } from "./internal/request/errors.ts"
import * as Layers from "./internal/request/layers.ts"
import type { ClientOptions, Options } from "./internal/request/options.ts"
import { call, connect, type Connection, send } from "./internal/request/send.ts"
import { type AnyFiber, observeStream } from "./internal/telemetry.ts"
import { emptyByDefault, issueOf, nullByDefault, open, otherType, type TypeOf } from "./internal/wire/schemas.ts"

export type {
  CitationsConfig,
  ContainerParam,
  ContainerUploadParam,
  DocumentParam,
  FileSourceParam,
  ImageParam,
  OtherSource,
  RedactedThinkingParam,
  SearchResultParam,
  ServerToolResultParam,
  TextParam,
  ThinkingParam,
  ToolContentParam,
  ToolResultParam,
  ToolUseParam
} from "./internal/messages/request.ts"

export type {
  BlockParam,
  /** Options of a client, without its credential: the same as for `Files`. */
  ClientOptions,
  /** Options of a single call: `workspaceId`, `userProfileId`, `headers`. */
  MessageCallOptions as CallOptions,
  MessageParam,
  /** Options of a client: the same as for `Files`. */
  Options,
  Params,
  Request
}

/**
 * Adds fields that are newer than these types to a request, its parameters or a block:
 * `Messages.extend(request, { new_field: true })`. A field that is `undefined` is left out.
 */
export const extend = <A extends Request | Params | BlockParam>(
  value: A,
  fields: Readonly<Record<string, unknown>>
): A => ({ ...value, ...fields })

/**
 * A block of a request that is newer than these types: `Messages.customBlock({ type: "new_block", … })`. It is sent
 * unchanged.
 */
export const customBlock = (block: { readonly type: string; readonly [field: string]: unknown }): BlockParam => {
  // No listed type fits; the assertion says that the caller knows better.
  const unlisted: object = block
  return unlisted as BlockParam
}

const cited = {
  cited_text: Schema.String,
  document_index: Schema.Natural,
  document_title: nullByDefault(Schema.String),
  /** The uploaded file that is cited; `null` where the document is not an uploaded file. */
  file_id: nullByDefault(FileId)
}

/** A passage by its characters, counted from 0. The end is exclusive. */
export const CharLocation = open({
  type: Schema.Literal("char_location"),
  ...cited,
  start_char_index: Schema.Natural,
  end_char_index: Schema.Natural
})

/** @see {@link CharLocation:var} */
export interface CharLocation extends TypeOf<typeof CharLocation> {}

/** A passage by its pages, counted from 1. The end is exclusive. */
export const PageLocation = open({
  type: Schema.Literal("page_location"),
  ...cited,
  start_page_number: Schema.Natural,
  end_page_number: Schema.Natural
})

/** @see {@link PageLocation:var} */
export interface PageLocation extends TypeOf<typeof PageLocation> {}

/** A passage by its content blocks, counted from 0. The end is exclusive. */
export const ContentBlockLocation = open({
  type: Schema.Literal("content_block_location"),
  ...cited,
  start_block_index: Schema.Natural,
  end_block_index: Schema.Natural
})

/** @see {@link ContentBlockLocation:var} */
export interface ContentBlockLocation extends TypeOf<typeof ContentBlockLocation> {}

/** A passage of a search result, or of a kind that is newer than these types. */
export const OtherLocation = open({
  type: otherType(["web_search_result_location", "search_result_location"], [
    "char_location",
    "page_location",
    "content_block_location"
  ]),
  cited_text: Schema.optionalKey(Schema.String)
})

/** @see {@link OtherLocation:var} */
export interface OtherLocation extends TypeOf<typeof OtherLocation> {}

/**
 * The passage that a part of an answer relies on.
 */
export type Citation = CharLocation | PageLocation | ContentBlockLocation | OtherLocation

/** @see {@link Citation:type} */
export const Citation: Schema.Codec<Citation, unknown> = Schema.Union([
  CharLocation,
  PageLocation,
  ContentBlockLocation,
  OtherLocation
])

/** A text, with the passages that it relies on. */
export const TextBlock = open({
  type: Schema.Literal("text"),
  text: Schema.String,
  citations: nullByDefault(Schema.Array(Citation))
})

/** @see {@link TextBlock:var} */
export interface TextBlock extends TypeOf<typeof TextBlock> {}

const executed = { return_code: Schema.Int, stderr: Schema.String }

const failedExecution = <const Type extends string>(type: Type) =>
  open({ type: Schema.Literal(type), error_code: Schema.String })

/** The result of a shell command in the code execution tool. */
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

/** @see {@link BashCodeExecutionToolResult:var} */
export interface BashCodeExecutionToolResult extends TypeOf<typeof BashCodeExecutionToolResult> {}

const executionOutput = Schema.Array(open({ type: Schema.Literal("code_execution_output"), file_id: FileId }))

/** The result of a program in the code execution tool. */
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

/** @see {@link CodeExecutionToolResult:var} */
export interface CodeExecutionToolResult extends TypeOf<typeof CodeExecutionToolResult> {}

/** The model's thoughts. */
export const ThinkingBlock = open({
  type: Schema.Literal("thinking"),
  thinking: Schema.String,
  signature: Schema.optionalKey(Schema.String)
})

/** @see {@link ThinkingBlock:var} */
export interface ThinkingBlock extends TypeOf<typeof ThinkingBlock> {}

/** Thoughts that the service keeps encrypted. */
export const RedactedThinkingBlock = open({ type: Schema.Literal("redacted_thinking"), data: Schema.String })

/** @see {@link RedactedThinkingBlock:var} */
export interface RedactedThinkingBlock extends TypeOf<typeof RedactedThinkingBlock> {}

/** A tool call: `tool_use` for the caller's tools, `server_tool_use` for the service's, `mcp_tool_use` for MCP servers'. */
export const ToolUseBlock = open({
  type: Schema.Literals(["tool_use", "server_tool_use", "mcp_tool_use"]),
  id: Schema.String,
  name: Schema.String,
  input: Schema.Unknown
})

/** @see {@link ToolUseBlock:var} */
export interface ToolUseBlock extends TypeOf<typeof ToolUseBlock> {}

/** The result of another tool of the service. */
export const ServerToolResult = open({
  type: Schema.Literals([
    "web_search_tool_result",
    "web_fetch_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_result"
  ]),
  tool_use_id: Schema.String,
  content: Schema.Unknown
})

/** @see {@link ServerToolResult:var} */
export interface ServerToolResult extends TypeOf<typeof ServerToolResult> {}

/** A block whose type or shape is new, and which therefore has none of the static types. */
const OtherBlock = Schema.declare<Block>(
  (u): u is Block => Predicate.hasProperty(u, "type") && Predicate.isString(u.type) && u.type !== "text",
  {
    expected: "a block of an answer",
    toCodecArbitrary: () =>
      Schema.link<Block>()(Schema.Struct({ type: Schema.String }), {
        decode: SchemaGetter.transform((block) => block as Block),
        encode: SchemaGetter.forbidden(() => "A generated value is not encoded")
      })
  }
)

/**
 * A block of an answer. Blocks of other types, or with other shapes than documented, are kept unchanged.
 */
export type Block =
  | TextBlock
  | BashCodeExecutionToolResult
  | CodeExecutionToolResult
  | ContainerUpload
  | ThinkingBlock
  | RedactedThinkingBlock
  | ToolUseBlock
  | ServerToolResult

/** @see {@link Block:type} */
export const Block: Schema.Codec<Block, unknown> = Schema.Union([
  TextBlock,
  BashCodeExecutionToolResult,
  CodeExecutionToolResult,
  ContainerUpload,
  ThinkingBlock,
  RedactedThinkingBlock,
  ToolUseBlock,
  ServerToolResult,
  OtherBlock
])

const tokens = nullByDefault(Schema.Natural)

/** Token counts; `null` if the service sent none. */
export const Usage = open({
  input_tokens: tokens,
  output_tokens: tokens,
  cache_creation_input_tokens: tokens,
  cache_read_input_tokens: tokens
})

/** @see {@link Usage:var} */
export interface Usage extends TypeOf<typeof Usage> {}

/** The container that code ran in. */
export const Container = open({
  /** Pass it as `container` of a later request to use the container again. */
  id: Schema.String,
  /** When the container expires, as RFC 3339. */
  expires_at: Schema.optionalKey(Schema.NullOr(Schema.String))
})

/** @see {@link Container:var} */
export interface Container extends TypeOf<typeof Container> {}

// Annotated, so that editors show the types by name.
const namedContainer: Schema.Codec<Container, unknown> = Container
const namedUsage: Schema.Codec<Usage, unknown> = emptyByDefault(Usage)

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
  /** `null` if no code was run. */
  container: nullByDefault(namedContainer),
  usage: namedUsage
})

/** @see {@link Message:var} */
export interface Message extends TypeOf<typeof Message> {}

const index = Schema.Natural

/** What an event adds to a block. Deltas of other types are kept unchanged. */
export const Delta = Schema.Union([
  open({ type: Schema.Literal("text_delta"), text: Schema.String }),
  open({ type: Schema.Literal("citations_delta"), citation: Citation }),
  open({ type: Schema.Literal("input_json_delta"), partial_json: Schema.String }),
  open({
    type: otherType(["thinking_delta", "signature_delta"], ["text_delta", "citations_delta", "input_json_delta"])
  })
])

/** @see {@link Delta:var} */
export type Delta = typeof Delta.Type

/** The answer begins. */
export const MessageStart = open({ type: Schema.Literal("message_start"), message: Message })

/** @see {@link MessageStart:var} */
export interface MessageStart extends TypeOf<typeof MessageStart> {}

/** A block begins. */
export const ContentBlockStart = open({ type: Schema.Literal("content_block_start"), index, content_block: Block })

/** @see {@link ContentBlockStart:var} */
export interface ContentBlockStart extends TypeOf<typeof ContentBlockStart> {}

/** A block continues. */
export const ContentBlockDelta = open({ type: Schema.Literal("content_block_delta"), index, delta: Delta })

/** @see {@link ContentBlockDelta:var} */
export interface ContentBlockDelta extends TypeOf<typeof ContentBlockDelta> {}

/** A block is complete. */
export const ContentBlockStop = open({ type: Schema.Literal("content_block_stop"), index })

/** @see {@link ContentBlockStop:var} */
export interface ContentBlockStop extends TypeOf<typeof ContentBlockStop> {}

/** How the answer ended, and its tokens so far. */
export const MessageDelta = open({
  type: Schema.Literal("message_delta"),
  delta: open({ stop_reason: nullByDefault(Schema.String), stop_sequence: nullByDefault(Schema.String) }),
  usage: emptyByDefault(open({ output_tokens: tokens }))
})

/** @see {@link MessageDelta:var} */
export interface MessageDelta extends TypeOf<typeof MessageDelta> {}

/** The answer is complete. */
export const MessageStop = open({ type: Schema.Literal("message_stop") })

/** @see {@link MessageStop:var} */
export interface MessageStop extends TypeOf<typeof MessageStop> {}

const eventTypes = [
  "message_start",
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop"
] as const

/** A keep-alive (`ping`), or an event that is newer than these types. */
export const OtherEvent = open({ type: otherType(["ping"], eventTypes) })

/** @see {@link OtherEvent:var} */
export interface OtherEvent extends TypeOf<typeof OtherEvent> {}

/**
 * An event of a streamed answer. Events of other types are kept unchanged.
 */
export type Event =
  | MessageStart
  | ContentBlockStart
  | ContentBlockDelta
  | ContentBlockStop
  | MessageDelta
  | MessageStop
  | OtherEvent

/** @see {@link Event:type} */
export const Event: Schema.Codec<Event, unknown> = Schema.Union([
  MessageStart,
  ContentBlockStart,
  ContentBlockDelta,
  ContentBlockStop,
  MessageDelta,
  MessageStop,
  OtherEvent
])

/**
 * The part of the Messages API that files need.
 */
export class Messages extends Context.Service<Messages, {
  /**
   * Sends a message and waits for the whole answer, for at most ten times the client's `idleTimeout`. Stream longer
   * answers instead.
   */
  readonly create: (request: Request, options?: MessageCallOptions) => Effect.Effect<Message, MessageError>
  /**
   * Sends a message and streams the answer as it is written. The stream ends after `message_stop`, and fails if the
   * connection breaks or stalls before that. An `error` event fails it like an answer with the error type's status.
   */
  readonly stream: (request: Request, options?: MessageCallOptions) => Stream.Stream<Event, StreamMessageError>
}>()("effect-anthropic-files/Messages") {}

const decodeMessage = decodeJson(Message)

const betasOf = ({ settings }: Connection): string | undefined => settings.headers["anthropic-beta"]

const documentedEvents: ReadonlySet<string> = new Set(eventTypes)

/**
 * A client over the `HttpClient` in the context.
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Messages["Service"], InvalidConfig, HttpClient.HttpClient> {
  const connection = yield* connect(options)

  /** Checks a request and encodes it. */
  const prepare = Effect.fnUntraced(function*(
    operation: Operation,
    request: Request,
    stream: true | undefined,
    options: MessageCallOptions | undefined
  ) {
    yield* checkRequest(operation, request)
    yield* warnWithoutCodeExecution([request])
    const called = yield* Effect.fromResult(withCallOptions(connection, operation, options))
    const { settings } = called
    const body = yield* Effect.mapError(
      HttpBody.json({ ...request, stream }),
      () => invalidRequest(operation, "request", "The request contains a value that JSON can't express.")
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
    return { connection: called, subject, request: { subject, method: "POST", path: "/v1/messages", body } } as const
  })

  const create = operation(
    "createMessage",
    connection.settings.baseUrl,
    Effect.fnUntraced(function*(
      fiber: AnyFiber,
      request: Request,
      options?: MessageCallOptions
    ): Effect.fn.Return<Message, FilesError> {
      const prepared = yield* prepare("createMessage", request, undefined, options)
      sending(fiber, request, { stream: false, betas: betasOf(prepared.connection) })
      const message = yield* call(prepared.connection, {
        ...prepared.request,
        read: (answer, subject) => decodeMessage(subject, answer)
      })
      received(fiber, request.model, message, prepared.subject.scrub)
      return message
    })
  )

  const observed = observeStream("streamMessage", connection.settings.baseUrl)

  const stream = (request: Request, options?: MessageCallOptions): Stream.Stream<Event, StreamMessageError> =>
    observed(
      Stream.unwrap(Effect.gen(function*() {
        const fiber = yield* Effect.withFiber(Effect.succeed)
        const { connection, subject, request: prepared } = yield* prepare("streamMessage", request, true, options)
        sending(fiber, request, { stream: true, betas: betasOf(connection) })
        const learn = follow(fiber, request.model, subject.scrub)
        const answer = yield* send(connection, {
          ...prepared,
          headers: { accept: "text/event-stream", "accept-encoding": "identity" }
        })
        return decodeEvents({
          subject,
          response: answer.response,
          bytes: content(subject, answer),
          schema: Event,
          documented: documentedEvents,
          isLast: ({ type }) => type === "message_stop"
        }).pipe(Stream.map((event) => {
          learn(event)
          return event
        }))
      })).pipe(Stream.mapError(toOperationError("streamMessage")))
    )

  return Messages.of({ create, stream })
})

/**
 * The text of an answer: its text blocks, joined.
 */
export const text = (message: Message): string =>
  message.content.map((block) => block.type === "text" ? block.text : "").join("")

/**
 * All citations of an answer, in order.
 */
export const citations = (message: Message): ReadonlyArray<Citation> =>
  message.content.flatMap((block) => block.type === "text" ? block.citations ?? [] : [])

/**
 * The text of a streamed answer, piece by piece as it arrives.
 */
export const textStream = <E, R>(events: Stream.Stream<Event, E, R>): Stream.Stream<string, E, R> =>
  events.pipe(
    Stream.map((event) =>
      event.type === "content_block_delta" && event.delta.type === "text_delta" ? event.delta.text : ""
    ),
    Stream.filter((piece) => piece !== "")
  )

type Fields = Record<string, unknown>

const decodeFinal = Schema.decodeUnknownExit(Message)
const encodeStart = Schema.encodeSync(Message)

const append = (block: Fields, field: string, piece: unknown): void => {
  if (Predicate.isString(piece)) block[field] = `${Predicate.isString(block[field]) ? block[field] : ""}${piece}`
}

/** A message that is put together from the events of its stream. */
const makeDraft = () => {
  let message: Fields | undefined
  let problem: string | undefined
  const blocks: Array<Fields> = []
  /** The inputs of tool calls, as the JSON received so far. */
  const inputs = new Map<Fields, string>()

  const addDelta = ({ delta, index }: ContentBlockDelta): void => {
    const block = blocks[index]
    if (block === undefined) {
      problem ??= `a delta for block ${index}, which has not begun`
      return
    }
    switch (delta.type) {
      case "text_delta":
        return append(block, "text", delta.text)
      case "citations_delta":
        block.citations = [...(Array.isArray(block.citations) ? block.citations : []), delta.citation]
        return
      case "input_json_delta":
        inputs.set(block, (inputs.get(block) ?? "") + delta.partial_json)
        return
      case "thinking_delta":
        return append(block, "thinking", delta.thinking)
      case "signature_delta":
        return append(block, "signature", delta.signature)
    }
  }

  const addEnd = ({ delta, usage }: MessageDelta): void => {
    if (message === undefined) return
    const known = Object.entries(usage).filter(([, tokens]) => tokens !== null)
    Object.assign(message, delta, {
      usage: { ...(Predicate.isObject(message.usage) ? message.usage : {}), ...Object.fromEntries(known) }
    })
  }

  const add = (event: Event): void => {
    switch (event.type) {
      case "message_start":
        message = { ...encodeStart(event.message) }
        return
      case "content_block_start":
        blocks[event.index] = { ...event.content_block }
        return
      case "content_block_delta":
        return addDelta(event)
      case "message_delta":
        return addEnd(event)
    }
  }

  const finish = (): Effect.Effect<Message, RequestFailed> => {
    for (const [block, json] of inputs) {
      // Without arguments there is nothing but empty pieces. If max_tokens cut the input off, it is kept as text.
      if (json !== "") block.input = Option.getOrElse(parseJson(json), () => json)
    }
    if (message === undefined) problem = "no message_start"
    const decoded = decodeFinal({ ...message, content: blocks })
    if (problem === undefined && Exit.isSuccess(decoded)) return Effect.succeed(decoded.value)
    const why = problem ?? (Exit.isFailure(decoded) ? issueOf(decoded) : "")
    return Effect.fail(
      new RequestFailed({
        operation: "streamMessage",
        reason: new UnexpectedResponse({
          message: `The events don't add up to a message: ${why}.`,
          isRetryable: true
        })
      })
    )
  }

  return { add, finish }
}

/**
 * Runs a streamed answer to the end and returns the message that it adds up to, which is what {@link create} would
 * return. To see the events as they arrive, put a `Stream.tap` before it.
 */
export const collect = <E, R>(
  events: Stream.Stream<Event, E, R>
): Effect.Effect<Message, E | RequestFailed, R> =>
  Effect.suspend(() => {
    const draft = makeDraft()
    const added = Stream.runForEach(events, (event) => Effect.sync(() => draft.add(event)))
    return Effect.andThen(added, Effect.suspend(draft.finish))
  })

const isFileId = Schema.is(FileId)

/** Blocks whose file ids belong to files that were given, cited or fetched, not made. */
const givenTypes = /^(text|thinking|redacted_thinking|container_upload|(.+_)?tool_use|web_.*_tool_result)$/

/** Fields in which a block refers to its inputs. */
const givenFields: ReadonlySet<string> = new Set(["source", "citations", "input"])

/**
 * The ids of all files that code execution generated, without duplicates, in the order in which they were made. A failed
 * execution generates none.
 *
 * Blocks that are newer than this client count too: any file id counts, except in places that are known to refer to
 * files that were given.
 */
export const outputs = (message: Message): ReadonlyArray<FileId> => {
  const ids = new Set<FileId>()
  const walk = (value: unknown, isGiven: boolean, depth = 0): void => {
    // Documented results nest twice.
    if (depth > 16) return
    if (Array.isArray(value)) return value.forEach((entry) => walk(entry, isGiven, depth + 1))
    if (!Predicate.isObject(value)) return
    const isOutput = !isGiven
      || (Predicate.hasProperty(value, "type") && Predicate.isString(value.type) && value.type.endsWith("_output"))
    for (const [name, field] of Object.entries(value)) {
      if (name === "file_id" && isOutput && isFileId(field)) ids.add(field)
      else if (!givenFields.has(name)) walk(field, isGiven, depth + 1)
    }
  }
  for (const block of message.content) walk(block, givenTypes.test(block.type))
  return Array.from(ids)
}

/**
 * A generated file.
 */
export interface Output {
  readonly file: FileMetadata
  /** Downloaded when it is run. */
  readonly content: Stream.Stream<Uint8Array, DownloadError>
}

/**
 * All files that code execution generated, one after another, each with its metadata and its content.
 */
export const downloads = (message: Message): Stream.Stream<Output, MetadataError, Files> =>
  Stream.unwrap(Effect.map(Files, (files) =>
    Stream.fromIterable(outputs(message)).pipe(
      Stream.mapEffect((id) => files.metadata(id)),
      Stream.map((file): Output => ({ file, content: files.download(file.id) }))
    )))

/**
 * The service from options. It needs an `HttpClient`; a policy Layer over that client applies to the service.
 */
export const layer = (options: Options): Layer.Layer<Messages, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(Messages, make(options))

/**
 * The service over the `Credentials` in the context: a profile, workload identity, a platform.
 */
export const layerCredentials = (
  options: ClientOptions = {}
): Layer.Layer<Messages, InvalidConfig, HttpClient.HttpClient | Credentials> =>
  Layers.layerCredentials({ tag: Messages, make }, options)

/**
 * The service from the environment, as for `Files.layerConfig`.
 */
export const layerConfig = (options: Options = {}): Layer.Layer<Messages, InvalidConfig, HttpClient.HttpClient> =>
  Layers.layerConfig({ tag: Messages, make }, options)

/** {@link Messages.create} of the service in the context. */
export const create: (
  request: Request,
  options?: MessageCallOptions
) => Effect.Effect<Message, MessageError, Messages> = Accessor.effect(Messages, "Messages.create")(({ create }) =>
  create
)

/** {@link Messages.stream} of the service in the context. */
export const stream: (
  request: Request,
  options?: MessageCallOptions
) => Stream.Stream<Event, StreamMessageError, Messages> = Accessor.stream(Messages, "Messages.stream")(
  ({ stream }) => stream
)
