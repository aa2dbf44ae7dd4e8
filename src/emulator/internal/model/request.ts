/**
 * Reads a message request, and refuses what the service refuses. Files are not looked up here.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { type ApiError, invalidRequest, notFound } from "../http/apiError.ts"
import { type Json, object, objects, string, textOf } from "./json.ts"

/** A document, an image, or a file for the container that a block refers to or contains. */
export interface Reference {
  readonly kind: "document" | "image" | "container"
  /** Its place: `messages.0.content.1.document`. */
  readonly where: string
  /** The `source` of a document or an image; `{ type: "file", file_id }` for the container. */
  readonly source: Json
  readonly title: string | null
  readonly isCited: boolean
  /** Its position among the documents of the request. */
  readonly documentIndex: number
  /** Whether it belongs to the turn to be answered, not to an earlier one. */
  readonly isNew: boolean
}

/** A piece of the prompt, in the order in which the service reads it: tools, system, messages. */
export interface Segment {
  readonly value: unknown
  readonly characters: number
  /** The documents and images in it, by their position in `references`. */
  readonly references: ReadonlyArray<number>
  /** How long the prompt up to here is to be cached. */
  readonly cacheMillis: number | undefined
}

/** A message request that can be answered. */
export interface ModelRequest {
  readonly model: string
  readonly maxTokens: number
  readonly isStreamed: boolean
  /** The text of the last turn of the user that has one. */
  readonly question: string
  /** The text of the turn to be answered, without tool results. */
  readonly lastText: string
  /** The texts of the tool results in that turn. */
  readonly toolResults: ReadonlyArray<string>
  readonly references: ReadonlyArray<Reference>
  readonly segments: ReadonlyArray<Segment>
  /** The tool that the answer has to call. */
  readonly forcedTool: Json | undefined
  /** The JSON Schema that the answer has to fit. */
  readonly outputSchema: Json | undefined
  readonly stopSequences: ReadonlyArray<string>
  /** The type of the code execution tool, if there is one. */
  readonly codeExecution: string | undefined
  /** The container to reuse. */
  readonly container: string | undefined
}

const nullable = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

const common = {
  model: Schema.NonEmptyString,
  messages: Schema.Array(Schema.Unknown),
  system: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.Unknown)])),
  tools: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  tool_choice: Schema.optionalKey(Schema.Unknown),
  thinking: Schema.optionalKey(Schema.Unknown),
  output_config: Schema.optionalKey(Schema.Unknown),
  output_format: nullable(Schema.Unknown),
  cache_control: nullable(Schema.Unknown),
  context_management: nullable(Schema.Unknown),
  mcp_servers: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  speed: nullable(Schema.String)
}

const MessageBody = Schema.Struct({
  ...common,
  max_tokens: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  container: nullable(
    Schema.Union([Schema.String, Schema.Struct({ id: nullable(Schema.String), skills: nullable(Schema.Unknown) })])
  ),
  diagnostics: nullable(Schema.Unknown),
  inference_geo: nullable(Schema.String),
  metadata: Schema.optionalKey(Schema.Struct({ user_id: nullable(Schema.String) })),
  service_tier: Schema.optionalKey(Schema.Literals(["auto", "standard_only"])),
  stop_sequences: Schema.optionalKey(Schema.Array(Schema.String)),
  stream: Schema.optionalKey(Schema.Boolean),
  temperature: Schema.optionalKey(share),
  top_k: Schema.optionalKey(Schema.Natural),
  top_p: Schema.optionalKey(share)
})

const CountBody = Schema.Struct(common)

const CacheControl = nullable(Schema.Struct({
  type: Schema.Literal("ephemeral"),
  ttl: Schema.optionalKey(Schema.Literals(["5m", "1h"]))
}))

const marked = { cache_control: CacheControl }

const type = { type: Schema.String }

const source = { source: Schema.Record(Schema.String, Schema.Unknown) }

/** A block that is not checked further. */
const anything = Schema.Record(Schema.String, Schema.Unknown)

const toolUse = {
  ...type,
  ...marked,
  id: Schema.String,
  name: Schema.String,
  input: Schema.Record(Schema.String, Schema.Unknown),
  caller: Schema.optionalKey(Schema.Unknown),
  toolset_name: nullable(Schema.String)
}

