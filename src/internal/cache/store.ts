/**
 * The upload store service and its error, public as `UploadStore`. They are defined here so that the stores and the leases
 * need not import the public module, which imports them.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { defined } from "../defined.ts"
import { flag } from "../wire/schemas.ts"

/** The store could not be read or written. */
export class UploadStoreFailed
  extends Schema.TaggedError<UploadStoreFailed>("effect-anthropic-files/UploadStoreFailed")(
    "UploadStoreFailed",
    {
      operation: Schema.Literal("uploadCache"),
      message: Schema.String,
      isRetryable: flag,
      isOutcomeUnknown: flag,
      cause: Schema.optionalKey(Schema.Defect())
    }
  )
{}

/** @param message what failed and what to do, as a sentence */
export const storeFailed = (message: string, cause?: unknown): UploadStoreFailed =>
  new UploadStoreFailed({
    operation: "uploadCache",
    message,
    isRetryable: true,
    ...defined({ cause })
  })

/** Strings by key, which are read and atomically swapped. */
export class UploadStore extends Context.Service<UploadStore, {
  /** Whether only this machine reaches the store. On other machines the same path may be a different file. */
  readonly isLocal: boolean
  /** The value of a key, `undefined` if there is none. */
  readonly get: (key: string) => Effect.Effect<string | undefined, UploadStoreFailed>
  /**
   * Replaces `current` with `next` in one step that is atomic for all processes that share the store. Succeeds with
   * `true` once `next` is durable, and with `false` if the value is not `current`. `undefined` means no value.
   */
  readonly swap: (
    key: string,
    current: string | undefined,
    next: string | undefined
  ) => Effect.Effect<boolean, UploadStoreFailed>
}>()("effect-anthropic-files/UploadStore") {}
