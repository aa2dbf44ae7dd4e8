/**
 * What a command says: data on standard output, all else on standard error, as text for a person, as lines for a
 * script, or as JSON.
 */
import { displayWidth } from "effect/cli/CliOutput"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Predicate from "effect/Predicate"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as CliEvent from "../CliEvent.ts"
import { printable } from "../internal/text.ts"
import * as Progress from "../Progress.ts"
import { codeOf, codeOfRun, ExitCode, tagOf } from "./exitCode.ts"
import * as ProgressScreen from "./screen/progress.ts"
import * as Style from "./screen/style.ts"
import * as Summary from "./screen/summary.ts"
import { Settings } from "./settings.ts"
import { hideCursor, showCursor, Streams } from "./streams.ts"
import { messageOf } from "./wording.ts"

/** An item without what all of them have. */
export type NewItem = Omit<CliEvent.Item, "version" | "kind">

/** What a failure was about. */
export interface Subject {
  readonly path?: string | undefined
  /** Of an item of an ingest. */
  readonly key?: string | undefined
  readonly id?: string | undefined
}

/** What stands at the bottom of the screen: lines that fit it. */
export type Frame = (size: ProgressScreen.Size, style: Style.Style) => ReadonlyArray<string>

export class Output extends Context.Service<Output, {
  /** Whether a person reads standard output. */
  readonly isTerminal: boolean
  /** Whether somebody can answer a question. */
  readonly canAsk: boolean
  /** Cells of the screen that standard output goes to. */
  readonly columns: number
  /** Of standard output. */
  readonly style: Style.Style
  /** Whether standard error has colour. */
  readonly noteHasColor: boolean
  /** Where transfers count their bytes. */
  readonly progress: Progress.Progress
  /** Something that was done or found. `line` is how it reads as text; without one it is only counted. */
  readonly item: (item: NewItem, line?: string) => Effect.Effect<void>
  /** Many at once, in one write. */
  readonly items: (items: ReadonlyArray<readonly [item: NewItem, line: string | undefined]>) => Effect.Effect<void>
  /** The head of a table, for a person. */
  readonly heading: (text: string) => Effect.Effect<void>
  /** Text alone, which no JSON has. */
  readonly text: (text: string) => Effect.Effect<void>
  /** Bytes as they are, whatever the mode. */
  readonly bytes: (bytes: Uint8Array) => Effect.Effect<void>
  /** A remark, on standard error. */
  readonly note: (text: string) => Effect.Effect<void>
  /** A failure: told at the end, and part of the exit code. */
  readonly problem: (error: unknown, subject?: Subject) => Effect.Effect<void>
  /** The same for one of any number: told at once, and kept only where all is printed at the end. */
  readonly problemOfMany: (error: unknown, subject?: Subject) => Effect.Effect<void>
  /** What ended the command as a whole: the exit code is its own, whatever was done before. */
  readonly fail: (error: unknown) => Effect.Effect<void>
  /** Ends the run with this code although nothing failed. */
  readonly endWith: (code: number) => Effect.Effect<void>
  /** Ends the run as done, whatever failed: it stopped because it was told to. */
  readonly endAsTold: Effect.Effect<void>
  /** Takes what the effect logs: warnings are told, waits are shown. Standard output is never for logs. */
  readonly logged: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Shows how far transfers have come as long as the effect runs. */
  readonly watch: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether frames are drawn. */
  readonly isLive: boolean
  /** Shows the latest frame as long as the effect runs. */
  readonly live: <A, E, R, R2>(
    frames: Stream.Stream<Frame, never, R2>,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R | R2>
  /** Shows one frame after the other until there is none. */
  readonly liveUntilEnd: <E, R>(frames: Stream.Stream<Frame, E, R>) => Effect.Effect<void, E, R>
  /** Says how it ended, and gives the exit code. */
  readonly finish: (interrupted: boolean) => Effect.Effect<number>
}>()("effect-anthropic-files/cli/Output") {}

export interface Options {
  readonly command: string
  /** The action that is told of at the end; a command that only shows things has none. */
  readonly main: CliEvent.Item["action"] | undefined
  readonly environment: Style.Environment
}

const encodeEvent = Schema.encodeEffect(CliEvent.Event)

const problemOf = (error: unknown, { id, key, path }: Subject): CliEvent.Problem => {
  const has = (name: string): unknown => Predicate.hasProperty(error, name) ? error[name] : undefined
  const requestId = has("requestId")
  return {
    version: 1,
    kind: "error",
    error: tagOf(error),
    message: printable(messageOf(error)),
    exitCode: codeOf(error),
    isRetryable: has("isRetryable") === true,
    isOutcomeUnknown: has("isOutcomeUnknown") === true,
    ...(path === undefined ? undefined : { path: printable(path) }),
    ...(key === undefined ? undefined : { key: printable(key) }),
    ...(id === undefined ? undefined : { id: printable(id) }),
    ...(typeof requestId === "string" ? { requestId: printable(requestId) } : undefined)
  }
}

/** What `--quiet` leaves of an item: what the next command needs. */
const short = ({ action, id, key, path }: NewItem): string =>
  printable((action === "downloaded" || action === "skipped" ? path ?? id : id ?? path ?? key) ?? "")

/** Rows of the screen that lines take, also where it has become narrower than they are. */
const rowsOf = (lines: ReadonlyArray<string>, columns: number): number =>
  lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(displayWidth(line) / Math.max(1, columns))), 0)

