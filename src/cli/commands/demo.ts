/**
 * `demo`: runs the main commands against the embedded emulator, with no key and no network.
 */
import * as Command from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Emulator from "../../emulator/Emulator.ts"
import * as NodeEmulator from "../../emulator/NodeEmulator.ts"
import { version } from "../../internal/version.ts"
import { define } from "../define.ts"
import { Stopped, UsageError } from "../failure.ts"
import { Output } from "../output.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"

interface Step {
  readonly title: string
  readonly args: ReadonlyArray<string>
}

const steps: ReadonlyArray<Step> = [
  { title: "Upload, several at a time", args: ["upload", "lighthouse.pdf", "lighthouse.csv", "visitors.png"] },
  { title: "List, newest first", args: ["ls"] },
  {
    title: "Ask about the PDF, with citations",
    args: ["ask", "lighthouse.pdf", "On how many nights was the lamp lit?"]
  },
  {
    title: "Give the table to the code tool",
    args: ["ask", "lighthouse.csv", "Sum up this table and save the result as a file."]
  },
  { title: "Fetch what it made", args: ["download", "--all-generated", "--directory", "results"] },
  { title: "See what is stored", args: ["usage"] },
  { title: "Clean up", args: ["rm", "--name", "*", "--yes"] }
]

/** As a person would type it. */
const typed = (args: ReadonlyArray<string>): string =>
  args.map((arg) => /^[\w./:@%+=,-]+$/.test(arg) ? arg : `'${arg}'`).join(" ")

const environmentNames = ["NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"]

export const demo = define({
  name: "demo",
  description: "Show the main commands at work on this machine, with no key and no network",
  examples: [{ command: `npx effect-anthropic-files demo`, description: "From an empty folder" }],
  flags: {},
  onlyReads: true,
  run: Effect.fnUntraced(function*() {
    const output = yield* Output
    if ((yield* Settings).mode !== "text") {
      return yield* new UsageError({ message: "The demo is for people: it goes with no --json and no --jsonl." })
    }
    const fs = yield* FileSystem.FileSystem
    const { complete } = yield* Effect.promise(() => import("../tree.ts"))
    const command = yield* complete
    const { apiKey, url } = yield* Emulator.Emulator
    const temporary = yield* fs.makeTempDirectoryScoped({ prefix: "anthropic-files-demo-" })
    const assets = fileURLToPath(new URL("./assets/", import.meta.url))
    yield* fs.copy(assets, temporary, { overwrite: true })
    const inherited = ConfigProvider.fromEnv()
    const colors = yield* Effect.forEach(
      environmentNames,
      (name) => Effect.map(inherited.load([name]), (node) => [name, node?._tag === "Value" ? node.value : ""] as const)
    )
    const provider = ConfigProvider.fromEnv({
      env: {
        ...Object.fromEntries(colors),
        ANTHROPIC_API_KEY: Redacted.value(apiKey),
        ANTHROPIC_BASE_URL: url
      }
    })
    // The commands name files by short relative paths.
    const home = process.cwd()
    yield* Effect.acquireRelease(
      Effect.sync(() => process.chdir(temporary)),
      () => Effect.sync(() => process.chdir(home))
    )
    yield* output.text(
      `${output.style.dim(`The embedded emulator serves at ${url}. No model is involved: it makes up its answers.`)}\n`
    )
    for (const { args, title } of steps) {
      yield* output.text(`\n${output.style.bold(title)}\n${output.style.dim(`$ ${program} ${typed(args)}`)}\n`)
      yield* Command.runWith(command, { version })(args).pipe(
        Effect.catchIf((error) => error instanceof Stopped, () => Effect.void),
        Effect.provideService(ConfigProvider.ConfigProvider, provider)
      )
    }
  }, Effect.provide(NodeEmulator.layerServer()))
})
