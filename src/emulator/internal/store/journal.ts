/**
 * The journal of a folder: one line of JSON with a checksum per change, in the order of the changes.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { FileId } from "../../../FileMetadata.ts"
import { checksum } from "../checksum.ts"
import { type FileRecord, StoreFailed } from "./records.ts"

const Header = Schema.Struct({
  version: Schema.Literal(1),
  secret: Schema.String,
  /** The next sequence number. It must not go back when a compaction drops the newest files. */
  next: Schema.Natural
})

const Put = Schema.Struct({
  op: Schema.Literal("put"),
  file: Schema.Struct({
    sequence: Schema.Natural,
    id: FileId,
    workspace: Schema.String,
    filename: Schema.String,
    mimeType: Schema.String,
    size: Schema.Natural,
    createdAt: Schema.Finite,
    expiresAt: Schema.NullOr(Schema.Finite),
    downloadable: Schema.Boolean,
    scope: Schema.NullOr(Schema.Struct({ id: Schema.String, type: Schema.String })),
    purpose: Schema.NullOr(Schema.String),
    countsForQuota: Schema.Boolean,
    expired: Schema.Boolean,
    blob: Schema.NullOr(Schema.String)
  })
})

const Change = Schema.Union([
  Put,
  Schema.Struct({ op: Schema.Literal("delete"), ids: Schema.Array(Schema.String) }),
  Schema.Struct({ op: Schema.Literal("expire"), ids: Schema.Array(Schema.String) })
])

/** The first line. */
export type Header = typeof Header.Type

/** Every line but the first. */
export type Change = typeof Change.Type

const decodeHeader = Schema.decodeUnknownOption(Header)
const decodeChange = Schema.decodeUnknownOption(Change)

/** A line that begins with its checksum, so that half a line, or a block of zeros, is not taken for one. */
export const toLine = (value: Header | Change): string => {
  const text = JSON.stringify(value)
  return `${checksum(text)} ${text}\n`
}

const parseLine = (text: string): unknown => {
  if (text[11] !== " " || checksum(text.slice(12)) !== text.slice(0, 11)) return undefined
  return JSON.parse(text.slice(12))
}

/** The state that a journal describes. */
export interface Replayed {
  /** `undefined` if there is no journal, or an empty one. */
  readonly header: Header | undefined
  /** The next sequence number. */
  readonly next: number
  /** By id, in the order of their sequence numbers. */
  readonly files: ReadonlyMap<string, FileRecord>
  /** The number of whole lines: if there are more than files, a compaction saves some. */
  readonly lines: number
  /** Bytes up to the end of the last whole line. */
  readonly length: number
}

/** Keeps a string once that many files share. */
const makeShared = () => {
  const seen = new Map<string, string>()
  return (text: string): string => {
    const known = seen.get(text)
    if (known === undefined) seen.set(text, text)
    return known ?? text
  }
}

const apply = (files: Map<string, FileRecord>, change: Change, share: (text: string) => string) => {
  switch (change.op) {
    case "put": {
      const { file } = change
      files.set(file.id, { ...file, workspace: share(file.workspace), mimeType: share(file.mimeType) })
      return
    }
    case "delete":
      for (const id of change.ids) files.delete(id)
      return
    case "expire":
      for (const id of change.ids) {
        const file = files.get(id)
        if (file !== undefined) files.set(id, { ...file, expired: true, blob: null })
      }
  }
}

const corrupt = (path: string, what: string) =>
  new StoreFailed({
    reason: "Corrupt",
    message: `The journal ${path} is damaged: ${what}. Nothing was changed. Restore the folder from a copy, `
      + "or use another one."
  })

/** Takes the lines of a journal one by one. */
const makeReader = (path: string) => {
  const decoder = new TextDecoder()
  const share = makeShared()
  const files = new Map<string, FileRecord>()
  let header: Header | undefined
  let next = 1
  let lines = 0
  let start = 0
  let length = 0
  let bad: { readonly line: number; readonly from: number; readonly to: number } | undefined

  const read = (value: Header | Change) => {
    if ("version" in value) {
      header = value
      next = value.next
      return
    }
    apply(files, value, share)
    if (value.op === "put") next = Math.max(next, value.file.sequence + 1)
  }

  return {
    /** @param line without its line feed */
    take: (line: Uint8Array): StoreFailed | undefined => {
      const from = start
      start += line.byteLength + 1
      const value = parseLine(decoder.decode(line))
      const good: Option.Option<Header | Change> = header === undefined ? decodeHeader(value) : decodeChange(value)
      if (Option.isNone(good)) {
        bad ??= { line: lines + 1, from, to: start }
        return undefined
      }
      if (bad !== undefined) {
        const where = `line ${bad.line} (bytes ${bad.from} to ${bad.to})`
        return corrupt(path, `${where} does not match its checksum, and whole lines follow it`)
      }
      lines++
      length = start
      read(good.value)
      return undefined
    },
    /** @param rest bytes after the last line */
    end: (rest: Uint8Array): Effect.Effect<Replayed, StoreFailed> =>
      header === undefined && start + rest.byteLength > 0
        ? Effect.fail(corrupt(path, "its first line is not that of a journal"))
        : Effect.succeed({ header, next, files, lines, length })
  }
}

/**
 * Reads a journal. A bad line at the end is left by a crash, and is skipped. A bad line before whole ones is damage, and
 * fails.
 */
export const replay = <E>(
  path: string,
  bytes: Stream.Stream<Uint8Array, E>
): Effect.Effect<Replayed, E | StoreFailed> =>
  Effect.suspend(() => {
    const reader = makeReader(path)
    let rest = new Uint8Array(0)
    const takeChunk = (chunk: Uint8Array): Effect.Effect<void, StoreFailed> => {
      let from = 0
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
        const line = chunk.subarray(from, end)
        const failure = reader.take(rest.byteLength === 0 ? line : Bytes.concat([rest, line]))
        if (failure !== undefined) return Effect.fail(failure)
        rest = new Uint8Array(0)
        from = end + 1
      }
      if (from < chunk.byteLength) rest = Bytes.concat([rest, chunk.subarray(from)])
      return Effect.void
    }
    return Effect.andThen(Stream.runForEach(bytes, takeChunk), Effect.suspend(() => reader.end(rest)))
  })
