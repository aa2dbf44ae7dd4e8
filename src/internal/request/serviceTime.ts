import type * as Headers from "effect/http/Headers"

/** When an answer was made by the service's own clock: its `date` header, epoch milliseconds, whole seconds. */
export const serviceTime = (headers: Headers.Headers): number | undefined => {
  const millis = Date.parse(headers["date"] ?? "")
  return Number.isNaN(millis) ? undefined : millis
}
