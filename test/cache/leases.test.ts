import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Fiber, FileSystem, Layer, Schema } from "effect"
import { Files, FilesError, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as UploadCache from "effect-anthropic-files/UploadCache"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import { TestClock } from "effect/testing"
import type { Key } from "../../src/internal/cache/keys.ts"
import * as Leases from "../../src/internal/cache/lease.ts"
import { overMap } from "../../src/internal/cache/memoryStore.ts"
import { files } from "../support/emulated.ts"
import { makeGate } from "../support/gate.ts"
import { platform, rewrite } from "./stores.ts"

const layer = (options?: Partial<Files.Options>) =>
  UploadCache.layer().pipe(
    Layer.provideMerge(files(options)),
    Layer.provideMerge(Layer.mergeAll(Emulator.layer(), UploadStore.layerMemory, platform))
  )

/** A cache over that store in another process. */
const over = (store: UploadStore.UploadStore["Service"]) =>
  Layer.fresh(Layer.provide(UploadCache.layer(), Layer.succeed(UploadStore.UploadStore, store)))

const text = FileSource.text("content", "x.txt")

const tick = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const until = (condition: () => boolean) => Effect.andThen(tick, tick).pipe(Effect.repeat({ until: condition }))

/** The files in the context, whose uploads wait at a gate. */
const gated = Effect.gen(function*() {
  const real = yield* Files.Files
  const gate = yield* makeGate
  const state = { uploads: 0 }
  const layer = Layer.succeed(Files.Files, {
    ...real,
    upload: (source, options) =>
      Effect.suspend(() => {
        state.uploads++
        return Effect.andThen(gate.pass, real.upload(source, options))
      })
  })
  return { layer, open: gate.open, state }
})

describe("leases", () => {
  it.live("a lease is held against a machine whose clock is a second behind", () =>
    Effect.gen(function*() {
      const uploads = yield* gated
      const store = overMap(new Map())
      const clock = yield* Clock.Clock
      const late: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() - 1000,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now - 1000)
      })
      let looks = 0
      const watched = {
        ...store,
        get: (key: string) => Effect.tap(store.get(key), () => Effect.sync(() => looks++))
      }
      const get = (store: UploadStore.UploadStore["Service"]) =>
        Effect.provide(UploadCache.get(text), Layer.provide(over(store), uploads.layer))
      const first = yield* Effect.forkChild(get(store))
      yield* until(() => uploads.state.uploads === 1)
      const second = yield* Effect.forkChild(Effect.provideService(get(watched), Clock.Clock, late))
      // It has read the lease, found it held, waited, and read it again.
      yield* until(() => looks >= 3 || uploads.state.uploads > 1)
      yield* uploads.open
      assert.strictEqual((yield* Fiber.join(second)).id, (yield* Fiber.join(first)).id)
      assert.strictEqual(uploads.state.uploads, 1)
    }).pipe(Effect.provide(layer())))

  it.live("a process that was suspended for longer than its lease deletes its own upload and uses the other process's file", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const uploads = yield* gated
      const values = new Map<string, string>()
      const slow = yield* Effect.forkChild(
        Effect.provide(UploadCache.get(text), Layer.provide(over(overMap(values)), uploads.layer))
      )
      yield* until(() => uploads.state.uploads === 1)
      for (const prefix of ["content-", "intent-"]) {
        rewrite(values, prefix, (record) => record.replace(/"until":\d+/, "\"until\":1"))
      }
      const next = yield* Effect.provide(UploadCache.get(text), over(overMap(values)))
      yield* uploads.open
      assert.strictEqual((yield* Fiber.join(slow)).id, next.id)
      assert.deepStrictEqual((yield* emulator.files).map(({ id }) => id), [next.id])
      assert.strictEqual((yield* emulator.requests).filter(({ method }) => method === "POST").length, 2)
    }).pipe(Effect.provide(layer())))

  it.effect("a lease is held for as long as its holder lives, also over a store that takes seconds to write", () =>
    Effect.gen(function*() {
      const key: Key<string> = { name: "content-0123456789abcdef", schema: Schema.String }
      const store = overMap(new Map())
      let delay = 3_000
      const slow: UploadStore.UploadStore["Service"] = {
        ...store,
        swap: (...change) => Effect.suspend(() => Effect.delay(store.swap(...change), delay))
      }
      const holder = yield* Leases.make(slow, Duration.seconds(30))
      const claim = yield* Effect.forkScoped(holder.claim(key))
      yield* TestClock.adjust("3 seconds")
      const lease = yield* Fiber.join(claim)
      const other = yield* Leases.make(store, Duration.seconds(30))
      const waiting = yield* Effect.forkScoped(other.claim(key))
      for (let n = 0; n < 100; n++) yield* TestClock.adjust("3 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      delay = 0
      yield* TestClock.adjust("3 seconds")
      assert.isTrue(yield* lease.put("still mine"))
    }).pipe(Effect.scoped))

  it.live("waiting for a store that does not answer can be interrupted", () =>
    Effect.gen(function*() {
      let looks = 0
      const store = {
        isLocal: false,
        get: () => Effect.suspend(() => looks++ === 0 ? Effect.undefined : Effect.never),
        swap: () => Effect.succeed(true)
      }
      const fiber = yield* Effect.forkDetach(Effect.provide(UploadCache.get(text), over(store)))
      yield* until(() => looks === 2)
      const ended = yield* Effect.timeoutOption(Fiber.interrupt(fiber), "1 second")
      assert.strictEqual(ended._tag, "Some")
    }).pipe(Effect.provide(layer())))

  it.effect("a store that does not answer fails after 30 seconds", () =>
    Effect.gen(function*() {
      for (const silent of ["get", "swap"] as const) {
        const asked = yield* Deferred.make<void>()
        const store = {
          ...overMap(new Map()),
          [silent]: () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
        }
        const fiber = yield* Effect.forkChild(Effect.flip(Effect.provide(UploadCache.get(text), over(store))))
        yield* Deferred.await(asked)
        yield* tick
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "UploadStoreFailed")
      }
    }).pipe(Effect.provide(layer())))

  it.live("waiting for another upload of the same content keeps no file open", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const paths = Array.from({ length: 40 }, (_, n) => `${directory}/${n}.txt`)
      for (const path of paths) yield* fs.writeFileString(path, "same")
      let opened = 0
      let open = 0
      const counting = Layer.succeed(FileSystem.FileSystem, {
        ...fs,
        open: (path, options) =>
          Effect.tap(fs.open(path, options), () => {
            opened++
            open++
            return Effect.addFinalizer(() => Effect.sync(() => open--))
          })
      })
      const uploads = yield* gated
      const all = yield* Effect.forkChild(
        Effect.forEach(paths, (path) => UploadCache.get(FileSource.path(path)), { concurrency: "unbounded" }).pipe(
          Effect.provide(Layer.merge(Layer.provide(over(overMap(new Map())), uploads.layer), counting))
        )
      )
      yield* until(() => opened === paths.length && uploads.state.uploads === 1)
      yield* Effect.timeoutOption(until(() => open === 0), "2 seconds")
      assert.strictEqual(open, 0)
      yield* uploads.open
      assert.strictEqual(new Set((yield* Fiber.join(all)).map(({ id }) => id)).size, 1)
    }).pipe(Effect.scoped, Effect.provide(layer())))
})

