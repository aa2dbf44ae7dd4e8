import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Semaphore from "effect/Semaphore"
import { IsWithinBody } from "../request/ownRequest.ts"
import { monotonicMillis, pauseIn } from "../request/silence.ts"
import { report } from "../telemetry.ts"
import { concurrencyProblem } from "./options.ts"
import { nameOf, type Policy, policyOf, through } from "./through.ts"

/**
 * At most so many requests under way at once, the others wait in order. A request is under way until its response's
 * headers have come. What the body of an upload asks for while it is sent, a download that is passed on for example,
 * needs no place of its own.
 *
 * @param permits a whole number of at least 1
 */
export const concurrency = (permits: number): Policy =>
  policyOf(
    concurrencyProblem(permits),
    (client) => Effect.map(Semaphore.make(permits), (semaphore) => withConcurrency(client, semaphore))
  )

const withConcurrency = (client: HttpClient.HttpClient, semaphore: Semaphore.Semaphore): HttpClient.HttpClient =>
  through(client, (request, send, { clock, fiber, overrides }) => {
    if (overrides.concurrency === false || fiber.getRef(IsWithinBody)) return send(request)
    const endPause = pauseIn(fiber)
    const since = monotonicMillis(clock)
    const admitted = Effect.suspend(() => {
      endPause()
      const waited = Math.round(monotonicMillis(clock) - since)
      if (waited === 0) return send(request)
      return Effect.andThen(
        report("wait", `${nameOf(request)} waited ${waited} ms (concurrency)`, {
          reason: "concurrency",
          delay_ms: waited
        }),
        send(request)
      )
    })
    return Effect.onExitPrimitive(Semaphore.withPermit(semaphore, admitted), () => void endPause())
  })