/** The blocks that a request may hold. */
const blocks: Readonly<Record<string, Schema.Codec<unknown, unknown>>> = {
  text: Schema.Struct({ ...type, ...marked, text: Schema.String, citations: nullable(Schema.Array(Schema.Unknown)) }),
  image: Schema.Struct({ ...type, ...marked, ...source, transformations: nullable(Schema.Unknown) }),
  document: Schema.Struct({
    ...type,
    ...marked,
    ...source,
    title: nullable(Schema.String),
    context: nullable(Schema.String),
    citations: nullable(Schema.Struct({ enabled: Schema.optionalKey(Schema.Boolean) }))
  }),
  search_result: Schema.Struct({
    ...type,
    ...marked,
    source: Schema.String,
    title: Schema.String,
    content: Schema.Array(Schema.Unknown),
    citations: Schema.optionalKey(Schema.Unknown)
  }),
  container_upload: Schema.Struct({ ...type, ...marked, file_id: Schema.String }),
  tool_use: Schema.Struct(toolUse),
  server_tool_use: Schema.Struct(toolUse),
  tool_result: Schema.Struct({
    ...type,
    ...marked,
    tool_use_id: Schema.String,
    content: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.Unknown)])),
    is_error: Schema.optionalKey(Schema.Boolean),
    toolset_name: nullable(Schema.String)
  }),
  thinking: Schema.Struct({ ...type, thinking: Schema.String, signature: Schema.String }),
  redacted_thinking: Schema.Struct({ ...type, data: Schema.String }),
  web_search_tool_result: anything,
  web_fetch_tool_result: anything,
  code_execution_tool_result: anything,
  bash_code_execution_tool_result: anything,
  text_editor_code_execution_tool_result: anything,
  tool_search_tool_result: anything,
  tool_reference: anything,
  browser_state: anything
}

/** The blocks that only requests with a beta may hold. */
const betaBlocks: Readonly<Record<string, Schema.Codec<unknown, unknown>>> = {
  mcp_tool_use: anything,
  mcp_tool_result: anything,
  mcp_tool_listing: anything,
  advisor_tool_result: anything,
  compaction: anything,
  fallback: anything
}

const url = Schema.String.check(Schema.isPattern(/^https?:\/\//))

const fileSource = Schema.Struct({ ...type, file_id: Schema.String })

const urlSource = Schema.Struct({ ...type, url })

const base64 = <const Types extends ReadonlyArray<string>>(...types: Types) =>
  Schema.Struct({ ...type, media_type: Schema.Literals(types), data: Schema.String })

const sources: Readonly<Record<string, Readonly<Record<string, Schema.Codec<unknown, unknown>>>>> = {
  document: {
    base64: base64("application/pdf"),
    text: Schema.Struct({ ...type, media_type: Schema.Literal("text/plain"), data: Schema.String }),
    content: Schema.Struct({ ...type, content: Schema.Union([Schema.String, Schema.Array(Schema.Unknown)]) }),
    url: urlSource,
    file: fileSource
  },
  image: { base64: base64("image/jpeg", "image/png", "image/gif", "image/webp"), url: urlSource, file: fileSource }
}

const kinds: Readonly<Record<string, string>> = {
  string: "a valid string",
  number: "a valid number",
  boolean: "a valid boolean",
  array: "a valid list",
  object: "a valid dictionary"
}

const fieldRequired = "Field required"

const toIssues = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return fieldRequired
    if (issue._tag === "UnexpectedKey") return "Extra inputs are not permitted"
    const expected = SchemaIssue.defaultLeafHook(issue).replace(/^Expected /, "")
    return `Input should be ${kinds[expected] ?? expected}`
  }
})

const problemOf = (where: string, issue: SchemaIssue.Issue): string => {
  const { issues } = toIssues(issue)
  // What is missing says more than what is there instead of it.
  const first = issues.find(({ message }) => message === fieldRequired) ?? issues[0]
  const path = (first?.path ?? []).map((key) => String(typeof key === "object" ? key.key : key))
  const message = (first?.message ?? "Input should be valid").replace(/^Expected /, "Input should be ")
  return `${[...(where === "" ? [] : [where]), ...path].join(".")}: ${message}`
}

/** What is wrong with a value, in a sentence of the service's kind; `undefined` when nothing is. */
const check = (
  schema: Schema.Codec<unknown, unknown>,
  where: string,
  value: unknown,
  onExcessProperty: "error" | "ignore" = "error"
): string | undefined => {
  const exit = Schema.decodeUnknownExit(schema)(value, { onExcessProperty, errors: "all" })
  if (Exit.isSuccess(exit)) return undefined
  return Option.match(Exit.findErrorOption(exit), {
    onNone: () => `${where}: Input should be valid`,
    onSome: (error) => problemOf(where, error.issue)
  })
}

