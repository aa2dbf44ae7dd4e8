/**
 * The progress of transfers. A `Progress` counts bytes as they move, and computes a snapshot only when asked for one.
 *
 * Make one, pass it to the transfers that it should show, and read it as a `Stream` of snapshots.
 *
 * @example
 * ```ts
 * import { Console, Effect, Stream } from "effect"
 * import { FileSource, Progress, Transfer } from "effect-anthropic-files"
 *
 * export const upload = Effect.gen(function*() {
 *   const progress = yield* Progress.make
 *   yield* Effect.forkChild(
 *     Stream.runForEach(progress.changes("200 millis"), ({ bytes, total }) => Console.log(`${bytes} of ${total} bytes`))
 *   )
 *   return yield* Transfer.upload({ source: FileSource.path("report.pdf") }, progress)
 * })
 * ```
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"

/** A file that is being transferred. */
export interface FileProgress {
  readonly name: string
  /** Bytes so far in this try; a transfer that starts over counts from 0 again. */
  readonly bytes: number
  /** Total bytes; `undefined` if not known. */
  readonly total: number | undefined
  /** Bytes per second since the file began. */
  readonly rate: number
  /** Time left at that rate; `undefined` if the total is not known. */
  readonly remaining: Duration.Duration | undefined
}

/** All transfers together, at one moment. */
export interface Snapshot {
  readonly files: {
    readonly done: number
    readonly failed: number
    /** As set with {@link Progress.expect}; `undefined` if it was not set. */
    readonly total: number | undefined
  }
  /** Bytes of the files that are done and of those in progress, but not of failed files. */
  readonly bytes: number
  /** The expected bytes if they were set, else the sum of all sizes so far if each one is known. */
  readonly total: number | undefined
  /** Bytes per second over the last five seconds, or since the last snapshot if that is longer ago. */
  readonly rate: number
  /** Time left at that rate; `undefined` if the total is not known. */
  readonly remaining: Duration.Duration | undefined
  /** The files in progress, oldest first. */
  readonly active: ReadonlyArray<FileProgress>
}

/** Counts the transfers that it is given to. */
export interface Progress {
  /** The progress now. */
  readonly snapshot: Effect.Effect<Snapshot>
  /**
   * A snapshot at once, then every `interval` one if files are in progress or something has changed. It ends only by
   * interruption.
   *
   * @default interval "100 millis"
   */
  readonly changes: (interval?: Duration.Input) => Stream.Stream<Snapshot>
  /** Sets the totals, if they are known in advance. */
  readonly expect: (totals: { readonly files?: number; readonly bytes?: number }) => Effect.Effect<void>
  /** Adds a file, for a transfer of your own, and returns the meter that counts its bytes. */
  readonly begin: (name: string, total: number | undefined) => Effect.Effect<Meter>
}

/** Counts the bytes of one file. Its functions are cheap enough to call for every chunk. */
export interface Meter {
  /** Adds bytes that have moved. */
  readonly add: (bytes: number) => void
  /** Sets the bytes that have moved, whatever was counted before. */
  readonly set: (bytes: number) => void
  /** Ends the file. If it failed, its bytes are subtracted again. */
  readonly end: (succeeded: boolean) => void
}

interface Active {
  readonly name: string
  readonly total: number | undefined
  readonly startedAt: number
  bytes: number
}

/** The time over which the overall rate is measured, and the time between its samples. Milliseconds. */
const rateWindow = 5_000
const sampleEvery = 250

const timeLeft = (total: number | undefined, bytes: number, rate: number): Duration.Duration | undefined =>
  total === undefined || rate <= 0 ? undefined : Duration.millis(Math.max(0, total - bytes) / rate * 1000)

const progressOf = ({ bytes, name, startedAt, total }: Active, now: number): FileProgress => {
  const rate = now > startedAt ? bytes / (now - startedAt) * 1000 : 0
  return { name, bytes, total, rate, remaining: timeLeft(total, bytes, rate) }
}

/** The overall rate, measured with samples of the byte count. */
const makeRate = () => {
  let samples: ReadonlyArray<{ readonly at: number; readonly bytes: number }> = []
  return {
    begin: (at: number, bytes: number): void => {
      if (samples.length === 0) samples = [{ at, bytes }]
    },
    /** Takes a sample, and returns the bytes per second. */
    sample: (now: number, bytes: number): number => {
      const last = samples.at(-1)
      if (last === undefined || Math.abs(now - last.at) >= sampleEvery) {
        // The newest sample is kept whatever its age, because snapshots may be further apart than the window.
        const kept = samples.filter((sample) => now - sample.at <= rateWindow && now >= sample.at)
        samples = [...(kept.length > 0 || last === undefined || last.at > now ? kept : [last]), { at: now, bytes }]
      }
      const first = samples.find((sample) => now > sample.at)
      return first === undefined ? 0 : Math.max(0, (bytes - first.bytes) / (now - first.at) * 1000)
    }
  }
}

/** Makes a `Progress` that has counted nothing yet. */
export const make: Effect.Effect<Progress> = Effect.sync(() => {
  const active = new Set<Active>()
  let done = 0
  let failed = 0
  let bytes = 0
  /** The sum of the known sizes of all files that did not fail. */
  let announced = 0
  let unknown = 0
  let expected: { readonly files?: number; readonly bytes?: number } = {}
  let version = 0
  const rates = makeRate()

  const begin: Progress["begin"] = (name, total) =>
    Effect.map(Clock.currentTimeMillis, (startedAt) => {
      const file: Active = { name, total, startedAt, bytes: 0 }
      rates.begin(startedAt, bytes)
      active.add(file)
      announced += total ?? 0
      if (total === undefined) unknown++
      version++
      const set = (to: number) => {
        bytes += to - file.bytes
        file.bytes = to
        version++
      }
      return {
        add: (more) => set(file.bytes + more),
        set,
        end: (succeeded) => {
          if (!active.delete(file)) return
          if (total === undefined) unknown--
          if (succeeded) {
            done++
            if (total === undefined) announced += file.bytes
          } else {
            failed++
            set(0)
            announced -= total ?? 0
          }
          version++
        }
      }
    })

  const snapshot = Effect.map(Clock.currentTimeMillis, (now): Snapshot => {
    const rate = rates.sample(now, bytes)
    const total = expected.bytes ?? (unknown > 0 ? undefined : announced)
    return {
      files: { done, failed, total: expected.files },
      bytes,
      total,
      rate,
      remaining: timeLeft(total, bytes, rate),
      active: Array.from(active, (file) => progressOf(file, now))
    }
  })

  return {
    snapshot,
    changes: (interval = "100 millis") =>
      Stream.suspend(() => {
        let shown = -1
        return Stream.fromEffectSchedule(Effect.sync(() => version), Schedule.spaced(interval)).pipe(
          Stream.filter((current) => {
            const worthShowing = current !== shown || active.size > 0
            shown = current
            return worthShowing
          }),
          Stream.mapEffect(() => snapshot)
        )
      }),
    expect: (totals) =>
      Effect.sync(() => {
        expected = { ...expected, ...totals }
        version++
      }),
    begin
  }
})
