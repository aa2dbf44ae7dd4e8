/**
 * Optional peer packages, which only some credentials need and which are loaded on first use.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { CredentialsFailed } from "../../FilesError.ts"
import { credentialsFailed } from "./failed.ts"
import { describeError } from "./ofEffect.ts"

const isMissing = (error: unknown): boolean =>
  Predicate.hasProperty(error, "code") && (error.code === "ERR_MODULE_NOT_FOUND" || error.code === "MODULE_NOT_FOUND")

/**
 * @param load `() => import("…")`, written out so that bundlers see it
 */
export const peer = <A>(
  source: string,
  name: string,
  load: () => Promise<A>
): Effect.Effect<A, CredentialsFailed> =>
  Effect.tryPromise({
    try: load,
    catch: (cause) =>
      credentialsFailed(
        source,
        isMissing(cause)
          ? `The package ${name} is not installed: run npm install ${name}, or npx with -p ${name}.`
          : `The package ${name} can't be loaded: ${describeError(cause)}`,
        isMissing(cause) ? {} : { cause }
      )
  })
