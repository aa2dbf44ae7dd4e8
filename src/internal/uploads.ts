/**
 * What this client's uploads need to know of each other, to find a lost one again without taking another's file.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { FileMetadata, FilePage } from "../FileMetadata.ts"
import type { FilesError } from "../FilesError.ts"
import { Attempt, pause } from "./attempt.ts"
import { report } from "./telemetry.ts"

/** What is known of an upload before its answer. */
export interface Sought {
  readonly filename: string
  /** Bytes, where known before sending. */
  readonly size: number | undefined
  /** Only where the caller stated one: the service may word an inferred one differently. */
  readonly mimeType: string | undefined
  /** Seconds. */
  readonly expiresIn: number | undefined
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
  readonly track: <E>(
    sought: Sought,
    upload: (own: Own) => Effect.Effect<FileMetadata, E>
  ) => Effect.Effect<FileMetadata, E>
}

/** The two clocks may differ by this much, milliseconds. */
const skew = 5_000

/** Newest files looked through. */
const pageSize = 100
const maxPages = 10

/** Ids of finished uploads that are remembered; only the newest can be mistaken for a lost one. */
const remembered = 10_000

export const make = (
  listPage: (limit: number, page: string | undefined) => Effect.Effect<FilePage, FilesError>,
  /** Whether `null` for `expires_at` means that the file does not expire; the beta dialect never says. */
  tellsExpiry: boolean
): Uploads => {
  /** Uploads under way by name: how many, and how many of them have lost their answer. */
  const active = new Map<string, { running: number; lost: number }>()
  const taken = new Set<string>()

  const take = (id: string) => {
    taken.add(id)
    if (taken.size > remembered) {
      const [oldest] = taken
      if (oldest !== undefined) taken.delete(oldest)
    }
  }

  /** Files of this name and size made since, that no finished upload of this client accounts for. */
  const candidates = Effect.fnUntraced(function*(sought: Sought, bytes: number, since: number) {
    const found: Array<FileMetadata> = []
    let page: string | undefined
    for (let count = 0; count < maxPages; count++) {
      const answer: FilePage = yield* listPage(pageSize, page)
      for (const file of answer.data) {
        if (file.created_at.epochMilliseconds < since - skew) return found
        if (
          !taken.has(file.id) && file.size_bytes === bytes && !file.downloadable
          && file.filename.normalize() === sought.filename.normalize()
          && (sought.mimeType === undefined || essence(file.mime_type) === essence(sought.mimeType))
          && sameExpiry(file, sought.expiresIn)
        ) {
          found.push(file)
        }
      }
      const next = answer.next_page ?? (answer.has_more ? answer.last_id : null)
      if (next === null) return found
      page = next
    }
    return found
  })

  const track: Uploads["track"] = (sought, upload) =>
    Effect.flatMap(Clock.currentTimeMillis, (since) => {
      const key = sought.filename.normalize()
      const group = active.get(key) ?? { running: 0, lost: 0 }
      active.set(key, group)
      group.running++
      let lost = false
      const find = (bytes: number): Effect.Effect<Found> =>
        Effect.gen(function*() {
          if (!lost) {
            lost = true
            group.lost++
          }
          // One of the same name that is still under way may be about to answer with the very file found here.
          while (group.running > group.lost) yield* Effect.sleep(50)
          const files = yield* candidates(sought, bytes, since)
          const [file] = files
          if (file === undefined) return { _tag: "None" } as const
          if (files.length > 1 || group.lost > 1) return { _tag: "Unclear" } as const
          take(file.id)
          yield* report("adopted", `${file.id} is the upload of ${sought.filename} whose answer was lost`, {
            file_id: file.id,
            size: bytes
          })
          return { _tag: "One", file } as const
        }).pipe(
          // A listing that fails tells nothing, and nothing may be sent twice on nothing.
          Effect.orElseSucceed(() => ({ _tag: "Unclear" }) as const),
          // The listing is an operation of its own, with its own budget.
          Effect.provideService(Attempt, undefined),
          (effect) => Effect.flatMap(Attempt, (attempt) => pause(attempt, effect))
        )
      return Effect.ensuring(
        Effect.tap(upload({ find }), (file) => Effect.sync(() => take(file.id))),
        Effect.sync(() => {
          group.running--
          if (lost) group.lost--
          if (group.running === 0) active.delete(key)
        })
      )
    })

  const sameExpiry = (file: FileMetadata, expiresIn: number | undefined): boolean => {
    if (!tellsExpiry) return true
    if (file.expires_at === null || expiresIn === undefined) return file.expires_at === null && expiresIn === undefined
    const kept = (file.expires_at.epochMilliseconds - file.created_at.epochMilliseconds) / 1000
    return Math.abs(kept - expiresIn) <= 2
  }

  return { track }
}

const essence = (mimeType: string): string => (mimeType.split(";")[0] ?? "").trim().toLowerCase()