const firstOf = <A>(
  items: ReadonlyArray<A>,
  f: (item: A, index: number) => string | undefined
): string | undefined => {
  for (const [index, item] of items.entries()) {
    const problem = f(item, index)
    if (problem !== undefined) return problem
  }
  return undefined
}

const wrongTag = (where: string, tag: unknown, expected: ReadonlyArray<string>): string => {
  const list = expected.map((name) => `'${name}'`).join(", ")
  return Predicate.isString(tag)
    ? `${where}: Input tag '${tag}' found using 'type' does not match any of the expected tags: ${list}`
    : `${where}: Unable to extract tag using discriminator 'type'; expected one of ${list}`
}

const isBlank = (text: string): boolean => text.trim() === ""

const checkSource = (kind: "document" | "image", where: string, block: Json, isBeta: boolean): string | undefined => {
  const source = object(block.source)
  const known = sources[kind] ?? {}
  const schema = Predicate.isString(source.type) ? known[source.type] : undefined
  if (schema === undefined) return wrongTag(`${where}.source`, source.type, Object.keys(known))
  const at = `${where}.source.${String(source.type)}`
  const problem = check(schema, at, source)
  if (problem !== undefined) return problem
  if (source.type === "base64" && Result.isFailure(Base64.decode(String(source.data)))) {
    return `${at}.data: Invalid base64 data`
  }
  if (source.type === "text" && isBlank(String(source.data))) {
    return `${at}.data: Document source text must be non-empty`
  }
  return source.type === "content" && Array.isArray(source.content)
    ? checkBlocks(`${at}.content`, source.content, isBeta, ["text", "image"])
    : undefined
}

const checkBlock = (
  where: string,
  block: unknown,
  isBeta: boolean,
  allowed: ReadonlyArray<string> | undefined
): string | undefined => {
  if (!Predicate.isObject(block)) return `${where}: Input should be a valid dictionary`
  const known = isBeta ? { ...blocks, ...betaBlocks } : blocks
  const tag = string(block.type)
  const names = allowed ?? Object.keys(known)
  const schema = tag === undefined || !names.includes(tag) ? undefined : known[tag]
  if (tag === undefined || schema === undefined) return wrongTag(where, block.type, names)
  const at = `${where}.${tag}`
  const problem = check(schema, at, block, isBeta ? "ignore" : "error")
  if (problem !== undefined) return problem
  switch (tag) {
    case "text":
      return isBlank(String(block.text))
        ? `${at}.text: text content blocks must contain non-whitespace text`
        : undefined
    case "document":
    case "image":
      return checkSource(tag, at, block, isBeta)
    case "tool_result":
      return Array.isArray(block.content)
        ? checkBlocks(`${at}.content`, block.content, isBeta, resultBlocks)
        : undefined
    case "search_result":
      return checkBlocks(`${at}.content`, objects(block.content), isBeta, ["text"])
    default:
      return undefined
  }
}

/** What a tool result may hold. */
const resultBlocks = ["text", "image", "document", "search_result", "tool_reference", "browser_state"]

const checkBlocks = (
  where: string,
  list: ReadonlyArray<unknown>,
  isBeta: boolean,
  allowed?: ReadonlyArray<string>
): string | undefined => firstOf(list, (block, i) => checkBlock(`${where}.${i}`, block, isBeta, allowed))

const roles: ReadonlyArray<unknown> = ["user", "assistant", "system"]

const isEmpty = (content: unknown): boolean => Array.isArray(content) ? content.length === 0 : content === ""

