/**
 * The file that holds a content: a recorded one, one that an interrupted upload left, or a new upload.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import * as Files from "../../Files.ts"
import type { RequestFailed, UploadError } from "../../FilesError.ts"
import * as Transfer from "../../Transfer.ts"
import { dropOldest } from "../bounded.ts"
import { defined } from "../defined.ts"
import { durationOf } from "../duration.ts"
import { invalidRequest } from "../request/errors.ts"
import { lookedUp, offSpan } from "../telemetry.ts"
import { describeValue, printable } from "../text.ts"
import type { CacheContext, Failure, Found, Prepared, Unrecorded, UploadOptions, Wanted } from "./context.ts"
import * as Keys from "./keys.ts"
import type { Lease } from "./lease.ts"
import type { UploadStoreFailed } from "./store.ts"

/** Another process has taken over the lease; `uploaded` is the file that was uploaded in the meantime. */
interface TakenOver {
  readonly _tag: "TakenOver"
  readonly uploaded: FileId | undefined
}

const takenOver = (uploaded?: FileId): TakenOver => ({ _tag: "TakenOver", uploaded })

const found = ({ expiresAt, file, owner }: Keys.Stored, uploaded = false): Found => ({
  _tag: "Found",
  file,
  expiresAt,
  uploaded,
  owner
})

const find = ({ files }: CacheContext, id: FileId) => Effect.provideService(Files.find(id), Files.Files, files)

const isFresh = ({ expiryMargin }: CacheContext, expiresAt: number | null, now: number): boolean =>
  expiresAt === null || expiresAt - now > expiryMargin

/** Whether the service still serves a file's content. */
export const isServed = (cache: CacheContext, { id }: FileMetadata): Effect.Effect<boolean, UploadError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.map(
      find(cache, id),
      Option.exists(({ expires_at }) => expires_at === null || expires_at.epochMilliseconds > now)
    ))

/** The recorded file, if it may be returned. It is looked up if it was last confirmed more than `maxAge` ago. */
const current = Effect.fnUntraced(function*(
  cache: CacheContext,
  stored: Keys.Stored | undefined,
  maxAge: number
): Effect.fn.Return<Keys.Stored | undefined, UploadError> {
  if (stored === undefined || cache.isDeleted(stored.file.id)) return undefined
  const now = yield* Clock.currentTimeMillis
  if (!isFresh(cache, stored.expiresAt, now)) return undefined
  // An entry from the future, after a clock was set back, counts as old.
  if (stored.seenAt <= now && now - stored.seenAt < maxAge) return stored
  const file = yield* find(cache, stored.file.id)
  if (Option.isNone(file)) return undefined
  const told = file.value.expires_at?.epochMilliseconds ?? null
  const expiresAt = cache.internals?.tellsExpiry === true ? told : told ?? stored.expiresAt
  return isFresh(cache, expiresAt, now) ? { ...stored, file: file.value, expiresAt, seenAt: now } : undefined
})

/** Records what a file holds; `false` if the record was changed by someone else. */
const recordFile = (
  { leases }: CacheContext,
  id: FileId,
  content: Keys.ContentId,
  owner: string | undefined
): Effect.Effect<boolean, UploadStoreFailed> =>
  Effect.flatMap(leases.read(Keys.file(id)), (cell) => cell.put({ content, ...defined({ owner }) }))

/** When a file expires that was uploaded with `expiresIn`. */
const expiryOf = ({ internals }: CacheContext, file: FileMetadata, expiresIn: number | undefined): number | null => {
  if (file.expires_at !== null) return file.expires_at.epochMilliseconds
  return expiresIn === undefined || internals?.tellsExpiry === true
    ? null
    : file.created_at.epochMilliseconds + expiresIn
}

/** The files that an upload may have left, without those that are known to hold another content. */
const candidatesOf = Effect.fnUntraced(function*(
  { internals, leases }: CacheContext,
  { content, expiresIn, mimeType, since }: Keys.Intent,
  until: number,
  filename: string,
  size: number
): Effect.fn.Return<ReadonlyArray<FileMetadata> | undefined, Failure> {
  if (internals === undefined) return undefined
  const files = yield* internals.findUploads({
    filename,
    size,
    since,
    until,
    mimeType: mimeType === "" ? undefined : mimeType,
    expiresIn
  })
  if (Option.isNone(files)) return undefined
  const candidates: Array<FileMetadata> = []
  for (const file of files.value) {
    const { isTorn, value } = yield* leases.read(Keys.file(file.id))
    const mayBe = value === undefined ? !isTorn : value.content === content
    if (mayBe) candidates.push(file)
  }
  return candidates
})

