/**
 * What `sync` and `check` have in common.
 */
import * as Argument from "effect/cli/Argument"
import type { FileId } from "../FileMetadata.ts"
import { printable } from "../internal/text.ts"
import type { Difference } from "../UploadCache.ts"
import * as CacheLayer from "./cacheLayer.ts"
import * as Flags from "./flags.ts"
import * as Format from "./screen/format.ts"
import type { Style } from "./screen/style.ts"

export const globs = {
  include: Flags.list(
    "include",
    "GLOB",
    "Only paths that match, relative to the folder; a glob without / matches at any depth"
  ),
  exclude: Flags.list("exclude", "GLOB", "Skip paths that match; a glob without / matches at any depth")
}

export const flags = {
  directory: Argument.String("dir").pipe(Argument.withDescription("The folder")),
  checksum: Flags.toggle("checksum", "Compare content, even where size and time are unchanged"),
  ...globs,
  ...CacheLayer.flags
}

export interface Chosen {
  readonly checksum: boolean
  readonly include: ReadonlyArray<string>
  readonly exclude: ReadonlyArray<string>
}

/** As in .gitignore: `*.tmp` matches at any depth, `/*.tmp` and `./*.tmp` in the folder itself only. */
const atAnyDepth = (glob: string): string => glob.includes("/") ? glob.replace(/^\.?\//, "") : `**/${glob}`

export const globsOf = ({ exclude, include }: Omit<Chosen, "checksum">) => ({
  include: include.length === 0 ? undefined : include.map(atAnyDepth),
  exclude: exclude.map(atAnyDepth)
})

export const optionsOf = (chosen: Chosen) => ({ checksum: chosen.checksum, ...globsOf(chosen) })

/** Files that no path refers to any more, each once. */
export const goneOf = (differences: ReadonlyArray<Difference>) =>
  Array.from(
    new Map(differences.flatMap((one): ReadonlyArray<readonly [FileId, Difference & { readonly _tag: "Gone" }]> =>
      one._tag === "Gone" ? [[one.id, one]] : []
    )).values()
  )

const marks = { New: "+", Changed: "~", Gone: "-", Unchanged: "=", Failed: "!" } as const

/** `+ path (12 kB)` */
export const differenceLine = (one: Exclude<Difference, { readonly _tag: "Failed" }>, style: Style): string => {
  const paint = { New: style.green, Changed: style.yellow, Gone: style.red, Unchanged: style.dim }[one._tag]
  return `${paint(marks[one._tag])} ${printable(one.path)} (${Format.bytes(one.size)})`
}
