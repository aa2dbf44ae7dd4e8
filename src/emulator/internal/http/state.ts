/**
 * Everything that an emulator remembers.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as Redacted from "effect/Redacted"
import type { Store } from "../../Store.ts"
import type { Limits, Notes, RecordedPart } from "../context.ts"
import * as Faults from "../faults.ts"
import type { Model } from "../model/model.ts"
import * as Rules from "../model/rules.ts"
import * as Random from "../random.ts"
import * as Auth from "./auth.ts"
import * as Options from "./options.ts"
import * as RateLimit from "./rateLimit.ts"
import * as Tokens from "./tokens.ts"

/** A request as the emulator saw it. */
export interface RecordedRequest {
  readonly requestId: string
  /** Milliseconds since 1970, on the emulator's clock. */
  readonly at: number
  readonly method: string
  readonly url: string
  readonly path: string
  /** The endpoint, if there is one: `upload`, `list`, … */
  readonly operation: string | undefined
  /** Lower-case names; what could hold a key is redacted. */
  readonly headers: Readonly<Record<string, string>>
  /** The parsed JSON body, or the parts of a multipart body; absent when none was read. */
  readonly body?: { readonly json: unknown } | { readonly parts: ReadonlyArray<RecordedPart> }
  /** The status that was answered; `undefined` while the request runs, or when its connection broke. */
  readonly status: number | undefined
  /** Why there was no answer. */
  readonly failure: string | undefined
}

interface Entry {
  readonly base: Omit<RecordedRequest, "body" | "status" | "failure">
  readonly notes: Notes
  status: number | undefined
  failure: string | undefined
}

const secretHeaders = new Set(["x-api-key", "authorization", "cookie", "proxy-authorization"])

const makeRequests = (max: number) => {
  let entries: Array<Entry> = []
  return {
    start: (
      request: Omit<Entry["base"], "headers"> & { readonly headers: Headers.Headers },
      notes: Notes
    ): Entry => {
      const headers: Record<string, string> = {}
      for (const [name, value] of Object.entries(request.headers)) {
        headers[name] = secretHeaders.has(name) ? "<redacted>" : value
      }
      const entry: Entry = { base: { ...request, headers }, notes, status: undefined, failure: undefined }
      entries.push(entry)
      // Half a buffer at a time, so that dropping old entries costs next to nothing per request.
      if (entries.length >= max * 2) entries = entries.slice(-max)
      return entry
    },
    list: (): ReadonlyArray<RecordedRequest> =>
      entries.slice(-max).map(({ base, failure, notes, status }) => ({
        ...base,
        ...(notes.json !== undefined
          ? { body: { json: JSON.parse(notes.json) as unknown } }
          : notes.parts !== undefined
          ? { body: { parts: notes.parts } }
          : {}),
        status,
        failure
      })),
    clear: () => {
      entries = []
    }
  }
}

export interface State {
  readonly store: Store["Service"]
  readonly model: Model["Service"]
  readonly limits: Limits
  readonly keys: ReadonlyArray<Auth.Key>
  /** The first key, and the first workspace it reaches. */
  readonly apiKey: Redacted.Redacted<string>
  readonly workspace: string
  readonly organization: string
  readonly rateLimit: RateLimit.RateLimit | undefined
  readonly faults: Faults.FaultEngine
  readonly tokens: Tokens.Tokens
  readonly requests: ReturnType<typeof makeRequests>
  readonly bodyIdleTimeout: Duration.Duration
  readonly adminRoute: boolean
  /** What `advance` has added to the Clock. */
  readonly offset: { millis: number }
}

const defaultWorkspace = "wrkspc_emulator"

export const make = Effect.fnUntraced(function*(
  options: Options.Options & { readonly adminRoute?: boolean | undefined },
  store: Store["Service"]
): Effect.fn.Return<State> {
  const given: ReadonlyArray<readonly [string, string | ReadonlyArray<string>]> = [
    ...(options.apiKey === undefined ? [] : [[Redacted.value(options.apiKey), defaultWorkspace] as const]),
    ...Object.entries(options.apiKeys ?? {})
  ]
  const generated = yield* Random.token(40)
  const keys = given.length === 0 ? [[`sk-ant-emulator-${generated}`, defaultWorkspace] as const] : given
  const [first] = keys
  const workspaces = first?.[1]
  return {
    store,
    model: {
      rules: Rules.make(options.rules ?? []),
      cache: new Map(),
      batches: { all: new Map(), delayMillis: Duration.toMillis(Duration.fromInputUnsafe(options.batchDelay ?? 0)) },
      models: options.models
    },
    limits: Options.limits(options),
    keys: keys.map(([value, workspaces]) => Auth.key(value, workspaces)),
    apiKey: Redacted.make(first?.[0] ?? ""),
    workspace: (typeof workspaces === "string" ? workspaces : workspaces?.[0]) ?? defaultWorkspace,
    organization: "org_emulator",
    rateLimit: options.requestsPerMinute === undefined ? undefined : RateLimit.make(options.requestsPerMinute),
    faults: Faults.make(options.faults ?? []),
    tokens: Tokens.make(options.credentials ?? {}),
    requests: makeRequests(options.maxRecordedRequests ?? 10_000),
    bodyIdleTimeout: Duration.fromInputUnsafe(options.bodyIdleTimeout ?? "30 seconds"),
    adminRoute: options.adminRoute ?? false,
    offset: { millis: 0 }
  }
})

/** Forgets files, batches, requests, faults, rules and what `advance` added. */
export const reset = (state: State) =>
  Effect.gen(function*() {
    yield* state.store.clear
    state.model.batches.all.clear()
    state.model.cache.clear()
    state.model.rules.set([])
    state.requests.clear()
    state.faults.set([])
    state.tokens.reset()
    state.rateLimit?.reset()
    state.offset.millis = 0
  })
