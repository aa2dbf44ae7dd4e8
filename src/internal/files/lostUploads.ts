/**
 * Uploads whose answer was lost. The API has no idempotency keys, so the file is searched for among the newest ones. A
 * file is adopted only if no one else can have made it, and the upload is sent again only if the file can't exist. If any
 * doubt remains, the outcome stays unknown.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { FileMetadata } from "../../FileMetadata.ts"
import type { FilesError, ListError } from "../../FilesError.ts"
import { dropOldest } from "../bounded.ts"
import type { Resolution } from "../request/attempt.ts"
import { monotonicMillis } from "../request/silence.ts"
import { report } from "../telemetry.ts"
import { printable } from "../text.ts"
import { essence } from "../wire/mimeType.ts"
import type { FilesClient } from "./client.ts"
import { precisionOf, type ServiceClock } from "./serviceClock.ts"

/** What is known about an upload before its answer. */
export interface Upload {
  readonly filename: string
  /** Bytes, if known before sending. */
  readonly size: number | undefined
  /** Only if the caller stated it, because the service may word an inferred type differently. */
  readonly mimeType: string | undefined
  /** Seconds. */
  readonly expiresIn: number | undefined
  /** The client that sends it, if its call has options of its own. */
  readonly client?: FilesClient | undefined
}

/** Files that match an upload: created certainly, or possibly, after it began. */
export interface Candidates {
  readonly certain: ReadonlyArray<FileMetadata>
  readonly unclear: ReadonlyArray<FileMetadata>
}

/** A page of the newest files, and the cursor of the next. */
export type NewestPage = (
  /** The client that sends the request; by default the one that this was made for. */
  client: FilesClient | undefined,
  limit: number,
  cursor: string | undefined
) => Effect.Effect<readonly [files: ReadonlyArray<FileMetadata>, next: string | null | undefined], ListError>

export interface LostUploads {
  /** `undefined` if there are too many new files to search. */
  readonly candidates: (
    upload: Upload,
    /** Bytes. */
    size: number,
    began: Moment
  ) => Effect.Effect<Candidates | undefined, ListError>
  /** Runs an upload, and passes it the means to identify its own file. */
  readonly track: (
    upload: Upload & { readonly isSent: () => boolean },
    run: (own: Own) => Effect.Effect<FileMetadata, FilesError>
  ) => Effect.Effect<FileMetadata, FilesError>
}

/** Identifies the files of one upload. */
export interface Own {
  /** Determines whether an upload of that many bytes was stored although its answer was lost. */
  readonly resolve: (size: number) => Effect.Effect<Resolution<FileMetadata>>
  /** Whether a file in the answer can only be this upload's: it is not older, and no other upload of this client made it. */
  readonly mayDelete: (file: FileMetadata) => boolean
}

/** One moment, by the monotonic clock and by the wall clock of this machine. Milliseconds. */
export interface Moment {
  readonly monotonic: number
  readonly wall: number
}

/** How many of the newest files are searched: the files per page, and the pages. */
const pageSize = 100
const maxPages = 50

/** How long an upload waits for the outcome of others with its name (milliseconds), and how many searches it makes. */
const rivalTimeout = 120_000
const maxLooks = 10

/** The wait before the second search, which finds a file that was stored late. Milliseconds. */
const secondLook = 1_000

/** How many ids of finished uploads are remembered. Only recent ones can be mistaken for a lost upload. */
const remembered = 10_000

/** An upload of this client. */
interface Member {
  readonly filename: string
  readonly size: number | undefined
  readonly isSent: () => boolean
  /** Monotonic milliseconds. */
  readonly since: number
  /** Its answer was lost, so it is unknown whether it made a file. */
  isLost: boolean
  /** When it ended with an unknown outcome. Monotonic milliseconds. */
  endedAt: number | undefined
}

const notDone: Resolution<never> = { _tag: "NotDone" }
const unclear: Resolution<never> = { _tag: "Unclear" }

/** Whether most files of a page are older than the one above, as the API promises. Not every service keeps that. */
const isNewestFirst = (files: ReadonlyArray<FileMetadata>): boolean => {
  let ascents = 0
  for (let at = 1; at < files.length; at++) {
    const [above, below] = [files[at - 1], files[at]]
    if (above !== undefined && below !== undefined) {
      ascents += Math.sign(below.created_at.epochMilliseconds - above.created_at.epochMilliseconds)
    }
  }
  return ascents <= 0
}

