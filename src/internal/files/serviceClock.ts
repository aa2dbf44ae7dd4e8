/**
 * Estimates the service's clock from its answers, as the offset from this machine's monotonic time. The clock that stamps
 * files and the clock of the `date` header are estimated separately, because a proxy may write that header.
 */
import type { FileMetadata } from "../../FileMetadata.ts"
import type { Answer } from "../request/send.ts"
import { serviceTime } from "../request/serviceTime.ts"

/** Bounds of the service's time minus the monotonic time. Milliseconds. */
interface Interval {
  readonly least: number
  readonly most: number
}

const anything: Interval = { least: -Infinity, most: Infinity }

/** Two readings of one clock may differ by the rounding of a timestamp. Milliseconds. */
const slack = 1

/** The intersection of both. If it is empty, a clock has been set, and the newer bounds apply. */
const narrowed = (known: Interval, { least, most }: Interval): Interval => {
  const both = { least: Math.max(known.least, least), most: Math.min(known.most, most) }
  return both.least <= both.most ? both : { least, most }
}

/** The precision of a timestamp: one without a fraction may have been truncated to the second. Milliseconds. */
export const precisionOf = (timestamp: number): number => timestamp % 1000 === 0 ? 1000 : 1

/** When a file was created, compared with a moment of this machine. */
export type Order = "before" | "after" | "unclear"

export interface ServiceClock {
  /** Learns from the `date` header of an answer. */
  readonly answered: (answer: Answer) => void
  /** Learns from a file that was seen at `now`, and so was created before. */
  readonly saw: (created: number, now: number) => void
  /** Learns from a file that an upload of this client created between `since` and `now`. */
  readonly stored: (file: FileMetadata, since: number, now: number) => void
  /** Compares a file's creation with `moment`, when this machine's wall clock read `wall`. */
  readonly order: (created: number, moment: number, wall: number) => Order
}

/**
 * Without a file of the client's own to compare with, a file that seems older than an upload may still be the upload's, if
 * a clock is wrong by up to this much. Milliseconds.
 */
const maxSkew = 7 * 24 * 60 * 60 * 1000

export const makeServiceClock = (): ServiceClock => {
  let files = anything
  let date = anything

  /** Service times: a file created until `before` is older than the moment, one created from `after` on is newer. */
  const boundsAt = (moment: number, wall: number) => {
    const before = moment + files.least
    const isCoherent = files.least <= date.most && date.least <= files.most
    const most = Math.min(files.most, isCoherent ? date.most : Infinity)
    if (most === Infinity) {
      // Nothing is known: this machine's clock is used, unless a file is ahead of it.
      return { before, after: files.least <= wall - moment + slack && date.most === Infinity ? wall : Infinity }
    }
    // This machine's clock is used if it agrees with the bounds, because it has milliseconds.
    const own = wall - moment
    const agrees = own >= Math.max(files.least, date.least) - slack && own <= most + slack
    return { before, after: agrees ? wall : moment + most }
  }

  return {
    answered: ({ receivedAt, response, sentAt }) => {
      const told = serviceTime(response.headers)
      if (told !== undefined) date = narrowed(date, { least: told - receivedAt, most: told + 1000 - sentAt })
    },
    saw: (created, now) => {
      files = narrowed(files, { least: created - now, most: Infinity })
    },
    stored: (file, since, now) => {
      const created = file.created_at.epochMilliseconds
      files = narrowed(files, { least: created - now, most: created + precisionOf(created) - since })
    },
    order: (created, moment, wall) => {
      const { after, before } = boundsAt(moment, wall)
      if (created + precisionOf(created) <= before) return "before"
      if (created >= after) return "after"
      const told = date.least === -Infinity ? wall : moment + date.least
      return created < told - maxSkew ? "before" : "unclear"
    }
  }
}
