/**
 * A Cloudflare Worker before the Files API: `PUT /name` uploads a body as it arrives, `GET /` lists, and `GET /file_…`
 * passes a content on. The key is a secret of the worker. A real worker would first check who is asking.
 */
import { Effect, Layer, ManagedRuntime, Redacted, Stream } from "effect"
import { FileMetadata, Files, FileSource, Policy } from "effect-anthropic-files"
import { FetchHttpClient } from "effect/http"
import { RateLimiter } from "effect/persistence"

interface Env {
  readonly ANTHROPIC_API_KEY: string
  readonly ANTHROPIC_BASE_URL?: string
}

// Requests share only data. Whatever waits, opens or measures time belongs to one request, and may vanish with it at
// any moment.
const shared = ManagedRuntime.make(RateLimiter.layerStoreMemory)

const layerOf = ({ ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL }: Env) =>
  Files.layer({ apiKey: Redacted.make(ANTHROPIC_API_KEY), baseUrl: ANTHROPIC_BASE_URL }).pipe(
    Layer.provide(Policy.standard()),
    Layer.provide(FetchHttpClient.layer)
  )

const answer = (request: Request) =>
  Effect.gen(function*() {
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1))
    if (request.method === "PUT" && request.body !== null) {
      return Response.json(yield* Files.upload(FileSource.readableStream(request.body, { filename: name })))
    }
    if (request.method !== "GET") return new Response("PUT and GET are answered here.", { status: 405 })
    if (name === "") return Response.json(yield* Stream.runCollect(Files.list()))
    const id = FileMetadata.FileId.make(name)
    const { mime_type } = yield* Files.metadata(id)
    return new Response(yield* Stream.toReadableStreamEffect(Files.download(id)), {
      headers: { "content-type": mime_type, "content-disposition": "attachment", "x-content-type-options": "nosniff" }
    })
  }).pipe(Effect.catch((error) => Effect.succeed(new Response(error.message, { status: error.status ?? 502 }))))

export default {
  fetch: (request: Request, env: Env): Promise<Response> =>
    shared.runPromise(Effect.provide(answer(request), layerOf(env)))
}
