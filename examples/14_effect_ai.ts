/**
 * An uploaded file in a program that is built on effect/ai.
 *
 * `program` knows only LanguageModel and Prompt. `languageModel` stands in for a provider package. Like those, it
 * writes a file part's URL into a document block, and `PromptFile.transformClient` turns that into a file reference
 * when the request leaves.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { Messages } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as PromptFile from "effect-anthropic-files/PromptFile"
import { AiError, LanguageModel, Prompt } from "effect/ai"
import { HttpClient } from "effect/http"
import { model, uploaded } from "./shared/example.ts"

const program = Effect.gen(function*() {
  const report = yield* uploaded("lighthouse.pdf")
  const response = yield* LanguageModel.generateText({
    prompt: Prompt.make([{
      role: "user",
      content: [yield* PromptFile.part(report), Prompt.textPart({ text: "How many nights was the lamp lit?" })]
    }])
  })
  yield* Console.log(response.text)
})

const toBlock = (part: Prompt.UserMessagePart): Messages.BlockParam => {
  if (part.type === "text") return { type: "text", text: part.text }
  const source = { type: "url", url: String(part.data) } as const
  return part.mediaType.startsWith("image/") ? { type: "image", source } : { type: "document", source }
}

const languageModel = Layer.effect(
  LanguageModel.LanguageModel,
  Effect.gen(function*() {
    const messages = yield* Messages.Messages
    return yield* LanguageModel.make({
      generateText: ({ prompt }) =>
        messages.create({
          model,
          max_tokens: 1024,
          messages: prompt.content.flatMap((message) =>
            message.role === "user" ? [{ role: "user", content: message.content.map(toBlock) } as const] : []
          )
        }).pipe(
          Effect.map((answer) => [{ type: "text", text: Messages.text(answer) } as const]),
          Effect.mapError(({ message }) =>
            AiError.make({
              module: "example",
              method: "generateText",
              reason: new AiError.UnknownError({ description: message })
            })
          )
        ),
      streamText: () => Stream.empty
    })
  })
).pipe(
  Layer.provide(Messages.layerConfig()),
  Layer.provide(Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, PromptFile.transformClient)))
)

NodeRuntime.runMain(
  program.pipe(Effect.scoped, Effect.provide(Layer.provideMerge(languageModel, NodeFiles.layerConfig())))
)
