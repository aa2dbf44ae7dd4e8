/**
 * `node signals.ts <url> <key> platform|<limit>`: uploads a file for as long as it runs, under the platform's runMain
 * or under this package's with that limit.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Files from "../../src/Files.ts"
import * as FileSource from "../../src/FileSource.ts"
import * as NodeFiles from "../../src/NodeFiles.ts"
import * as NodeMain from "../../src/NodeMain.ts"

const [url = "", key = "", how = ""] = process.argv.slice(2)

const program = Effect.scoped(
  Effect.andThen(
    Files.uploadScoped(FileSource.text("x", "x.txt")),
    Effect.andThen(Effect.sync(() => process.stdout.write("uploaded\n")), Effect.never)
  )
).pipe(Effect.provide(NodeFiles.layer({ apiKey: Redacted.make(key), baseUrl: url })))

if (how === "platform") NodeRuntime.runMain(program)
else NodeMain.runMain(program, { cleanUpLimit: how as Duration.Input })
