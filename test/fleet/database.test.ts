import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import * as NodeIngest from "effect-anthropic-files/fleet/NodeIngest"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { SqlClient } from "effect/sql"
import { add, corpus, Database, databaseLayer, ingestWith, isRun, needsPostgres, server, sql } from "./support.ts"

/** What only reads and writes the tables, as the user who begins the URL. */
const as = (user: string, more = "") =>
  Layer.unwrap(Effect.map(Database, ({ url }) =>
    Layer.fresh(NodeIngest.layer(
      {
        databaseUrl: Redacted.make(url.replace("//postgres@", `//${user}@`).replace("?", `${more}?`)),
        maxConnections: 2
      },
      () => NodeFiles.layer({ apiKey: Redacted.make("none"), baseUrl: "http://localhost" })
    ))))

const statement = (...texts: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.forEach(texts, (text) => sql.unsafe(text), { discard: true }))
    .pipe(
      Effect.provide(sql)
    )

const failureOf = <A, E>(effect: Effect.Effect<A, E, Ingest.Ingest>, user: string, more?: string) =>
  Effect.flip(Effect.provide(effect, as(user, more)))

describe.runIf(isRun)(`the database of an ingest${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("that can't be used says why, and whether a later try helps", () =>
      Effect.gen(function*() {
        const noUser = yield* failureOf(Ingest.list, "nobody")
        assert(noUser._tag === "IngestFailed")
        assert.strictEqual(noUser.reason, "DatabaseFailed")
        assert.strictEqual(noUser.message, "The database of the ingest can't be used: role \"nobody\" does not exist.")
        assert.isFalse(noUser.isRetryable)
        const noDatabase = yield* failureOf(Ingest.list, "postgres", "_of_others")
        assert.include(noDatabase.message, "database \"postgres_of_others\" does not exist")
        assert.isFalse("isRetryable" in noDatabase && noDatabase.isRetryable)
        const away = yield* Effect.flip(Effect.provide(
          Ingest.list,
          NodeIngest.layer(
            { databaseUrl: Redacted.make("postgres://someone:secret@127.0.0.1:1/x") },
            () => NodeFiles.layer({ apiKey: Redacted.make("none"), baseUrl: "http://localhost" })
          )
        ))
        assert.include(away.message, "connect ECONNREFUSED 127.0.0.1:1")
        assert.notInclude(away.message, "secret")
        assert.isTrue("isRetryable" in away && away.isRetryable)
      }))

    it.effect("may be looked at by who may only read, also while another one has its tables locked for a backup", () =>
      Effect.gen(function*() {
        yield* Effect.provide(add("read", [{ key: "a", source: "/a" }]), as("postgres"))
        yield* statement(
          "CREATE ROLE reader LOGIN",
          "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
        )
        const look = Effect.all([Ingest.status("read"), Stream.runCollect(Ingest.items("read"))])
        const locked = Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql.withTransaction(Effect.andThen(
            sql`LOCK TABLE ingest_migrations, ingest_items, ingests IN ACCESS SHARE MODE`,
            Effect.provide(look, as("reader"))
          ))
        })
        yield* Effect.provide(locked, sql)
        const refused = yield* failureOf(Ingest.pause("read"), "reader")
        assert.include(refused.message, "permission denied for table ingests")
        assert.isFalse("isRetryable" in refused && refused.isRetryable)
      }))

    it.effect("that refuses a runner for good ends it with the reason", () =>
      Effect.gen(function*() {
        yield* Effect.provide(add("rights", [{ key: "a", source: "/a" }]), as("postgres"))
        // The queue is made, and nothing is offered.
        yield* Effect.provide(
          Effect.andThen(Ingest.pause("rights"), Stream.runDrain(Ingest.run("rights", { stopWhen: Effect.void }))),
          as("postgres")
        )
        yield* Effect.provide(
          Effect.andThen(Ingest.resume("rights"), add("rights", [{ key: "b", source: "/b" }])),
          as("postgres")
        )
        yield* statement(
          "CREATE ROLE worker LOGIN",
          "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker"
        )
        const refused = yield* failureOf(Stream.runDrain(Ingest.run("rights")), "worker")
        assert.include(refused.message, "permission denied for sequence ingest_queue_sequence_seq")
        assert.isFalse("isRetryable" in refused && refused.isRetryable)
      }))

    it.effect("that a newer version of this package has made is not touched", () =>
      Effect.gen(function*() {
        yield* Effect.provide(Ingest.list, as("postgres"))
        yield* statement("INSERT INTO ingest_migrations (migration_id, name) VALUES (1000, 'of_the_future')")
        const failure = yield* failureOf(Ingest.list, "postgres")
        assert.include(failure.message, "made by a newer version of this package (1000, and this one knows 1)")
        yield* statement("DELETE FROM ingest_migrations WHERE migration_id = 1000")
        yield* Effect.provide(Ingest.list, as("postgres"))
      }))

    it.effect("keeps times in UTC, whatever zone its users have: in none of them an hour is missing", () =>
      Effect.gen(function*() {
        yield* statement("CREATE ROLE traveller LOGIN SUPERUSER", "ALTER ROLE traveller SET timezone = 'Asia/Tokyo'")
        yield* Effect.provide(
          Effect.andThen(
            add("zone", [{ key: "a", source: "/a" }, { key: "b", source: "/b" }]),
            Effect.andThen(
              Ingest.pause("zone"),
              Stream.runDrain(Ingest.run("zone", { stopWhen: Effect.sleep("1 second") }))
            )
          ),
          as("traveller")
        )
        const rows = yield* Effect.flatMap(
          SqlClient.SqlClient,
          (sql) =>
            sql`SELECT 1 FROM ingest_queue WHERE queue_name = 'zone'
              AND abs(extract(epoch FROM created_at - now() AT TIME ZONE 'UTC')) < 600`
        ).pipe(Effect.provide(sql))
        assert.lengthOf(rows, 2)
      }))

    it.effect("that can't store a value fails the item with the reason, and no other", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(3, (n) => `value ${n}`)
        yield* add("value", items)
        yield* statement(
          "ALTER TABLE ingest_items ADD CONSTRAINT no_two CHECK (ingest <> 'value' OR key <> '2' OR size_bytes IS NULL)"
        )
        yield* Stream.runDrain(Ingest.run("value"))
        yield* statement("ALTER TABLE ingest_items DROP CONSTRAINT no_two")
        const { counts, failures } = yield* Ingest.status("value")
        assert.deepInclude(counts, { done: 2, failed: 1 })
        assert.deepStrictEqual(failures, { Defect: 1 })
        const [failed] = yield* Stream.runCollect(Ingest.items("value", { states: ["failed"] }))
        assert.include(failed?.error_message, "The database can't store what became of the item")
        assert.include(failed?.error_message, "no_two")
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(ingestWith(), server))))
  })
})
