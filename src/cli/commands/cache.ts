/**
 * `cache`: the files that the upload cache knows.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { FileId } from "../../FileMetadata.ts"
import { FileNotFound } from "../../FilesError.ts"
import * as Keys from "../../internal/cache/keys.ts"
import * as Leases from "../../internal/cache/lease.ts"
import { printable } from "../../internal/text.ts"
import * as UploadCache from "../../UploadCache.ts"
import * as UploadStore from "../../UploadStore.ts"
import * as CacheLayer from "../cacheLayer.ts"
import * as Client from "../client.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import { idOf } from "../lookUp.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { program } from "../usage.ts"

/** The contents recorded in a folder of the store, of every workspace. */
const entriesIn = Effect.fnUntraced(function*(given: Option.Option<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* CacheLayer.directoryOf(given)
  if (!(yield* fs.exists(directory))) return []
  const leases = yield* Leases.make(yield* UploadStore.UploadStore, Duration.seconds(30))
  const names = (yield* fs.readDirectory(directory, { recursive: true })).map((name) => path.basename(name))
  const digests = new Set(names.flatMap((name) => /^content-([0-9a-f]+)\.\d+$/.exec(name)?.[1] ?? []))
  const cells = yield* Effect.forEach(digests, (digest) => leases.read(Keys.stored(digest)), { concurrency: 8 })
  return cells.flatMap(({ value }) => value === undefined ? [] : [value]).sort((a, b) => b.seenAt - a.seenAt)
}, Effect.scoped)

const isExpired = ({ expiresAt }: Keys.Stored, now: number): boolean => expiresAt !== null && expiresAt <= now

const list = define({
  name: "ls",
  path: ["cache", "ls"],
  description: "List files uploaded with --once or sync, last used first",
  examples: [{ command: `${program} cache ls`, description: "Ids, sizes and names" }],
  flags: CacheLayer.flags,
  onlyReads: true,
  run: Effect.fnUntraced(function*({ cacheDir }) {
    const output = yield* Output
    const now = yield* Clock.currentTimeMillis
    const entries = yield* Effect.provide(entriesIn(cacheDir), CacheLayer.store(cacheDir))
    yield* output.items(entries.map(({ expiresAt, file, seenAt }) => {
      const left = expiresAt === null ? undefined : (expiresAt - now) / 1000
      const line = output.isTerminal
        ? [
          output.style.cyan(printable(file.id)),
          Format.padStart(Format.bytes(file.size_bytes), 8),
          Format.padStart(`seen ${Format.age((now - seenAt) / 1000)} ago`, 14),
          Format.padEnd(Format.expiry(left), 8),
          printable(file.filename)
        ].join("  ")
        : [
          printable(file.id),
          String(file.size_bytes),
          DateTime.formatIso(DateTime.makeUnsafe(seenAt)),
          expiresAt === null ? "-" : DateTime.formatIso(DateTime.makeUnsafe(expiresAt)),
          printable(file.filename)
        ].join("\t")
      return [{ action: "cached", id: file.id, file }, line] as const
    }))
  })
})

const forgetting = (ids: ReadonlyArray<FileId>, cacheDir: Option.Option<string>, dryRun: boolean) =>
  Effect.gen(function*() {
    const output = yield* Output
    for (const id of ids) {
      if (!dryRun) yield* UploadCache.invalidate(id)
      yield* output.item(
        dryRun ? { action: "planned", would: "forget", id } : { action: "forgotten", id },
        `${dryRun ? "would forget" : "forgot"} ${printable(id)}`
      )
    }
  }).pipe(Effect.provide(CacheLayer.layer(cacheDir)))

const prune = define({
  name: "prune",
  path: ["cache", "prune"],
  description: "Forget files that have expired",
  examples: [{ command: `${program} cache prune --dry-run`, description: "Show which files would be forgotten" }],
  flags: { ...CacheLayer.flags, dryRun: Confirm.flags.dryRun },
  main: "forgotten",
  run: Effect.fnUntraced(function*({ cacheDir, dryRun }) {
    const output = yield* Output
    const now = yield* Clock.currentTimeMillis
    const entries = yield* Effect.provide(entriesIn(cacheDir), CacheLayer.store(cacheDir))
    const expired = entries.filter((entry) => isExpired(entry, now)).map(({ file }) => file.id)
    if (expired.length === 0) return yield* output.note("Nothing has expired.")
    yield* forgetting(expired, cacheDir, dryRun)
  }, Effect.provide(Client.layer))
})

const unknown = (id: FileId) =>
  new FileNotFound({ operation: "metadata", message: `The cache knows no ${printable(id)}.`, fileId: id })

const forget = define({
  name: "forget",
  path: ["cache", "forget"],
  description: "Forget files: they are not deleted, but their content is uploaded again the next time",
  examples: [{ command: `${program} cache forget file_011CNha8iCJcU1wXNR6q4V8w`, description: "One file" }],
  flags: {
    ids: Argument.String("id").pipe(Argument.withDescription("Ids of files"), Argument.variadic({ min: 1 })),
    ...CacheLayer.flags,
    dryRun: Confirm.flags.dryRun
  },
  main: "forgotten",
  run: Effect.fnUntraced(function*({ cacheDir, dryRun, ids }) {
    const output = yield* Output
    const asked = yield* Effect.forEach(new Set(ids), idOf)
    const entries = yield* Effect.provide(entriesIn(cacheDir), CacheLayer.store(cacheDir))
    const known = new Set(entries.map(({ file }) => file.id))
    for (const id of asked) if (!known.has(id)) yield* output.problem(unknown(id), { id })
    yield* forgetting(asked.filter((id) => known.has(id)), cacheDir, dryRun)
  }, Effect.provide(Client.layer))
})

const where = define({
  name: "path",
  path: ["cache", "path"],
  description: "Print the folder of the upload cache",
  examples: [{ command: `du -sh "$(${program} cache path)"`, description: "How large it is" }],
  flags: CacheLayer.flags,
  onlyReads: true,
  run: Effect.fnUntraced(function*({ cacheDir }) {
    const output = yield* Output
    const directory = yield* CacheLayer.directoryOf(cacheDir)
    yield* output.item({ action: "cached", path: directory }, directory)
  })
})

export const cache = Command.make("cache").pipe(
  Command.withDescription("Inspect and clean up the upload cache"),
  Command.withSubcommands([list, prune, forget, where])
)
