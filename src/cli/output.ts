/**
 * What a command prints: data on standard output, everything else on standard error; as text for people, as lines for
 * scripts, or as JSON.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as CliEvent from "../CliEvent.ts"
import { printable } from "../internal/text.ts"
import * as Progress from "../Progress.ts"
import { codeOf, ExitCode, tagOf } from "./exitCode.ts"
import * as Logs from "./logs.ts"
import * as Live from "./screen/live.ts"
import * as ProgressScreen from "./screen/progress.ts"
import * as Style from "./screen/style.ts"
import * as Summary from "./screen/summary.ts"
import { Settings } from "./settings.ts"
import { Streams } from "./streams.ts"
import * as Tally from "./tally.ts"
import { messageOf } from "./wording.ts"

/** An item without the fields that all items share. */
export type NewItem = Omit<CliEvent.Item, "version" | "kind">

/** A status without the fields that all events share. */
export type NewStatus = Omit<CliEvent.Status, "version" | "kind">

/** What a failure is about. */
export interface Subject {
  readonly path?: string | undefined
  /** The key of an item of an ingest. */
  readonly key?: string | undefined
  readonly id?: string | undefined
}

export class Output extends Context.Service<Output, {
  /** Whether standard output is text on a terminal. */
  readonly isTerminal: boolean
  /** Whether somebody is there to answer a question. */
  readonly canAsk: boolean
  /** Width of the terminal, in cells. */
  readonly columns: number
  /** The style of standard output. */
  readonly style: Style.Style
  /** Whether standard error has colour. */
  readonly noteHasColor: boolean
  /** Counts the bytes of transfers. */
  readonly progress: Progress.Progress
  /** Reports something that was done or found. `line` is its text; without one it is only counted. */
  readonly item: (item: NewItem, line?: string) => Effect.Effect<void>
  /** Reports many items in one write. */
  readonly items: (items: ReadonlyArray<readonly [item: NewItem, line: string | undefined]>) => Effect.Effect<void>
  /** The header of a table, printed on a terminal only. */
  readonly heading: (text: string) => Effect.Effect<void>
  /** Prints text, in text mode only. */
  readonly text: (text: string) => Effect.Effect<void>
  /** Writes bytes as they are, in every mode. */
  readonly bytes: (bytes: Uint8Array) => Effect.Effect<void>
  /** Prints a remark on standard error. */
  readonly note: (text: string) => Effect.Effect<void>
  /** Reports a failure at the end. It counts for the exit code. */
  readonly problem: (error: unknown, subject?: Subject) => Effect.Effect<void>
  /** The same for one of any number of failures: printed at once, and kept in memory for `--json` only. */
  readonly problemOfMany: (error: unknown, subject?: Subject) => Effect.Effect<void>
  /** Reports the failure that ended the command. The exit code is that of this failure, whatever was done before. */
  readonly fail: (error: unknown) => Effect.Effect<void>
  /** Ends the run with this code if nothing fails. */
  readonly endWith: (code: number) => Effect.Effect<void>
  /** Ends the run as done, whatever failed, because it was told to stop. */
  readonly endAsTold: Effect.Effect<void>
  /** Handles what the effect logs: warnings are printed on standard error, waits are shown. */
  readonly logged: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Shows the progress of transfers while the effect runs. */
  readonly watch: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether frames are drawn. */
  readonly isLive: boolean
  /** Whether status events are printed. */
  readonly isReporting: boolean
  /** Prints a status event. */
  readonly status: (status: NewStatus) => Effect.Effect<void>
  /** Shows the latest frame while the effect runs. */
  readonly live: <A, E, R, R2>(
    frames: Stream.Stream<Live.Frame, never, R2>,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R | R2>
  /** Shows one frame after another until the stream ends. */
  readonly liveUntilEnd: <E, R>(frames: Stream.Stream<Live.Frame, E, R>) => Effect.Effect<void, E, R>
  /** Prints the summary and the failures, and gives the exit code: that of the signal which interrupted the run, if any. */
  readonly finish: (signalCode: number | undefined) => Effect.Effect<number>
}>()("effect-anthropic-files/cli/Output") {}

export interface Options {
  readonly command: string
  /** The action that the summary is about; a command that only shows things has none. */
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

/** What `--quiet` prints of an item: what the next command needs. */
const short = ({ action, id, key, path }: NewItem): string =>
  printable((action === "downloaded" || action === "skipped" ? path ?? id : id ?? path ?? key) ?? "")

/** Who reads the output, and how. */
interface Screen {
  readonly outIsTerminal: boolean
  readonly errIsTerminal: boolean
  /** Whether the cursor of the terminal can be moved. */
  readonly canMove: boolean
  readonly outStyle: Style.Style
  readonly errStyle: Style.Style
}

const screenOf = Effect.fnUntraced(function*(environment: Style.Environment) {
  const stdio = yield* Stdio.Stdio
  const outIsTerminal = yield* stdio.stdoutIsTerminal
  const errIsTerminal = yield* stdio.stderrIsTerminal
  const styleFor = (isTerminal: boolean) => Style.wantsColor(environment, isTerminal) ? Style.colored : Style.plain
  const screen: Screen = {
    outIsTerminal,
    errIsTerminal,
    canMove: environment["TERM"] !== "dumb",
    outStyle: styleFor(outIsTerminal),
    errStyle: styleFor(errIsTerminal)
  }
  return screen
})

/** Writes lines above the frame, and events in the mode that was chosen. */
const makePrinter = (
  { isQuiet, mode }: Settings["Service"],
  streams: Streams["Service"],
  { above }: Live.Live
) => {
  const isText = mode === "text"
  const items: Array<unknown> = []
  const out = (data: string | Uint8Array) => above(streams.out(data))
  const err = (text: string) => above(streams.err(text))

  const emit = (event: CliEvent.Event): Effect.Effect<void> => {
    if (isText) return Effect.void
    return Effect.flatMap(Effect.orDie(encodeEvent(event)), (encoded) => {
      if (mode === "jsonl") return out(`${JSON.stringify(encoded)}\n`)
      if (event.kind === "item") items.push(encoded)
      return Effect.void
    })
  }

  const print: Output["Service"]["items"] = (all) => {
    if (!isText) {
      return Effect.forEach(all, ([item]) => emit({ version: 1, kind: "item", ...item }), { discard: true })
    }
    const lines = all.flatMap(([item, line]) => line === undefined ? [] : [`${isQuiet ? short(item) : line}\n`])
    return lines.length === 0 ? Effect.void : out(lines.join(""))
  }

  return {
    out,
    err,
    emit,
    print,
    /** The document of `--json`. */
    report: (errors: ReadonlyArray<CliEvent.Problem>, summary: CliEvent.Summary) =>
      out(`${JSON.stringify({ version: 1, items, errors, summary })}\n`)
  }
}

interface Failure {
  readonly told: CliEvent.Problem
  /** Whether it is one of a request, and so says whether trying again helps. */
  readonly isOfRequest: boolean
}

const failureOf = (error: unknown, subject: Subject): Failure => ({
  told: problemOf(error, subject),
  isOfRequest: Predicate.hasProperty(error, "isRetryable")
})

const failureLine = ({ isOfRequest, told }: Failure, style: Style.Style): string =>
  `${style.red("✗")} ${Summary.failure(told, isOfRequest)}\n`

const statusOf = ({ bytes, files, rate, remaining, total }: Progress.Snapshot): NewStatus => ({
  files: {
    done: files.done,
    failed: files.failed,
    ...(files.total === undefined ? undefined : { total: files.total })
  },
  bytes: { done: bytes, ...(total === undefined ? undefined : { total }) },
  rate,
  ...(remaining === undefined ? undefined : { remaining: Duration.toSeconds(remaining) })
})

/** Shows progress and frames while an effect runs, where somebody can see them. */
const makeWatching = (
  { settings, live, waits, progress, emit, canDraw }: {
    readonly settings: Settings["Service"]
    readonly live: Live.Live
    readonly waits: Logs.Logs["waits"]
    readonly progress: Progress.Progress
    readonly emit: (event: CliEvent.Event) => Effect.Effect<void>
    readonly canDraw: boolean
  }
): Pick<Output["Service"], "isLive" | "isReporting" | "live" | "liveUntilEnd" | "status" | "watch"> => {
  const drawing = Effect.forever(Effect.gen(function*() {
    const state = {
      snapshot: yield* progress.snapshot,
      waits,
      attempts: settings.retries + 1,
      now: yield* Clock.currentTimeMillis
    }
    yield* live.draw((size, style) => ProgressScreen.render(state, size, style))
    yield* Effect.sleep(drawEvery)
  }))
  const isReporting = settings.mode === "jsonl" && settings.drawsProgress && !settings.isQuiet
  const status = (status: NewStatus) => isReporting ? emit({ version: 1, kind: "status", ...status }) : Effect.void
  const reporting = Stream.runForEach(progress.changes(statusEvery), (snapshot) => status(statusOf(snapshot)))
  return {
    isLive: canDraw,
    isReporting,
    status,
    watch: (effect) => {
      if (canDraw) return live.during(drawing, effect)
      return isReporting ? Effect.raceFirst(effect, Effect.andThen(reporting, Effect.never)) : effect
    },
    live: (frames, effect) => canDraw ? live.during(Stream.runForEach(frames, live.draw), effect) : effect,
    liveUntilEnd: (frames) => live.during(Effect.never, Stream.runForEach(frames, live.draw))
  }
}

export const make = Effect.fnUntraced(function*(
  { command, environment, main }: Options
): Effect.fn.Return<
  Output["Service"],
  never,
  Settings | Streams | Stdio.Stdio | Terminal.Terminal | Scope.Scope
> {
  const settings = yield* Settings
  const terminal = yield* Terminal.Terminal
  const { stdinIsTerminal } = yield* Stdio.Stdio
  const { canMove, errIsTerminal, errStyle, outIsTerminal, outStyle } = yield* screenOf(environment)
  const isText = settings.mode === "text"
  const isTerminal = outIsTerminal && isText
  const progress = yield* Progress.make
  const startedAt = yield* Clock.currentTimeMillis
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const live = yield* Live.make(errStyle)
  const { emit, err, out, print, report } = makePrinter(settings, yield* Streams, live)
  const { logger, waits } = Logs.make({
    settings,
    style: errStyle,
    isDrawing: live.isDrawing,
    tell: (line) => void runFork(err(`${line}\n`))
  })
  const tally = Tally.make(main)
  const failures: Array<Failure> = []

  const items: Output["Service"]["items"] = (all) =>
    Effect.suspend(() => {
      for (const [item] of all) tally.count(item)
      return print(all)
    })

  const problem: Output["Service"]["problem"] = (error, subject = {}) =>
    Effect.suspend(() => {
      const failure = failureOf(error, subject)
      tally.fail(failure.told.exitCode)
      failures.push(failure)
      return emit(failure.told)
    })

  const problemOfMany: Output["Service"]["problemOfMany"] = (error, subject = {}) =>
    Effect.suspend(() => {
      const failure = failureOf(error, subject)
      tally.fail(failure.told.exitCode)
      if (settings.mode === "json") failures.push(failure)
      return isText ? err(failureLine(failure, errStyle)) : emit(failure.told)
    })

  const finishAsText = Effect.fnUntraced(function*({ bytes, elapsed, errors, interrupted }: CliEvent.Summary) {
    if (main !== undefined && !settings.isQuiet && (tally.successes() > 0 || interrupted)) {
      const text = Summary.sentence({ main, counts: tally.counts, bytes, failed: errors, elapsed, interrupted })
      yield* err(`${errStyle.bold(text)}\n`)
    }
    for (const failure of failures) yield* err(failureLine(failure, errStyle))
  })

  const finish: Output["Service"]["finish"] = Effect.fnUntraced(function*(signalCode) {
    const elapsed = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    const summary = tally.summary(command, elapsed, signalCode)
    if (settings.mode === "jsonl") yield* emit(summary)
    if (settings.mode === "json") yield* report(failures.map(({ told }) => told), summary)
    if (isText) yield* finishAsText(summary)
    return summary.exitCode
  })

  return Output.of({
    isTerminal,
    canAsk: (yield* stdinIsTerminal) && errIsTerminal && canMove && isText,
    columns: yield* terminal.columns,
    style: outStyle,
    noteHasColor: errStyle === Style.colored,
    progress,
    item: (item, line) => items([[item, line]]),
    items,
    heading: (text) => isTerminal && !settings.isQuiet ? out(`${text}\n`) : Effect.void,
    text: (text) => isText ? out(text) : Effect.void,
    bytes: out,
    note: (text) => isText && !settings.isQuiet ? err(`${text}\n`) : Effect.void,
    problem,
    problemOfMany,
    fail: (error) => {
      tally.endAs(codeOf(error))
      return problem(error)
    },
    endWith: (code) => Effect.sync(() => tally.endWith(code)),
    endAsTold: Effect.sync(() => tally.endAs(ExitCode.done)),
    logged: (effect) =>
      effect.pipe(
        Effect.provideService(References.MinimumLogLevel, "Debug"),
        Effect.provide(Logger.layer([logger]))
      ),
    ...makeWatching({
      settings,
      live,
      waits,
      progress,
      emit,
      canDraw: errIsTerminal && canMove && isText && !settings.isQuiet && settings.drawsProgress
    }),
    finish
  })
})

/** Frames are drawn ten times a second, status events are printed once a second. */
const drawEvery = "100 millis"
const statusEvery = "1 second"
