/**
 * `upload`: uploads files, folders, URLs and standard input, several at once.
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
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
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import * as UploadFlags from "../uploadFlags.ts"
import { program } from "../usage.ts"

const sourceOf = (
  input: Inputs.Input,
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
  run: Effect.fnUntraced(function*({ cacheDir, dryRun, expiresIn, filesFrom, inputs, mime, name, once }) {
    const output = yield* Output
    const { concurrency } = yield* Settings
    const { stdin } = yield* Stdio.Stdio
    if (inputs.length === 0 && Option.isNone(filesFrom)) {
      return yield* new UsageError({
        message: "There is nothing to upload: name a path, a URL, or - for standard input."
      })
    }
    const readsStdin = inputs.includes("-")
    if (readsStdin && Option.contains(filesFrom, "-")) {
      return yield* new UsageError({ message: "Standard input is either a file or a list of files, not both." })
    }
    if (readsStdin && once) {
      return yield* new UsageError({
        message: "--once reads its input twice, which standard input does not allow: save it to a file first."
      })
    }
    yield* UploadFlags.check({ name, mime, expiresIn })
    const all = yield* Inputs.expand(inputs, Option.getOrUndefined(filesFrom))
    if (Option.isSome(name) && all.length !== 1) {
      return yield* new UsageError({ message: `--name needs a single file; there are ${all.length}.` })
    }
    if (all.length === 0) return yield* output.note("No file was found: nothing was uploaded.")
    if (dryRun) {
      return yield* output.items(all.map((input) =>
        [
          {
            action: "planned",
            would: "upload",
            path: shownPath(input),
            ...(input.size === undefined ? undefined : { bytes: input.size })
          },
          `would upload ${printable(shownPath(input))}${
            input.size === undefined ? "" : ` (${Format.bytes(input.size)})`
          }`
        ] as const
      ))
    }
    const sizes = all.map(({ size }) => size)
    yield* output.progress.expect({
      files: all.length,
      ...(sizes.some((size) => size === undefined)
        ? undefined
        : { bytes: sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0) })
    })
    const options = {
      filename: Option.getOrUndefined(name),
      mimeType: Option.getOrUndefined(mime),
      expiresIn: Option.getOrUndefined(expiresIn)
    }

    const plainly = (input: Inputs.Input) =>
      Effect.map(
        Transfer.upload({ source: sourceOf(input, stdin, options.filename), ...options }, output.progress),
        (file) => ({ file, uploaded: true })
      )

    const throughCache = (input: Inputs.Input) =>
      Effect.gen(function*() {
        let uploaded = false
        const progress: Progress = {
          ...output.progress,
          begin: (name, total) => {
            uploaded = true
            return output.progress.begin(name, total)
          }
        }
        const file = yield* UploadCache.get(sourceOf(input, stdin, undefined), { ...options, progress })
        if (!uploaded) {
          const meter = yield* output.progress.begin(file.filename, file.size_bytes)
          meter.set(file.size_bytes)
          meter.end(true)
        }
        return { file, uploaded }
      })

    const tell = (input: Inputs.Input, file: FileMetadata, uploaded: boolean) => {
      const name = printable(input._tag === "Stdin" ? file.filename : shownPath(input))
      const line = output.isTerminal
        ? `${output.style.green("✓")} ${output.style.cyan(printable(file.id))}  ${
          Format.padStart(Format.bytes(file.size_bytes), 8)
        }  ${
          Format.middle(
            uploaded ? name : `${name} (already there)`,
            Math.max(8, output.columns - file.id.length - 14)
          )
        }`
        : `${printable(file.id)}\t${name}`
      return output.item({
        action: uploaded ? "uploaded" : "reused",
        path: input._tag === "Stdin" ? "-" : shownPath(input),
        id: file.id,
        file
      }, line)
    }

    const each = <E, R>(
      one: (input: Inputs.Input) => Effect.Effect<{ readonly file: FileMetadata; readonly uploaded: boolean }, E, R>
    ) =>
      output.watch(Stream.runDrain(Stream.mapEffect(
        Stream.fromIterable(all),
        (input) =>
          Effect.matchEffect(one(input), {
            onFailure: (error) => output.problem(error, { path: shownPath(input) }),
            onSuccess: ({ file, uploaded }) => tell(input, file, uploaded)
          }),
        { concurrency, unordered: true }
      )))

    yield* once ? Effect.provide(each(throughCache), CacheLayer.layer(cacheDir)) : each(plainly)
  }, Effect.provide(Client.layer))
})
