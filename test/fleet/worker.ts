/**
 * `node worker.ts <settings as JSON>`: a runner in a process of its own, which is killed, or not. It prints a line when
 * it begins and one for each item that has ended.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Ingest from "../../src/fleet/Ingest.ts"
import * as NodeIngest from "../../src/fleet/NodeIngest.ts"
import { RateLimitWindow } from "../../src/internal/policy/rateLimitWindow.ts"
import * as NodeFiles from "../../src/NodeFiles.ts"
import * as NodeMain from "../../src/NodeMain.ts"

export interface Settings {
  readonly ingest: string
  readonly apiUrl: string
  readonly apiKey: string
  readonly databaseUrl: string
  readonly redisUrl?: string
  readonly onRedisLost?: "share" | "fail"
  readonly concurrency?: number
  readonly lockExpiration?: Duration.Input
  readonly lease?: Duration.Input
  readonly keepRunning?: boolean
  /** Requests in a `minute` of that many milliseconds. */
  readonly rate?: { readonly perMinute: number; readonly minute: number }
  readonly retryDelay?: Duration.Input
}

const settings = JSON.parse(process.argv[2] ?? "") as Settings
const { rate, redisUrl } = settings

const layer = NodeIngest.layer(
  {
    databaseUrl: Redacted.make(settings.databaseUrl),
    ...(redisUrl === undefined ? undefined : { redisUrl: Redacted.make(redisUrl) }),
    onRedisLost: settings.onRedisLost,
    lockExpiration: settings.lockExpiration ?? "5 seconds",
    lease: settings.lease ?? "3 seconds",
    pollInterval: "200 millis",
    sweepInterval: "5 seconds",
    policy: {
      rateLimit: rate === undefined ? false : { requestsPerMinute: rate.perMinute },
      retry: { baseDelay: "50 millis", times: 4 },
      circuitBreaker: { openDuration: "2 seconds" },
      timeout: { headers: "5 seconds", idleBody: "5 seconds" }
    }
  },
  (policy) =>
    NodeFiles.layer(
      { apiKey: Redacted.make(settings.apiKey), baseUrl: settings.apiUrl },
      rate === undefined
        ? policy
        : Layer.provide(policy, Layer.succeed(RateLimitWindow, Duration.millis(rate.minute)))
    )
)

// Asked for its memory, it collects its garbage first and says what is left, in bytes.
process.on("SIGUSR2", () => {
  globalThis.gc?.()
  process.stdout.write(`${JSON.stringify({ memory: process.memoryUsage().rss })}\n`)
})

const stopped = Deferred.makeUnsafe<void>()

const program = Effect.gen(function*() {
  process.stdout.write("ready\n")
  yield* Stream.runForEach(
    Ingest.run(settings.ingest, {
      concurrency: settings.concurrency ?? 8,
      keepRunning: settings.keepRunning,
      retryDelay: settings.retryDelay ?? "1 second",
      name: `worker ${process.pid}`,
      stopWhen: Deferred.await(stopped)
    }),
    (event) => Effect.sync(() => process.stdout.write(`${JSON.stringify(event)}\n`))
  )
}).pipe(Effect.provide(layer))

NodeMain.runMain(program, { stop: Deferred.succeed(stopped, undefined) })
