/**
 * All commands. Only those that the command line names are loaded; the others are stubs with a name and a description, for
 * the help and for suggestions.
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Services } from "./define.ts"
import type { Output } from "./output.ts"
import { globalFlags, type Settings } from "./settings.ts"
import { program } from "./usage.ts"

interface Entry {
  readonly name: string
  readonly description: string
  readonly load: () => Promise<Command.Command.Any>
}

/** In the order of the help. */
export const entries: ReadonlyArray<Entry> = [
  {
    name: "upload",
    description: "Upload files, folders, URLs or standard input",
    load: () => import("./commands/upload.ts").then(({ upload }) => upload)
  },
  {
    name: "ls",
    description: "List files, newest first",
    load: () => import("./commands/ls.ts").then(({ ls }) => ls)
  },
  {
    name: "info",
    description: "Show the metadata of files",
    load: () => import("./commands/info.ts").then(({ info }) => info)
  },
  {
    name: "download",
    description: "Download files created by tools and skills",
    load: () => import("./commands/download.ts").then(({ download }) => download)
  },
  {
    name: "cat",
    description: "Print the content of a file created by a tool or skill",
    load: () => import("./commands/cat.ts").then(({ cat }) => cat)
  },
  {
    name: "rm",
    description: "Delete files permanently, by id or by the filters of ls",
    load: () => import("./commands/rm.ts").then(({ rm }) => rm)
  },
  {
    name: "sync",
    description: "Upload what is new or changed in a folder",
    load: () => import("./commands/sync.ts").then(({ sync }) => sync)
  },
  {
    name: "check",
    description: "Show what is new, changed or gone in a folder since its last sync",
    load: () => import("./commands/check.ts").then(({ check }) => check)
  },
  {
    name: "ask",
    description: "Ask a model about files, with citations",
    load: () => import("./commands/ask.ts").then(({ ask }) => ask)
  },
  {
    name: "batch",
    description: "Ask many questions about files in one batch, and wait for the answers",
    load: () => import("./commands/batch.ts").then(({ batch }) => batch)
  },
  {
    name: "ingest",
    description: "Upload files by the million, on any number of machines, through a Postgres",
    load: () => import("./commands/ingest.ts").then(({ ingest }) => ingest)
  },
  {
    name: "usage",
    description: "Show how much storage is used, by type, age and expiry",
    load: () => import("./commands/usage.ts").then(({ usage }) => usage)
  },
  {
    name: "cache",
    description: "Inspect and clean up the upload cache",
    load: () => import("./commands/cache.ts").then(({ cache }) => cache)
  },
  {
    name: "emulator",
    description: "Serve the Files API on this machine, for development and tests",
    load: () => import("./emulator.ts").then(({ emulator }) => emulator)
  },
  {
    name: "demo",
    description: "Show the main commands at work on this machine, with no key and no network",
    load: () => import("./commands/demo.ts").then(({ demo }) => demo)
  },
  {
    name: "doctor",
    description: "Check the setup, and say how to fix what is wrong",
    load: () => import("./commands/doctor.ts").then(({ doctor }) => doctor)
  },
  {
    name: "completions",
    description: "Print a completion script for a shell",
    load: () => import("./commands/completions.ts").then(({ completions }) => completions)
  }
]

const stub = ({ description, name }: Entry): Command.Command.Any =>
  Command.make(name).pipe(Command.withDescription(description))

const withCommands = (commands: ReadonlyArray<Command.Command.Any>) =>
  Command.make(program).pipe(
    Command.withDescription("Work with files of the Claude API: upload, list, download, sync, ask about them"),
    Command.withSubcommands(commands),
    Command.withGlobalFlags(globalFlags)
    // The compiler knows nothing of commands that are loaded by name; all are made by `define`, or need less.
  ) as Command.Command<string, unknown, {}, unknown, Exclude<Services, Output | Settings | Scope.Scope>>

const build = (isWanted: (name: string) => boolean) =>
  Effect.map(
    Effect.forEach(entries, (entry) => isWanted(entry.name) ? Effect.promise(entry.load) : Effect.succeed(stub(entry))),
    withCommands
  )

/** With the commands that the arguments name. */
export const commandFor = (args: ReadonlyArray<string>) => build((name) => args.includes(name))

/** With all commands. */
export const complete = build(() => true)