export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<
  Output["Service"],
  never,
  Settings | Streams | Stdio.Stdio | Terminal.Terminal | Scope.Scope
> {
  const settings = yield* Settings
  const streams = yield* Streams
  const stdio = yield* Stdio.Stdio
  const terminal = yield* Terminal.Terminal
  const { environment } = options
  const isText = settings.mode === "text"
  const outIsTerminal = yield* stdio.stdoutIsTerminal
  const errIsTerminal = yield* stdio.stderrIsTerminal
  const canMove = environment["TERM"] !== "dumb"
  const isTerminal = outIsTerminal && isText
  const style = Style.wantsColor(environment, outIsTerminal) ? Style.colored : Style.plain
  const errStyle = Style.wantsColor(environment, errIsTerminal) ? Style.colored : Style.plain
  const canDraw = errIsTerminal && canMove && isText && !settings.isQuiet && settings.drawsProgress
  const progress = yield* Progress.make
  const startedAt = yield* Clock.currentTimeMillis
  const runFork = Effect.runForkWith(yield* Effect.context<never>())

  const counts = new Map<CliEvent.Item["action"], number>()
  let moved = 0
  const items: Array<unknown> = []
  const problems: Array<{ readonly told: CliEvent.Problem; readonly isOfRequest: boolean }> = []
  const failureCodes = new Set<number>()
  let failures = 0
  let code: number | undefined
  let fatal: number | undefined

  // One at a time: a frame that is drawn between a line's erasing and its printing would stay on the screen.
  const turn = yield* Semaphore.make(1)
  let frame: ReadonlyArray<string> = []

  const erased = Effect.map(terminal.columns, (columns) => {
    if (frame.length === 0) return ""
    const up = rowsOf(frame, columns) - 1
    return `\r${up > 0 ? `\u001b[${up}A` : ""}\u001b[J`
  })

  const draw = (lines: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      if (frame.length === 0 && lines.length === 0) return
      const erase = yield* erased
      frame = lines
      yield* Effect.ignore(terminal.display(erase + lines.join("\n")))
    })

  /** Above what is drawn, if anything is. */
  const above = (print: Effect.Effect<void>): Effect.Effect<void> =>
    turn.withPermit(Effect.suspend(() => {
      const lines = frame
      if (lines.length === 0) return print
      return Effect.andThen(Effect.andThen(draw([]), print), draw(lines))
    }))

  const out = (data: string | Uint8Array) => above(streams.out(data))
  const err = (text: string) => above(streams.err(text))

  const emit = (event: CliEvent.Event): Effect.Effect<void> => {
    if (isText) return Effect.void
    return Effect.flatMap(Effect.orDie(encodeEvent(event)), (encoded) => {
      if (settings.mode === "jsonl") return out(`${JSON.stringify(encoded)}\n`)
      if (event.kind === "item") items.push(encoded)
      return Effect.void
    })
  }

  const count = ({ action, bytes, file }: NewItem) => {
    counts.set(action, (counts.get(action) ?? 0) + 1)
    if (options.main === undefined || action === options.main || action === "planned") {
      moved += bytes ?? file?.size_bytes ?? 0
    }
  }

  const some: Output["Service"]["items"] = (all) =>
    Effect.suspend(() => {
      for (const [item] of all) count(item)
      if (!isText) {
        return Effect.forEach(all, ([item]) => emit({ version: 1, kind: "item", ...item }), { discard: true })
      }
      const lines = all.flatMap(([item, line]) =>
        line === undefined ? [] : [`${settings.isQuiet ? short(item) : line}\n`]
      )
      return lines.length === 0 ? Effect.void : out(lines.join(""))
    })

  const waits: Array<ProgressScreen.Wait> = []
  let isDrawing = false

  /** Whether nothing else waits for the same reason. */
  const remember = (now: number, wait: ProgressScreen.Wait): boolean => {
    const current = waits.filter(({ until }) => until > now)
    waits.splice(0, waits.length, ...current, wait)
    return current.every(({ reason }) => reason !== wait.reason)
  }

  const tell = (text: string) => void runFork(err(`${text}\n`))

  /** The policies tell what they do as debug logs, with reason and delay. */
  const logger = Logger.make<unknown, void>(({ date, fiber, logLevel, message }) => {
    const text = printable(Array.isArray(message) ? message.map(String).join(" ") : String(message))
    if (LogLevel.isGreaterThanOrEqualTo(logLevel, "Warn")) {
      if (!settings.isQuiet) tell(`${errStyle.yellow("!")} ${text}`)
      return
    }
    if (settings.isVerbose && isText) tell(errStyle.dim(text))
    const { delay_ms: delay, reason, tries } = fiber.getRef(References.CurrentLogAnnotations)
    if (typeof delay !== "number" || reason === "concurrency") return
    const now = date.getTime()
    const wait = {
      reason: printable(String(reason)),
      until: now + delay,
      attempt: typeof tries === "number" ? tries + 1 : undefined
    }
    const isNew = remember(now, wait)
    const isTold = isText && !settings.isQuiet && !settings.isVerbose && !isDrawing && delay >= toldFrom
    if (isNew && isTold) tell(errStyle.dim(ProgressScreen.waitLine([wait], now, settings.retries + 1)))
  })

  const logged: Output["Service"]["logged"] = (effect) =>
    effect.pipe(
      Effect.provideService(References.MinimumLogLevel, "Debug"),
      Effect.provide(Logger.layer([logger]))
    )

  const stateOf = Effect.gen(function*() {
    return {
      snapshot: yield* progress.snapshot,
      waits,
      attempts: settings.retries + 1,
      now: yield* Clock.currentTimeMillis
    }
  })

  const drawFrame = (frame: Frame) =>
    Effect.gen(function*() {
      const size = { columns: yield* terminal.columns, rows: yield* terminal.rows }
      yield* turn.withPermit(draw(frame(size, errStyle)))
    })

  const drawing = Effect.forever(Effect.gen(function*() {
    const state = yield* stateOf
    yield* drawFrame((size, style) => ProgressScreen.render(state, size, style))
    yield* Effect.sleep(drawEvery)
  }))

  const reporting = progress.changes(statusEvery).pipe(
    Stream.runForEach(({ bytes, files, rate, remaining, total }) =>
      emit({
        version: 1,
        kind: "status",
        files: {
          done: files.done,
          failed: files.failed,
          ...(files.total === undefined ? undefined : { total: files.total })
        },
        bytes: { done: bytes, ...(total === undefined ? undefined : { total }) },
        rate,
        ...(remaining === undefined ? undefined : { remaining: Duration.toSeconds(remaining) })
      })
    )
  )

  const drawn = <A, E, R, R2>(drawing: Effect.Effect<unknown, never, R2>, effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        isDrawing = true
        return Effect.andThen(terminal.display(hideCursor), Effect.forkDetach(drawing))
      }).pipe(Effect.orDie),
      () => effect,
      (fiber) =>
        Effect.andThen(Fiber.interrupt(fiber), turn.withPermit(draw([]))).pipe(
          Effect.andThen(Effect.suspend(() => {
            isDrawing = false
            return Effect.ignore(terminal.display(showCursor))
          }))
        )
    )

  const watch: Output["Service"]["watch"] = (effect) => {
    if (canDraw) return drawn(drawing, effect)
    return settings.mode === "jsonl" && settings.drawsProgress && !settings.isQuiet
      ? Effect.raceFirst(effect, Effect.andThen(reporting, Effect.never))
      : effect
  }

  const countFailure = (error: unknown, subject: Subject) => {
    const told = problemOf(error, subject)
    failures++
    failureCodes.add(told.exitCode)
    return { told, isOfRequest: Predicate.hasProperty(error, "isRetryable") }
  }

  const failureLine = ({ isOfRequest, told }: (typeof problems)[number]) =>
    `${errStyle.red("✗")} ${Summary.failure(told, isOfRequest)}\n`

  const problem: Output["Service"]["problem"] = (error, subject = {}) =>
    Effect.suspend(() => {
      const problem = countFailure(error, subject)
      problems.push(problem)
      return emit(problem.told)
    })

  const problemOfMany: Output["Service"]["problemOfMany"] = (error, subject = {}) =>
    Effect.suspend(() => {
      const problem = countFailure(error, subject)
      if (settings.mode === "json") problems.push(problem)
      return isText ? err(failureLine(problem)) : emit(problem.told)
    })

  const finish: Output["Service"]["finish"] = Effect.fnUntraced(function*(interrupted) {
    const elapsed = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    const successes = Array.from(counts.values()).reduce((sum, count) => sum + count, 0)
    const ofRun = failures === 0 && code !== undefined ? code : codeOfRun(Array.from(failureCodes), successes)
    const exitCode = fatal ?? ofRun
    const summary: CliEvent.Summary = {
      version: 1,
      kind: "summary",
      command: options.command,
      items: Object.fromEntries(counts),
      bytes: moved,
      errors: failures,
      elapsed,
      interrupted,
      exitCode: interrupted ? ExitCode.interrupted : exitCode
    }
    if (settings.mode === "jsonl") yield* emit(summary)
    if (settings.mode === "json") {
      yield* out(`${JSON.stringify({ version: 1, items, errors: problems.map(({ told }) => told), summary })}\n`)
    }
    if (isText) {
      const { main } = options
      if (main !== undefined && !settings.isQuiet && (successes > 0 || interrupted)) {
        const text = Summary.sentence({ main, counts, bytes: moved, failed: failures, elapsed, interrupted })
        yield* err(`${errStyle.bold(text)}\n`)
      }
      for (const problem of problems) yield* err(failureLine(problem))
    }
    return exitCode
  })

  return Output.of({
    isTerminal,
    canAsk: (yield* stdio.stdinIsTerminal) && errIsTerminal && canMove && isText,
    columns: yield* terminal.columns,
    style,
    noteHasColor: errStyle === Style.colored,
    progress,
    item: (item, line) => some([[item, line]]),
    items: some,
    heading: (text) => isTerminal && !settings.isQuiet ? out(`${text}\n`) : Effect.void,
    text: (text) => isText ? out(text) : Effect.void,
    bytes: out,
    note: (text) => isText && !settings.isQuiet ? err(`${text}\n`) : Effect.void,
    problem,
    problemOfMany,
    fail: (error) => {
      fatal = codeOf(error)
      return problem(error)
    },
    endWith: (exit) => Effect.sync(() => void (code = exit)),
    endAsTold: Effect.sync(() => void (fatal = ExitCode.done)),
    logged,
    watch,
    isLive: canDraw,
    liveUntilEnd: (frames) => drawn(Effect.never, Stream.runForEach(frames, drawFrame)),
    live: (frames, effect) => canDraw ? drawn(Stream.runForEach(frames, drawFrame), effect) : effect,
    finish
  })
})

/** Ten times a second, and status events once. */
const drawEvery = "100 millis"
const statusEvery = "1 second"

/** A wait from which on it is told where nothing is drawn, milliseconds. */
const toldFrom = 2_000
