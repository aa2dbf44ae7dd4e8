/**
 * Each policy alone, all pairs in both orders, and the whole stack: the five operations, over the emulator.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Stream } from "effect"
import { FileMetadata, Files, FileSource, Policy } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { drive, failure, id, layerOf, ok, outcomeOf, script, timesOf } from "./support.ts"

const policies = {
  retry: () => Policy.retry(),
  circuitBreaker: () => Policy.circuitBreaker(),
  rateLimit: () => Policy.rateLimit(),
  concurrency: () => Policy.concurrency(2),
  timeout: () => Policy.timeout()
}

type Name = keyof typeof policies

const names: ReadonlyArray<Name> = ["retry", "circuitBreaker", "rateLimit", "concurrency", "timeout"]

const over = (policy: Policy.Policy) =>
  Layer.unwrap(
    Effect.map(Emulator.Emulator, (emulator) => Files.layer({ apiKey: emulator.apiKey, baseUrl: emulator.url }))
  ).pipe(Layer.provide(policy), Layer.provideMerge(Emulator.layer()))

const generated = "generated, ".repeat(1000)

/** The five operations, each on its own. */
const operations = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  const seeded = yield* emulator.seed({ filename: "out.txt", content: generated, downloadable: true })
  const seededId = FileMetadata.FileId.make(seeded.id)
  const all: Readonly<Record<(typeof kinds)[number], Effect.Effect<void, unknown, Files.Files>>> = {
    upload: Effect.asVoid(Files.upload(FileSource.text("hello", "a.txt"))),
    list: Effect.asVoid(Stream.runCollect(Files.list({ limit: 1 }))),
    metadata: Effect.asVoid(Files.metadata(seededId)),
    content: Effect.map(
      Stream.mkString(Stream.decodeText(Files.download(seededId))),
      (text) => assert.strictEqual(text, generated)
    ),
    delete: Effect.asVoid(Files.delete(seededId))
  }
  return all
})

const kinds = ["upload", "list", "metadata", "content", "delete"] as const

const transient: ReadonlyArray<readonly [string, (match: Fault.Match) => Fault.Fault]> = [
  ["a 529", (match) => Fault.overloaded({ match })],
  ["a 429", (match) => Fault.rateLimited({ retryAfter: "1 second", match })],
  ["a reset behind the request", (match) => Fault.reset({ at: "after", match })],
  ["a cut answer", (match) => Fault.truncate({ after: 5, match })]
]

const exercise = (policy: () => Policy.Policy, retries: boolean) =>
  Effect.gen(function*() {
    for (const [name, fault] of transient) {
      for (const kind of kinds) {
        yield* Effect.gen(function*() {
          const emulator = yield* Emulator.Emulator
          const operation = (yield* operations)[kind]
          yield* emulator.addFault(fault({ operation: kind }))
          const first = yield* drive(Effect.exit(operation), 1000)
          assert.strictEqual(Exit.isSuccess(first), retries, `${kind}, ${name}`)
          const files = yield* emulator.files
          const uploads = files.filter((file) => file.filename === "a.txt").length
          if (retries) {
            assert.strictEqual(uploads, kind === "upload" ? 1 : 0)
            return
          }
          // Without a retry policy the failure is the caller's, and the next call is as good as new.
          if (kind !== "delete" || uploads > 0) {
            const second = yield* drive(Effect.exit(operation), 1000)
            assert.isTrue(Exit.isSuccess(second), `${kind}, ${name}, again`)
          }
        }).pipe(Effect.provide(over(policy())))
      }
    }
  })

describe("alone", () => {
  for (const name of names) {
    it.effect(name, () => exercise(policies[name], name === "retry"))
  }
})

describe("in pairs", () => {
  for (const outer of names) {
    for (const inner of names) {
      if (outer === inner) continue
      it.effect(`${outer} around ${inner}`, () =>
        exercise(() => Policy.stack(policies[outer](), policies[inner]()), outer === "retry" || inner === "retry"))
    }
  }
})

