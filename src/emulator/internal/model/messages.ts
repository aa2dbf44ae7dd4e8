/**
 * The faked model: what the emulator answers when it is asked about files. References are checked as the service checks
 * them, and the answer says what was given, marked as the emulator's own.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { FileId } from "../../../FileMetadata.ts"
import { type FileRecord, Store, type StoreFailed } from "../../Store.ts"
import { RequestContext } from "../context.ts"
import { timestamp } from "../files/operations.ts"
import { type ApiError, fileExpired, fileNotFound, invalidRequest } from "../http/apiError.ts"
import * as Random from "../random.ts"
import * as Csv from "./csv.ts"
import * as Pdf from "./pdf.ts"

/** The start of every text the emulator makes up. */
export const marker = "[emulator]"

type Json = Readonly<Record<string, unknown>>

/** A block that cites, with where it was found. */
export interface Citation {
  readonly type: "char_location" | "page_location"
  readonly cited_text: string
  readonly document_index: number
  readonly document_title: string | null
  readonly file_id: string | null
  readonly start_char_index?: number
  readonly end_char_index?: number
  readonly start_page_number?: number
  readonly end_page_number?: number
}

/** A block of the answer. */
export type Block =
  | { readonly type: "text"; readonly text: string; readonly citations: ReadonlyArray<Citation> | null }
  | {
    readonly type: "server_tool_use"
    readonly id: string
    readonly name: string
    readonly input: Json
    readonly caller: { readonly type: "direct" }
  }
  | {
    readonly type: "bash_code_execution_tool_result" | "code_execution_tool_result"
    readonly tool_use_id: string
    readonly content: Json
  }

/** The answer to `POST /v1/messages`. */
export interface Message {
  readonly id: string
  readonly type: "message"
  readonly role: "assistant"
  readonly model: string
  readonly content: ReadonlyArray<Block>
  readonly container: { readonly id: string; readonly expires_at: string; readonly skills: null } | null
  readonly stop_reason: "end_turn"
  readonly stop_sequence: null
  readonly usage: {
    readonly input_tokens: number
    readonly output_tokens: number
    readonly cache_creation_input_tokens: number
    readonly cache_read_input_tokens: number
    readonly service_tier: "standard" | "batch"
  }
}

interface Attachment {
  readonly kind: "document" | "image" | "container"
  readonly file: FileRecord
  readonly documentIndex: number
  readonly title: string | null
  readonly citations: boolean
}

interface Request {
  readonly model: string
  readonly stream: boolean
  readonly question: string
  readonly characters: number
  readonly attachments: ReadonlyArray<Attachment>
  /** The type of the code execution tool, if there is one. */
  readonly codeExecution: string | undefined
  readonly container: string | undefined
}

const documentTypes = new Set(["application/pdf", "text/plain"])
const imageTypes = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"])

const objects = (value: unknown): ReadonlyArray<Json> =>
  Array.isArray(value) ? value.filter((item): item is Json => Predicate.isObject(item)) : []

const resolve = Effect.fnUntraced(function*(id: unknown, where: string): Effect.fn.Return<
  FileRecord,
  ApiError,
  RequestContext | Store
> {
  if (typeof id !== "string") return yield* invalidRequest(`${where}.file_id: Field required`)
  const context = yield* RequestContext
  const store = yield* Store
  const file = yield* store.get(id)
  if (file === undefined || file.workspace !== context.workspace) return yield* fileNotFound(id)
  if (file.expired) return yield* fileExpired(id)
  return file
})

const isFileSource = (block: Json): boolean => Predicate.isObject(block.source) && block.source.type === "file"

const sourceId = (block: Json): unknown => Predicate.isObject(block.source) ? block.source.file_id : undefined