describe("a lease after a clock was set back by an hour", () => {
  const key: Key<string> = { name: "content-0123456789abcdef", schema: Schema.String }
  const hour = 3_600_000

  /** The leases of a process whose clock is an hour behind the others. */
  const behind = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.clockWith((clock) =>
      Effect.provideService(
        effect,
        Clock.Clock,
        Object.assign(Object.create(clock) as Clock.Clock, {
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() - hour,
          currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now - hour)
        })
      )
    )

  /** Whether a process with such a clock holds the key after each wait. */
  const claimedAfter = (values: Map<string, string>, ...waits: ReadonlyArray<Duration.Input>) =>
    Effect.gen(function*() {
      const leases = yield* Leases.make(overMap(values), Duration.seconds(30))
      const fiber = yield* Effect.forkScoped(behind(leases.claim(key)))
      const claimed: Array<boolean> = []
      for (const wait of waits) {
        yield* TestClock.adjust(wait)
        claimed.push(fiber.pollUnsafe() !== undefined)
      }
      return claimed
    })

  it.effect("is held for as long as its holder renews it", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(2 * hour)
      const values = new Map<string, string>()
      const holder = yield* Leases.make(overMap(values), Duration.seconds(30))
      const lease = yield* holder.claim(key)
      assert.deepStrictEqual(yield* claimedAfter(values, "10 seconds", "1 minute", "10 minutes"), [false, false, false])
      assert.isTrue(yield* lease.put("still mine"))
    }).pipe(Effect.scoped))

  it.effect("is not taken again by a renewal that comes after its release", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(2 * hour)
      const values = new Map<string, string>()
      const holder = yield* Leases.make(overMap(values), Duration.seconds(30))
      const lease = yield* holder.claim(key)
      assert.isTrue(yield* lease.finish("done"))
      assert.isFalse(yield* lease.renew)
      assert.deepStrictEqual(Array.from(values.values(), (raw): unknown => JSON.parse(raw)), [{ value: "done" }])
    }).pipe(Effect.scoped))

  it.effect("ends one lease length after its holder has died", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(2 * hour)
      const holder = { token: "dead", until: 2 * hour + 30_000, length: 30_000 }
      const values = new Map([[key.name, JSON.stringify({ holder, value: "old" })]])
      assert.deepStrictEqual(yield* claimedAfter(values, "29 seconds", "2 seconds"), [false, true])
    }).pipe(Effect.scoped))

  it.effect("ends at once if its holder died long ago by any clock", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(2 * hour)
      const holder = { token: "dead", until: 1, length: 30_000 }
      const values = new Map([[key.name, JSON.stringify({ holder })]])
      assert.deepStrictEqual(yield* claimedAfter(values, "10 millis"), [true])
    }).pipe(Effect.scoped))
})

