import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import * as UploadStoreSql from "effect-anthropic-files/UploadStoreSql"
import { SqlClient } from "effect/sql"
import * as Postgres from "../support/postgres.ts"
import { cacheSuite } from "./cacheSuite.ts"
import type { Place } from "./stores.ts"
import { key, read, storeSuite } from "./storeSuite.ts"

describe.skipIf(!Postgres.available)("UploadStoreSql on Postgres (apt-get install postgresql)", () => {
  const scope = Scope.makeUnsafe()
  let socket = ""
  let tables = 0

  beforeAll(async () => {
    socket = await Effect.runPromise(Scope.provide(Postgres.postgres, scope))
  }, 60_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), 60_000)

  const client = (options: Partial<PgClient.PgPoolConfig> = {}) =>
    Layer.orDie(PgClient.layer({ path: socket, username: "postgres", database: "postgres", ...options }))

  /** TestClock advances by hours while a statement runs. */
  const forLong = { connectionTTL: "1000 days", idleTimeout: "1000 days", connectTimeout: "1000 days" } as const

  const place: Place = Effect.sync(() => {
    const table = `uploads_${tables++}`
    return Layer.fresh(Layer.provide(UploadStoreSql.layer({ table }), client({ maxConnections: 4, ...forLong })))
  })

  storeSuite("postgres", place)
  cacheSuite("postgres", place, 40)

  it.live("records stay when the program's own transaction is rolled back", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const store = yield* UploadStore.UploadStore
      yield* Effect.ignore(
        sql.withTransaction(Effect.andThen(store.swap(key, undefined, "noted"), Effect.fail("rolled back")))
      )
      assert.strictEqual(yield* read, "noted")
    }).pipe(Effect.provide(
      Layer.provideMerge(UploadStoreSql.layer({ table: "uploads_rollback" }), client({ maxConnections: 2 }))
    )))

  it.live("creates its table once, however many processes start at the same time", () =>
    Effect.gen(function*() {
      const layer = Layer.fresh(Layer.provide(UploadStoreSql.layer({ table: "uploads_many" }), client()))
      yield* Effect.forEach(Array.from({ length: 12 }), () => Effect.provide(read, layer), { concurrency: "unbounded" })
    }))
})
