/**
 * A worker that looks a file up for each request it gets, and says how that ended. It is bundled for workerd.
 */
import * as FileMetadata from "effect-anthropic-files/FileMetadata"
import * as Files from "effect-anthropic-files/Files"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

export default {
  fetch: (request: Request): Promise<Response> => {
    const { searchParams } = new URL(request.url)
    const options = {
      apiKey: Redacted.make("sk-ant-test-key"),
      baseUrl: searchParams.get("service") ?? "",
      idleTimeout: "1 second"
    } as const
    return Files.metadata(FileMetadata.FileId.make(searchParams.get("id") ?? "")).pipe(
      Effect.match({
        onFailure: (error) => error._tag === "RequestFailed" ? error.reason._tag : error._tag,
        onSuccess: ({ id }) => id
      }),
      Effect.provide(Layer.provide(Files.layer(options), FetchHttpClient.layer)),
      Effect.map((text) => new Response(text)),
      Effect.runPromise
    )
  }
}
