/**
 * `ask`: asks a model about files, and prints the answer as it arrives.
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ContentBlock from "../../ContentBlock.ts"
import type { FileMetadata } from "../../FileMetadata.ts"
import { printable } from "../../internal/text.ts"
import { defaultModel } from "../../internal/wire/constants.ts"
import * as Messages from "../../Messages.ts"
import * as Attached from "../attached.ts"
import * as Client from "../client.ts"
import { define } from "../define.ts"
import { UsageError } from "../failure.ts"
import * as Flags from "../flags.ts"
import { Output } from "../output.ts"
import type { Style } from "../screen/style.ts"
import { program } from "../usage.ts"

export const modelFlags = {
  model: Flags.text("model", "MODEL", `Model to ask (default: ${defaultModel})`, undefined, "ANTHROPIC_MODEL"),
  maxTokens: Flags.count("max-tokens", "Maximum tokens of an answer (default: 4096)", 1)
}

/** Escapes each line by itself, so that line breaks stay. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n")

const codeExecution = { type: "code_execution_20250825", name: "code_execution" }

/** The parameters that every request about these files shares. */
export const paramsOf = (
  files: ReadonlyArray<FileMetadata>,
  blocks: ReadonlyArray<ContentBlock.ContentBlock>,
  { maxTokens, model }: { readonly model: Option.Option<string>; readonly maxTokens: Option.Option<number> }
) => ({
  model: Option.getOrElse(model, () => defaultModel),
  max_tokens: Option.getOrElse(maxTokens, () => 4096),
  ...(files.length > 0 && blocks.some(({ type }) => type === "container_upload") ? { tools: [codeExecution] } : {})
})

const placeOf = (citation: Messages.Citation): string => {
  if (citation.type === "page_location") return `, page ${citation.start_page_number}`
  if (citation.type === "char_location") return `, from character ${citation.start_char_index}`
  return ""
}

/** `[1] report.pdf, page 3: “…”` */
const citationLines = (citations: ReadonlyArray<Messages.Citation>, style: Style): ReadonlyArray<string> =>
  citations.map((citation, i) => {
    const title = "document_title" in citation && typeof citation.document_title === "string"
      ? printable(citation.document_title)
      : "the file"
    const text = printable((citation.cited_text ?? "").trim().replace(/\s+/g, " "))
    return style.dim(`[${i + 1}] ${title}${placeOf(citation)}: “${text}”`)
  })

const encodeCitations = Schema.encodeUnknownEffect(Schema.Array(Messages.Citation))

const encodeUsage = Schema.encodeUnknownEffect(Messages.Usage)

export const ask = define({
  name: "ask",
  description: "Ask a model about files, with citations",
  examples: [
    {
      command: `${program} ask report.pdf what changed since last year`,
      description: "A local file: uploaded now, deleted afterwards"
    },
    { command: `${program} ask file_011CNha8iCJcU1wXNR6q4V8w notes.txt 'Do they agree?'`, description: "Several files" }
  ],
  flags: {
    words: Argument.String("file | question").pipe(
      Argument.withDescription("Files by id or path, then the question, quoted or not"),
      Argument.variadic({ min: 1 })
    ),
    ...modelFlags
  },
  run: Effect.fnUntraced(function*({ words, ...chosen }) {
    const output = yield* Output
    const names: Array<string> = []
    for (const word of words) {
      if (!(yield* Attached.namesFile(word))) break
      names.push(word)
    }
    const question = words.slice(names.length).join(" ").trim()
    if (names.length === 0) {
      return yield* new UsageError({
        message: `${printable(words[0] ?? "")} is neither a file's id nor a path to a file.`
      })
    }
    if (question === "") return yield* new UsageError({ message: "The question is missing: write it after the files." })
    const files = yield* output.watch(Effect.forEach(names, Attached.scoped, { concurrency: 4 }))
    const blocks = yield* Effect.forEach(
      files,
      (file) => ContentBlock.forFile(file, { citations: true, title: file.filename })
    )
    const request = {
      ...paramsOf(files, blocks, chosen),
      messages: [{ role: "user" as const, content: [...blocks, { type: "text" as const, text: question }] }]
    }
    let endsLine = true
    let cited = 0
    let marks = ""
    const message = yield* Messages.collect(Stream.tap(Messages.stream(request), (event) => {
      if (event.type === "content_block_stop" && marks !== "") {
        const printed = output.text(output.style.dim(marks))
        marks = ""
        endsLine = false
        return printed
      }
      if (event.type !== "content_block_delta") return Effect.void
      if (event.delta.type === "citations_delta") marks += `[${++cited}]`
      if (event.delta.type !== "text_delta") return Effect.void
      endsLine = event.delta.text.endsWith("\n")
      return output.text(printableLines(event.delta.text))
    }))
    const citations = Messages.citations(message)
    const made = Messages.outputs(message)
    const lines = [
      ...(endsLine ? [] : [""]),
      ...(citations.length === 0 ? [] : ["", ...citationLines(citations, output.style)]),
      ...(made.length === 0 ? [] : ["", `Made: ${made.map(printable).join(", ")}`])
    ]
    if (lines.length > 0) yield* output.text(`${lines.join("\n")}\n`)
    yield* output.item({
      action: "answered",
      data: {
        model: message.model,
        text: Messages.text(message),
        citations: yield* toJson(encodeCitations(citations)),
        files: Array.from(made),
        stopReason: message.stop_reason,
        usage: yield* toJson(encodeUsage(message.usage))
      }
    })
  }, Effect.provide(Client.layer))
})

/** The encoded value of a Schema that came from JSON is JSON. */
const toJson = <E, R>(effect: Effect.Effect<unknown, E, R>): Effect.Effect<Schema.Json, never, R> =>
  Effect.map(Effect.orDie(effect), (value) => value as Schema.Json)