/** The references of a list of blocks, those inside tool results included. */
const references = Effect.fnUntraced(function*(
  blocks: ReadonlyArray<Json>,
  where: string,
  found: { documents: number; attachments: Array<Attachment> }
): Effect.fn.Return<void, ApiError, RequestContext | Store> {
  for (const [i, block] of blocks.entries()) {
    const at = `${where}.${i}`
    switch (block.type) {
      case "document": {
        const documentIndex = found.documents++
        if (!isFileSource(block)) break
        const file = yield* resolve(sourceId(block), `${at}.document.source.file`)
        if (!documentTypes.has(file.mimeType)) {
          return yield* invalidRequest(
            `${at}.document.source.file: The file type ${file.mimeType} of ${file.id} is not supported in a document `
              + "block. Use application/pdf or text/plain."
          )
        }
        found.attachments.push({
          kind: "document",
          file,
          documentIndex,
          title: typeof block.title === "string" ? block.title : null,
          citations: Predicate.isObject(block.citations) && block.citations.enabled === true
        })
        break
      }
      case "image": {
        if (!isFileSource(block)) break
        const file = yield* resolve(sourceId(block), `${at}.image.source.file`)
        if (!imageTypes.has(file.mimeType)) {
          return yield* invalidRequest(
            `${at}.image.source.file: The file type ${file.mimeType} of ${file.id} is not supported in an image block. `
              + "Use image/jpeg, image/png, image/gif or image/webp."
          )
        }
        found.attachments.push({ kind: "image", file, documentIndex: 0, title: null, citations: false })
        break
      }
      case "container_upload": {
        const file = yield* resolve(block.file_id, `${at}.container_upload`)
        found.attachments.push({ kind: "container", file, documentIndex: 0, title: null, citations: false })
        break
      }
      case "tool_result":
        yield* references(objects(block.content), `${at}.tool_result.content`, found)
    }
  }
})

const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : objects(content).map((block) => typeof block.text === "string" ? block.text : "").filter((text) => text !== "")
      .join("\n")

/** Checks a request body, and every file it refers to. */
const parse = Effect.fnUntraced(function*(body: unknown): Effect.fn.Return<Request, ApiError, RequestContext | Store> {
  if (!Predicate.isObject(body) || Array.isArray(body)) {
    return yield* invalidRequest("The request body is not a valid JSON object")
  }
  const request: Json = body
  if (typeof request.model !== "string" || request.model === "") return yield* invalidRequest("model: Field required")
  if (request.max_tokens === undefined) return yield* invalidRequest("max_tokens: Field required")
  if (!Number.isInteger(request.max_tokens) || Number(request.max_tokens) < 1) {
    return yield* invalidRequest("max_tokens: Input should be an integer greater than or equal to 1")
  }
  if (!Array.isArray(request.messages)) return yield* invalidRequest("messages: Field required")
  if (request.messages.length === 0) return yield* invalidRequest("messages: at least one message is required")
  const found: { documents: number; attachments: Array<Attachment> } = { documents: 0, attachments: [] }
  let question = ""
  let characters = textOf(request.system).length
  for (const [i, message] of request.messages.entries()) {
    if (!Predicate.isObject(message)) return yield* invalidRequest(`messages.${i}: Input should be an object`)
    const { content, role } = message as Json
    if (role !== "user" && role !== "assistant" && role !== "system") {
      return yield* invalidRequest(`messages.${i}.role: Input should be 'user' or 'assistant'`)
    }
    if (typeof content !== "string" && !Array.isArray(content)) {
      return yield* invalidRequest(`messages.${i}.content: Field required`)
    }
    yield* references(objects(content), `messages.${i}.content`, found)
    const text = textOf(content)
    characters += text.length
    if (role === "user" && text !== "") question = text
  }
  const tool = objects(request.tools).find((entry) =>
    typeof entry.type === "string" && entry.type.startsWith("code_execution_")
  )
  const container = Predicate.isObject(request.container) ? (request.container as Json).id : request.container
  return {
    model: request.model,
    stream: request.stream === true,
    question,
    characters,
    attachments: found.attachments,
    codeExecution: typeof tool?.type === "string" ? tool.type : undefined,
    container: typeof container === "string" ? container : undefined
  }
})

/** At most this much of a file is read to find something to cite or to add up. */
const maxReadBytes = 16 * 1024 * 1024

const readBytes = Effect.fnUntraced(function*(file: FileRecord): Effect.fn.Return<
  Uint8Array,
  StoreFailed,
  Store | Scope.Scope
> {
  const store = yield* Store
  const chunks: Array<Uint8Array> = []
  let size = 0
  const content = yield* store.read(file)
  yield* content.pipe(
    Stream.takeWhile(() => size < maxReadBytes),
    Stream.runForEach((chunk) =>
      Effect.sync(() => {
        chunks.push(chunk)
        size += chunk.byteLength
      })
    )
  )
  const out = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    out.set(chunk, offset)
    offset += chunk.byteLength
  }
  return out
})

