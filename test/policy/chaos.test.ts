/**
 * A thousand operations against a service that fails three requests in ten, in every way the wire allows.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Ref, Stream } from "effect"
import { FileMetadata, Files, FileSource, Policy } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { HttpClient } from "effect/http"
import { generator } from "../../src/emulator/internal/faults.ts"
import { drive, mostIn } from "./support.ts"

/** What goes wrong before anything was done, with any request. */
const anywhere: ReadonlyArray<(options: Fault.Options) => Fault.Fault> = [
  (options) => Fault.rateLimited({ retryAfter: "1 second", ...options }),
  (options) => Fault.overloaded(options),
  (options) => Fault.serverError(options),
  (options) => Fault.answer({ ...options, status: 408, type: "timeout_error" }),
  (options) => Fault.answer({ ...options, status: 409, type: "conflict_error" }),
  (options) => Fault.answer({ ...options, status: 418, headers: { "x-should-retry": "true" } }),
  (options) =>
    Fault.answer({ ...options, status: 400, type: "invalid_request_error", errorCode: "request_body_timeout" }),
  (options) => Fault.htmlPage(options),
  (options) => Fault.htmlPage({ status: 504, ...options }),
  (options) => Fault.reset({ at: "before", ...options }),
  (options) => Fault.stall({ at: "before", ...options })
]

/** And while the answer is on its way: with an upload or a deletion, what was asked for has been done. */
const answering: ReadonlyArray<(options: Fault.Options) => Fault.Fault> = [
  (options) => Fault.serverError({ at: "after", ...options }),
  (options) => Fault.reset({ at: "after", ...options }),
  (options) => Fault.stall({ at: "after", ...options }),
  (options) => Fault.reset({ at: "response", after: 7, ...options }),
  (options) => Fault.stall({ at: "response", after: 7, ...options }),
  (options) => Fault.truncate({ after: 7, ...options })
]

const json: ReadonlyArray<(options: Fault.Options) => Fault.Fault> = [
  // Of content this could not be told from a good end.
  (options) => Fault.truncate({ after: 7, keepLength: false, ...options }),
  (options) => Fault.malformedJson(options),
  (options) => Fault.emptyBody(options)
]

const ways: Readonly<Record<string, ReadonlyArray<(options: Fault.Options) => Fault.Fault>>> = {
  upload: [
    ...anywhere,
    ...answering,
    ...json,
    (options) => Fault.reset({ at: "during", after: 1, ...options }),
    (options) => Fault.stall({ at: "during", after: 1, ...options })
  ],
  metadata: [...anywhere, ...answering, ...json],
  list: [...anywhere, ...answering, ...json],
  delete: [...anywhere, ...answering, ...json],
  content: [...anywhere, ...answering, (options) => Fault.reset({ at: "response", after: 3000, ...options })]
}

const operationOf = (method: string, path: string): string =>
  method === "POST"
    ? "upload"
    : method === "DELETE"
    ? "delete"
    : path.endsWith("/content")
    ? "content"
    : path === "/v1/files"
    ? "list"
    : "metadata"

/** Before three requests in ten a fault is laid out, which hits the next of their kind. */
const spoiled = (random: () => number, seen: { requests: number; faults: Map<string, number> }) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const turns = new Map<string, number>()
      return HttpClient.transform(yield* HttpClient.HttpClient, (effect, request) =>
        Effect.suspend(() => {
          seen.requests++
          const operation = operationOf(request.method, new URL(request.url).pathname)
          const of = ways[operation] ?? []
          if (random() >= 0.3) return effect
          // One way after the other.
          const n = (turns.get(operation) ?? 0) % of.length
          turns.set(operation, n + 1)
          const fault = of[n]
          if (fault === undefined) return effect
          const way = `${operation} ${n}`
          seen.faults.set(way, (seen.faults.get(way) ?? 0) + 1)
          return Effect.andThen(emulator.addFault(fault({ match: { operation } })), effect)
        }))
    })
  )

const perMinute = 500

