import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { available, ended, redis, stop } from "../support/redis.ts"
import { mostIn, wire } from "./support.ts"

/** Answers and notes when it was asked. */
const server = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly times: Array<number>; readonly server: http.Server }>((resume) => {
    const times: Array<number> = []
    const server = http.createServer((_, response) => {
      times.push(performance.now())
      response.setHeader("content-type", "application/json").end(JSON.stringify(wire()))
    })
    server.listen(
      0,
      "127.0.0.1",
      () => resume(Effect.succeed({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, times, server }))
    )
  }),
  ({ server }) =>
    Effect.callback<void>((resume) => {
      server.closeAllConnections()
      server.close(() => resume(Effect.void))
    })
)

const worker = fileURLToPath(new URL("./worker.ts", import.meta.url))

const race = (perMinute: number, minute: number, duration: number) =>
  Effect.gen(function*() {
    const socket = yield* redis
    const { times, url } = yield* server
    const args = [url, socket, perMinute, minute, duration].map(String)
    const workers = yield* Effect.forEach([1, 2, 3, 4], () =>
      Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, ["--no-warnings", worker, ...args], { stdio: ["ignore", "inherit", "inherit"] })
        ),
        stop
      ))
    yield* Effect.forEach(workers, ended, { concurrency: "unbounded" })
    assert.deepStrictEqual(workers.map((worker) => worker.exitCode), [0, 0, 0, 0])
    return times
  }).pipe(Effect.scoped)

const missing = available ? "" : ", which needs a redis-server: apt-get install redis-server"

describe.runIf(available)(`four processes on one Redis${missing}`, () => {
  it.live("in no minute, of four seconds here, do they together exceed the limit", () =>
    Effect.gen(function*() {
      const times = yield* race(80, 4000, 10_000)
      const most = mostIn(times, 4000)
      assert.isAtMost(most, 80)
      // Together as fast as one would be: a second in five is for what travels at different speeds.
      assert.isAtLeast(most, 60)
      assert.isAtLeast(times.length, 120)
    }), 60_000)

  it.live.runIf(process.env["POLICY_FULL_MINUTE"] === "1")(
    "in no 60 seconds do they together exceed the documented 500",
    () =>
      Effect.gen(function*() {
        const times = yield* race(500, 60_000, 150_000)
        const most = mostIn(times, 60_000)
        assert.isAtMost(most, 500)
        assert.isAtLeast(most, 485)
      }),
    240_000
  )
})
