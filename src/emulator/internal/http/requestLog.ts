/**
 * The record of the requests that an emulator received.
 */
import type * as Headers from "effect/http/Headers"
import type { Notes, RecordedPart } from "../context.ts"

/** A request that the emulator received. */
export interface RecordedRequest {
  readonly requestId: string
  /** Milliseconds since 1970, on the emulator's clock. */
  readonly at: number
  readonly method: string
  readonly url: string
  readonly path: string
  /** The name of the endpoint, if there is one: `upload`, `list`, … */
  readonly operation: string | undefined
  /** By lower-case name; values that could hold a credential are redacted. */
  readonly headers: Readonly<Record<string, string>>
  /** The parsed JSON body, or the parts of a multipart body; absent if none was read, or it was too large to record. */
  readonly body?: { readonly json: unknown } | { readonly parts: ReadonlyArray<RecordedPart> }
  /** The status of the answer; `undefined` while the request runs, or if its connection broke. */
  readonly status: number | undefined
  /** Why there is no answer. */
  readonly failure: string | undefined
}

/** The part of a record that is known before the answer. */
type Begun = Omit<RecordedRequest, "body" | "status" | "failure">

/** The record of a request that has not been answered yet. */
export interface Running {
  readonly answered: (status: number) => void
  readonly failed: (why: string) => void
}

export interface RequestLog {
  readonly start: (
    request: Omit<Begun, "headers"> & { readonly headers: Headers.Headers },
    notes: Notes
  ) => Running
  /** Oldest first. */
  readonly list: () => ReadonlyArray<RecordedRequest>
  readonly clear: () => void
}

interface Entry {
  readonly begun: Begun
  readonly notes: Notes
  bytes: number
  status: number | undefined
  failure: string | undefined
}

const secretHeaders = new Set(["x-api-key", "authorization", "cookie", "proxy-authorization"])

const withoutSecrets = (headers: Headers.Headers): Record<string, string> => {
  const out: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) out[name] = secretHeaders.has(name) ? "<redacted>" : value
  return out
}

/** The fields of the token endpoint that are credentials. */
const secretFields = new Set(["refresh_token", "assertion", "access_token"])

const bodyOf = (operation: string | undefined, { json, parts }: Notes): Pick<RecordedRequest, "body"> => {
  if (json !== undefined) {
    const redact = operation === "token"
      ? (name: string, value: unknown) => secretFields.has(name) ? "<redacted>" : value
      : undefined
    return { body: { json: JSON.parse(json, redact) as unknown } }
  }
  return parts === undefined ? {} : { body: { parts } }
}

const idle: Running = { answered: () => undefined, failed: () => undefined }

const sizeOf = ({ headers, url }: Begun): number =>
  200 + url.length + Object.entries(headers).reduce((size, [name, value]) => size + name.length + value.length, 0)

const sizeOfBody = ({ json, parts }: Notes): number =>
  (json?.length ?? 0) + (parts ?? []).reduce((size, part) => size + 100 + (part.value?.length ?? 0), 0)

/** A log of at most `maxRequests` and about `maxBytes`. Older requests are dropped for newer ones. */
export const make = (maxRequests: number, maxBytes: number): RequestLog => {
  const entries = new Set<Entry>()
  let total = 0

  const add = (entry: Entry, bytes: number) => {
    if (!entries.has(entry)) return
    entry.bytes += bytes
    total += bytes
    for (const oldest of entries) {
      if (entries.size <= maxRequests && total <= maxBytes) return
      // The newest request is kept, so that its answer is recorded.
      if (oldest === entry) return
      entries.delete(oldest)
      total -= oldest.bytes
    }
  }

  const end = (entry: Entry) => {
    const bytes = sizeOfBody(entry.notes)
    if (bytes <= maxBytes) return add(entry, bytes)
    delete entry.notes.json
    delete entry.notes.parts
  }

  return {
    start: (request, notes) => {
      if (maxRequests === 0) return idle
      const begun = { ...request, headers: withoutSecrets(request.headers) }
      const entry: Entry = { begun, notes, bytes: 0, status: undefined, failure: undefined }
      entries.add(entry)
      add(entry, sizeOf(begun))
      return {
        answered: (status) => {
          entry.status = status
          end(entry)
        },
        failed: (why) => {
          entry.failure = why
          end(entry)
        }
      }
    },
    list: () =>
      Array.from(entries, ({ begun, failure, notes, status }) => ({
        ...begun,
        ...bodyOf(begun.operation, notes),
        status,
        failure
      })),
    clear: () => {
      entries.clear()
      total = 0
    }
  }
}
