/**
 * Filters by name, type, age, size and expiry, for the commands that list or delete.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Glob from "effect/Glob"
import * as Option from "effect/Option"
import type { FileMetadata } from "../FileMetadata.ts"
import * as Flags from "./flags.ts"

export const flags = {
  name: Flags.text("name", "GLOB", "Only files whose name matches"),
  mime: Flags.text("mime", "TYPE", "Only files of this MIME type; image/* matches all images"),
  since: Flags.since("since", "Only files uploaded since then"),
  olderThan: Flags.duration("older-than", "Only files uploaded longer ago than this"),
  larger: Flags.size("larger", "Only files larger than this"),
  expiringWithin: Flags.duration("expiring-within", "Only files that expire within this time")
}

export interface Filters {
  readonly name: Option.Option<string>
  readonly mime: Option.Option<string>
  readonly since: Option.Option<Flags.Since>
  readonly olderThan: Option.Option<Duration.Duration>
  readonly larger: Option.Option<number>
  readonly expiringWithin: Option.Option<Duration.Duration>
}

type Test = (file: FileMetadata) => boolean

const testsOf = (filters: Filters, now: number): ReadonlyArray<Option.Option<Test>> => [
  Option.map(filters.name, (pattern): Test => {
    const glob = Glob.make(pattern, { dot: true })
    // A name is not a path: a slash in it separates nothing.
    return ({ filename }) => Glob.match(glob, filename.replaceAll("/", "_"))
  }),
  Option.map(filters.mime, (type): Test => {
    const wanted = type.toLowerCase()
    const kind = wanted.endsWith("/*") ? wanted.slice(0, -1) : undefined
    return ({ mime_type }) => {
      const is = mime_type.toLowerCase()
      return kind === undefined ? is === wanted || is.startsWith(`${wanted};`) : is.startsWith(kind)
    }
  }),
  Option.map(filters.since, (since): Test => {
    const from = Duration.isDuration(since) ? now - Duration.toMillis(since) : DateTime.toEpochMillis(since)
    return ({ created_at }) => DateTime.toEpochMillis(created_at) >= from
  }),
  Option.map(filters.olderThan, (age): Test => {
    const until = now - Duration.toMillis(age)
    return ({ created_at }) => DateTime.toEpochMillis(created_at) < until
  }),
  Option.map(filters.larger, (bytes): Test => ({ size_bytes }) => size_bytes > bytes),
  Option.map(filters.expiringWithin, (time): Test => {
    const until = now + Duration.toMillis(time)
    return ({ expires_at }) => expires_at !== null && DateTime.toEpochMillis(expires_at) <= until
  })
]

/** Whether no filter was given. */
export const isEmpty = (filters: Filters): boolean => testsOf(filters, 0).every(Option.isNone)

/** @param now epoch milliseconds */
export const matcher = (filters: Filters, now: number): Test => {
  const tests = testsOf(filters, now).flatMap(Option.toArray)
  return (file) => tests.every((test) => test(file))
}