for (const seed of [1, 20_261_121]) {
  it.effect(
    `a thousand operations all succeed, seed ${seed}: no duplicate, nothing lost, the rate kept`,
    () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const random = generator(seed)
        const generated = yield* Effect.forEach(Array.from({ length: 20 }, (_, n) => n), (n) => {
          const content = Uint8Array.from(
            { length: 5000 + Math.floor(random() * 20_000) },
            () => Math.floor(random() * 256)
          )
          return Effect.map(
            emulator.seed({ filename: `out-${n}.bin`, content, downloadable: true }),
            ({ id }) => ({ id: FileMetadata.FileId.make(id), content })
          )
        })
        const seen = { requests: 0, faults: new Map<string, number>() }

        const uploaded = yield* Ref.make<ReadonlyMap<string, string>>(new Map())
        const done = { upload: 0, metadata: 0, list: 0, download: 0, delete: 0 }
        const pick = <A>(from: ReadonlyArray<A>, by: number): A | undefined => from[Math.floor(by * from.length)]
        const chance = Array.from({ length: 1000 }, () => [random(), random()] as const)

        const one = ([which, by]: readonly [number, number], n: number) =>
          Effect.gen(function*() {
            const known = yield* Ref.get(uploaded)
            const name = which > 0.9 ? pick(Array.from(known.keys()), by) : undefined
            if (name !== undefined) {
              // Nobody else may take it.
              const id = known.get(name)
              yield* Ref.update(uploaded, (files) => new Map([...files].filter(([other]) => other !== name)))
              yield* Files.delete(FileMetadata.FileId.make(id ?? ""))
              done.delete++
            } else if (which < 0.4 || which > 0.9) {
              const content = `${n}, `.repeat(1 + Math.floor(by * 500))
              const source = by < 0.5 ? FileSource.text(content, `${n}.txt`) : FileSource.stream(
                Stream.fromIterable([content.slice(0, 5), content.slice(5)]).pipe(
                  Stream.map((part) => new TextEncoder().encode(part))
                ),
                { filename: `${n}.txt`, replayable: true }
              )
              const file = yield* Files.upload(source)
              assert.strictEqual(file.filename, `${n}.txt`)
              assert.strictEqual(file.size_bytes, content.length)
              yield* Ref.update(uploaded, (files) => new Map(files).set(file.filename, file.id))
              done.upload++
            } else if (which < 0.65) {
              const file = pick(generated, by)
              assert(file !== undefined)
              assert.strictEqual((yield* Files.metadata(file.id)).size_bytes, file.content.length)
              done.metadata++
            } else if (which < 0.75) {
              const ids = generated.map((file) => file.id)
              assert.strictEqual((yield* Stream.runCollect(Files.list({ ids }))).length, ids.length)
              done.list++
            } else {
              const file = pick(generated, by)
              assert(file !== undefined)
              assert.deepStrictEqual(yield* Stream.mkUint8Array(Files.download(file.id)), file.content)
              done.download++
            }
          })

        yield* drive(
          Effect.forEach(chance, one, { concurrency: 24, discard: true }).pipe(
            Effect.provide(
              Files.layer({ apiKey: emulator.apiKey, baseUrl: emulator.url, idleTimeout: "2 seconds" }).pipe(
                Layer.provide(Policy.standard({
                  // Five tries would all fail for one operation in four hundred.
                  retry: { times: 14, baseDelay: "50 millis", maxDelay: "5 seconds" },
                  circuitBreaker: { openDuration: "1 second" },
                  rateLimit: { requestsPerMinute: perMinute }
                })),
                Layer.provide(spoiled(random, seen))
              )
            )
          ),
          100
        )

        assert.strictEqual(Object.values(done).reduce((a, b) => a + b), 1000)
        for (const [operation, count] of Object.entries(done)) assert.isAbove(count, 20, operation)
        const files = (yield* emulator.files).filter((file) => file.filename.endsWith(".txt"))
        const expected = yield* Ref.get(uploaded)
        assert.deepStrictEqual(
          files.map((file) => [file.filename, file.id]).sort(),
          Array.from(expected).sort()
        )

        const requests = yield* emulator.requests
        assert.isAtMost(mostIn(requests.map((request) => request.at), 60_000), perMinute)
        assert.strictEqual(requests.length, seen.requests)
        const hit = Array.from(seen.faults.values()).reduce((a, b) => a + b)
        assert.isAtLeast(hit / seen.requests, 0.27)
        // In every way, each time.
        assert.strictEqual(seen.faults.size, Object.values(ways).reduce((sum, of) => sum + of.length, 0))
      }).pipe(Effect.provide(Emulator.layer({ maxRecordedRequests: 100_000 }))),
    60_000
  )
}
