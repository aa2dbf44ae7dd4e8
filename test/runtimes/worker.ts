/**
 * A worker as docs/runtimes.md has it: all requests of the isolate share stores, and each has its own Layers over them.
 * A request does what its query asks for, and says how that ended. The worker is bundled for workerd.
 */
import * as FileMetadata from "effect-anthropic-files/FileMetadata"
import * as Files from "effect-anthropic-files/Files"
import type { FilesError } from "effect-anthropic-files/FilesError"
import * as FileSource from "effect-anthropic-files/FileSource"
import * as Policy from "effect-anthropic-files/Policy"
import * as UploadCache from "effect-anthropic-files/UploadCache"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

const stores = ManagedRuntime.make(Layer.mergeAll(RateLimiter.layerStoreMemory, UploadStore.layerMemory))

const policies: Record<string, Policy.Policy> = {
  standard: Policy.standard({ retry: { baseDelay: "50 millis" } }),
  oneEachSecond: Policy.standard({ rateLimit: { requestsPerMinute: 60, burst: 1 } }),
  opensSoon: Policy.standard({
    retry: { baseDelay: "10 millis" },
    circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(2), openDuration: "1 second" }
  })
}

const layerOf = (query: URLSearchParams) =>
  UploadCache.layer({ lease: "1 second" }).pipe(
    Layer.provideMerge(Files.layer({
      apiKey: Redacted.make(query.get("key") ?? ""),
      baseUrl: query.get("service") ?? "",
      idleTimeout: "1 second"
    })),
    Layer.provide(policies[query.get("policy") ?? ""] ?? Policy.stack()),
    Layer.provide(FetchHttpClient.layer),
    Layer.orDie
  )

type Answer = Effect.Effect<
  ReadableStream<Uint8Array> | string,
  FilesError | UploadCache.Failure,
  Files.Files | UploadCache.UploadCache
>

const answerTo = (request: Request, query: URLSearchParams): Answer => {
  const content = query.get("content")
  if (content !== null) return Effect.map(UploadCache.get(FileSource.text(content, "a.txt")), ({ id }) => id)
  if (request.body !== null) {
    const source = FileSource.readableStream(request.body, { filename: "a.bin" })
    return Effect.map(Files.upload(source), ({ size_bytes }) => String(size_bytes))
  }
  const id = FileMetadata.FileId.make(query.get("id") ?? "")
  switch (query.get("do")) {
    case "find":
      return Effect.map(Files.find(id), Option.match({ onNone: () => "none", onSome: ({ id }) => id }))
    case "download":
      return Stream.toReadableStreamEffect(Files.download(id))
    default:
      return Effect.map(Files.metadata(id), ({ id }) => id)
  }
}

interface Context {
  readonly waitUntil: (promise: Promise<unknown>) => void
}

export default {
  fetch: (request: Request, _: unknown, context: Context): Promise<Response> => {
    const query = new URL(request.url).searchParams
    const answered = answerTo(request, query).pipe(
      Effect.match({
        onFailure: (error) => error._tag === "RequestFailed" ? error.reason._tag : error._tag,
        onSuccess: (value) => value
      }),
      Effect.map((body) => new Response(body)),
      Effect.provide(layerOf(query))
    )
    const answer = stores.runPromise(answered)
    if (query.has("goesOn")) context.waitUntil(answer)
    return answer
  }
}
