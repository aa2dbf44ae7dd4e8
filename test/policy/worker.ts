/**
 * One of several processes that share a rate over Redis: asks for metadata as fast as it may, for a while.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import { FileId } from "../../src/FileMetadata.ts"
import * as Files from "../../src/Files.ts"
import { RateLimitWindow } from "../../src/internal/policy/rateLimitWindow.ts"
import * as NodeFiles from "../../src/NodeFiles.ts"
import * as Policy from "../../src/Policy.ts"

const [url = "", socket = "", perMinute = "", minute = "", duration = ""] = process.argv.slice(2)

const store = RateLimiter.layerStoreRedis().pipe(
  Layer.provide(NodeRedis.layer({ socket: { path: socket, tls: false }, disableOfflineQueue: true }))
)

const layer = Files.layer({ apiKey: Redacted.make("shared-key"), baseUrl: url }).pipe(
  Layer.provide(Policy.standard({ rateLimit: { requestsPerMinute: Number(perMinute) } })),
  Layer.provide(store),
  Layer.provide(Layer.succeed(RateLimitWindow, Duration.millis(Number(minute)))),
  Layer.provide(NodeFiles.layerHttpClient)
)

const requests = Effect.forever(Files.metadata(FileId.make("file_1")))

await Effect.runPromise(
  Effect.all(Array.from({ length: 8 }, () => requests), { concurrency: "unbounded", discard: true }).pipe(
    Effect.timeoutOption(Number(duration)),
    Effect.provide(layer)
  )
)
