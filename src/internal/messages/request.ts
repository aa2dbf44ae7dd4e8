/**
 * The types of a message request, and the check before it is sent.
 *
 * The types name every field that the API documents, so that a misspelt one does not compile. The check is lenient: it
 * covers only what this client relies on and leaves the rest to the service, which may know more.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { CacheControl, FileSource } from "../../ContentBlock.ts"
import type { FileMetadata } from "../../FileMetadata.ts"
import { InvalidFileType, type Operation, type RequestFailed } from "../../FilesError.ts"
import { invalidRequest } from "../request/errors.ts"
import { excerpt, printable } from "../text.ts"
import { essence } from "../wire/mimeType.ts"
import { issueOf, open } from "../wire/schemas.ts"
import { conversionOf } from "./blockTypes.ts"

/** Fields that every block of a request may have. */
interface Cacheable {
  readonly cache_control?: CacheControl | null | undefined
}

/** Whether answers cite a document or a search result. */
export interface CitationsConfig {
  /** @default false */
  readonly enabled?: boolean | undefined
}

/** A text. */
export interface TextParam extends Cacheable {
  readonly type: "text"
  readonly text: string
  readonly citations?: ReadonlyArray<object> | null | undefined
}

/** A source of an image or a document that is not an uploaded file. */
export type OtherSource =
  | { readonly type: "base64"; readonly media_type: string; readonly data: string }
  | { readonly type: "url"; readonly url: string }
  | { readonly type: "text"; readonly media_type: "text/plain"; readonly data: string }
  | { readonly type: "content"; readonly content: string | ReadonlyArray<BlockParam> }

/** An uploaded file as a source. `ContentBlock` makes blocks with it. */
export interface FileSourceParam {
  readonly type: FileSource["type"]
  readonly file_id: string
}

/** An image. */
export interface ImageParam extends Cacheable {
  readonly type: "image"
  readonly source: FileSourceParam | Exclude<OtherSource, { readonly type: "text" | "content" }>
  readonly transformations?: { readonly oversized_image?: "downsize" | "error" | undefined } | null | undefined
}

/** A PDF or plain text. */
export interface DocumentParam extends Cacheable {
  readonly type: "document"
  readonly source: FileSourceParam | OtherSource
  readonly title?: string | null | undefined
  readonly context?: string | null | undefined
  readonly citations?: CitationsConfig | null | undefined
}

/** A file for the container of the code execution tool. */
export interface ContainerUploadParam extends Cacheable {
  readonly type: "container_upload"
  readonly file_id: string
}

/** A search result that the caller found. */
export interface SearchResultParam extends Cacheable {
  readonly type: "search_result"
  readonly source: string
  readonly title: string
  readonly content: ReadonlyArray<TextParam>
  readonly citations?: CitationsConfig | undefined
}

/** The result of one of the caller's tools. */
export interface ToolResultParam extends Cacheable {
  readonly type: "tool_result"
  readonly tool_use_id: string
  readonly content?: string | ReadonlyArray<BlockParam | ToolContentParam> | undefined
  readonly is_error?: boolean | undefined
  readonly toolset_name?: string | null | undefined
}

/** Blocks that are allowed only in a tool's result. */
export type ToolContentParam =
  | ({ readonly type: "tool_reference"; readonly tool_name: string } & Cacheable)
  | ({ readonly type: "browser_state" } & Cacheable)

/** The model's thoughts, sent back unchanged. */
export interface ThinkingParam {
  readonly type: "thinking"
  readonly thinking: string
  readonly signature?: string | undefined
}

/** Thoughts that the service keeps encrypted, sent back unchanged. */
export interface RedactedThinkingParam {
  readonly type: "redacted_thinking"
  readonly data: string
}

/** The model's tool call, sent back unchanged. */
export interface ToolUseParam extends Cacheable {
  readonly type: "tool_use" | "server_tool_use" | "mcp_tool_use"
  readonly id: string
  readonly name: string
  readonly input: unknown
  readonly caller?: object | undefined
  readonly toolset_name?: string | null | undefined
}

/** The result of one of the service's tools, sent back unchanged. */
export interface ServerToolResultParam extends Cacheable {
  readonly type:
    | "web_search_tool_result"
    | "web_fetch_tool_result"
    | "code_execution_tool_result"
    | "bash_code_execution_tool_result"
    | "text_editor_code_execution_tool_result"
    | "tool_search_tool_result"
    | "mcp_tool_result"
  readonly tool_use_id: string
  readonly content: unknown
  readonly caller?: object | undefined
}

/**
 * A block of a request: a file, or any other that the API documents. `Messages.customBlock` makes blocks that are newer
 * than these types.
 */
export type BlockParam =
  | TextParam
  | ImageParam
  | DocumentParam
  | ContainerUploadParam
  | SearchResultParam
  | ToolResultParam
  | ThinkingParam
  | RedactedThinkingParam
  | ToolUseParam
  | ServerToolResultParam

/**
 * One turn of a request.
 */
export interface MessageParam {
  readonly role: "user" | "assistant" | "system"
  readonly content: string | ReadonlyArray<BlockParam>
}

/** The container of an earlier answer, or the skills of a new one. */
export interface ContainerParam {
  readonly id?: string | null | undefined
  readonly skills?: ReadonlyArray<object> | null | undefined
}

/**
 * A request without its messages. `Messages.extend` adds fields that are newer than this type.
 */
