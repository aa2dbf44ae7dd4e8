// Effect 4's own provider against an emulator: `node effectAi.mjs URL KEY MODEL`. It was built for a version of effect
// that had some modules elsewhere: they are found where they are now.
import { registerHooks } from "node:module"

const encoding = new URL("./Encoding.mjs", import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === "effect/Encoding" ? encoding : specifier.replace(/^effect\/unstable\//, "effect/"), context)
})

const { AnthropicClient, AnthropicLanguageModel } = await import("@effect/ai-anthropic")
const { Effect, Layer, Redacted, Schema, Stream } = await import("effect")
const { LanguageModel, Tool, Toolkit } = await import("effect/ai")
const { FetchHttpClient } = await import("effect/http")

const [, , apiUrl, apiKey, model] = process.argv

const Weather = Tool.make("weather", {
  description: "The weather of a city",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.String
})
const toolkit = Toolkit.make(Weather)

const program = Effect.gen(function*() {
  const text = yield* LanguageModel.generateText({ prompt: "Hello" })
  const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "Hello" }))
  const object = yield* LanguageModel.generateObject({
    prompt: "Hello",
    objectName: "answer",
    schema: Schema.Struct({ total: Schema.Number, names: Schema.Array(Schema.String) })
  })
  const tool = yield* LanguageModel.generateText({ prompt: "the weather?", toolkit })
  return {
    text: text.text,
    usage: text.usage,
    streamed: parts.filter((part) => part.type === "text-delta").map((part) => part.delta).join(""),
    object: object.value,
    tools: tool.toolResults.map((result) => [result.name, result.result])
  }
}).pipe(
  Effect.provide([
    AnthropicLanguageModel.layer({ model }),
    toolkit.toLayer({ weather: ({ city }) => Effect.succeed(`rain in ${city}`) })
  ]),
  Effect.provide(
    AnthropicClient.layer({ apiKey: Redacted.make(apiKey), apiUrl }).pipe(Layer.provide(FetchHttpClient.layer))
  )
)

console.log(JSON.stringify(await Effect.runPromise(program)))
