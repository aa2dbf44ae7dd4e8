/**
 * The index of the stored files, in memory and in order. Both stores have one.
 */
import type { FileRecord, Page, PageQuery } from "./records.ts"

/** How long metadata outlives its content: 30 days, as the service documents. */
const retentionMillis = 30 * 24 * 60 * 60 * 1000

export interface FileIndex {
  readonly add: (record: FileRecord) => void
  readonly get: (id: string) => FileRecord | undefined
  readonly remove: (id: string) => FileRecord | undefined
  readonly markExpired: (id: string) => void
  /** The place of a file in the listing, also of one that was deleted recently. */
  readonly sequenceOf: (workspace: string, id: string) => number | undefined
  readonly page: (query: PageQuery) => Page
  readonly all: () => ReadonlyArray<FileRecord>
  readonly size: () => number
  /** Bytes that count towards the quota: those of contents that are still served. */
  readonly bytes: () => number
  /** What is due by `now`: the contents to drop, and the records to forget. */
  readonly due: (now: number) => { readonly expired: ReadonlyArray<string>; readonly forgotten: ReadonlyArray<string> }
}

/** The first position whose key is greater than `key`. */
const upperBound = <A>(items: ReadonlyArray<A>, key: number, keyOf: (item: A) => number): number => {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = items[middle]
    if (item !== undefined && keyOf(item) <= key) low = middle + 1
    else high = middle
  }
  return low
}

const sequence = (record: FileRecord): number => record.sequence

interface Due {
  readonly at: number
  readonly id: string
}

const dueAt = (due: Due): number => due.at

const counted = (record: FileRecord): number => record.expired || !record.countsForQuota ? 0 : record.size

/** Places of the files that were removed last, so that a listing can continue after an `after_id` that is gone. */
const makeRemoved = () => {
  const places = new Map<string, { readonly workspace: string; readonly sequence: number }>()
  return {
    add: ({ id, sequence, workspace }: FileRecord) => {
      places.set(id, { workspace, sequence })
      if (places.size <= maxRemoved) return
      for (const oldest of places.keys()) {
        places.delete(oldest)
        return
      }
    },
    get: (id: string) => places.get(id)
  }
}

/** How many removed files are remembered. */
const maxRemoved = 10_000

export const make = (): FileIndex => {
  const byId = new Map<string, FileRecord>()
  const removed = makeRemoved()
  const workspaces = new Map<string, Array<FileRecord>>()
  const expiring: Array<Due> = []
  const forgetting: Array<Due> = []
  let bytes = 0

  const schedule = (queue: Array<Due>, due: Due) => {
    queue.splice(upperBound(queue, due.at, dueAt), 0, due)
  }

  const take = (queue: Array<Due>, now: number): Array<Due> => queue.splice(0, upperBound(queue, now, dueAt))

  const replace = (record: FileRecord) => {
    byId.set(record.id, record)
    const files = workspaces.get(record.workspace)
    if (files === undefined) return
    const position = upperBound(files, record.sequence - 1, sequence)
    if (files[position]?.id === record.id) files[position] = record
  }

  return {
    add: (record) => {
      byId.set(record.id, record)
      const files = workspaces.get(record.workspace)
      // Sequence numbers only grow, so the newest file belongs at the end.
      if (files === undefined) workspaces.set(record.workspace, [record])
      else files.push(record)
      bytes += counted(record)
      if (record.expiresAt !== null) {
        if (!record.expired) schedule(expiring, { at: record.expiresAt, id: record.id })
        schedule(forgetting, { at: record.expiresAt + retentionMillis, id: record.id })
      }
    },
    get: (id) => byId.get(id),
    remove: (id) => {
      const record = byId.get(id)
      if (record === undefined) return undefined
      byId.delete(id)
      removed.add(record)
      const files = workspaces.get(record.workspace)
      if (files !== undefined) {
        const position = upperBound(files, record.sequence - 1, sequence)
        if (files[position]?.id === id) files.splice(position, 1)
      }
      bytes -= counted(record)
      return record
    },
    markExpired: (id) => {
      const record = byId.get(id)
      if (record === undefined || record.expired) return
      bytes -= counted(record)
      replace({ ...record, expired: true, blob: null })
    },
    sequenceOf: (workspace, id) => {
      const found = byId.get(id) ?? removed.get(id)
      return found?.workspace === workspace ? found.sequence : undefined
    },
    page: (query) => {
      const files = workspaces.get(query.workspace) ?? []
      const records: Array<FileRecord> = []
      // Files of a session are listed with its id only.
      const matches = (record: FileRecord) => record.scope?.id === query.scopeId
      if (query.newerThan !== undefined) {
        for (let i = upperBound(files, query.newerThan, sequence); i < files.length; i++) {
          const record = files[i]
          if (record === undefined || !matches(record)) continue
          if (records.length === query.limit) return { records: records.reverse(), hasMore: true }
          records.push(record)
        }
        return { records: records.reverse(), hasMore: false }
      }
      const end = query.olderThan === undefined ? files.length : upperBound(files, query.olderThan - 1, sequence)
      for (let i = end - 1; i >= 0; i--) {
        const record = files[i]
        if (record === undefined || !matches(record)) continue
        if (records.length === query.limit) return { records, hasMore: true }
        records.push(record)
      }
      return { records, hasMore: false }
    },
    all: () => Array.from(byId.values()),
    size: () => byId.size,
    bytes: () => bytes,
    due: (now) => {
      // The usual case, on every request: nothing is due, so nothing is allocated.
      if ((expiring[0]?.at ?? Infinity) > now && (forgetting[0]?.at ?? Infinity) > now) return nothingDue
      const live = (due: Due) => byId.has(due.id)
      return {
        expired: take(expiring, now).filter(live).map((due) => due.id),
        forgotten: take(forgetting, now).filter(live).map((due) => due.id)
      }
    }
  }
}

const nothingDue = { expired: [], forgotten: [] }
