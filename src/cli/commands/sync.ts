/**
 * `sync`: uploads what is new or changed in a folder.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Item } from "../../CliEvent.ts"
import { printable } from "../../internal/text.ts"
import * as UploadCache from "../../UploadCache.ts"
import * as CacheLayer from "../cacheLayer.ts"
import * as Client from "../client.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import * as Flags from "../flags.ts"
import * as Folder from "../folder.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import type { Style } from "../screen/style.ts"
import { Settings } from "../settings.ts"
import * as UploadFlags from "../uploadFlags.ts"
import { program } from "../usage.ts"
import { maxDelete, maxDeleteHelp, tooMany, warning } from "./rm.ts"

type Done = Exclude<UploadCache.SyncResult, { readonly _tag: "Failed" | "DeleteFailed" }>

const actionOf = (result: Done): Item["action"] => {
  if (result._tag === "Deleted") return "deleted"
  if (result.uploaded) return "uploaded"
  return result._tag === "Unchanged" ? "unchanged" : "reused"
}

interface Chosen extends Folder.Chosen {
  readonly delete: boolean
}

/** Shows what a run would do. */
const plan = Effect.fnUntraced(function*(directory: string, chosen: Chosen) {
  const output = yield* Output
  const differences = yield* UploadCache.check(directory, Folder.optionsOf(chosen))
  const concerns = ({ _tag }: UploadCache.Difference) => _tag === "Gone" ? chosen.delete : _tag !== "Unchanged"
  if (!differences.some(concerns)) yield* output.note("Nothing would be uploaded or deleted.")
  for (const one of differences.filter(concerns)) {
    if (one._tag === "Failed") {
      yield* output.problem(one.error, { path: one.path })
      continue
    }
    yield* output.item({
      action: "planned",
      would: one._tag === "Gone" ? "delete" : "upload",
      path: one.path,
      bytes: one.size,
      ...(one.id === undefined ? undefined : { id: one.id })
    }, Folder.differenceLine(one, output.style))
  }
})

/** Asks whether the files that are gone may be deleted. Gives those that somebody agreed to; `false` if they are to stay. */
const agreed = Effect.fnUntraced(function*(directory: string, chosen: Chosen, most: number) {
  const output = yield* Output
  const gone = Folder.goneOf(yield* UploadCache.check(directory, Folder.optionsOf(chosen)))
  if (gone.length === 0) return []
  if (gone.length > most) return yield* tooMany(gone.length, most)
  const files = gone.map(({ path, size }) => ({ filename: path, size_bytes: size }))
  const isAgreed = yield* Confirm.confirm(
    warning(files),
    `Delete ${Format.files(gone.length)} after the uploads?`,
    false
  )
  if (!isAgreed) yield* output.note("Nothing will be deleted.")
  return isAgreed ? gone.map(({ id }) => id) : false
})

const lineOf = (result: Done, style: Style): string | undefined => {
  const path = printable(result.path)
  if (result._tag === "Deleted") return `${style.red("-")} ${path}`
  if (result._tag === "Unchanged" && !result.uploaded) return undefined
  const mark = result._tag === "New" ? style.green("+") : style.yellow("~")
  return `${mark} ${path} (${Format.bytes(result.file.size_bytes)})`
}

export const sync = define({
  name: "sync",
  description: "Upload what is new or changed in a folder",
  examples: [
    { command: `${program} sync docs --exclude '*.tmp'`, description: "A second run sends nothing" },
    { command: `${program} sync docs --delete --dry-run`, description: "Show what would be uploaded and deleted" }
  ],
  flags: {
    ...Folder.flags,
    delete: Flags.toggle("delete", "Delete files uploaded by earlier runs that are gone from the folder"),
    maxDelete: Flags.count("max-delete", maxDeleteHelp, 0),
    expiresIn: Flags.duration("expires-in", "Time until uploaded files expire: 1h to 90d"),
    ...Confirm.flags
  },
  main: "uploaded",
  run: Effect.fnUntraced(function*({ cacheDir, directory, dryRun, expiresIn, maxDelete: limit, yes, ...chosen }) {
    const output = yield* Output
    const { concurrency } = yield* Settings
    yield* UploadFlags.check({ expiresIn })
    const most = Option.getOrElse(limit, () => maxDelete)

    const tell = (result: UploadCache.SyncResult) => {
      if (result._tag === "Failed" || result._tag === "DeleteFailed") {
        return output.problem(result.error, { path: result.path })
      }
      const item = result._tag === "Deleted" ? { id: result.id } : { id: result.file.id, file: result.file }
      return output.item({ action: actionOf(result), path: result.path, ...item }, lineOf(result, output.style))
    }

    const run = Effect.gen(function*() {
      const asks = chosen.delete && !yes
      const results = UploadCache.sync(directory, {
        ...Folder.optionsOf(chosen),
        concurrency,
        delete: asks ? yield* agreed(directory, chosen, most) : chosen.delete,
        maxDeletions: most,
        expiresIn: Option.getOrUndefined(expiresIn),
        progress: output.progress
      })
      let isEmpty = true
      yield* output.watch(Stream.runForEach(results, (result) => {
        isEmpty = false
        return tell(result)
      }))
      if (isEmpty) yield* output.note(`No file in ${printable(directory)} matches: nothing was uploaded.`)
    })
    yield* Effect.provide(dryRun ? plan(directory, chosen) : run, CacheLayer.layer(cacheDir))
  }, Effect.provide(Client.layer))
})
