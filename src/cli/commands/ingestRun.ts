/**
 * `ingest run`: one runner, in this process.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as os from "node:os"
import process from "node:process"
import * as Ingest from "../../fleet/Ingest.ts"
import { aside } from "../../fleet/internal/aside.ts"
import { printable } from "../../internal/text.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import { itemFailed } from "../failure.ts"
import * as Flags from "../flags.ts"
import { ingestArgument } from "../ingestFlags.ts"
import * as IngestLayer from "../ingestLayer.ts"
import { type NewStatus, Output } from "../output.ts"
import * as Screen from "../screen/ingest.ts"
import type { Frame } from "../screen/live.ts"
import { Settings } from "../settings.ts"
import { Stop } from "../stop.ts"
import { program } from "../usage.ts"

/** What has not ended that long after a signal is interrupted: a database that is away keeps nothing waiting. */
const stopLimit = "4 seconds"

const tell = Effect.fnUntraced(function*(event: Ingest.RunEvent) {
  const output = yield* Output
  const { isVerbose } = yield* Settings
  const key = printable(event.key)
  switch (event._tag) {
    case "Done":
      return yield* output.item(
        {
          action: event.uploaded ? "uploaded" : "reused",
          key: event.key,
          id: event.file_id,
          bytes: event.size_bytes
        },
        output.isLive ? undefined : `${printable(event.file_id)}\t${key}`
      )
    case "Failed": {
      const { attempts, error_message: message, error_tag, isFinal } = event
      if (isFinal) return yield* output.problemOfMany(itemFailed(error_tag, message), { key: event.key })
      return isVerbose
        ? yield* output.note(`${key}: ${printable(message)} (try ${attempts}, to be tried again)`)
        : undefined
    }
    case "Waiting":
      return isVerbose ? yield* output.note(`${key}: ${printable(event.message)} (waits)`) : undefined
  }
})

/** How often the status is read. A status that takes long to read is read less often. */
const lookInterval = Duration.seconds(2)

/** Emits the status, except while the database is away. */
const statuses = (ingest: string): Stream.Stream<Ingest.Status, never, Ingest.Ingest> =>
  Stream.paginate(lookInterval, (wait) =>
    Effect.map(
      Effect.timed(Effect.option(aside(Effect.delay(Ingest.status(ingest), wait)))),
      ([passed, status]) => {
        const took = Duration.subtract(passed, wait)
        return [Option.toArray(status), Option.some(Duration.max(lookInterval, Duration.times(took, 10)))] as const
      }
    ))

const frameOf = (status: Ingest.Status): Frame => (size, style) => Screen.render(status, size, style)

/** The progress of the ingest since the previous status. */
const movedSince = (before: Ingest.Status, { at, bytes, counts, time_left, total }: Ingest.Status): NewStatus => {
  const seconds = (at.epochMilliseconds - before.at.epochMilliseconds) / 1000
  return {
    files: { done: counts.done, failed: counts.failed, total },
    bytes: { done: bytes },
    rate: seconds <= 0 ? 0 : Math.max(0, bytes - before.bytes) / seconds,
    ...(time_left === null ? undefined : { remaining: time_left / 1000 })
  }
}

/** While a service waits for work, nothing is printed. */
const hasMoved = (before: Ingest.Status, { bytes, counts, total }: Ingest.Status): boolean =>
  before.bytes !== bytes || before.total !== total || before.counts.done !== counts.done
  || before.counts.failed !== counts.failed

const report = (ingest: string) =>
  Effect.flatMap(Output, (output) =>
    statuses(ingest).pipe(
      Stream.mapAccum(() => undefined as Ingest.Status | undefined, (before, status) => [
        status,
        before !== undefined && hasMoved(before, status) ? [movedSince(before, status)] : []
      ]),
      Stream.runForEach(output.status)
    ))