const words = (text: string): ReadonlyArray<string> => text.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? []

const overlap = (text: string, asked: ReadonlySet<string>): number =>
  new Set(words(text).filter((word) => asked.has(word))).size

/** Ends at a full stop before a blank, and at a line end unless the next line goes on in lower case. */
const sentence = /(?:[^.!?\n]|[.!?](?!\s|$)|\n(?=\p{Ll}))+(?:[.!?](?=\s|$))?/gu

/** The sentence that shares the most words with the question; the first one when none does. */
const passage = (text: string, question: string): { readonly start: number; readonly end: number } => {
  const asked = new Set(words(question))
  let best = { start: 0, end: 0 }
  let bestScore = -1
  for (const match of text.matchAll(sentence)) {
    const found = match[0].trim()
    if (found === "") continue
    const score = overlap(found, asked)
    if (score <= bestScore) continue
    const start = match.index + match[0].indexOf(found)
    best = { start, end: start + found.length }
    bestScore = score
  }
  return best
}

const cite = Effect.fnUntraced(function*(attachment: Attachment, question: string): Effect.fn.Return<
  Citation,
  StoreFailed,
  Store | Scope.Scope
> {
  const { file } = attachment
  const common = {
    document_index: attachment.documentIndex,
    document_title: attachment.title ?? file.filename,
    file_id: file.id
  }
  const bytes = yield* readBytes(file)
  if (file.mimeType === "application/pdf") {
    const pages = yield* Pdf.pages(bytes)
    const asked = new Set(words(question))
    let best = { page: 0, cited: "" }
    for (const [page, text] of pages.entries()) {
      const { end, start } = passage(text, question)
      const cited = text.slice(start, end).replace(/\s+/g, " ")
      if (best.cited === "" || overlap(cited, asked) > overlap(best.cited, asked)) best = { page, cited }
    }
    return {
      type: "page_location",
      cited_text: best.cited === "" ? `${marker} page 1 of ${file.filename}` : best.cited,
      ...common,
      start_page_number: best.page + 1,
      // The end is exclusive, as in the service's own answers.
      end_page_number: best.page + 2
    }
  }
  const text = new TextDecoder().decode(bytes)
  const { end, start } = passage(text, question)
  return {
    type: "char_location",
    cited_text: text.slice(start, end),
    ...common,
    start_char_index: start,
    end_char_index: end
  }
})

const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ",")

const described = ({ file, title }: Attachment): string =>
  `${title === null ? "" : `"${title}", `}${file.filename} (${file.mimeType}, ${count(file.size)} bytes)`

const list = (attachments: ReadonlyArray<Attachment>): string => attachments.map(described).join("; ")

