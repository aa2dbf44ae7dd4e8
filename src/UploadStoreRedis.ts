/**
 * An `UploadStore` in Redis, for all processes that reach it.
 *
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { UploadCache } from "effect-anthropic-files"
 * import * as UploadStoreRedis from "effect-anthropic-files/UploadStoreRedis"
 *
 * export const CacheLive = UploadCache.layer().pipe(Layer.provide(UploadStoreRedis.layer()))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import { storeFailed, UploadStore } from "./internal/cache/store.ts"
import { printable } from "./internal/text.ts"

const swap = Redis.script(
  (key: string, current: string | undefined, next: string | undefined) => [
    key,
    current === undefined ? "0" : "1",
    current ?? "",
    next === undefined ? "0" : "1",
    next ?? ""
  ],
  {
    numberOfKeys: 1,
    lua: `
local current = redis.call("GET", KEYS[1])
if ARGV[1] == "0" then
  if current then return 0 end
elseif current ~= ARGV[2] then
  return 0
end
if ARGV[3] == "0" then
  redis.call("DEL", KEYS[1])
else
  redis.call("SET", KEYS[1], ARGV[4])
end
return 1
`
  }
).withReturnType<number>()

/**
 * The store in the context's Redis. Configure that Redis with persistence and without eviction: what it loses is uploaded
 * again.
 */
export const layer = (options: {
  /** The prefix of every key. @default "effect-anthropic-files:uploads:" */
  readonly prefix?: string | undefined
} = {}): Layer.Layer<
  UploadStore,
  never,
  Redis.Redis
> =>
  Layer.effect(
    UploadStore,
    Effect.map(Redis.Redis, (redis) => {
      const prefix = options.prefix ?? "effect-anthropic-files:uploads:"
      const onError = (error: Redis.RedisError) =>
        storeFailed(`The upload store's Redis failed: ${printable(error.message)}`, error)
      const run = redis.eval(swap)
      return {
        isLocal: false,
        get: (key) =>
          Effect.mapError(
            Effect.map(redis.send<string | null>("GET", `${prefix}${key}`), (value) => value ?? undefined),
            onError
          ),
        swap: (key, current, next) =>
          Effect.mapError(Effect.map(run(`${prefix}${key}`, current, next), (done) => done === 1), onError)
      }
    })
  )