/** Finds the file that an upload without an answer left, records it as an orphan, and clears the intent. */
const settle = Effect.fnUntraced(function*(
  cache: CacheContext,
  intent: Lease<Keys.Intent>,
  filename: string,
  size: number
): Effect.fn.Return<void, Failure> {
  if (intent.value === undefined) return
  const { content, expiresIn, owner } = intent.value
  const candidates = yield* candidatesOf(cache, intent.value, intent.until, filename, size)
  const [file] = candidates ?? []
  if (file !== undefined && candidates?.length === 1) {
    yield* recordFile(cache, file.id, content, owner)
    const orphan = yield* cache.leases.read(Keys.orphan(content))
    yield* orphan.put({ id: file.id, expiresAt: expiryOf(cache, file, expiresIn), ...defined({ owner }) })
  } else if (candidates?.length !== 0) {
    yield* offSpan(Effect.annotateLogs(
      Effect.logWarning("An upload was interrupted, and the file that it may have left can't be told from others"),
      { filename: printable(filename), candidates: candidates?.map(({ id }) => id) ?? "unknown" }
    ))
  }
  yield* intent.put(undefined)
})

/** Takes over the file that an interrupted upload of this content left, if it still exists. */
const adoptOrphan = Effect.fnUntraced(function*(
  cache: CacheContext,
  lease: Lease<Keys.Stored>,
  content: Keys.ContentId
): Effect.fn.Return<Found | undefined, Failure> {
  const cell = yield* cache.leases.read(Keys.orphan(content))
  const orphan = cell.value
  if (orphan === undefined) return undefined
  const { expiresAt, id, owner } = orphan
  const now = yield* Clock.currentTimeMillis
  const isWanted = id !== lease.value?.file.id && !cache.isDeleted(id) && isFresh(cache, expiresAt, now)
  const file = isWanted ? yield* find(cache, id) : Option.none()
  const stored = Option.map(file, (file): Keys.Stored => ({ file, expiresAt, seenAt: now, ...defined({ owner }) }))
  if (Option.isSome(stored)) yield* lease.put(stored.value)
  yield* cell.put(undefined)
  return Option.getOrUndefined(Option.map(stored, (stored) => found(stored)))
})

/** Records an intent, sends the file, and records the outcome. */
const upload = <R>(
  cache: CacheContext,
  { content, options, owner }: Wanted<R>,
  { filename, mimeType, size, source }: Prepared<R>,
  lease: Lease<Keys.Stored>,
  intent: Lease<Keys.Intent>
): Effect.Effect<Found | TakenOver, Failure, R> =>
  Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
    const since = yield* Clock.currentTimeMillis
    const expiresIn = expiresInMillis(options)
    const isIntended = yield* intent.put({
      content,
      mimeType,
      since,
      ...defined({ expiresIn, owner })
    })
    if (!isIntended) return takenOver()
    const { key: _, maxAge: __, progress, ...upload } = options
    const file = yield* Transfer.upload({ ...upload, filename, source }, progress).pipe(
      Effect.provideService(Files.Files, cache.files),
      restore,
      // If it is known that no file was left, there is nothing to settle.
      Effect.tapError((error) => error.isOutcomeUnknown ? Effect.void : Effect.ignore(intent.finish(undefined)))
    )
    const stored: Keys.Stored = {
      file,
      expiresAt: expiryOf(cache, file, expiresIn),
      seenAt: since,
      ...defined({ owner })
    }
    const isRecorded = yield* recordFile(cache, file.id, content, owner).pipe(
      Effect.andThen(lease.finish(stored)),
      Effect.tap((done) => done ? intent.finish(undefined) : Effect.void),
      // The file exists, and so does the intent, through which others will find it.
      Effect.catch((error) => {
        remember(cache, content, { stored, filename, size })
        return Effect.as(Effect.logWarning(`${file.id} was uploaded but could not be recorded`, error), true)
      })
    )
    if (isRecorded) return found(stored, true)
    const { expiresAt } = stored
    yield* Effect.ignore(Effect.flatMap(cache.leases.read(Keys.orphan(content)), (cell) =>
      cell.put({ id: file.id, expiresAt, ...defined({ owner }) })))
    return takenOver(file.id)
  }))

