/**
 * `check`: shows what `sync` would do.
 */
import * as Effect from "effect/Effect"
import * as UploadCache from "../../UploadCache.ts"
import * as CacheLayer from "../cacheLayer.ts"
import * as Client from "../client.ts"
import { define } from "../define.ts"
import { ExitCode } from "../exitCode.ts"
import * as Folder from "../folder.ts"
import { Output } from "../output.ts"
import { program } from "../usage.ts"

const actions = { New: "new", Changed: "changed", Gone: "gone" } as const

export const check = define({
  name: "check",
  description: "Show what is new, changed or gone in a folder since its last sync",
  examples: [{
    command: `${program} check docs --checksum`,
    description: "Compare by content; exits with 10 if there are differences"
  }],
  flags: Folder.flags,
  onlyReads: true,
  run: Effect.fnUntraced(function*({ cacheDir, directory, ...chosen }) {
    const output = yield* Output
    const differences = yield* UploadCache.check(directory, Folder.optionsOf(chosen)).pipe(
      Effect.provide(CacheLayer.layer(cacheDir))
    )
    let found = 0
    for (const one of differences) {
      if (one._tag === "Failed") {
        yield* output.problem(one.error, { path: one.path })
        continue
      }
      if (one._tag === "Unchanged") continue
      found++
      yield* output.item(
        {
          action: actions[one._tag],
          path: one.path,
          bytes: one.size,
          ...(one.id === undefined ? undefined : { id: one.id })
        },
        Folder.differenceLine(one, output.style)
      )
    }
    if (found > 0) yield* output.endWith(ExitCode.differences)
    else yield* output.note("No differences.")
  }, Effect.provide(Client.layer))
})
