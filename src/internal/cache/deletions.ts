/**
 * Keeps this cache, and others that share its store, from returning files that the client has deleted. What a deleted
 * file held stays recorded, because a listing may show it for a while.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FileId } from "../../FileMetadata.ts"
import { dropOldest } from "../bounded.ts"
import type { Internals } from "../files/internals.ts"
import * as Keys from "./keys.ts"
import type { Leases } from "./lease.ts"
import type { UploadStoreFailed } from "./store.ts"

/** How many ids are kept in memory. The service never reuses an id. */
const remembered = 10_000

/** How long a deletion waits for the store. */
const limit = "5 seconds"

/** Removes a deleted file from the store. If its content is being uploaded, that upload's record will replace it. */
const forgetIn = Effect.fnUntraced(function*(leases: Leases, id: FileId): Effect.fn.Return<void, UploadStoreFailed> {
  const { value } = yield* leases.read(Keys.file(id))
  if (value === undefined) return
  const stored = yield* leases.read(Keys.stored(value.content))
  if (stored.value?.file.id === id) yield* stored.put(undefined)
  const orphan = yield* leases.read(Keys.orphan(value.content))
  if (orphan.value?.id === id) yield* orphan.put(undefined)
})

/** Whether the store has a record of a file. */
export const isKnown = (leases: Leases, id: FileId): Effect.Effect<boolean, UploadStoreFailed> =>
  Effect.map(leases.read(Keys.file(id)), ({ value }) => value !== undefined)

/** Removes every record of a file that the service neither has nor lists any more. */
export const forgetGone = (leases: Leases, id: FileId): Effect.Effect<void, UploadStoreFailed> =>
  Effect.andThen(forgetIn(leases, id), Effect.flatMap(leases.read(Keys.file(id)), (record) => record.put(undefined)))

/** Listens to the client's deletions until the Scope closes. Returns a check whether a file was deleted. */
export const trackDeletions = (
  leases: Leases,
  internals: Internals | undefined
): Effect.Effect<(id: FileId) => boolean, never, Scope.Scope> =>
  Effect.gen(function*() {
    const deleted = new Set<FileId>()
    if (internals === undefined) return () => false
    const listener = (id: FileId) =>
      Effect.suspend(() => {
        deleted.add(id)
        dropOldest(deleted, remembered)
        return forgetIn(leases, id)
      }).pipe(
        Effect.timeout(limit),
        Effect.catch((error) => Effect.logWarning(`${id} was deleted, but the upload cache still knows it`, error))
      )
    yield* Effect.acquireRelease(
      Effect.sync(() => internals.deletionListeners.add(listener)),
      (listeners) => Effect.sync(() => listeners.delete(listener))
    )
    return (id: FileId) => deleted.has(id)
  })