const checkMessage = (message: unknown, i: number, isLast: boolean, isBeta: boolean): string | undefined => {
  const where = `messages.${i}`
  if (!Predicate.isObject(message)) return `${where}: Input should be an object`
  const { content, role } = message
  if (!roles.includes(role)) return `${where}.role: Input should be 'user' or 'assistant'`
  if (content === undefined) return `${where}.content: Field required`
  if (!Predicate.isString(content) && !Array.isArray(content)) {
    return `${where}.content: Input should be a valid string or a valid list`
  }
  const extra = Object.keys(message).find((key) => key !== "role" && key !== "content")
  if (extra !== undefined && !isBeta) return `${where}.${extra}: Extra inputs are not permitted`
  if (isEmpty(content) && !(isLast && role === "assistant")) {
    return `${where}: all messages must have non-empty content except for the optional final assistant message`
  }
  if (Predicate.isString(content)) {
    return content !== "" && isBlank(content) ? `${where}: text content must contain non-whitespace text` : undefined
  }
  const problem = checkBlocks(`${where}.content`, content, isBeta)
  if (problem !== undefined) return problem
  const misplaced = role === "assistant" ? "tool_result" : "tool_use"
  return objects(content).some((block) => block.type === misplaced)
    ? `${where}: \`${misplaced}\` blocks can only be in \`${role === "assistant" ? "user" : "assistant"}\` messages`
    : undefined
}

interface Turn {
  /** The position of its first message. */
  readonly index: number
  readonly role: "user" | "assistant"
  readonly blocks: ReadonlyArray<Json>
}

/** The messages as turns: those of one role that follow each other are one. */
const turnsOf = (messages: ReadonlyArray<Json>): ReadonlyArray<Turn> => {
  const turns: Array<Turn> = []
  for (const [index, { content, role }] of messages.entries()) {
    if (role !== "user" && role !== "assistant") continue
    const blocks = Predicate.isString(content) ? [{ type: "text", text: content }] : objects(content)
    const last = turns.at(-1)
    if (last?.role === role) turns[turns.length - 1] = { ...last, blocks: [...last.blocks, ...blocks] }
    else turns.push({ index, role, blocks })
  }
  return turns
}

const idsOf = (turn: Turn | undefined, blockType: string, key: string): ReadonlyArray<string> =>
  (turn?.blocks ?? []).filter((block) => block.type === blockType).map((block) => String(block[key]))

/** Every tool call has its result in the next turn, and every result its call in the one before. */
const checkToolResults = (turns: ReadonlyArray<Turn>): string | undefined =>
  firstOf(turns, (turn, i) => {
    const calls = new Set(idsOf(turns[i - 1], "tool_use", "id"))
    const orphan = idsOf(turn, "tool_result", "tool_use_id").find((id) => !calls.has(id))
    if (orphan !== undefined) {
      return `messages.${turn.index}.content: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${orphan}. Each `
        + "`tool_result` block must have a corresponding `tool_use` block in the previous message."
    }
    const results = new Set(idsOf(turns[i + 1], "tool_result", "tool_use_id"))
    const open = idsOf(turn, "tool_use", "id").filter((id) => !results.has(id))
    return open.length === 0 || turns[i + 1] === undefined
      ? undefined
      : `messages.${turn.index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${
        open.join(", ")
      }. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`
  })

const isCustomTool = (tool: Json): boolean => tool.type === undefined || tool.type === null || tool.type === "custom"

const checkTool = (tool: unknown, i: number): string | undefined => {
  const where = `tools.${i}`
  if (!Predicate.isObject(tool)) return `${where}: Input should be a valid dictionary`
  if (!isCustomTool(tool)) {
    return Predicate.isString(tool.type)
      ? undefined
      : `${where}.type: Input should be a valid string`
  }
  if (tool.name === undefined) return `${where}.custom.name: Field required`
  if (!Predicate.isString(tool.name) || !/^[a-zA-Z0-9_-]{1,128}$/.test(tool.name)) {
    return `${where}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`
  }
  if (tool.input_schema === undefined) return `${where}.custom.input_schema: Field required`
  return object(tool.input_schema).type === "object"
    ? undefined
    : `${where}.custom.input_schema.type: Input should be 'object'`
}

const choices = ["auto", "any", "tool", "none"]

const checkTools = (tools: ReadonlyArray<unknown>, choice: unknown): string | undefined => {
  const problem = firstOf(tools, checkTool)
  if (problem !== undefined) return problem
  const names = objects(tools).map((tool) => string(tool.name)).filter(Predicate.isNotUndefined)
  if (new Set(names).size < names.length) return "tools: Tool names must be unique."
  if (choice === undefined) return undefined
  const { name, type } = object(choice)
  if (!choices.includes(String(type))) return wrongTag("tool_choice", type, choices)
  if (tools.length === 0 && type !== "none") return "tool_choice may only be specified while providing tools."
  return type === "tool" && !names.includes(String(name))
    ? `Tool '${String(name)}' not found in provided tools`
    : undefined
}

