/**
 * Imitates the code execution tool: what it does with the files that it is given, in the blocks of its version.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { FileId } from "../../../FileMetadata.ts"
import { type FileRecord, Store, type StoreFailed } from "../../Store.ts"
import { RequestContext } from "../context.ts"
import * as Random from "../random.ts"
import type { Attachment } from "./attachments.ts"
import type { Block } from "./content.ts"
import * as Csv from "./csv.ts"
import { marker } from "./marker.ts"
import { count, plural } from "./words.ts"

/** A run of the tool. */
export interface Run {
  readonly stdout: string
  readonly generated: ReadonlyArray<FileRecord>
}

/** A file that a run writes. */
export interface GeneratedFile {
  readonly filename: string
  readonly mimeType: string
  readonly content: Uint8Array
}

const encoder = new TextEncoder()

/** Stores a file that can be downloaded. */
export const store = Effect.fnUntraced(function*({ content, filename, mimeType }: GeneratedFile): Effect.fn.Return<
  FileRecord,
  StoreFailed,
  RequestContext | Store | Scope.Scope
> {
  const context = yield* RequestContext
  const store = yield* Store
  const staging = yield* store.stage
  if (content.byteLength > 0) yield* staging.write(content)
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

const baseName = (filename: string): string => filename.replace(/\.[^.]*$/, "")

/** How many sums are printed; the written file has all of them. */
const maxPrintedSums = 100

/** Adds up a table, and describes any other file. */
const summarize = Effect.fnUntraced(function*(attachment: Attachment) {
  const { mimeType, name, size } = attachment
  const isTable = mimeType === "text/csv" || name.toLowerCase().endsWith(".csv")
  const summary = isTable ? yield* Csv.summarize(yield* attachment.read) : undefined
  if (summary === undefined) {
    const line = `${name}: ${mimeType}, ${count(size ?? 0)} bytes`
    return {
      lines: [line],
      file: {
        filename: `${baseName(name)}_summary.txt`,
        mimeType: "text/plain",
        content: encoder.encode(`${marker} ${line}\n`)
      }
    }
  }
  const sums = summary.columns.filter((column) => column.numeric > 0)
  const rest = sums.length - maxPrintedSums
  return {
    lines: [
      `${name}: ${plural(summary.rows, "row")}, ${plural(summary.columns.length, "column")}`,
      ...sums.slice(0, maxPrintedSums).map((column) => `  sum of ${column.name}: ${Csv.number(column.sum)}`),
      ...(rest > 0 ? [`  and ${plural(rest, "sum")} more`] : [])
    ],
    file: {
      filename: `${baseName(name)}_summary.csv`,
      mimeType: "text/csv",
      content: encoder.encode(Csv.toCsv(summary))
    }
  }
})

/** Runs the tool on files. */
export const run = Effect.fnUntraced(function*(uploads: ReadonlyArray<Attachment>): Effect.fn.Return<
  Run,
  StoreFailed,
  RequestContext | Store | Scope.Scope
> {
  const summaries = yield* Effect.forEach(uploads, summarize)
  return {
    stdout: summaries.flatMap(({ lines }) => lines).map((line) => `${line}\n`).join(""),
    generated: yield* Effect.forEach(summaries, ({ file }) => store(file))
  }
})

/** The version whose blocks are used if a request names none. */
export const defaultVersion = "code_execution_20250825"

/** The first version of the tool had its own blocks. */
const isFirstVersion = (version: string): boolean => version === "code_execution_20250522"

/** The call and the result of a run, in the blocks of the tool's version. */
export const blocksOf = Effect.fnUntraced(function*(
  version: string,
  names: ReadonlyArray<string>,
  { generated, stdout }: Run
): Effect.fn.Return<ReadonlyArray<Block>> {
  const id = yield* Random.identifier("srvtoolu")
  const first = isFirstVersion(version)
  const prefix = first ? "code_execution" : "bash_code_execution"
  return [
    {
      type: "server_tool_use",
      id,
      name: prefix,
      input: first
        ? { code: `summarize(${JSON.stringify(names)})` }
        : { command: `summarize ${names.map((name) => JSON.stringify(name)).join(" ")}` },
      caller: { type: "direct" }
    },
    {
      type: `${prefix}_tool_result`,
      tool_use_id: id,
      content: {
        type: `${prefix}_result`,
        stdout,
        stderr: "",
        return_code: 0,
        content: generated.map((file) => ({ type: `${prefix}_output`, file_id: file.id }))
      }
    }
  ]
})