/** How many uploads are remembered until they can be recorded. */
const maxUnrecorded = 10_000

const remember = ({ unrecorded }: CacheContext, content: Keys.ContentId, upload: Unrecorded): void => {
  unrecorded.set(content, upload)
  dropOldest(unrecorded, maxUnrecorded)
}

/** Records what this cache uploaded while the store could not be reached. */
const recordLate = Effect.fnUntraced(function*(
  cache: CacheContext,
  lease: Lease<Keys.Stored>,
  content: Keys.ContentId
): Effect.fn.Return<Found | undefined, Failure, Scope.Scope> {
  const upload = cache.unrecorded.get(content)
  if (upload === undefined) return undefined
  const { filename, size, stored } = upload
  const kept = yield* current(cache, stored, cache.maxAge)
  if (kept !== undefined) {
    yield* recordFile(cache, kept.file.id, content, kept.owner)
    if (!(yield* lease.put(kept))) return undefined
  }
  const intent = yield* cache.leases.claim(Keys.intent(cache.identity, filename, size))
  if (intent.value?.content === content) yield* intent.finish(undefined)
  cache.unrecorded.delete(content)
  return kept === undefined ? undefined : found(kept, true)
})

const attempt = Effect.fnUntraced(function*<R>(
  cache: CacheContext,
  wanted: Wanted<R>,
  maxAge: number
): Effect.fn.Return<Found | TakenOver, Failure, R | Scope.Scope> {
  const { content } = wanted
  const lease = yield* cache.leases.claim(Keys.stored(content))
  const kept = yield* current(cache, lease.value, maxAge)
  if (kept !== undefined) {
    if (kept !== lease.value) yield* lease.put(kept)
    return found(kept)
  }
  const late = yield* recordLate(cache, lease, content)
  if (late !== undefined) return late
  const prepared = yield* wanted.prepare
  const { filename, size } = prepared
  const intent = yield* cache.leases.claim(Keys.intent(cache.identity, filename, size))
  yield* settle(cache, intent, filename, size)
  const adopted = yield* adoptOrphan(cache, lease, content)
  return adopted ?? (yield* upload(cache, wanted, prepared, lease, intent))
})

/** Deletes a file that was uploaded here after the lease was lost, unless someone has taken it over as an orphan. */
const deleteSurplus = Effect.fnUntraced(function*(
  { files, leases }: CacheContext,
  content: Keys.ContentId,
  id: FileId
): Effect.fn.Return<void, Failure> {
  const { value } = yield* leases.read(Keys.stored(content))
  if (value?.file.id === id) return
  const orphan = yield* leases.read(Keys.orphan(content))
  const isFree = orphan.value?.id !== id || (yield* orphan.put(undefined))
  if (isFree) yield* Effect.catchTag(files.delete(id), "FileNotFound", () => Effect.void)
})

const uploadOnce = Effect.fnUntraced(function*<R>(
  cache: CacheContext,
  wanted: Wanted<R>,
  maxAge: number
): Effect.fn.Return<Found, Failure, R> {
  const surplus: Array<FileId> = []
  for (;;) {
    const outcome = yield* Effect.scoped(attempt(cache, wanted, maxAge))
    if (outcome._tag === "Found") {
      for (const id of surplus) {
        if (id !== outcome.file.id) yield* Effect.ignore(deleteSurplus(cache, wanted.content, id))
      }
      return outcome
    }
    if (outcome.uploaded !== undefined) surplus.push(outcome.uploaded)
    yield* Effect.logWarning(
      `Another process took over an upload, because this one was suspended for longer than the cache's lease${
        outcome.uploaded === undefined ? "" : `: ${outcome.uploaded} is deleted again`
      }`
    )
  }
})

/** Milliseconds. The upload itself refuses what is not a duration. */
const expiresInMillis = ({ expiresIn }: UploadOptions): number | undefined =>
  expiresIn === undefined
    ? undefined
    : Option.getOrUndefined(Option.map(Duration.fromInput(expiresIn), Duration.toMillis))