describe("what a holder leaves", () => {
  const key: Key<string> = { name: "content-0123456789abcdef", schema: Schema.String }
  const start = 1_800_000_000_000

  const claim = (values: Map<string, string>) =>
    Effect.flatMap(Leases.make(overMap(values), Duration.seconds(30)), (leases) => leases.claim(key))

  it.effect("carries the time at which it was released, by its writer and by no later holder", () =>
    Effect.gen(function*() {
      const values = new Map<string, string>()
      yield* TestClock.setTime(start)
      yield* Effect.scoped(Effect.gen(function*() {
        const lease = yield* claim(values)
        yield* lease.put("under way")
        yield* TestClock.adjust("1 minute")
      }))
      for (let n = 0; n < 2; n++) {
        yield* TestClock.adjust("1 hour")
        const { until, value } = yield* Effect.scoped(claim(values))
        assert.deepStrictEqual([value, until], ["under way", start + 60_000])
      }
    }).pipe(Effect.scoped))

  it.effect("carries the end of its lease if it died, also after the next holder died", () =>
    Effect.gen(function*() {
      const dead = { token: "dead", until: start + 30_000, length: 30_000 }
      let values = new Map([[key.name, JSON.stringify({ holder: dead, value: "under way" })]])
      yield* TestClock.setTime(start)
      for (let n = 0; n < 2; n++) {
        yield* TestClock.adjust("1 hour")
        const { until, value } = yield* claim(values)
        assert.deepStrictEqual([value, until], ["under way", start + 30_000])
        // As it stays if this one dies as well.
        values = new Map(values)
      }
    }).pipe(Effect.scoped))

  it.effect("carries no time where none was noted, also after the next holder released it", () =>
    Effect.gen(function*() {
      const values = new Map([[key.name, JSON.stringify({ value: "of an earlier version" })]])
      yield* TestClock.setTime(start)
      for (let n = 0; n < 2; n++) {
        assert.strictEqual((yield* Effect.scoped(claim(values))).until, 0)
      }
    }).pipe(Effect.scoped))
})

describe("returned files", () => {
  it.effect("beta: a file expires after the requested time, which the service does not report", () =>
    Effect.gen(function*() {
      const seen = new Set<string>()
      for (let n = 0; n < 4; n++) {
        seen.add((yield* UploadCache.get(text, { expiresIn: "1 hour" })).id)
        yield* TestClock.adjust("55 minutes")
      }
      assert.strictEqual(seen.size, 4)
    }).pipe(Effect.provide(layer({ dialect: "beta" }))))

  it.effect("ga: a file that the service keeps for ever does not expire, although a time was requested", () =>
    Effect.gen(function*() {
      const files = yield* Files.Files
      const ignoring = Layer.succeed(Files.Files, {
        ...files,
        upload: (source, options) => files.upload(source, { ...options, expiresIn: undefined })
      })
      const get = UploadCache.get(text, { expiresIn: "1 hour" })
      yield* Effect.gen(function*() {
        const first = yield* get
        yield* TestClock.adjust("55 minutes")
        assert.strictEqual((yield* get).id, first.id)
      }).pipe(Effect.provide(Layer.fresh(Layer.provide(UploadCache.layer(), ignoring))))
    }).pipe(Effect.provide(layer())))

  it.effect("use runs again with another file if an answer names the first as expired although it is still listed", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      yield* UploadCache.use(text, (file) =>
        Effect.suspend(() => {
          seen.push(file.id)
          return seen.length > 1 ? Effect.void : Effect.fail(
            new FilesError.FileExpired({
              operation: "createMessage",
              message: "A file is gone",
              fileId: file.id,
              isRetryable: false,
              isOutcomeUnknown: false
            })
          )
        }))
      assert.strictEqual(new Set(seen).size, 2)
    }).pipe(Effect.provide(layer())))
})
