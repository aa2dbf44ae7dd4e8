/**
 * `upload`: uploads files, folders, URLs and standard input, several at once.
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { FileMetadata } from "../../FileMetadata.ts"
import * as FileSource from "../../FileSource.ts"
import { printable } from "../../internal/text.ts"
import type { Progress } from "../../Progress.ts"
import * as Transfer from "../../Transfer.ts"
import * as UploadCache from "../../UploadCache.ts"
import * as CacheLayer from "../cacheLayer.ts"
import * as Client from "../client.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import { UsageError } from "../failure.ts"
import * as Flags from "../flags.ts"
import * as Inputs from "../inputs.ts"
import { type NewItem, Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import * as UploadFlags from "../uploadFlags.ts"
import { program } from "../usage.ts"

type Readable = Exclude<Inputs.Input, { readonly _tag: "Unreadable" }>

const sourceOf = (
  input: Readable,
  stdin: Stdio.Stdio["stdin"],
  name: string | undefined
): FileSource.FileSource<FileSystem.FileSystem | HttpClient.HttpClient> => {
  switch (input._tag) {
    case "Path":
      return FileSource.path(input.path)
    case "Url":
      return FileSource.url(input.path)
    case "Stdin":
      return FileSource.stream(stdin, { filename: name ?? "stdin" })
  }
}

/** The URL without its query, which may hold a signature. */
const shownPath = (input: Inputs.Input): string =>
  input._tag === "Url" ? input.path.replace(/[?#].*$/s, "") : input.path

interface Given extends UploadFlags.Given {
  readonly inputs: ReadonlyArray<string>
  readonly name: Option.Option<string>
  readonly mime: Option.Option<string>
  readonly once: boolean
  readonly filesFrom: Option.Option<string>
}

/** What is wrong with the combination of inputs and flags, before any input is read. */
const problemOf = ({ filesFrom, inputs, once }: Given): string | undefined => {
  const readsStdin = inputs.includes("-")
  if (inputs.length === 0 && Option.isNone(filesFrom)) {
    return "There is nothing to upload: name a path, a URL, or - for standard input."
  }
  if (readsStdin && Option.contains(filesFrom, "-")) {
    return "Standard input is either a file or a list of files, not both."
  }
  return readsStdin && once
    ? "--once reads its input twice, which standard input does not allow: save it to a file first."
    : undefined
}

/** The inputs that the arguments name. */
const inputsOf = Effect.fnUntraced(function*(given: Given) {
  const problem = problemOf(given)
  if (problem !== undefined) return yield* new UsageError({ message: problem })
  yield* UploadFlags.check(given)
  const all = yield* Inputs.expand(given.inputs, Option.getOrUndefined(given.filesFrom))
  if (Option.isSome(given.name) && all.length !== 1) {
    return yield* new UsageError({ message: `--name needs a single file; there are ${all.length}.` })
  }
  return all
})

const planned = (input: Inputs.Input): readonly [item: NewItem, line: string] => {
  const path = shownPath(input)
  const { size } = input
  return [
    { action: "planned", would: "upload", path, ...(size === undefined ? undefined : { bytes: size }) },
    `would upload ${printable(path)}${size === undefined ? "" : ` (${Format.bytes(size)})`}`
  ]
}

/** Shows what would be uploaded, and what would fail before anything is sent. */
const plan = Effect.fnUntraced(function*(inputs: ReadonlyArray<Inputs.Input>, name: string | undefined) {
  const output = yield* Output
  const { concurrency } = yield* Settings
  const look = (input: Inputs.Input) => {
    if (input._tag === "Unreadable") return Effect.fail(input.error)
    return input._tag === "Path" ? Inputs.look(input.path, name) : Effect.void
  }
  const looked = yield* Effect.forEach(
    inputs,
    (input) => Effect.map(Effect.result(look(input)), (result) => [input, result] as const),
    { concurrency }
  )
  yield* output.items(looked.flatMap(([input, result]) => Result.isSuccess(result) ? [planned(input)] : []))
  for (const [input, result] of looked) {
    if (Result.isFailure(result)) yield* output.problem(result.failure, { path: shownPath(input) })
  }
})

/** Bytes of all inputs; `undefined` if the size of one is not known. */
const totalOf = (inputs: ReadonlyArray<Inputs.Input>): number | undefined =>
  inputs.reduce<number | undefined>(
    (sum, { size }) => sum === undefined || size === undefined ? undefined : sum + size,
    0
  )

interface Uploaded {
  readonly file: FileMetadata
  /** Whether it was uploaded now, and not before. */
  readonly isNew: boolean
}

/** Uploads an input, unless the cache has a file of its content. */
const throughCache = Effect.fnUntraced(function*(
  source: ReturnType<typeof sourceOf>,
  options: Parameters<typeof UploadCache.get>[1]
) {
  const { progress } = yield* Output
  let isNew = false
  const watched: Progress = {
    ...progress,
    begin: (name, total) => {
      isNew = true
      return progress.begin(name, total)
    }
  }
  const file = yield* UploadCache.get(source, { ...options, progress: watched })
  if (!isNew) {
    const meter = yield* progress.begin(file.filename, file.size_bytes)
    meter.set(file.size_bytes)
    meter.end(true)
  }
  return { file, isNew }
})

const lineOf = (output: Output["Service"], name: string, { file, isNew }: Uploaded): string => {
  const id = printable(file.id)
  if (!output.isTerminal) return `${id}\t${name}`
  const size = Format.padStart(Format.bytes(file.size_bytes), 8)
  const room = Math.max(8, output.columns - file.id.length - 14)
  const shown = Format.middle(isNew ? name : `${name} (already there)`, room)
  return `${output.style.green("✓")} ${output.style.cyan(id)}  ${size}  ${shown}`
}

const tell = (output: Output["Service"], input: Inputs.Input, uploaded: Uploaded): Effect.Effect<void> => {
  const { file, isNew } = uploaded
  const isStdin = input._tag === "Stdin"
  const name = printable(isStdin ? file.filename : shownPath(input))
  const path = isStdin ? "-" : shownPath(input)
  return output.item(
    { action: isNew ? "uploaded" : "reused", path, id: file.id, file },
    lineOf(output, name, uploaded)
  )
}

export const upload = define({
  name: "upload",
  description: "Upload files, folders, URLs or standard input",
  examples: [
    { command: `${program} upload report.pdf --expires-in 7d`, description: "One file, for a week" },
    { command: `${program} upload 'data/**/*.csv' --once`, description: "Only content that was not uploaded before" },
    { command: `pg_dump db | ${program} upload - --name db.sql`, description: "Output of another program" }
  ],
  flags: {
    inputs: Argument.String("input").pipe(
      Argument.withDescription("Paths, globs, folders, URLs, or - for standard input"),
      Argument.variadic()
    ),
    name: Flags.text("name", "NAME", "Name of the uploaded file, for a single input"),
    mime: Flags.text("mime", "TYPE", "MIME type (default: by the name)"),
    expiresIn: Flags.duration("expires-in", "Time until the file expires: 1h to 90d"),
    once: Flags.toggle("once", "Reuse the file of content that was uploaded before"),
    filesFrom: Flags.text(
      "files-from",
      "FILE",
      "List of paths and URLs to upload, one per line; - reads it from standard input"
    ),
    ...CacheLayer.flags,
    dryRun: Confirm.flags.dryRun
  },
  main: "uploaded",
  run: Effect.fnUntraced(function*({ cacheDir, dryRun, ...given }) {
    const output = yield* Output
    const { concurrency } = yield* Settings
    const { stdin } = yield* Stdio.Stdio
    const inputs = yield* inputsOf(given)
    if (inputs.length === 0) return yield* output.note("No file was found: nothing was uploaded.")
    const options = {
      filename: Option.getOrUndefined(given.name),
      mimeType: Option.getOrUndefined(given.mime),
      expiresIn: Option.getOrUndefined(given.expiresIn)
    }
    if (dryRun) return yield* plan(inputs, options.filename)
    const bytes = totalOf(inputs)
    yield* output.progress.expect({ files: inputs.length, ...(bytes === undefined ? undefined : { bytes }) })
    const sourceFor = (input: Readable) => sourceOf(input, stdin, options.filename)

    const uploadAll = <R>(upload: (input: Readable) => Effect.Effect<Uploaded, unknown, R>) => {
      const one = (input: Inputs.Input): Effect.Effect<Uploaded, unknown, R> =>
        input._tag === "Unreadable" ? Effect.fail(input.error) : upload(input)
      return output.watch(Stream.runDrain(Stream.mapEffect(
        Stream.fromIterable(inputs),
        (input) =>
          Effect.matchEffect(one(input), {
            onFailure: (error) => output.problem(error, { path: shownPath(input) }),
            onSuccess: (uploaded) => tell(output, input, uploaded)
          }),
        { concurrency, unordered: true }
      )))
    }

    if (given.once) {
      return yield* uploadAll((input) => throughCache(sourceFor(input), options)).pipe(
        Effect.provide(CacheLayer.layer(cacheDir))
      )
    }
    yield* uploadAll((input) =>
      Effect.map(
        Transfer.upload({ source: sourceFor(input), ...options }, output.progress),
        (file) => ({ file, isNew: true })
      )
    )
  }, Effect.provide(Client.layer))
})
