import type * as Semaphore from "effect/Semaphore"

export interface Entry {
  readonly customId: string
  readonly params: unknown
}

export interface Result {
  readonly custom_id: string
  readonly result: { readonly type: string }
}

/** A batch, with its results once it has ended. */
export interface Batch {
  readonly id: string
  readonly workspace: string
  readonly createdAt: number
  readonly endsAt: number
  readonly isBeta: boolean
  readonly entries: ReadonlyArray<Entry>
  /** Ensures that the batch is carried out once. */
  readonly settling: Semaphore.Semaphore
  canceledAt: number | undefined
  /** Set together with the results. */
  endedAt: number | undefined
  /** One JSON object each, once the batch has ended. */
  results: ReadonlyArray<Result>
}

/** The batches of an emulator, oldest first. */
export interface Batches {
  readonly all: Map<string, Batch>
  /** How long a batch takes. */
  readonly delayMillis: number
}