describe("the whole stack", () => {
  it.effect("standard", () => exercise(() => Policy.standard(), true))

  it.effect("in the opposite order", () =>
    exercise(() => Policy.stack(...names.slice().reverse().map((name) => policies[name]())), true))

  it.effect("an empty stack changes nothing", () => exercise(() => Policy.stack(), false))

  it.effect("every part can be left out", () =>
    Effect.gen(function*() {
      const none = {
        retry: false,
        circuitBreaker: false,
        rateLimit: false,
        concurrency: false,
        timeout: false
      } as const
      const from = script(() => failure(500))
      yield* Effect.flip(Effect.provide(Files.metadata(id), layerOf(from.client, Policy.standard(none))))
      assert.strictEqual(from.requests().length, 1)
      const some = script(() => failure(500), () => ok())
      yield* drive(
        Effect.provide(Files.metadata(id), layerOf(some.client, Policy.standard({ ...none, retry: {} }))),
        500
      )
      assert.strictEqual(some.requests().length, 2)
    }))

  it.effect("outermost first", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const spy = (name: string): Policy.Policy =>
        Layer.effect(
          HttpClient.HttpClient,
          Effect.map(
            HttpClient.HttpClient,
            HttpClient.transform((effect) =>
              Effect.ensuring(
                Effect.suspend(() => (seen.push(`${name} in`), effect)),
                Effect.sync(() => seen.push(`${name} out`))
              )
            )
          )
        )
      yield* Effect.provide(
        Files.metadata(id),
        layerOf(script(() => ok()).client, Policy.stack(spy("one"), spy("two"), spy("three")))
      )
      assert.deepStrictEqual(seen, ["one in", "two in", "three in", "three out", "two out", "one out"])
    }))

  it.effect("each use of a policy is its own instance", () =>
    Effect.gen(function*() {
      const from = script(() => failure(500))
      const trip = (policy: Policy.Policy) =>
        Effect.provide(
          Effect.forEach(Array.from({ length: 6 }), () => Effect.flip(Files.metadata(id))),
          layerOf(from.client, policy)
        )
      const [one, two] = yield* Effect.all([trip(Policy.circuitBreaker()), trip(Policy.circuitBreaker())])
      assert.deepStrictEqual(one.map(outcomeOf).slice(-2), ["ServerFailed", "CircuitOpen"])
      assert.deepStrictEqual(two.map(outcomeOf), one.map(outcomeOf))
    }))
})

describe("a policy around retry", () => {
  /** Five tries: 503, and a minute and a half between them each time. */
  const patient = () => Policy.retry({ maxDelay: "10 minutes" })
  for (const name of names) {
    if (name === "retry") continue
    it.effect(`${name}: waits inside it do not count as silence`, () =>
      Effect.gen(function*() {
        const upload: Effect.Effect<unknown, unknown, Files.Files> = Files.upload(FileSource.text("hello", "a.txt"))
        for (const operation of [Files.metadata(id), upload]) {
          const from = HttpMock.answering((_, n) =>
            n < 5 ? failure(529, { "retry-after": "90" }) : ok({ size_bytes: 5 })
          )
          yield* drive(
            Effect.provide(operation, layerOf(from.client, Policy.stack(policies[name](), patient()))),
            1000
          )
          const [first = 0] = timesOf(from)
          const waited = timesOf(from).map((at, n) => at - first - n * 90_000)
          assert.strictEqual(waited.length, 5)
          for (const more of waited) {
            assert.isAtLeast(more, 0)
            assert.isAtMost(more, 4 * 1000)
          }
        }
      }))
  }

  it.effect("all policies around it", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) =>
        n < 5 ? failure(503, { "retry-after": "90" }) : Response.json({ data: [], next_page: null })
      )
      const around = names.filter((name) => name !== "retry").map((name) => policies[name]())
      yield* drive(
        Effect.provide(Stream.runDrain(Files.list()), layerOf(from.client, Policy.stack(...around, patient()))),
        1000
      )
      assert.strictEqual(from.requests().length, 5)
    }))

  it.effect("a timeout around a rate limit and a limit on concurrency does not count their waits", () =>
    Effect.gen(function*() {
      for (const inner of [Policy.rateLimit({ requestsPerMinute: 1, maxWait: "1 hour" }), Policy.concurrency(1)]) {
        const from = HttpMock.answering(() => Effect.as(Effect.sleep("50 seconds"), ok()))
        yield* drive(
          Effect.all(Array.from({ length: 4 }, () => Files.metadata(id)), { concurrency: "unbounded" }).pipe(
            Effect.provide(layerOf(from.client, Policy.stack(Policy.timeout(), inner)))
          ),
          1000
        )
        assert.strictEqual(from.requests().length, 4)
      }
    }))

  it.effect("but real silence is noticed in every try", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.never)
      const error = yield* Effect.flip(drive(
        Effect.provide(
          Files.metadata(id),
          layerOf(from.client, Policy.stack(Policy.concurrency(1), Policy.retry({ times: 2 })))
        ),
        1000
      ))
      assert.strictEqual(outcomeOf(error), "TimedOut")
      assert.strictEqual(from.requests().length, 3)
      assert.isAtMost(timesOf(from).at(-1) ?? NaN, 125_000)
    }))
})