const checkThinking = (request: Json): string | undefined => {
  const { budget_tokens: budget, type } = object(request.thinking)
  if (type !== "enabled") return undefined
  if (!Number.isInteger(budget) || Number(budget) < 1024) {
    return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
  }
  if (Predicate.isNumber(request.max_tokens) && request.max_tokens <= Number(budget)) {
    return "`max_tokens` must be greater than `thinking.budget_tokens`."
  }
  const choice = object(request.tool_choice).type
  return choice === "any" || choice === "tool"
    ? "Thinking may not be enabled when tool_choice forces tool use."
    : undefined
}

/** The blocks within a block, which may have documents, images and cache marks of their own. */
const inner = (block: Json): ReadonlyArray<Json> => block.type === "tool_result" ? objects(block.content) : []

const marksOf = (list: ReadonlyArray<Json>): number =>
  list.reduce((count, block) => count + (Predicate.isObject(block.cache_control) ? 1 : 0) + marksOf(inner(block)), 0)

const maxMarks = 4

const systemBlocks = (system: unknown): ReadonlyArray<Json> => {
  if (!Predicate.isString(system)) return objects(system)
  return system === "" ? [] : [{ type: "text", text: system }]
}

const problem = (request: Json, isBeta: boolean, isCount: boolean): string | undefined => {
  const messages = Array.isArray(request.messages) ? request.messages : []
  const tools = Array.isArray(request.tools) ? request.tools : []
  const shape = check(isCount ? CountBody : MessageBody, "", request, isBeta ? "ignore" : "error")
  if (shape !== undefined) return shape
  if (messages.length === 0) return "messages: at least one message is required"
  const blank = Array.isArray(request.stop_sequences)
    ? request.stop_sequences.find((sequence) => isBlank(String(sequence)))
    : undefined
  if (blank !== undefined) return "stop_sequences: each stop sequence must contain non-whitespace"
  const found = (Array.isArray(request.system) ? checkBlocks("system", request.system, isBeta, ["text"]) : undefined)
    ?? firstOf(messages, (message, i) => checkMessage(message, i, i === messages.length - 1, isBeta))
    ?? checkToolResults(turnsOf(objects(messages)))
    ?? checkTools(tools, request.tool_choice)
    ?? checkThinking(request)
  if (found !== undefined) return found
  const marks = marksOf(objects(tools)) + marksOf(systemBlocks(request.system))
    + objects(messages).reduce((count, message) => count + marksOf(objects(message.content)), 0)
    + (Predicate.isObject(request.cache_control) ? 1 : 0)
  return marks > maxMarks
    ? `A maximum of ${maxMarks} blocks with cache_control may be provided. Found ${marks}.`
    : undefined
}

const cacheMillisOf = (holder: Json): number | undefined => {
  if (!Predicate.isObject(holder.cache_control)) return undefined
  return holder.cache_control.ttl === "1h" ? 3_600_000 : 300_000
}

/** The last of the cache marks on a block and on the blocks within it. */
const markOf = (block: Json): number | undefined =>
  cacheMillisOf(block) ?? inner(block).map(cacheMillisOf).findLast(Predicate.isNotUndefined)

const charactersOf = (block: Json): number => {
  switch (block.type) {
    case "text":
      return String(block.text).length
    case "tool_use":
    case "server_tool_use":
      return String(block.name).length + JSON.stringify(block.input ?? {}).length
    case "tool_result":
    case "search_result":
      return Predicate.isString(block.content)
        ? block.content.length
        : objects(block.content).reduce((sum, part) => sum + charactersOf(part), 0)
    case "document":
      return (string(block.title)?.length ?? 0) + (string(block.context)?.length ?? 0)
    case "thinking":
      return String(block.thinking).length
    default:
      return 0
  }
}

