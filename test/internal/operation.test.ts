import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Stream } from "effect"
import { Files, Messages, Policy } from "effect-anthropic-files"
import { failure, id, layerOf, script, wire } from "../policy/support.ts"

/** The lines of a failure's trace that name an operation, where one begins, or this file. */
const traceOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(Effect.sandbox(effect)), (cause) => {
    const lines = Cause.pretty(cause).split("\n").map((line) => line.trim())
    return lines.filter((line) => /^at (Files|Messages|anthropic)\.|operation\.test\.ts|\(definition\)/.test(line))
  })

/** Calls, each with an error from the same line. */
const lookUp = () => [new Error(), Files.metadata(id)] as const
const remove = (files: Files.Files["Service"]) => [new Error(), files.delete(id)] as const
const list = () => [new Error(), Files.list()] as const
const ask = () => [new Error(), Messages.create({ model: "m", max_tokens: 1, messages: [] })] as const

/** That the trace has one line, which says that `name` was called from where `here` was made. */
const assertCalledFrom = (trace: ReadonlyArray<string>, name: string, here: Error) => {
  const [place] = /operation\.test\.ts:\d+/.exec(here.stack ?? "") ?? []
  assert.isDefined(place)
  assert.lengthOf(trace, 1)
  assert.isTrue(trace[0]?.startsWith(`at ${name} (`), trace[0])
  assert.include(trace[0], `${place}:`)
}

/** A fake that notes what it is asked with. */
const noting = () => {
  const asked: Array<ReadonlyArray<unknown>> = []
  const note = (...args: ReadonlyArray<unknown>) => {
    asked.push(args)
    return Effect.die("noted")
  }
  return { asked, layer: Layer.mock(Files.Files)({ metadata: note, delete: note }) }
}

const secondPageFails = () =>
  script(() => Response.json({ data: [wire()], next_page: "p2", has_more: true }), () => failure(500))

const refusing = () => layerOf(script(() => failure(404)).client, Policy.stack())

describe("the trace of a failed operation", () => {
  it.effect("names the line that called the module's function, and none of what lies between", () =>
    Effect.gen(function*() {
      const [here, effect] = lookUp()
      assertCalledFrom(yield* traceOf(effect), "Files.metadata", here)
    }).pipe(Effect.provide(refusing())))

  it.effect("names the line that asked for a stream, whichever page fails", () =>
    Effect.gen(function*() {
      const [here, stream] = list()
      assertCalledFrom(yield* traceOf(Stream.runDrain(stream)), "Files.list", here)
      const [next, pages] = list()
      const taken = Stream.runDrain(pages).pipe(Effect.provide(layerOf(secondPageFails().client, Policy.stack())))
      assertCalledFrom(yield* traceOf(taken), "Files.list", next)
    }).pipe(Effect.provide(refusing())))

  it.effect("names the line that called the service's method", () =>
    Effect.gen(function*() {
      const [here, effect] = remove(yield* Files.Files)
      assertCalledFrom(yield* traceOf(effect), "anthropic.files.delete", here)
    }).pipe(Effect.provide(refusing())))

  it.effect("names the line that called the module's function where the service is a fake", () =>
    Effect.gen(function*() {
      const [here, effect] = ask()
      assertCalledFrom(yield* traceOf(effect), "Messages.create", here)
    }).pipe(Effect.provide(Layer.mock(Messages.Messages)({ create: () => Effect.die("broken") }))))
})

describe("a function of the module", () => {
  it.effect("passes on options, and no index of Effect.forEach in their place", () =>
    Effect.gen(function*() {
      const { asked, layer } = noting()
      const options = { workspaceId: "wrkspc_1" }
      yield* Effect.gen(function*() {
        yield* Effect.exit(Effect.forEach([id], Files.metadata))
        yield* Effect.exit(Files.delete(id, options))
        yield* Effect.exit(Effect.forEach([id], Files.delete))
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(asked, [[id, undefined], [id, options], [id, undefined]])
    }))
})
