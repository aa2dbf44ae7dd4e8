/**
 * What this client's uploads need to know of each other, to find a lost one again without taking another's file.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { FileMetadata, FilePage } from "../../FileMetadata.ts"
import type { FilesError } from "../../FilesError.ts"
import { Attempt, Nested, pause } from "../request/attempt.ts"
import { report } from "../telemetry.ts"

/** What is known of an upload before its answer. */
export interface Sought {
  readonly filename: string
  /** Bytes, where known before sending. */
  readonly size: number | undefined
  /** Only where the caller stated one: the service may word an inferred one differently. */
  readonly mimeType: string | undefined
  /** Seconds. */
  readonly expiresIn: number | undefined
  /** Whether its last byte has been handed over; before that the service can't have stored it. */
  readonly isSent: () => boolean
}

export type Found =
  | { readonly _tag: "None" }
  | { readonly _tag: "One"; readonly file: FileMetadata }
  /** Several could be it, or the service could not be asked. */
  | { readonly _tag: "Unclear" }

export interface Own {
  /** Looks for a file of that many bytes that this upload must have made. */
  readonly find: (bytes: number) => Effect.Effect<Found>
}

export interface Uploads {
  /**
   * Files of this name, size, type and expiry that were made since. `undefined` when there are more new files than are
   * looked through, or it can't be told when they were made.
   */
  readonly candidates: (
    sought: Omit<Sought, "isSent">,
    bytes: number,
    /** Milliseconds since the upload began. */
    elapsed: () => number,
    /** Leaves out what finished uploads of this client account for. */
    isNew: (id: string) => boolean
  ) => Effect.Effect<ReadonlyArray<FileMetadata> | undefined, FilesError>
  readonly track: (
    sought: Sought,
    upload: (own: Own) => Effect.Effect<FileMetadata, FilesError>
  ) => Effect.Effect<FileMetadata, FilesError>
}

/** A page of the newest files, and when it was answered by the service's clock, epoch milliseconds. */
export interface Newest {
  readonly page: FilePage
  readonly answeredAt: number | undefined
}

/** A service's clock is read from a header that has whole seconds, and the answer took a while. Milliseconds. */
const tolerance = 5_000

/** Two clocks that differ by more are no clocks to compare. Milliseconds. */
const maxSkew = 24 * 60 * 60 * 1000

/** Newest files looked through. */
const pageSize = 100
const maxPages = 50

/** How long an upload waits for what others of its name turn out to be, milliseconds; and how often it looks anew. */
const rivalPatience = 120_000
const maxLooks = 10

/** Ids of finished uploads that are remembered; only the newest can be mistaken for a lost one. */
const remembered = 10_000

/** An upload of this client. */
interface Member {
  readonly size: number | undefined
  readonly isSent: () => boolean
  /** Epoch milliseconds. */
  readonly since: number
  /** It has lost an answer, and whether it made a file is not known. */
  lost: boolean
  /** When it ended without ever learning that. */
  endedAt: number | undefined
}

/** Uploads of one name. */
interface Group {
  readonly members: Set<Member>
  begun: number
}

