/**
 * How long the kit takes: `node test/testing/bench.ts`, after a build. Not a test: a busy machine would fail it.
 */
import { Console, Effect, Layer } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"

const content = "The lamp was lit on 359 nights."

const uploads = (count: number, concurrency: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) => Files.upload(FileSource.text(content, `night_${n}.txt`)),
    { concurrency, discard: true }
  )

const timed = <E, R>(name: string, effect: Effect.Effect<unknown, E, R>, layer: Layer.Layer<R>, rounds = 5) =>
  Effect.gen(function*() {
    const times: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      const start = performance.now()
      yield* Effect.provide(effect, Layer.fresh(layer))
      times.push(performance.now() - start)
    }
    const shown = times.map((time) => time.toFixed(0)).join(", ")
    yield* Console.log(`${name}: first ${times[0]?.toFixed(0)} ms, best ${Math.min(...times).toFixed(0)} ms (${shown})`)
  })

const mocked = Layer.suspend(() =>
  Layer.provideMerge(FilesTest.layerClient(), HttpMock.layer(HttpMock.stub("POST /v1/files", HttpMock.file())))
)

const program = Effect.gen(function*() {
  yield* timed("FilesTest, a layer and 1 upload", uploads(1, 1), FilesTest.layer())
  yield* timed("FilesTest, 1,000 uploads one by one", uploads(1000, 1), FilesTest.layer())
  yield* timed("FilesTest, 1,000 uploads, 16 at once", uploads(1000, 16), FilesTest.layer())
  yield* timed("HttpMock, 1,000 uploads one by one", uploads(1000, 1), mocked)
})

await Effect.runPromise(program)