/** The `maxAge` of a call in milliseconds, at least 0. */
const checkMaxAge = (cache: CacheContext, { maxAge }: UploadOptions): Effect.Effect<number, RequestFailed> => {
  if (maxAge === undefined) return Effect.succeed(cache.maxAge)
  const millis = Option.map(durationOf(maxAge), Duration.toMillis)
  return Option.isSome(millis) && millis.value >= 0
    ? Effect.succeed(millis.value)
    : Effect.fail(
      invalidRequest(
        "upload",
        "maxAge",
        `maxAge is ${describeValue(maxAge)}; expected a duration of at least 0, for example "1 hour".`
      )
    )
}

const checkExpiry = ({ expiryMargin }: CacheContext, options: UploadOptions): Effect.Effect<void, RequestFailed> => {
  const expiresIn = expiresInMillis(options)
  if (expiresIn === undefined || expiresIn > expiryMargin) return Effect.void
  const margin = Duration.format(Duration.millis(expiryMargin))
  return Effect.fail(
    invalidRequest(
      "upload",
      "expiresIn",
      `A file that expires within the cache's expiryMargin of ${margin} would never be reused: keep it longer.`
    )
  )
}

export const getOrUpload = Effect.fnUntraced(function*<R>(
  cache: CacheContext,
  wanted: Wanted<R>
): Effect.fn.Return<Found, Failure, R> {
  yield* checkExpiry(cache, wanted.options)
  const maxAge = yield* checkMaxAge(cache, wanted.options)
  // Usually the file is recorded, and no lease is needed.
  const cell = yield* cache.leases.read(Keys.stored(wanted.content))
  const kept = yield* current(cache, cell.value, maxAge)
  if (kept === undefined) {
    const found = yield* uploadOnce(cache, wanted, maxAge)
    yield* lookedUp(found.uploaded ? "miss" : "hit")
    return found
  }
  yield* lookedUp("hit")
  // Has no effect if someone has found out in the meantime that the file is gone.
  if (kept !== cell.value) yield* cell.put(kept)
  return found(kept)
})

/** Waits until nobody is uploading a content, then forgets that a file holds it. */
export const forget = (
  { leases }: CacheContext,
  content: Keys.ContentId,
  id: FileId
): Effect.Effect<void, UploadStoreFailed> =>
  Effect.scoped(Effect.gen(function*() {
    const lease = yield* leases.claim(Keys.stored(content))
    const orphan = yield* leases.read(Keys.orphan(content))
    if (orphan.value?.id === id) yield* orphan.put(undefined)
    if (lease.value?.file.id === id) yield* lease.finish(undefined)
  }))

/** The content that a file is known to hold. */
export const contentIn = ({ leases }: CacheContext, id: FileId) =>
  Effect.map(leases.read(Keys.file(id)), ({ value }) => value?.content)

/** The file that is recorded for a content. */
export const storedIn = ({ leases }: CacheContext, content: Keys.ContentId) =>
  Effect.map(leases.read(Keys.stored(content)), ({ value }) => value?.file.id)

interface Located {
  readonly id: FileId
  readonly owner?: string | undefined
}

type Locate = (
  cache: CacheContext,
  content: Keys.ContentId,
  filename: string,
  size: number
) => Effect.Effect<Located | undefined, Failure>

/** The recorded file of a content, or what a search finds of an upload that was interrupted. */
const recordedOr = (search: Locate): Locate => (cache, content, filename, size) =>
  Effect.flatMap(cache.leases.read(Keys.stored(content)), ({ value }) =>
    value === undefined
      ? search(cache, content, filename, size)
      : Effect.succeed({ id: value.file.id, owner: value.owner }))

/** What {@link locate} would find, without a change or a lock. A request is made only for what an upload may have left. */
export const foresee: Locate = recordedOr(Effect.fnUntraced(function*(cache, content, filename, size) {
  const { until, value: intent } = yield* cache.leases.read(Keys.intent(cache.identity, filename, size))
  const candidates = intent?.content === content ? yield* candidatesOf(cache, intent, until, filename, size) : undefined
  const [file] = candidates ?? []
  if (file !== undefined && candidates?.length === 1) return { id: file.id, owner: intent?.owner }
  return (yield* cache.leases.read(Keys.orphan(content))).value
}))

/** The file that holds a content, including one that an interrupted upload left. Nothing is uploaded. */
export const locate: Locate = recordedOr((cache, content, filename, size) =>
  Effect.scoped(Effect.gen(function*() {
    const intent = yield* cache.leases.claim(Keys.intent(cache.identity, filename, size))
    yield* settle(cache, intent, filename, size)
    return (yield* cache.leases.read(Keys.orphan(content))).value
  }))
)
