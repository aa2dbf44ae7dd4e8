/**
 * What policies do, made visible in one way: an event on the current span, a counter, a debug log. Only reasons and
 * figures, never a body or a header's value.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"

/**
 * Counted as `anthropic_files_policy_total` with the attribute `event`, and `reason` where there is one.
 */
export type Event = "retry" | "gave_up" | "wait" | "circuit_open" | "adopted" | "resumed"

const counter = Metric.counter("anthropic_files_policy_total", {
  description: "What the policies of effect-anthropic-files did, by event",
  incremental: true
})

export const report = (
  event: Event,
  message: string,
  attributes: Readonly<Record<string, string | number | boolean>>
): Effect.Effect<void> =>
  Effect.clockWith((clock) =>
    Effect.matchEffect(Effect.currentSpan, {
      onFailure: () => Effect.void,
      onSuccess: (span) =>
        Effect.sync(() => span.event(`anthropic_files.${event}`, clock.currentTimeNanosUnsafe(), attributes))
    })
  ).pipe(
    Effect.andThen(Metric.update(
      Metric.withAttributes(counter, {
        event,
        ...(attributes["reason"] === undefined ? undefined : { reason: String(attributes["reason"]) })
      }),
      1
    )),
    Effect.andThen(Effect.annotateLogs(Effect.logDebug(message), attributes))
  )

/** `Effect.annotateCurrentSpan` for where the fiber is at hand: it takes no step of its own. */
export const annotate = (fiber: Fiber.Fiber<unknown, unknown>, name: string, value: unknown): void => {
  const { span } = fiber.cache
  if (span?._tag === "Span" && span.status._tag !== "Ended") span.attribute(name, value)
}
