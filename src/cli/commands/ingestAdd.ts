/**
 * `ingest add`: a manifest, or the files of a folder, into the table.
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "../../FilesError.ts"
import * as Ingest from "../../fleet/Ingest.ts"
import * as Manifest from "../../fleet/Manifest.ts"
import { fromPlatformError } from "../../internal/files/sourceFailed.ts"
import { printable } from "../../internal/text.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import { itemFailed, UsageError } from "../failure.ts"
import * as Flags from "../flags.ts"
import * as Folder from "../folder.ts"
import { ingestArgument } from "../ingestFlags.ts"
import * as IngestLayer from "../ingestLayer.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import type { Frame } from "../screen/live.ts"
import { program } from "../usage.ts"

const formats = ["jsonl", "csv", "tsv"] as const

type Format = typeof formats[number]

const byExtension: Readonly<Record<string, Format>> = { jsonl: "jsonl", ndjson: "jsonl", csv: "csv", tsv: "tsv" }

type Entries = Stream.Stream<Manifest.Entry, SourceFailed, FileSystem.FileSystem | Path.Path>

const parse = (
  content: Stream.Stream<Uint8Array, PlatformError.PlatformError>,
  path: string,
  name: string,
  format: Format
): Entries => {
  const bytes = Stream.mapError(content, fromPlatformError(path))
  if (format === "jsonl") return Manifest.jsonl(bytes, { name })
  return Manifest.csv(bytes, { name, delimiter: format === "tsv" ? "\t" : "," })
}

/** The items that one argument stands for. */
const entriesOf = Effect.fnUntraced(function*(
  source: string,
  given: Option.Option<Format>,
  globs: ReturnType<typeof Folder.globsOf>
) {
  const fs = yield* FileSystem.FileSystem
  if (source === "-") {
    const { stdin } = yield* Stdio.Stdio
    return parse(stdin, source, "standard input", Option.getOrElse(given, () => "jsonl" as const))
  }
  const { type } = yield* Effect.mapError(fs.stat(source), fromPlatformError(source))
  if (type === "Directory") return Manifest.folder(source, globs)
  const extension = /\.([a-z]+)$/i.exec(source)?.[1]?.toLowerCase() ?? ""
  const format = Option.getOrUndefined(given) ?? byExtension[extension]
  if (format === undefined) {
    return yield* new UsageError({ message: `Say with --format what ${source} is: ${formats.join(", ")}.` })
  }
  return parse(fs.stream(source), source, source, format)
})

/** Resolves a relative path here, because the runner may be started in another directory. */
const absolute = (path: Path.Path) => (entry: Manifest.Entry): Manifest.Entry =>
  Manifest.isMalformed(entry) || /^[a-z][a-z0-9+.-]*:\/\//i.test(entry.source)
    ? entry
    : { ...entry, source: path.resolve(entry.source) }

export const add = define({
  name: "add",
  path: ["ingest", "add"],
  description: "Add items: the lines of a manifest, or the files of a folder",
  examples: [
    { command: `${program} ingest add corpus ./corpus --include '*.pdf'`, description: "A folder" },
    {
      command: `${program} ingest add corpus items.jsonl`,
      description: "Lines such as {\"key\":\"a\",\"source\":\"a.pdf\"}; relative paths count from here"
    },
    { command: `${program} ingest add corpus items.csv --dry-run`, description: "What is wrong with a manifest" }
  ],
  flags: {
    ingest: ingestArgument,
    sources: Argument.String("source").pipe(
      Argument.withDescription("Manifests, folders, or - for a manifest on standard input"),
      Argument.variadic({ min: 1 })
    ),
    format: Flags.choice("format", formats, "What a manifest is; told from its name unless given"),
    ...Folder.globs,
    ...IngestLayer.flags,
    dryRun: Confirm.flags.dryRun
  },
  run: Effect.fnUntraced(function*({ databaseUrl, dryRun, exclude, format, include, ingest, sources }) {
    const output = yield* Output
    const globs = Folder.globsOf({ include, exclude })
    const manifests = yield* Effect.forEach(sources, (source) => entriesOf(source, format, globs))
    const read = { items: 0, malformed: 0 }
    const path = yield* Path.Path

    const manifest = Stream.concat(Stream.empty, Stream.flatten(Stream.fromIterable(manifests))).pipe(
      Stream.map(absolute(path)),
      Stream.tap((entry) => {
        if (!Manifest.isMalformed(entry)) {
          read.items++
          return Effect.void
        }
        read.malformed++
        return output.problemOfMany(
          itemFailed("InvalidItem", entry.message),
          // A line without a key of its own is named by its message.
          entry.key.endsWith(`:${entry.line}`) ? {} : { key: entry.key }
        )
      })
    )
    const frames = Stream.fromEffectRepeat(
      Effect.as(Effect.sleep("500 millis"), ((_, style) => [style.dim(`${Format.items(read.items)} read`)]) as Frame)
    )

    if (dryRun) {
      yield* output.live(frames, Stream.runDrain(manifest))
      return yield* output.item(
        { action: "planned", would: "add", data: { ingest, ...read } },
        `would add ${Format.items(read.items)} to ${printable(ingest)}`
      )
    }
    const { added, existing, malformed } = yield* Effect.provide(
      output.live(frames, Ingest.add(ingest, manifest)),
      IngestLayer.layer({ databaseUrl })
    )
    const details = [
      ...(existing > 0 ? [`${Format.count(existing)} were there already`] : []),
      ...(malformed > 0 ? [`${Format.count(malformed)} of them failed at once`] : [])
    ]
    yield* output.item(
      { action: "added", data: { ingest, added, existing, malformed } },
      `added ${Format.items(added)} to ${printable(ingest)}${details.length === 0 ? "" : ` (${details.join(", ")})`}`
    )
  })
})