export const makeLostUploads = (options: {
  readonly clock: ServiceClock
  readonly newestPage: NewestPage
  /** Whether `null` for `expires_at` means that the file does not expire; the beta dialect never says. */
  readonly tellsExpiry: boolean
}): LostUploads => {
  const { clock, newestPage, tellsExpiry } = options
  /** Uploads in progress, and those whose outcome was never learned. */
  const members = new Set<Member>()
  /** Ids of files that are known to belong to uploads of this client. */
  const taken = new Set<string>()
  const take = (id: string): void => {
    taken.add(id)
    dropOldest(taken, remembered)
  }

  const candidates: LostUploads["candidates"] = Effect.fnUntraced(function*(upload, size, began) {
    const certain: Array<FileMetadata> = []
    const unclear: Array<FileMetadata> = []
    let cursor: string | undefined
    for (let count = 0; count < maxPages; count++) {
      const [files, next] = yield* newestPage(upload.client, pageSize, cursor)
      let isOlder = false
      for (const file of files) {
        const created = file.created_at.epochMilliseconds
        const order = clock.order(created, began.monotonic, began.wall)
        isOlder = order === "before" && precisionOf(created) < 1000
        if (order === "before" || taken.has(file.id) || !isLike(file, upload, size, tellsExpiry)) continue
        const isSameName = file.filename.normalize() === upload.filename.normalize()
        if (order === "after" && isSameName) certain.push(file)
        else if (isSameName || isChangedName(file.filename, upload.filename)) unclear.push(file)
      }
      // Newest first, but not strictly: a file that was uploaded slowly may have the time at which its upload began, and be
      // listed above files with a later time. So the whole page is searched, and no further one if its last file is older.
      if (isOlder && isNewestFirst(files)) return { certain, unclear }
      if (next === null || next === undefined) return { certain, unclear }
      cursor = next
    }
    return undefined
  })

  const track: LostUploads["track"] = (upload, run) =>
    Effect.clockWith((runtime) => {
      const began: Moment = { monotonic: monotonicMillis(runtime), wall: runtime.currentTimeMillisUnsafe() }
      const me: Member = {
        filename: upload.filename,
        size: upload.size,
        isSent: upload.isSent,
        since: began.monotonic,
        isLost: false,
        endedAt: undefined
      }
      members.add(me)

      /** Other uploads of this client with the same name that may have made a file of that size since this one began. */
      const rivals = (size: number) => {
        const name = foldName(upload.filename)
        return Array.from(members).filter((member) =>
          member !== me && (member.isLost || member.isSent()) && (member.size === undefined || member.size === size)
          && (member.endedAt === undefined || member.endedAt >= began.monotonic - lateness)
          && foldName(member.filename) === name
        )
      }

      const isSettled = (size: number): boolean => rivals(size).every((member) => member.isLost)

      /** A rival that has been sent may be about to return the same file that a search finds. */
      const rivalsToSettle = (size: number, deadline: number): Effect.Effect<boolean> =>
        Effect.suspend(() => {
          if (isSettled(size)) return Effect.succeed(true)
          if (monotonicMillis(runtime) > deadline) return Effect.succeed(false)
          return Effect.andThen(Effect.sleep(50), rivalsToSettle(size, deadline))
        })

      const look = (
        size: number,
        looks: number,
        deadline: number
      ): Effect.Effect<Resolution<FileMetadata>, ListError> =>
        Effect.gen(function*() {
          if (looks > maxLooks || !(yield* rivalsToSettle(size, deadline))) return unclear
          const found = yield* candidates(upload, size, began)
          if (found === undefined) return unclear
          const [file] = found.certain
          if (file === undefined && found.unclear.length === 0) {
            if (looks > 1) return notDone
            yield* Effect.sleep(secondLook)
            return yield* look(size, looks + 1, deadline)
          }
          // An upload that began in the meantime has made a file that was found, or may be about to return it.
          const isTaken = [...found.certain, ...found.unclear].some(({ id }) => taken.has(id))
          if (isTaken || !isSettled(size)) return yield* look(size, looks + 1, deadline)
          const isOnly = found.certain.length === 1 && found.unclear.length === 0 && rivals(size).length === 0
          if (file === undefined || !isOnly) return unclear
          take(file.id)
          yield* report("adopted", `${file.id} is the upload of ${printable(upload.filename)} whose answer was lost`, {
            file_id: file.id,
            size
          })
          return { _tag: "Done", value: file } as const
        })

      const resolve = (size: number): Effect.Effect<Resolution<FileMetadata>> =>
        Effect.suspend(() => {
          me.isLost = true
          return look(size, 1, monotonicMillis(runtime) + rivalTimeout)
        }).pipe(
          // A listing that fails proves nothing, and without proof nothing is sent twice.
          Effect.orElseSucceed(() => unclear)
        )

      const mayDelete = (file: FileMetadata): boolean =>
        !taken.has(file.id) && clock.order(file.created_at.epochMilliseconds, began.monotonic, began.wall) !== "before"

      return Effect.onExit(run({ resolve, mayDelete }), (exit) => {
        const now = monotonicMillis(runtime)
        if (Exit.isSuccess(exit)) {
          take(exit.value.id)
          clock.stored(exit.value, began.monotonic, now)
        }
        const error = Exit.findErrorOption(exit)
        // An interrupted upload may have made a file as well.
        const isKnown = Exit.isSuccess(exit) || (Option.isSome(error) && !error.value.isOutcomeUnknown)
        if (isKnown) members.delete(me)
        else {
          me.isLost = true
          me.endedAt = now
          forget(members, now)
        }
        return Effect.void
      })
    })

  return { candidates, track }
}

