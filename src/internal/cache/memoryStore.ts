import * as Effect from "effect/Effect"
import type { UploadStore } from "./store.ts"

/** A store in a Map. */
export const overMap = (values: Map<string, string>): UploadStore["Service"] => ({
  isLocal: true,
  get: (key) => Effect.sync(() => values.get(key)),
  swap: (key, current, next) =>
    Effect.sync(() => {
      if (values.get(key) !== current) return false
      if (next === undefined) values.delete(key)
      else values.set(key, next)
      return true
    })
})