export interface Params {
  /** The model's id, for example `claude-sonnet-5-5`. */
  readonly model: string
  /** The most tokens that the answer may have. */
  readonly max_tokens: number
  readonly system?: string | ReadonlyArray<TextParam> | undefined
  /** The caller's tools, and the service's: for example `{ type: "code_execution_20250825", name: "code_execution" }`. */
  readonly tools?: ReadonlyArray<object> | undefined
  readonly tool_choice?: {
    readonly type: "auto" | "any" | "tool" | "none"
    readonly name?: string | undefined
    readonly disable_parallel_tool_use?: boolean | undefined
  } | undefined
  readonly thinking?: {
    readonly type: "enabled" | "disabled" | "adaptive" | "between_tools"
    readonly budget_tokens?: number | undefined
    readonly display?: "summarized" | "omitted" | null | undefined
  } | undefined
  /** The container to run code in: the id of an answer's `container`, or skills. */
  readonly container?: string | ContainerParam | null | undefined
  readonly temperature?: number | undefined
  readonly top_k?: number | undefined
  readonly top_p?: number | undefined
  readonly stop_sequences?: ReadonlyArray<string> | undefined
  readonly metadata?: { readonly user_id?: string | null | undefined } | undefined
  readonly output_config?: {
    readonly effort?: "low" | "medium" | "high" | "xhigh" | "max" | null | undefined
    readonly format?: object | null | undefined
  } | undefined
  readonly service_tier?: "auto" | "standard_only" | undefined
  readonly speed?: "standard" | "fast" | null | undefined
  readonly inference_geo?: string | null | undefined
  readonly diagnostics?: { readonly previous_message_id?: string | null | undefined } | null | undefined
  /** Caches the request up to its last cacheable block. */
  readonly cache_control?: CacheControl | null | undefined
}

/**
 * A request. `Messages.extend` adds fields that are newer than this type.
 */
export interface Request extends Params {
  /** At least one turn. */
  readonly messages: ReadonlyArray<MessageParam>
}

const isNonEmpty = (value: unknown): boolean => Predicate.isString(value) && value !== ""

/** The path of a missing file id or source in a block. */
const missingFile = (block: object): ReadonlyArray<string> | undefined => {
  const { file_id, source, type }: { file_id?: unknown; source?: unknown; type?: unknown } = block
  if (type === "container_upload") return isNonEmpty(file_id) ? undefined : ["file_id"]
  if (type !== "document" && type !== "image") return undefined
  if (!Predicate.isObject(source)) return ["source"]
  return Predicate.hasProperty(source, "type") && source.type === "file"
      && !(Predicate.hasProperty(source, "file_id") && isNonEmpty(source.file_id))
    ? ["source", "file_id"]
    : undefined
}

const Block = open({ type: Schema.NonEmptyString }).check(
  Schema.makeFilter((block) => {
    const path = missingFile(block)
    return path === undefined ? undefined : { path, issue: path.at(-1) === "source" ? "Missing" : "Missing file id" }
  })
)

const RequestCheck = open({
  model: Schema.NonEmptyString,
  max_tokens: Schema.Natural,
  tools: Schema.optional(Schema.Array(Schema.ObjectKeyword)),
  messages: Schema.NonEmptyArray(open({
    role: Schema.Literals(["user", "assistant", "system"]),
    content: Schema.Union([Schema.String, Schema.Array(Block)])
  }))
})

const check = Schema.decodeUnknownExit(RequestCheck)

/**
 * Refuses an invalid request before it is sent. `where` names the request, if there are several.
 */
export const checkRequest = (
  operation: Operation,
  request: unknown,
  where: "The request" | `The request ${string}` = "The request"
): Effect.Effect<void, RequestFailed> => {
  const checked = check(request)
  if (Exit.isSuccess(checked)) return Effect.void
  const option = where === "The request" ? "request" : "requests"
  return Effect.fail(
    invalidRequest(operation, option, `${where} is not one that the API accepts: ${excerpt(issueOf(checked))}.`)
  )
}

/** The ids of all files that a request refers to, at any depth. */
export const fileIdsOf = (value: unknown): ReadonlyArray<string> => {
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

/** The code execution tool, as shown in error messages. */
const codeExecutionTool = "{ type: \"code_execution_20250825\", name: \"code_execution\" }"

const isCodeExecution = (tool: object): boolean =>
  (Predicate.hasProperty(tool, "type") && Predicate.isString(tool.type) && tool.type.startsWith("code_execution"))
  || (Predicate.hasProperty(tool, "name") && tool.name === "code_execution")

/** Whether a request has the tool without which the service ignores `container_upload` blocks. */
export const hasCodeExecution = ({ tools }: Pick<Params, "tools">): boolean => (tools ?? []).some(isCodeExecution)

/** The error for a file that only the code execution tool can read, in a request without that tool. */
export const needsCodeExecution = ({ filename, id, mime_type }: FileMetadata): InvalidFileType =>
  new InvalidFileType({
    operation: "contentBlock",
    message: `${printable(filename)} (${id}) is ${mime_type || "of unknown type"}, which only the code execution tool `
      + `can read: ${conversionOf(essence(mime_type))}, or add ${codeExecutionTool} to the request's tools.`,
    mimeType: mime_type,
    fileId: id
  })

const uploadsToContainer = ({ messages }: Request): boolean =>
  messages.some(({ content }) =>
    !Predicate.isString(content) && content.some((block) => block.type === "container_upload")
  )

/**
 * Warns about a `container_upload` block in a request without the code execution tool: the service ignores the file
 * without saying so.
 */
export const warnWithoutCodeExecution = (requests: ReadonlyArray<Request>): Effect.Effect<void> =>
  requests.some((request) => !hasCodeExecution(request) && uploadsToContainer(request))
    ? Effect.logWarning(
      "A message has a container_upload block but no code execution tool, so the service ignores the file: "
        + `add ${codeExecutionTool} to tools.`
    )
    : Effect.void