/** A runner of a paused ingest would seem to hang. */
const notePause = Effect.fnUntraced(function*(ingest: string) {
  const output = yield* Output
  const all = yield* Ingest.list
  const { state } = all.find(({ name }) => name === ingest) ?? {}
  const name = printable(ingest)
  if (state === "paused") {
    yield* output.note(`${name} is paused: the runner waits until ${program} ingest resume ${name}.`)
  }
  if (state === "cancelled") {
    yield* output.note(`${name} is cancelled: ${program} ingest resume ${name} takes it up again.`)
  }
})

const plan = Effect.fnUntraced(function*(ingest: string) {
  const output = yield* Output
  yield* Stream.runForEach(
    Ingest.items(ingest, { states: ["pending"] }),
    ({ key }) => output.item({ action: "planned", would: "upload", key }, `would upload ${printable(key)}`)
  )
})

export const run = define({
  name: "run",
  path: ["ingest", "run"],
  description: "Upload what is pending: one runner of any number, until nothing is left or a signal comes",
  examples: [
    { command: `${program} ingest run corpus --concurrency 32`, description: "Until nothing is pending" },
    { command: `${program} ingest run corpus --keep-running --jsonl`, description: "As a service" }
  ],
  flags: {
    ingest: ingestArgument,
    ...IngestLayer.runnerFlags,
    maxAttempts: Flags.count("max-attempts", "Tries of one item before it has failed, 8 unless given", 1),
    keepRunning: Flags.toggle("keep-running", "Go on when nothing is pending, and wait for more"),
    renewWithin: Flags.duration("renew-within", "Upload anew what expires within that time, as long as it runs"),
    onRedisLost: Flags.choice(
      "on-redis-lost",
      ["share", "fail"],
      "Without Redis, keep to a share of the rate, or wait for it; share unless given"
    ),
    connections: Flags.count("connections", "Connections to Postgres, 10 unless given", 2),
    runnerName: Flags.text("runner-name", "NAME", "Its name in the status; host and process id unless given"),
    dryRun: Confirm.flags.dryRun
  },
  main: "uploaded",
  run: Effect.fnUntraced(function*(
    {
      connections,
      databaseUrl,
      dryRun,
      ingest,
      keepRunning,
      maxAttempts,
      onRedisLost,
      redisUrl,
      renewWithin,
      runnerName
    }
  ) {
    const output = yield* Output
    const { concurrency } = yield* Settings
    if (dryRun) return yield* Effect.provide(plan(ingest), IngestLayer.layer({ databaseUrl }))

    const stopped = yield* (yield* Stop).claim
    const layer = IngestLayer.layerRunner({ databaseUrl, redisUrl }, {
      maxConnections: Option.getOrUndefined(connections),
      onRedisLost: Option.getOrUndefined(onRedisLost)
    })
    const events = Ingest.run(ingest, {
      concurrency,
      keepRunning,
      maxAttempts: Option.getOrUndefined(maxAttempts),
      renewWithin: Option.getOrUndefined(renewWithin),
      name: Option.getOrElse(runnerName, () => `${os.hostname()}:${process.pid}`),
      stopWhen: stopped
    })
    const running = Effect.gen(function*() {
      const services = yield* Effect.raceFirst(Effect.asSome(Layer.build(layer)), Effect.as(stopped, Option.none()))
      if (Option.isNone(services)) return
      const work = Effect.andThen(
        notePause(ingest),
        output.live(Stream.map(statuses(ingest), frameOf), Stream.runForEach(events, tell))
      )
      yield* (output.isReporting ? Effect.raceFirst(work, Effect.andThen(report(ingest), Effect.never)) : work).pipe(
        Effect.provide(services.value)
      )
    })
    const cutOff = Effect.gen(function*() {
      yield* stopped
      yield* output.endAsTold
      yield* output.note("Told to stop. What is left goes on with the next run.")
      yield* Effect.sleep(stopLimit)
    })
    yield* Effect.raceFirst(running, cutOff)
  })
})
