/**
 * Lookups by id. Those that are made at the same time share requests.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Stream from "effect/Stream"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import type { ListError } from "../../FilesError.ts"
import { Overrides } from "../policy/options.ts"
import { IsWithinBody } from "../request/ownRequest.ts"
import { maxIdsPerRequest } from "../wire/constants.ts"

/** The part of a client that lookups need. */
export interface Lister {
  readonly list: (options: { readonly ids: Iterable<FileId> }) => Stream.Stream<FileMetadata, ListError>
}

/** Looks files up by id, and returns a function from an id to its file. */
export const byId = (files: Lister, ids: Iterable<FileId>) =>
  Effect.map(Stream.runCollect(files.list({ ids })), (page) => {
    const found = new Map(page.map((file) => [file.id, file]))
    return (id: FileId): Option.Option<FileMetadata> => Option.fromUndefinedOr(found.get(id))
  })

/** A caller that waits for a shared answer. */
interface Asker {
  hasLeft: boolean
  onLeave: () => void
}

interface Find extends Request.Request<Option.Option<FileMetadata>, ListError> {
  readonly _tag: "Find"
  readonly files: Lister
  readonly id: FileId
  readonly asker: Asker
}

const Find = Request.tagged<Find>("Find")

/**
 * Keys of lookups that may share a request: only those of one client, since clients may differ in key, workspace and
 * dialect, and with the same overrides, since the policies of one call must not apply to others. Those within the body of
 * an upload are apart: they go out without a place of their own, and must not wait for one with others.
 */
const keys = new WeakMap<Lister, WeakMap<Overrides, { readonly within: object; readonly outside: object }>>()

const keyOf = (files: Lister, context: Context.Context<never>): object => {
  const overrides = Context.get(context, Overrides)
  const ofClient = keys.get(files) ?? new WeakMap()
  const key = ofClient.get(overrides) ?? { within: {}, outside: {} }
  keys.set(files, ofClient.set(overrides, key))
  return Context.get(context, IsWithinBody) ? key.within : key.outside
}

/** Ends, with an interruption, once no caller waits any more. */
const allLeft = (askers: ReadonlyArray<Asker>): Effect.Effect<never> =>
  Effect.callback((resume) => {
    const look = () => {
      if (askers.every(({ hasLeft }) => hasLeft)) resume(Effect.interrupt)
    }
    for (const asker of askers) asker.onLeave = look
    look()
  })

const finder = RequestResolver.batchN(
  RequestResolver.makeWith<Find>({
    batchKey: ({ context, request }) => keyOf(request.files, context),
    delay: Effect.yieldNow,
    collectWhile: () => true,
    runAll: Effect.fnUntraced(function*(entries) {
      const found = yield* Effect.raceFirst(
        byId(entries[0].request.files, entries.map(({ request }) => request.id)),
        allLeft(entries.map(({ request }) => request.asker))
      )
      for (const entry of entries) entry.completeUnsafe(Exit.succeed(found(entry.request.id)))
    })
  }),
  maxIdsPerRequest
)

/** A file's metadata, or `None`, from a request that is shared with lookups made at the same time. */
export const find = (
  files: Lister,
  id: FileId
): Effect.Effect<Option.Option<FileMetadata>, ListError> =>
  Effect.suspend(() => {
    const asker: Asker = { hasLeft: false, onLeave: () => {} }
    return Effect.onInterrupt(Effect.request(Find({ files, id, asker }), finder), () =>
      Effect.sync(() => {
        asker.hasLeft = true
        asker.onLeave()
      }))
  })