export const make = (
  listPage: (limit: number, page: string | undefined) => Effect.Effect<Newest, FilesError>,
  /** Whether `null` for `expires_at` means that the file does not expire; the beta dialect never says. */
  tellsExpiry: boolean
): Uploads => {
  const active = new Map<string, Group>()
  const taken = new Set<string>()

  const take = (id: string) => {
    taken.add(id)
    if (taken.size > remembered) {
      const [oldest] = taken
      if (oldest !== undefined) taken.delete(oldest)
    }
  }

  const candidates: Uploads["candidates"] = Effect.fnUntraced(function*(sought, bytes, elapsed, isNew) {
    const found: Array<FileMetadata> = []
    let isUnclear = false
    let page: string | undefined
    for (let count = 0; count < maxPages; count++) {
      const answer: Newest = yield* listPage(pageSize, page)
      const now = yield* Clock.currentTimeMillis
      const { answeredAt } = answer
      const isTold = answeredAt !== undefined && Math.abs(answeredAt - now) <= maxSkew
      const earliest = (isTold ? answeredAt : now) - elapsed() - tolerance
      // Without the service's time a file that looks older may be the one that is sought.
      const end = isTold ? earliest : earliest - maxSkew
      for (const file of answer.page.data) {
        if (file.created_at.epochMilliseconds < end) return found.length === 0 && isUnclear ? undefined : found
        if (
          isNew(file.id) && file.size_bytes === bytes && !file.downloadable
          && file.filename.normalize() === sought.filename.normalize()
          && (sought.mimeType === undefined || essence(file.mime_type) === essence(sought.mimeType))
          && sameExpiry(file, sought.expiresIn)
        ) {
          if (file.created_at.epochMilliseconds >= earliest) found.push(file)
          else isUnclear = true
        }
      }
      const next = answer.page.next_page ?? (answer.page.has_more ? answer.page.last_id : null)
      if (next === null) return found.length === 0 && isUnclear ? undefined : found
      page = next
    }
    return undefined
  })

  /** Those that ended before any that is under way began. */
  const forget = ({ members }: Group) => {
    let earliest = Infinity
    for (const { endedAt, since } of members) if (endedAt === undefined) earliest = Math.min(earliest, since)
    for (const member of members) {
      if (member.endedAt !== undefined && member.endedAt < earliest - tolerance) members.delete(member)
    }
  }

  const track: Uploads["track"] = (sought, upload) =>
    Effect.clockWith((clock) => {
      const since = clock.currentTimeMillisUnsafe()
      // Measured by a clock that nobody sets.
      const began = clock.monotonicTimeNanosUnsafe()
      const elapsed = () => Number((clock.monotonicTimeNanosUnsafe() - began) / BigInt(1_000_000))
      const key = sought.filename.normalize()
      const group = active.get(key) ?? { members: new Set(), begun: 0 }
      const me: Member = { size: sought.size, isSent: sought.isSent, since, lost: false, endedAt: undefined }
      active.set(key, group)
      group.members.add(me)
      group.begun++
      forget(group)

      const rivals = (bytes: number) =>
        Array.from(group.members).filter((member) =>
          member !== me && (member.lost || member.isSent()) && (member.size === undefined || member.size === bytes)
        )

      const find = (bytes: number): Effect.Effect<Found> =>
        Effect.gen(function*() {
          me.lost = true
          const deadline = elapsed() + rivalPatience
          for (let looks = 0; looks < maxLooks; looks++) {
            // One of the same name that has been sent may be about to answer with the very file found here.
            while (rivals(bytes).some((member) => !member.lost)) {
              if (elapsed() > deadline) return { _tag: "Unclear" } as const
              yield* Effect.sleep(50)
            }
            const { begun } = group
            const files = yield* candidates(sought, bytes, elapsed, (id) => !taken.has(id))
            if (files === undefined) return { _tag: "Unclear" } as const
            const [file] = files
            if (file === undefined) return { _tag: "None" } as const
            // So may one that began in the meantime.
            if (begun !== group.begun) continue
            if (files.length > 1 || rivals(bytes).length > 0) return { _tag: "Unclear" } as const
            take(file.id)
            yield* report("adopted", `${file.id} is the upload of ${sought.filename} whose answer was lost`, {
              file_id: file.id,
              size: bytes
            })
            return { _tag: "One", file } as const
          }
          return { _tag: "Unclear" } as const
        }).pipe(
          // A listing that fails tells nothing, and nothing may be sent twice on nothing.
          Effect.orElseSucceed(() => ({ _tag: "Unclear" }) as const),
          // The listing is an operation of its own, with its own budget.
          Effect.provideService(Attempt, undefined),
          Effect.provideService(Nested, true),
          pause
        )
      return Effect.onExit(upload({ find }), (exit) => {
        if (Exit.isSuccess(exit)) take(exit.value.id)
        const error = Exit.findErrorOption(exit)
        // An interrupted one may have made a file as well.
        const isKnown = Exit.isSuccess(exit) || (Option.isSome(error) && !error.value.isOutcomeUnknown)
        if (isKnown) group.members.delete(me)
        me.lost = true
        me.endedAt = clock.currentTimeMillisUnsafe()
        if (group.members.size === 0) active.delete(key)
        return Effect.void
      })
    })

  const sameExpiry = (file: FileMetadata, expiresIn: number | undefined): boolean => {
    if (!tellsExpiry) return true
    if (file.expires_at === null || expiresIn === undefined) return file.expires_at === null && expiresIn === undefined
    const kept = (file.expires_at.epochMilliseconds - file.created_at.epochMilliseconds) / 1000
    return Math.abs(kept - expiresIn) <= 2
  }

  return { track, candidates }
}

const essence = (mimeType: string): string => (mimeType.split(";")[0] ?? "").trim().toLowerCase()
