/**
 * How long a large ingest takes, by what limits it: `node scripts/fleet-simulation.mjs`. Expects `npm run build` to have
 * run.
 *
 * The client is the real one under `Policy.standard()`, its rate shared by four runners through one store; the service is
 * an answer after 300 ms; time is virtual. What it carries in 20 minutes is counted, and the rest is arithmetic on that.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { Files, Policy } from "../dist/index.js"

const runners = 4
const minutes = 20

/** So that what is asked for in between finds the time at which it asks. */
const step = "50 millis"
const stepsPerMinute = 1_200

const file = {
  id: "file_1",
  type: "file",
  filename: "a.txt",
  mime_type: "text/plain",
  size_bytes: 1,
  created_at: "2026-11-25T00:00:00Z",
  downloadable: false,
  expires_at: null
}

/** Requests that are carried, all runners together. */
const carried = Effect.gen(function*() {
  let answered = 0
  const service = HttpClient.make((request) =>
    Effect.as(
      Effect.delay(Effect.sync(() => void answered++), "300 millis"),
      HttpClientResponse.fromWeb(request, Response.json(file))
    )
  )
  // Built once: the store in which all runners count.
  const store = Layer.succeedContext(yield* Layer.build(RateLimiter.layerStoreMemory))
  const client = Files.layer({ apiKey: Redacted.make("sk-ant-none") }).pipe(
    Layer.provide(Policy.withStore(Policy.standard({ concurrency: 8 }), store)),
    Layer.provide(Layer.succeed(HttpClient.HttpClient, service))
  )
  const runner = Effect.gen(function*() {
    const files = Context.get(yield* Layer.build(Layer.fresh(client)), Files.Files)
    // One that waited for its turn in vain would end it all.
    yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.forever(files.metadata(file.id)), {
      concurrency: "unbounded"
    })
  })
  const fiber = yield* Effect.forkChild(
    Effect.all(Array.from({ length: runners }, () => runner), { concurrency: "unbounded" })
  )
  for (let n = 0; n < minutes * stepsPerMinute && fiber.pollUnsafe() === undefined; n++) yield* TestClock.adjust(step)
  yield* fiber.pollUnsafe() ?? Fiber.interrupt(fiber)
  return answered
}).pipe(Effect.scoped, Effect.provide(TestClock.layer()))

const hours = (value) => value < 48 ? `${value.toFixed(1)} h` : `${(value / 24).toFixed(0)} days`

const requests = await Effect.runPromise(carried)
const perHour = requests / minutes * 60
console.log(
  `${runners} runners with 8 files at a time each: ${requests} requests in ${minutes} minutes of virtual time.`
)
console.log("")
console.log("| files | organizations | uploads | to verify, 100 ids a request | storage at 200 KB a file |")
console.log("| ----: | ------------: | ------: | ---------------------------: | -----------------------: |")
for (const [files, organizations] of [[1e6, 1], [1e6, 4], [1e9, 1], [1e9, 200]]) {
  const cells = [
    files.toExponential(0).replace("e+", "0^"),
    organizations,
    hours(files / organizations / perHour),
    hours(files / 100 / organizations / perHour),
    `${(files * 200e3 / organizations / 1e12).toFixed(2)} TB of 1 TB each`
  ]
  console.log(`| ${cells.join(" | ")} |`)
}