const plural = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`

const introduction = (request: Request): string => {
  const of = (kind: Attachment["kind"]) => request.attachments.filter((attachment) => attachment.kind === kind)
  const documents = of("document")
  const images = of("image")
  const uploads = of("container")
  const given = [
    ...(documents.length === 0 ? [] : [`${plural(documents.length, "document")}: ${list(documents)}`]),
    ...(images.length === 0 ? [] : [`${plural(images.length, "image")}: ${list(images)}`]),
    ...(uploads.length === 0 ? [] : [`${plural(uploads.length, "container file")}: ${list(uploads)}`])
  ]
  const asked = request.question === ""
    ? "Nothing was asked."
    : `The question was: ${request.question.length > 500 ? `${request.question.slice(0, 500)}…` : request.question}`
  return `${marker} No model read this. I was given ${given.length === 0 ? "no files" : given.join(", and ")}. ${asked}`
}

const text = (value: string, citations: ReadonlyArray<Citation> | null = null): Block => ({
  type: "text",
  text: value,
  citations
})

const baseName = (filename: string): string => filename.replace(/\.[^.]*$/, "")

const store = Effect.fnUntraced(function*(filename: string, mimeType: string, content: string): Effect.fn.Return<
  FileRecord,
  StoreFailed,
  RequestContext | Store | Scope.Scope
> {
  const context = yield* RequestContext
  const store = yield* Store
  const staging = yield* store.stage
  yield* staging.write(new TextEncoder().encode(content))
  return yield* staging.commit({
    id: FileId.make(yield* Random.identifier("file")),
    workspace: context.workspace,
    filename,
    mimeType,
    createdAt: context.now,
    expiresAt: null,
    downloadable: true,
    scope: null,
    countsForQuota: true,
    purpose: null
  })
})

interface Run {
  readonly stdout: string
  readonly generated: ReadonlyArray<FileRecord>
}

/** What the tool does with the files it was given: adds up tables, describes everything else. */
const execute = Effect.fnUntraced(function*(uploads: ReadonlyArray<FileRecord>): Effect.fn.Return<
  Run,
  StoreFailed,
  RequestContext | Store | Scope.Scope
> {
  const out: Array<string> = []
  const generated: Array<FileRecord> = []
  for (const file of uploads) {
    if (file.mimeType === "text/csv" || file.filename.toLowerCase().endsWith(".csv")) {
      const summary = Csv.summarize(new TextDecoder().decode(yield* readBytes(file)))
      const sums = summary.columns.filter((column) => column.numeric > 0)
      out.push(
        `${file.filename}: ${plural(summary.rows, "row")}, ${plural(summary.columns.length, "column")}`,
        ...sums.map((column) => `  sum of ${column.name}: ${Csv.number(column.sum)}`)
      )
      generated.push(yield* store(`${baseName(file.filename)}_summary.csv`, "text/csv", Csv.toCsv(summary)))
    } else {
      const line = `${file.filename}: ${file.mimeType}, ${count(file.size)} bytes`
      out.push(line)
      generated.push(yield* store(`${baseName(file.filename)}_summary.txt`, "text/plain", `${marker} ${line}\n`))
    }
  }
  return { stdout: out.map((line) => `${line}\n`).join(""), generated }
})

/** The result in the nesting of the tool's version: the first one had blocks of its own. */
const toolResult = (toolUseId: string, version: string, run: Run): Block => {
  const legacy = version === "code_execution_20250522"
  return {
    type: legacy ? "code_execution_tool_result" : "bash_code_execution_tool_result",
    tool_use_id: toolUseId,
    content: {
      type: legacy ? "code_execution_result" : "bash_code_execution_result",
      stdout: run.stdout,
      stderr: "",
      return_code: 0,
      content: run.generated.map((file) => ({
        type: legacy ? "code_execution_output" : "bash_code_execution_output",
        file_id: file.id
      }))
    }
  }
}

const toolUse = (id: string, version: string, uploads: ReadonlyArray<FileRecord>): Block => {
  const names = uploads.map((file) => file.filename)
  return version === "code_execution_20250522"
    ? {
      type: "server_tool_use",
      id,
      name: "code_execution",
      input: { code: `summarize(${JSON.stringify(names)})` },
      caller: { type: "direct" }
    }
    : {
      type: "server_tool_use",
      id,
      name: "bash_code_execution",
      input: { command: `summarize ${names.map((name) => JSON.stringify(name)).join(" ")}` },
      caller: { type: "direct" }
    }
}

/** Minutes that a container is kept, as the service documents. */
const containerMinutes = 30

/** Four characters to a token; a page of PDF and an image as much as the service says they cost about. */
const tokensOf = Effect.fnUntraced(function*(attachment: Attachment): Effect.fn.Return<
  number,
  StoreFailed,
  Store | Scope.Scope
> {
  if (attachment.kind === "container") return 0
  if (attachment.kind === "image") return 1600
  if (attachment.file.mimeType === "application/pdf") {
    return 1500 * (yield* Pdf.pageCount(yield* readBytes(attachment.file)))
  }
  return Math.ceil(attachment.file.size / 4)
})

/**
 * The answer to a message request; `body` is its parsed JSON. Fails as the service does when a file is unknown,
 * expired, of the wrong type for its block, or too large for the context window.
 */
export const create = Effect.fnUntraced(function*(
  body: unknown,
  serviceTier: "standard" | "batch" = "standard"
): Effect.fn.Return<Message, ApiError | StoreFailed, RequestContext | Store | Scope.Scope> {
  const context = yield* RequestContext
  const request = yield* parse(body)
  let input = Math.ceil(request.characters / 4) + 8
  for (const attachment of request.attachments) input += yield* tokensOf(attachment)
  if (input > context.limits.contextWindow) {
    return yield* invalidRequest(`prompt is too long: ${input} tokens > ${context.limits.contextWindow} maximum`)
  }

  const content: Array<Block> = [text(introduction(request))]
  for (const attachment of request.attachments) {
    if (!attachment.citations) continue
    const citation = yield* cite(attachment, request.question)
    content.push(text(`${marker} ${attachment.file.filename} says: ${citation.cited_text}`, [citation]))
  }

  const uploads = request.attachments.filter((attachment) => attachment.kind === "container").map(({ file }) => file)
  let container: Message["container"] = null
  // Without the tool the service ignores container files, and so does this.
  if (request.codeExecution !== undefined && uploads.length > 0) {
    const id = yield* Random.identifier("srvtoolu")
    const run = yield* execute(uploads)
    content.push(
      toolUse(id, request.codeExecution, uploads),
      toolResult(id, request.codeExecution, run),
      text(`${marker} Wrote ${run.generated.map((file) => file.filename).join(", ")}.`)
    )
    container = {
      id: request.container ?? (yield* Random.identifier("container")),
      expires_at: timestamp(context.now + containerMinutes * 60 * 1000),
      skills: null
    }
  }

  return {
    id: yield* Random.identifier("msg"),
    type: "message",
    role: "assistant",
    model: request.model,
    content,
    container,
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: {
      input_tokens: input,
      output_tokens: Math.ceil(JSON.stringify(content).length / 4),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      service_tier: serviceTier
    }
  }
})

/** Whether the client wants the answer as events. */
export const wantsStream = (body: unknown): boolean => Predicate.isObject(body) && (body as Json).stream === true

/** The events of a streamed answer, in the service's order. */
export const events = (message: Message): ReadonlyArray<{ readonly type: string }> => {
  const out: Array<{ readonly type: string; readonly [key: string]: unknown }> = [
    {
      type: "message_start",
      message: { ...message, content: [], stop_reason: null, usage: { ...message.usage, output_tokens: 1 } }
    },
    { type: "ping" }
  ]
  for (const [index, block] of message.content.entries()) {
    const delta = (delta: Json) => out.push({ type: "content_block_delta", index, delta })
    switch (block.type) {
      case "text": {
        out.push({
          type: "content_block_start",
          index,
          content_block: { type: "text", text: "", citations: block.citations === null ? null : [] }
        })
        for (const citation of block.citations ?? []) delta({ type: "citations_delta", citation })
        for (const piece of block.text.match(/[^]{1,40}/gu) ?? []) delta({ type: "text_delta", text: piece })
        break
      }
      case "server_tool_use": {
        out.push({ type: "content_block_start", index, content_block: { ...block, input: {} } })
        delta({ type: "input_json_delta", partial_json: JSON.stringify(block.input) })
        break
      }
      default:
        out.push({ type: "content_block_start", index, content_block: block })
    }
    out.push({ type: "content_block_stop", index })
  }
  out.push(
    {
      type: "message_delta",
      delta: { stop_reason: message.stop_reason, stop_sequence: null, container: message.container },
      usage: message.usage
    },
    { type: "message_stop" }
  )
  return out
}

const hasFileSource = (blocks: ReadonlyArray<Json>): boolean =>
  blocks.some((block) =>
    isFileSource(block) || block.type === "container_upload" || hasFileSource(objects(block.content))
  )

/** Counts tokens, and refuses file sources as the service does. */
export const countTokens = Effect.fnUntraced(function*(body: unknown): Effect.fn.Return<
  { readonly input_tokens: number },
  ApiError
> {
  if (!Predicate.isObject(body)) return yield* invalidRequest("The request body is not a valid JSON object")
  const request: Json = body
  if (typeof request.model !== "string") return yield* invalidRequest("model: Field required")
  if (!Array.isArray(request.messages)) return yield* invalidRequest("messages: Field required")
  let characters = textOf(request.system).length
  for (const message of objects(request.messages)) {
    if (hasFileSource(objects(message.content))) {
      return yield* invalidRequest("File sources are not supported in the token counting endpoint")
    }
    characters += textOf(message.content).length
  }
  return { input_tokens: Math.ceil(characters / 4) + 8 }
})
