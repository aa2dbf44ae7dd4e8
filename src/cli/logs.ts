/**
 * What a command does with logs: warnings are printed, and the waits of policies are remembered, to be shown.
 */
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { printable } from "../internal/text.ts"
import * as ProgressScreen from "./screen/progress.ts"
import type { Style } from "./screen/style.ts"
import type { Settings } from "./settings.ts"

export interface Options {
  readonly settings: Settings["Service"]
  /** Of standard error. */
  readonly style: Style
  /** Whether a frame shows the waits. */
  readonly isDrawing: () => boolean
  /** Prints a line to standard error. */
  readonly tell: (line: string) => void
}

export interface Logs {
  readonly logger: Logger.Logger<unknown, void>
  /** Those that have not ended, and some that have. */
  readonly waits: ReadonlyArray<ProgressScreen.Wait>
}

/** Where nothing is drawn, waits of at least this many milliseconds are printed. */
const printedFrom = 2_000

export const make = ({ isDrawing, settings, style, tell }: Options): Logs => {
  const isText = settings.mode === "text"
  const printsWaits = isText && !settings.isQuiet && !settings.isVerbose
  const waits: Array<ProgressScreen.Wait> = []

  /** Whether no other request waits for the same reason. */
  const remember = (now: number, wait: ProgressScreen.Wait): boolean => {
    const current = waits.filter(({ until }) => until > now)
    waits.splice(0, waits.length, ...current, wait)
    return current.every(({ reason }) => reason !== wait.reason)
  }

  // Policies log what they do at the level Debug, annotated with the reason and the delay.
  const logger = Logger.make<unknown, void>(({ date, fiber, logLevel, message }) => {
    const text = printable(Array.isArray(message) ? message.map(String).join(" ") : String(message))
    if (LogLevel.isGreaterThanOrEqualTo(logLevel, "Warn")) {
      if (!settings.isQuiet) tell(`${style.yellow("!")} ${text}`)
      return
    }
    if (settings.isVerbose && isText) tell(style.dim(text))
    const { delay_ms: delay, reason, tries } = fiber.getRef(References.CurrentLogAnnotations)
    if (typeof delay !== "number" || reason === "concurrency") return
    const now = date.getTime()
    const wait = {
      reason: printable(String(reason)),
      until: now + delay,
      attempt: typeof tries === "number" ? tries + 1 : undefined
    }
    const isNew = remember(now, wait)
    if (isNew && printsWaits && !isDrawing() && delay >= printedFrom) {
      tell(style.dim(ProgressScreen.waitLine([wait], now, settings.retries + 1)))
    }
  })

  return { logger, waits }
}
