import { Context, Effect, Layer, type Redacted } from "effect"
import { Files } from "effect-anthropic-files"
import { HttpClient } from "effect/http"

/**
 * One way of serving the Files API, as the contract suite sees it.
 */
export class Backend extends Context.Service<Backend, {
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted<string>
  readonly client: HttpClient.HttpClient
  /** Stores a file as if a tool had made it. */
  readonly generate: (
    filename: string,
    mimeType: string,
    content: Uint8Array
  ) => Effect.Effect<string>
  /** Requests answered so far, as `METHOD /path?query`. */
  readonly requests: Effect.Effect<ReadonlyArray<string>>
}>()("test/Backend") {}

/**
 * The client under test, over whatever serves.
 */
export const filesWith = (options: Partial<Files.Options>) =>
  Layer.unwrap(
    Effect.map(Backend, (backend) =>
      Files.layer({ apiKey: backend.apiKey, baseUrl: backend.baseUrl, ...options }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, backend.client))
      ))
  )
