/**
 * What the policies' tests share: answers, clients under a policy, and time that passes only when the test lets it.
 */
import { Effect, Fiber, Layer, Logger, Redacted, References, Tracer } from "effect"
import { FileMetadata, Files, type FilesError, type Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { recordSpans } from "../support/spans.ts"
import { wire } from "../support/wire.ts"

export { wire }

export const key = "sk-ant-canary-0123456789abcdef"

export const id = FileMetadata.FileId.make("file_1")

export const ok = (more?: Readonly<Record<string, unknown>>): Response => Response.json(wire(more))

export const failure = (
  status: number,
  headers: Readonly<Record<string, string>> = {},
  code?: string,
  type = "api_error"
): Response =>
  Response.json(
    { type: "error", error: { type, message: "no", ...(code === undefined ? {} : { details: { error_code: code } }) } },
    { status, headers }
  )

/** Answers that are given one after another, the last one for ever. */
export const script = (...answers: ReadonlyArray<() => HttpMock.Reply>): HttpMock.Mock =>
  HttpMock.answering((_, n) => answers[Math.min(n, answers.length) - 1]?.() ?? HttpMock.silence)

/** When the requests came, in milliseconds. */
export const timesOf = (mock: HttpMock.Mock): ReadonlyArray<number> => mock.requests().map(({ at }) => at)

export const layerOf = (
  client: HttpClient.HttpClient,
  policy: Policy.Policy,
  options: Partial<Files.Options> = {}
) =>
  Files.layer({ apiKey: Redacted.make(key), baseUrl: "http://localhost", ...options }).pipe(
    Layer.provideMerge(policy),
    Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
    Layer.orDie
  )

const immediate = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** Lets everything that needs no time come to rest, promises included. */
export const settle = Effect.repeat(immediate, { times: 3 })

/** Runs an effect while time passes, in steps. */
export const drive = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>, step = 10) {
  const fiber = yield* Effect.forkChild(effect)
  for (let n = 0; n < 200_000; n++) {
    yield* settle
    if (fiber.pollUnsafe() !== undefined) return yield* Fiber.join(fiber)
    yield* TestClock.adjust(step)
  }
  return yield* Effect.die(new Error("it never ends"))
})

export const outcomeOf = (error: FilesError.FilesError): string =>
  error._tag === "RequestFailed" ? error.reason._tag : error._tag

export interface Seen {
  readonly events: Array<{ readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }>
  readonly logs: Array<string>
  /** All of it as one text, attributes of spans included. */
  readonly text: () => string
}

/** What an observer sees: span events and debug logs. */
export const observed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, Seen], E, R> =>
  Effect.suspend(() => {
    const { spans, tracer } = recordSpans()
    const logs: Array<string> = []
    const logger = Logger.make((options) => {
      logs.push(Logger.formatLogFmt.log(options))
    })
    const eventsOf = () =>
      spans.flatMap((span) => span.events.map(([name, , attributes]) => ({ name, attributes: attributes ?? {} })))
    return effect.pipe(
      Effect.withSpan("test"),
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "Debug"),
      Effect.map((value): readonly [A, Seen] => [value, {
        events: eventsOf(),
        logs,
        text: () =>
          JSON.stringify([
            spans.map((span) => [span.name, Array.from(span.attributes), span.events.map(([n, , a]) => [n, a])]),
            logs
          ])
      }])
    )
  })

/** The most of these that lie in any stretch of that length. */
export const mostIn = (times: ReadonlyArray<number>, length: number): number => {
  const sorted = times.slice().sort((a, b) => a - b)
  let most = 0
  let from = 0
  for (let to = 0; to < sorted.length; to++) {
    while ((sorted[to] ?? 0) - (sorted[from] ?? 0) >= length) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}
