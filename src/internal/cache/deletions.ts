/**
 * What the client deletes is handed out no more: not by this cache, nor by others that share its store.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FileId } from "../../FileMetadata.ts"
import type { Internals } from "../files/internals.ts"
import * as Keys from "./keys.ts"
import type { Leases } from "./lease.ts"
import type { UploadStoreFailed } from "./store.ts"

/** Ids that are kept in memory. An id is never given to another file. */
const remembered = 10_000

/** A deletion does not wait longer for a store. */
const limit = "5 seconds"

/** Forgets a deleted file in the store, unless its content is being uploaded: then that upload is noted down. */
const forgetIn = Effect.fnUntraced(function*(leases: Leases, id: FileId): Effect.fn.Return<void, UploadStoreFailed> {
  const { value } = yield* leases.read(Keys.file(id))
  if (value === undefined) return
  const stored = yield* leases.read(Keys.stored(value.content))
  if (stored.value?.file.id === id) yield* stored.put(undefined)
  const orphan = yield* leases.read(Keys.orphan(value.content))
  if (orphan.value?.id === id) yield* orphan.put(undefined)
})

/** Listens to the client's deletions until the Scope closes. Gives whether a file was deleted. */
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
        const [oldest] = deleted
        if (deleted.size > remembered && oldest !== undefined) deleted.delete(oldest)
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
