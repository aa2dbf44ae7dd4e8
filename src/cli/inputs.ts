/**
 * The inputs of an upload: paths, globs, folders, URLs, standard input, and lists of them.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "../FilesError.ts"
import * as FileSource from "../FileSource.ts"
import { isNotFound } from "../internal/disk/notFound.ts"
import { fromPlatformError } from "../internal/files/sourceFailed.ts"
import { filenameError, sizeError } from "../internal/files/upload.ts"
import { printable } from "../internal/text.ts"
import { maxFileBytes } from "../internal/wire/constants.ts"
import { UsageError } from "./failure.ts"

export type Input =
  | {
    readonly _tag: "Path"
    readonly path: string
    /** Bytes; absent where the path is not a file that can be read. The upload reports why. */
    readonly size: number | undefined
  }
  | { readonly _tag: "Url"; readonly path: string; readonly size: undefined }
  | { readonly _tag: "Stdin"; readonly path: "-"; readonly size: undefined }
  | {
    /** A folder that can't be read, below one that was named or where a glob looks. */
    readonly _tag: "Unreadable"
    readonly path: string
    readonly size: undefined
    readonly error: SourceFailed
  }

const isGlob = (text: string): boolean => /[*?[\]{}]/.test(text)

const unreadable = (path: string, error: PlatformError): Input => ({
  _tag: "Unreadable",
  path,
  size: undefined,
  error: fromPlatformError(path)(error)
})

/** The regular files below a folder, sorted, without hidden ones, and the folders that can't be read. Links are not followed. */
const walk = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const files: Array<string> = []
  const failed: Array<Input> = []
  const open = [folder]
  for (let current = open.pop(); current !== undefined; current = open.pop()) {
    const entries = yield* Effect.result(fs.readDirectoryEntries(current))
    if (Result.isFailure(entries)) {
      // It may have been removed after its parent was listed.
      if (!isNotFound(entries.failure)) failed.push(unreadable(current, entries.failure))
      continue
    }
    for (const { name, type } of entries.success) {
      if (name.startsWith(".")) continue
      const entry = path.join(current, name)
      if (type === "Directory") open.push(entry)
      if (type === "File") files.push(entry)
    }
  }
  return [...(yield* Effect.forEach(files.sort(), pathInput, { concurrency: statsAtOnce })), ...failed]
})

/** The files that match a glob, links that lead nowhere among them, and the folders where it looks that can't be read. */
const matching = Effect.fnUntraced(function*(glob: string) {
  const fs = yield* FileSystem.FileSystem
  const failed: Array<Input> = []
  // A glob passes over folders that it can't read.
  const watched = FileSystem.make({
    ...fs,
    readDirectoryEntries: (folder) =>
      Effect.catchIf(fs.readDirectoryEntries(folder), (error) => !isNotFound(error), (error) => {
        failed.push(unreadable(folder, error))
        return Effect.succeed([])
      })
  })
  const matches = yield* watched.glob(glob)
  const files = yield* Effect.filter(
    matches.sort(),
    (path) => Effect.match(fs.stat(path), { onFailure: () => true, onSuccess: ({ type }) => type === "File" }),
    { concurrency: statsAtOnce }
  )
  return [...(yield* Effect.forEach(files, pathInput, { concurrency: statsAtOnce })), ...failed]
})

const pathInput = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(path))
  return {
    _tag: "Path",
    path,
    size: info._tag === "Some" && info.value.type === "File" ? Number(info.value.size) : undefined
  } satisfies Input
})

const expandOne = Effect.fnUntraced(function*(
  text: string
): Effect.fn.Return<ReadonlyArray<Input>, UsageError, FileSystem.FileSystem | Path.Path> {
  if (text === "-") return [{ _tag: "Stdin", path: "-", size: undefined }]
  if (/^https?:\/\//i.test(text)) return [{ _tag: "Url", path: text, size: undefined }]
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(text))
  if (info._tag === "Some" && info.value.type === "Directory") return yield* walk(text)
  if (info._tag === "None" && isGlob(text)) {
    const inputs = yield* Effect.mapError(
      matching(text),
      (cause) => new UsageError({ message: `${printable(text)} can't be read: ${printable(cause.message)}` })
    )
    if (inputs.length === 0) return yield* new UsageError({ message: `No file matches ${printable(text)}.` })
    return inputs
  }
  return [yield* pathInput(text)]
})

const statsAtOnce = 16

const linesOf = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
  Stream.runCollect(Stream.splitLines(Stream.decodeText(bytes))).pipe(
    Effect.map((lines) => lines.map((line) => line.trim()).filter((line) => line !== ""))
  )

/** The lines of a file, or of standard input for `-`. */
const listed = Effect.fnUntraced(function*(list: string) {
  const fs = yield* FileSystem.FileSystem
  const { stdin } = yield* Stdio.Stdio
  return yield* Effect.mapError(
    linesOf(list === "-" ? stdin : fs.stream(list)),
    (cause) =>
      new UsageError({ message: `--files-from: ${printable(list)} can't be read: ${printable(cause.message)}` })
  )
})

/**
 * The inputs that the arguments and the list name. A file that is named twice, as `a` and `./a`, counts once. A line of a
 * list is a path or a URL; globs and folders are not expanded.
 */
export const expand = Effect.fnUntraced(function*(args: ReadonlyArray<string>, list: string | undefined) {
  const named = yield* Effect.forEach(args, expandOne)
  const lines = list === undefined ? [] : yield* listed(list)
  const further = yield* Effect.forEach(
    lines,
    (line): Effect.Effect<Input, never, FileSystem.FileSystem> =>
      /^https?:\/\//i.test(line)
        ? Effect.succeed({ _tag: "Url", path: line, size: undefined })
        : pathInput(line),
    { concurrency: statsAtOnce }
  )
  const path = yield* Path.Path
  const all = new Map<string, Input>()
  for (const input of [...named.flat(), ...further]) {
    const key = input._tag === "Path" ? path.resolve(input.path) : input.path
    if (!all.has(key)) all.set(key, input)
  }
  return Array.from(all.values())
})

/** Looks at a file as an upload does before it sends, and fails where the upload would. */
export const look = (path: string, name?: string) =>
  FileSource.path(path).open.pipe(
    Effect.flatMap(({ filename = "", size }) => {
      const wrong = filenameError(name ?? filename) ?? sizeError(name ?? filename, size, maxFileBytes)
      return wrong === undefined ? Effect.void : Effect.fail(wrong)
    }),
    Effect.scoped
  )
