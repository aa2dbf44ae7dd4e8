/**
 * The state of an emulator.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Store } from "../../Store.ts"
import type { Limits } from "../context.ts"
import * as Faults from "../faults.ts"
import * as Batches from "../model/batches.ts"
import type { Model } from "../model/model.ts"
import * as Rules from "../model/rules.ts"
import * as Auth from "./auth.ts"
import * as Options from "./options.ts"
import * as RateLimit from "./rateLimit.ts"
import * as RequestLog from "./requestLog.ts"
import * as Tokens from "./tokens.ts"

export interface State {
  readonly store: Store["Service"]
  readonly model: Model["Service"]
  readonly limits: Limits
  readonly keys: ReadonlyArray<Auth.Key>
  /** The first key. `workspace` is the first one that it reaches. */
  readonly apiKey: Redacted.Redacted<string>
  readonly workspace: string
  readonly organization: string
  readonly requestLimit: RateLimit.RateLimit | undefined
  readonly tokenLimit: RateLimit.RateLimit | undefined
  readonly faults: Faults.FaultEngine
  readonly tokens: Tokens.Tokens
  readonly requests: RequestLog.RequestLog
  readonly bodyIdleTimeout: Duration.Duration
  readonly adminRoute: boolean
  /** The time that `advance` has added to the `Clock`. */
  readonly offset: { millis: number }
}

const limitOf = (name: string, perMinute: number | undefined) =>
  perMinute === undefined ? undefined : RateLimit.make(name, perMinute)

const defaultWorkspace = "wrkspc_emulator"

export const make = Effect.fnUntraced(function*(
  options: Options.Options & { readonly adminRoute?: boolean | undefined },
  store: Store["Service"]
): Effect.fn.Return<State> {
  const given: ReadonlyArray<readonly [string, string | ReadonlyArray<string>]> = [
    ...(options.apiKey === undefined ? [] : [[Redacted.value(options.apiKey), defaultWorkspace] as const]),
    ...Object.entries(options.apiKeys ?? {})
  ]
  const keys = given.length === 0 ? [[Redacted.value(store.key), defaultWorkspace] as const] : given
  const [first] = keys
  const workspaces = first?.[1]
  return {
    store,
    model: {
      rules: Rules.make(options.rules ?? []),
      cache: new Map(),
      threads: new Map(),
      batches: {
        all: yield* Batches.restore(store),
        delayMillis: Duration.toMillis(Duration.fromInputUnsafe(options.batchDelay ?? 0))
      },
      models: options.models
    },
    limits: Options.limits(options),
    keys: keys.map(([value, workspaces]) => Auth.key(value, workspaces)),
    apiKey: Redacted.make(first?.[0] ?? ""),
    workspace: (typeof workspaces === "string" ? workspaces : workspaces?.[0]) ?? defaultWorkspace,
    organization: "org_emulator",
    requestLimit: limitOf("requests", options.requestsPerMinute),
    tokenLimit: limitOf("tokens", options.tokensPerMinute),
    faults: Faults.make(options.faults ?? []),
    tokens: Tokens.make(options.credentials ?? {}),
    requests: RequestLog.make(
      options.maxRecordedRequests ?? 10_000,
      options.maxRecordedBytes ?? 64 * 1024 * 1024
    ),
    bodyIdleTimeout: Duration.fromInputUnsafe(options.bodyIdleTimeout ?? "30 seconds"),
    adminRoute: options.adminRoute ?? false,
    offset: { millis: 0 }
  }
})

/** Forgets files, batches, requests, faults, rules, tokens and what `advance` added. */
export const reset = (state: State) =>
  Effect.gen(function*() {
    yield* state.store.clear
    state.model.batches.all.clear()
    state.model.cache.clear()
    state.model.threads.clear()
    state.model.rules.set([])
    state.requests.clear()
    state.faults.set([])
    state.tokens.reset()
    state.requestLimit?.reset()
    state.tokenLimit?.reset()
    state.offset.millis = 0
  })
