/**
 * What a transport sends besides the request, such as the password of a proxy, and an answer may repeat.
 */
import * as Context from "effect/Context"
import type * as Redacted from "effect/Redacted"

/** Comes with the `HttpClient` that sends it; a client takes them out of all that it shows. */
export const TransportSecrets = Context.Reference<ReadonlyArray<Redacted.Redacted<string>>>(
  "effect-anthropic-files/TransportSecrets",
  { defaultValue: () => [] }
)
