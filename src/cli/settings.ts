/**
 * The flags that every command takes, and the settings of a run.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "./failure.ts"
import * as Flags from "./flags.ts"

const json = GlobalFlag.Setting("json")({
  flag: Flags.toggle("json", "Print one JSON document at the end")
})
const jsonl = GlobalFlag.Setting("jsonl")({
  flag: Flags.toggle("jsonl", "Print one JSON object per line, as things happen")
})
const quiet = GlobalFlag.Setting("quiet")({
  flag: Flags.toggle("quiet", "Print only ids or paths, and errors").pipe(Flag.withAlias("q"))
})
const verbose = GlobalFlag.Setting("verbose")({
  flag: Flags.toggle("verbose", "Report every wait and retry").pipe(Flag.withAlias("v"))
})
const progress = GlobalFlag.Setting("progress")({
  flag: Flags.toggle("no-progress", "Do not draw progress")
})
const baseUrl = GlobalFlag.Setting("base-url")({
  flag: Flag.optional(
    Flag.String("base-url").pipe(
      Flag.withMetavar("URL"),
      Flag.withDescription("Base URL of the API, instead of ANTHROPIC_BASE_URL")
    )
  )
})
const workspace = GlobalFlag.Setting("workspace")({
  flag: Flag.optional(
    Flag.String("workspace").pipe(
      Flag.withMetavar("ID"),
      Flag.withDescription("Workspace id (wrkspc_…), instead of ANTHROPIC_WORKSPACE_ID")
    )
  )
})
const profile = GlobalFlag.Setting("profile")({
  flag: Flag.optional(
    Flag.String("profile").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Profile on this machine, instead of ANTHROPIC_PROFILE and of any key")
    )
  )
})
const platform = GlobalFlag.Setting("platform")({
  flag: Flags.choice(
    "platform",
    ["anthropic", "aws", "google-cloud", "foundry"],
    "Platform that serves the API; its own variables give region, project and resource"
  )
})
const allowPlainHttp = GlobalFlag.Setting("allow-plain-http")({
  flag: Flags.toggle(
    "allow-plain-http",
    "Allow plain http to another machine, where others on the network can read the key"
  )
})
const dialect = GlobalFlag.Setting("dialect")({
  flag: Flags.choice("dialect", ["ga", "beta"], "API dialect (default: ga)")
})
const concurrency = GlobalFlag.Setting("concurrency")({
  flag: Flags.count("concurrency", "Files handled at once (default: 8)", 1)
})
const retries = GlobalFlag.Setting("retries")({
  flag: Flags.count("retries", "Retries per request (default: 4)", 0)
})
const rateLimit = GlobalFlag.Setting("rate-limit")({
  flag: Flags.count("rate-limit", "Requests per minute (default: the documented limit)", 1)
})
const idleTimeout = GlobalFlag.Setting("idle-timeout")({
  flag: Flags.duration("idle-timeout", "Give up on a transfer when nothing moves for this long (default: 60s)")
})

/** In the order of the help. */
export const globalFlags = [
  json,
  jsonl,
  quiet,
  verbose,
  progress,
  baseUrl,
  workspace,
  profile,
  platform,
  allowPlainHttp,
  dialect,
  concurrency,
  retries,
  rateLimit,
  idleTimeout
] as const

export type Mode = "text" | "json" | "jsonl"

export type Platform = "anthropic" | "aws" | "google-cloud" | "foundry"

export class Settings extends Context.Service<Settings, {
  readonly mode: Mode
  readonly isQuiet: boolean
  readonly isVerbose: boolean
  readonly drawsProgress: boolean
  readonly baseUrl: string | undefined
  readonly workspaceId: string | undefined
  readonly profile: string | undefined
  readonly platform: Platform
  readonly allowPlainHttp: boolean
  readonly dialect: "ga" | "beta" | undefined
  readonly concurrency: number
  readonly retries: number
  readonly requestsPerMinute: number | undefined
  readonly idleTimeout: Duration.Duration | undefined
}>()("effect-anthropic-files/cli/Settings") {}

const modeOf = (json: boolean, jsonl: boolean): Mode => {
  if (json) return "json"
  return jsonl ? "jsonl" : "text"
}

/** The settings that the flags of this run give. */
export const read = Effect.gen(function*() {
  const [asJson, asJsonl, isQuiet, isVerbose] = [yield* json, yield* jsonl, yield* quiet, yield* verbose]
  if (asJson && asJsonl) return yield* new UsageError({ message: "--json and --jsonl exclude each other." })
  if (isQuiet && isVerbose) return yield* new UsageError({ message: "--quiet and --verbose exclude each other." })
  const chosenPlatform = Option.getOrElse(yield* platform, () => "anthropic" as const)
  const chosenProfile = Option.getOrUndefined(yield* profile)
  if (chosenProfile !== undefined && chosenPlatform !== "anthropic") {
    return yield* new UsageError({ message: "--profile is for Anthropic's own API: it goes with no other --platform." })
  }
  const workspaceId = Option.getOrUndefined(yield* workspace)
  if (workspaceId !== undefined && chosenPlatform === "foundry") {
    return yield* new UsageError({ message: "--workspace is not for Microsoft Foundry, which has no workspaces." })
  }
  return Settings.of({
    profile: chosenProfile,
    platform: chosenPlatform,
    mode: modeOf(asJson, asJsonl),
    isQuiet,
    isVerbose,
    drawsProgress: !(yield* progress),
    baseUrl: Option.getOrUndefined(yield* baseUrl),
    workspaceId,
    allowPlainHttp: yield* allowPlainHttp,
    dialect: Option.getOrUndefined(yield* dialect),
    concurrency: Option.getOrElse(yield* concurrency, () => 8),
    retries: Option.getOrElse(yield* retries, () => 4),
    requestsPerMinute: Option.getOrUndefined(yield* rateLimit),
    idleTimeout: Option.getOrUndefined(yield* idleTimeout)
  })
})
