import { Context, Effect, Layer, Scope, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, SqlError, Statement } from "effect/sql"
import type { SqlConnection } from "effect/sql"
import { DatabaseSync, type SQLInputValue } from "node:sqlite"

/** A `SqlClient` over a database of Node's own. */
export const layer = (path: string): Layer.Layer<SqlClient.SqlClient> =>
  Layer.effectContext(Effect.gen(function*() {
    const database = yield* Effect.acquireRelease(
      Effect.sync(() => new DatabaseSync(path)),
      (database) => Effect.sync(() => database.close())
    )
    database.exec("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000")
    const run = (sql: string, params: ReadonlyArray<unknown>) =>
      Effect.try({
        try: () => database.prepare(sql).all(...params as ReadonlyArray<SQLInputValue>),
        catch: (cause) =>
          new SqlError.SqlError({ reason: new SqlError.UnknownError({ cause, message: "A statement failed" }) })
      })
    const connection: SqlConnection.Connection = {
      execute: (sql, params, transform) =>
        Effect.map(run(sql, params), (rows) => transform === undefined ? rows : transform(rows)),
      executeRaw: run,
      executeStream: () => Stream.die("not needed"),
      executeValues: () => Effect.die("not needed"),
      executeValuesUnprepared: () => Effect.die("not needed"),
      executeUnprepared: (sql, params) => run(sql, params)
    }
    const turns = yield* Semaphore.make(1)
    const acquirer = turns.withPermit(Effect.succeed(connection))
    const transactionAcquirer = Effect.uninterruptibleMask((restore) =>
      Effect.as(
        Effect.tap(
          restore(turns.take(1)),
          () => Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, turns.release(1)))
        ),
        connection
      )
    )
    const client = yield* SqlClient.make({
      acquirer,
      transactionAcquirer,
      beginTransaction: "BEGIN IMMEDIATE",
      compiler: Statement.makeCompilerSqlite(),
      driver: "node:sqlite",
      spanAttributes: []
    })
    return Context.make(SqlClient.SqlClient, client)
  })).pipe(Layer.provide(Reactivity.layer))
