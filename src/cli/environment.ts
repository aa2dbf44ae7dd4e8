/**
 * The environment variables that say what the terminal can show.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Environment } from "./screen/style.ts"

const names = ["NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"] as const

const read = (name: string) => Config.option(Config.String(name))

export const environment: Effect.Effect<Environment> = Effect.forEach(
  names,
  (name) => Effect.map(Effect.orDie(read(name)), (value) => [name, Option.getOrUndefined(value)] as const)
).pipe(Effect.map((entries) => Object.fromEntries(entries)))