/** Collects the prompt piece by piece. */
const read = (request: Json, turns: ReadonlyArray<Turn>) => {
  const segments: Array<Segment> = []
  const references: Array<Reference> = []
  let documents = 0

  const refer = (block: Json, where: string, isNew: boolean): ReadonlyArray<number> => {
    const add = (kind: Reference["kind"], source: Json): ReadonlyArray<number> => {
      references.push({
        kind,
        where: `${where}.${String(block.type)}`,
        source,
        title: string(block.title) ?? null,
        isCited: object(block.citations).enabled === true,
        documentIndex: kind === "document" ? documents++ : 0,
        isNew
      })
      return [references.length - 1]
    }
    switch (block.type) {
      case "document":
        return add("document", object(block.source))
      case "image":
        return add("image", object(block.source))
      case "container_upload":
        return add("container", { type: "file", file_id: block.file_id })
      default:
        return inner(block).flatMap((part, i) => refer(part, `${where}.tool_result.content.${i}`, isNew))
    }
  }

  for (const tool of objects(request.tools)) {
    segments.push({ value: tool, characters: JSON.stringify(tool).length, references: [], cacheMillis: markOf(tool) })
  }
  for (const block of systemBlocks(request.system)) {
    segments.push({ value: block, characters: charactersOf(block), references: [], cacheMillis: markOf(block) })
  }
  const lastUser = turns.at(-1)?.role === "user" ? turns.at(-1)?.index ?? 0 : Infinity
  for (const [i, { content, role }] of objects(request.messages).entries()) {
    const list = Predicate.isString(content) ? [{ type: "text", text: content }] : objects(content)
    for (const [j, block] of list.entries()) {
      segments.push({
        value: [role, block],
        characters: charactersOf(block),
        references: refer(block, `messages.${i}.content.${j}`, i >= lastUser),
        cacheMillis: markOf(block)
      })
    }
  }
  const last = segments.at(-1)
  const automatic = cacheMillisOf(request)
  if (last !== undefined && automatic !== undefined) segments[segments.length - 1] = { ...last, cacheMillis: automatic }
  return { references, segments }
}

const toolResultsOf = (turn: Turn | undefined): ReadonlyArray<string> =>
  (turn?.blocks ?? []).filter((block) => block.type === "tool_result").map((block) => textOf(block.content))

const forcedToolOf = (request: Json): Json | undefined => {
  const { name, type } = object(request.tool_choice)
  const tools = objects(request.tools)
  if (type === "tool") return tools.find((tool) => tool.name === name)
  return type === "any" ? tools.find(isCustomTool) : undefined
}

/** Under `output_config.format`, or under `output_format` as the beta had it. */
const outputSchemaOf = (request: Json): Json | undefined => {
  const format = object(object(request.output_config).format ?? request.output_format)
  return format.type === "json_schema" && Predicate.isObject(format.schema) ? format.schema : undefined
}

/** How a request is read. */
export interface Reading {
  /** Whether it names a beta: then unknown fields pass. */
  readonly isBeta: boolean
  /** Whether its tokens are counted: then `max_tokens` and others are not accepted. */
  readonly isCount?: boolean
  /** The known models; without them any name is accepted. */
  readonly models: ReadonlyArray<string> | undefined
}

/** Checks the parsed body of a request, and reads it. */
export const parse = Effect.fnUntraced(function*(
  body: unknown,
  { isBeta, isCount = false, models }: Reading
): Effect.fn.Return<ModelRequest, ApiError> {
  if (!Predicate.isObject(body)) return yield* invalidRequest("The request body is not a valid JSON object")
  const request: Json = body
  const wrong = problem(request, isBeta, isCount)
  if (wrong !== undefined) return yield* invalidRequest(wrong)
  const model = String(request.model)
  if (models !== undefined && !models.includes(model)) return yield* notFound(`model: ${model}`)

  const turns = turnsOf(objects(request.messages))
  const { references, segments } = read(request, turns)
  const texts = turns.filter((turn) => turn.role === "user").map((turn) => textOf(turn.blocks))
  const codeExecution = objects(request.tools).map((tool) => string(tool.type)).find((name) =>
    name?.startsWith("code_execution_")
  )
  const upload = references.find((reference) => reference.kind === "container" && reference.isNew)
  if (upload !== undefined && codeExecution === undefined && !isCount) {
    return yield* invalidRequest(`${upload.where}: container_upload blocks require the code execution tool`)
  }
  const container = Predicate.isObject(request.container) ? request.container.id : request.container
  return {
    model,
    maxTokens: Number(request.max_tokens ?? 1),
    isStreamed: request.stream === true,
    question: texts.findLast((text) => text !== "") ?? "",
    lastText: turns.at(-1)?.role === "user" ? texts.at(-1) ?? "" : "",
    toolResults: toolResultsOf(turns.at(-1)),
    references,
    segments,
    forcedTool: forcedToolOf(request),
    outputSchema: outputSchemaOf(request),
    stopSequences: Array.isArray(request.stop_sequences) ? request.stop_sequences.map(String) : [],
    codeExecution,
    container: string(container)
  }
})
