/**
 * What a client knows of the service's clock, without asking for it: by how much it is ahead of this machine's
 * monotonic time. Two clocks are kept apart, since a proxy may write the `date` header: the one that stamps files, and
 * the one of that header.
 */
import type { FileMetadata } from "../../FileMetadata.ts"
import type { Answer } from "../request/send.ts"
import { serviceTime } from "../request/serviceTime.ts"

/** The service's time less the monotonic time lies between these, in milliseconds. */
interface Interval {
  readonly least: number
  readonly most: number
}

const anything: Interval = { least: -Infinity, most: Infinity }

/** Two clocks of one machine differ by what a timestamp is cut to. Milliseconds. */
const slack = 1

/** What both say. Where they contradict each other a clock has been set, and the newer one holds. */
const narrowed = (known: Interval, { least, most }: Interval): Interval => {
  const both = { least: Math.max(known.least, least), most: Math.min(known.most, most) }
  return both.least <= both.most ? both : { least, most }
}

/** A timestamp without a fraction may have been cut to the second. Milliseconds. */
export const precisionOf = (timestamp: number): number => timestamp % 1000 === 0 ? 1000 : 1

/** When a file was created, compared with a moment of this machine. */
export type Order = "before" | "after" | "unclear"

export interface ServiceClock {
  /** An answer has come; its `date` header is read. */
  readonly answered: (answer: Answer) => void
  /** A file has been seen at `now`: it was created before. */
  readonly saw: (created: number, now: number) => void
  /** An upload of this client that began at `since` created the file. */
  readonly stored: (file: FileMetadata, since: number, now: number) => void
  /** `wall` is this machine's own clock at `moment`. */
  readonly order: (created: number, moment: number, wall: number) => Order
}

/**
 * Without a file of the client's own to compare with, one that looks older than an upload may be the upload's all the
 * same, by a clock that is wrong. This far back it is looked at so. Milliseconds.
 */
const maxSkew = 7 * 24 * 60 * 60 * 1000

export const makeServiceClock = (): ServiceClock => {
  let files = anything
  let date = anything

  /** Before this, service time, a file was created before the moment; from that on, after it. */
  const boundsAt = (moment: number, wall: number) => {
    const before = moment + files.least
    const isCoherent = files.least <= date.most && date.least <= files.most
    const most = Math.min(files.most, isCoherent ? date.most : Infinity)
    if (most === Infinity) {
      // Nothing tells: this machine's clock is taken, unless a file is ahead of it.
      return { before, after: files.least <= wall - moment + slack && date.most === Infinity ? wall : Infinity }
    }
    // This machine's clock agrees as far as can be told, and has milliseconds.
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