/** How long after its end an upload without an answer may still be stored. Milliseconds. */
export const lateness = 5_000

/** Drops uploads that ended so long ago that no upload in progress, and none that begins now, can mistake their files. */
const forget = (members: Set<Member>, now: number): void => {
  let earliest = now
  for (const { endedAt, since } of members) if (endedAt === undefined) earliest = Math.min(earliest, since)
  for (const member of members) {
    if (member.endedAt !== undefined && member.endedAt < earliest - lateness) members.delete(member)
  }
}

/** Whether a file has the size, type and expiry of an upload. */
const isLike = (file: FileMetadata, upload: Upload, size: number, tellsExpiry: boolean): boolean =>
  file.size_bytes === size && !file.downloadable
  && (upload.mimeType === undefined || essence(file.mime_type) === essence(upload.mimeType))
  && (!tellsExpiry || isSameExpiry(file, upload.expiresIn))

const isSameExpiry = (file: FileMetadata, expiresIn: number | undefined): boolean => {
  if (file.expires_at === null || expiresIn === undefined) return file.expires_at === null && expiresIn === undefined
  const kept = (file.expires_at.epochMilliseconds - file.created_at.epochMilliseconds) / 1000
  return Math.abs(kept - expiresIn) <= 2
}

/** The name as it looks if a gateway reads its UTF-8 as Latin-1. */
const asLatin1 = (name: string): string =>
  Array.from(new TextEncoder().encode(name), (byte) => String.fromCharCode(byte)).join("")

/** A name without the features that services change: case, Unicode form, blanks. */
const foldName = (name: string): string => name.normalize("NFKC").trim().toLowerCase().replace(/[\s_]+/g, "_")

/** The letters and digits of a name, with a hyphen for anything between them. */
const skeleton = (name: string): string =>
  name.normalize("NFKD").replace(/\p{M}+/gu, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "")

const nonAscii = /[^\x20-\x7e]+/g

/** A name without its percent-encoding, if it has one. */
const decoded = (name: string): string => Option.getOrElse(Option.liftThrowable(decodeURIComponent)(name), () => name)

/** Whether a service may have turned the sent name into the stored one: by other characters, or as a path. */
const isChangedName = (stored: string, sent: string): boolean => {
  const bare = sent.normalize("NFKD").replace(/\p{M}+/gu, "")
  const latin1 = asLatin1(sent)
  const forms = [
    sent,
    latin1,
    asLatin1(latin1),
    asLatin1(sent.normalize("NFC")),
    // Characters beyond ASCII are replaced or left out.
    ...[sent.normalize("NFC"), bare].flatMap((name) => [name.replace(nonAscii, "-"), name.replace(nonAscii, "")])
  ].map(skeleton)
  return [stored, decoded(stored), stored.replace(/^.*[/\\]/, "")].some((name) => forms.includes(skeleton(name)))
}
