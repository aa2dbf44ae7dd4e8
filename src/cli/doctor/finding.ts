/**
 * The findings of `doctor`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { printable } from "../../internal/text.ts"
import { ExitCode } from "../exitCode.ts"
import { messageOf } from "../wording.ts"

export interface Finding {
  readonly name: string
  readonly state: "ok" | "warning" | "failed" | "skipped"
  readonly detail: string
  /** What to do about it. */
  readonly advice?: string | undefined
  /** The exit code of a failure. */
  readonly code?: number | undefined
}

export const ok = (name: string, detail: string): Finding => ({ name, state: "ok", detail })

export const warning = (name: string, detail: string, advice: string): Finding => ({
  name,
  state: "warning",
  detail,
  advice
})

export const failed = (name: string, detail: string, advice: string, code: number = ExitCode.someFailed): Finding => ({
  name,
  state: "failed",
  detail,
  advice,
  code
})

export const skipped = (name: string, detail: string): Finding => ({ name, state: "skipped", detail })

/** The sentence of a failure, safe to print. */
export const reasonOf = (error: unknown): string => printable(messageOf(error))

/** A variable of the environment; `undefined` where it is unset or empty. */
export const variable = (name: string) =>
  Effect.map(
    Effect.orElseSucceed(Config.option(Config.Redacted(name)), Option.none),
    (found) =>
      Option.getOrUndefined(
        Option.filter(Option.map(found, (value) => Redacted.value(value).trim()), (text) => text !== "")
      )
  )
