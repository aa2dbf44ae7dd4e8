/**
 * Durable ingest, as its flags and the environment ask for it. Postgres and Redis are loaded only here.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as NodeIngest from "../fleet/NodeIngest.ts"
import * as NodeFiles from "../NodeFiles.ts"
import * as Client from "./client.ts"
import { UsageError } from "./failure.ts"
import * as Flags from "./flags.ts"
import { Settings } from "./settings.ts"

export const flags = {
  databaseUrl: Flags.address(
    "database-url",
    ["postgres", "postgresql"],
    "Postgres that holds the ingests",
    "DATABASE_URL"
  )
}

export const runnerFlags = {
  ...flags,
  redisUrl: Flags.address(
    "redis-url",
    ["redis", "rediss", "unix"],
    "Redis through which all runners keep to one rate",
    "REDIS_URL"
  )
}

type Address = Option.Option<Redacted.Redacted<string>>

const load = Effect.promise(() => import("../fleet/NodeIngest.ts"))

const databaseOf = (databaseUrl: Address) =>
  Effect.mapError(
    Effect.fromOption(databaseUrl),
    () =>
      new UsageError({
        message:
          "There is no database: set DATABASE_URL to postgres://user:password@host/database, or give --database-url."
      })
  )

/** What only reads and writes the table sends no request, and needs no key. */
const noClient = NodeFiles.layer({ apiKey: Redacted.make("none-is-needed"), baseUrl: "http://localhost" })

/** For what happens in the database alone. */
export const layer = ({ databaseUrl }: { readonly databaseUrl: Address }) =>
  Layer.unwrap(Effect.gen(function*() {
    const url = yield* databaseOf(databaseUrl)
    const { layer } = yield* load
    return layer({ databaseUrl: url, maxConnections: 4 }, () => noClient)
  }))

/** With the client. */
export const layerRunner = (
  given: {
    readonly databaseUrl: Address
    readonly redisUrl: Address
  },
  options: Pick<NodeIngest.Options, "maxConnections" | "onRedisLost"> = {}
) =>
  Layer.unwrap(Effect.gen(function*() {
    const databaseUrl = yield* databaseOf(given.databaseUrl)
    const settings = yield* Settings
    const { layer } = yield* load
    return layer({
      ...options,
      databaseUrl,
      redisUrl: Option.getOrUndefined(given.redisUrl),
      policy: Client.policyOptions(settings)
    }, (policy) => Layer.provide(Client.layerWith(policy), Layer.succeed(Settings, settings)))
  }))
