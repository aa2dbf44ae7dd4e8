/**
 * What an upload store is and how it fails; public as `UploadStore`. It stands here so that the stores and the leases
 * need not import the public module that is made of them.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The store could not be read or written. */
export class UploadStoreFailed
  extends Schema.TaggedError<UploadStoreFailed>("effect-anthropic-files/UploadStoreFailed")(
    "UploadStoreFailed",
    {
      operation: Schema.Literal("uploadCache"),
      message: Schema.String,
      isRetryable: Schema.Boolean,
      isOutcomeUnknown: Schema.Boolean,
      cause: Schema.optionalKey(Schema.Defect())
    }
  )
{}

/** @param message what could not be done and what to do, as a sentence */
export const storeFailed = (message: string, cause?: unknown): UploadStoreFailed =>
  new UploadStoreFailed({
    operation: "uploadCache",
    message,
    isRetryable: true,
    isOutcomeUnknown: false,
    ...(cause === undefined ? undefined : { cause })
  })

/** Strings by key, of which one is read, and swapped for another atomically. */
export class UploadStore extends Context.Service<UploadStore, {
  /** Whether only this machine reaches the store. What holds for a path here does not hold on other machines. */
  readonly isLocal: boolean
  /** The value of a key, `undefined` where there is none. */
  readonly get: (key: string) => Effect.Effect<string | undefined, UploadStoreFailed>
  /**
   * Replaces `current` by `next` in one atomic step for all who share the store, and has it on disk before it says
   * `true`. `false` when the value is not `current`. `undefined` stands for no value.
   */
  readonly swap: (
    key: string,
    current: string | undefined,
    next: string | undefined
  ) => Effect.Effect<boolean, UploadStoreFailed>
}>()("effect-anthropic-files/UploadStore") {}
