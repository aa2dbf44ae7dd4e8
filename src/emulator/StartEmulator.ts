/**
 * The emulator for programs without Effect: promises and plain values, in the same process.
 *
 * ```ts
 * import Anthropic from "@anthropic-ai/sdk"
 * import { startEmulator } from "effect-anthropic-files/emulator/StartEmulator"
 *
 * const emulator = await startEmulator()
 * const client = new Anthropic({ apiKey: emulator.apiKey, baseURL: emulator.url })
 * await client.files.upload({ file: new File(["hello"], "hello.txt") })
 * console.log((await emulator.requests()).map((request) => request.operation))
 * await emulator.stop()
 * ```
 *
 * It needs the peers `effect` and `@effect/platform-node`, and runs on Node. For another process, or another language, start
 * the command `anthropic-files emulator` instead.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Emulator from "./Emulator.ts"
import type { Fault } from "./Fault.ts"
import * as NodeEmulator from "./NodeEmulator.ts"
import type { Rule } from "./Rule.ts"
import type { FileRecord } from "./Store.ts"

/** The options of `NodeEmulator.layerServer`, with the key as a string. */
export interface Options extends Omit<NodeEmulator.ServerOptions, "apiKey"> {
  /** @default one from a secure random source */
  readonly apiKey?: string | undefined
}

/** A file that is stored without an upload. */
export interface SeedFile extends Omit<Emulator.SeedFile, "createdAt"> {
  /** @default now */
  readonly createdAt?: Date | undefined
}

/** A running emulator. */
export interface StartedEmulator {
  /** The base URL for a client. */
  readonly url: string
  readonly apiKey: string
  /** The requests so far, oldest first. */
  readonly requests: () => Promise<ReadonlyArray<Emulator.RecordedRequest>>
  /** All files of all workspaces, newest first. */
  readonly files: () => Promise<ReadonlyArray<FileRecord>>
  /** The bytes of any file, downloadable or not; `undefined` for one that does not exist. */
  readonly content: (id: string) => Promise<Uint8Array | undefined>
  /** Stores a file without an upload. */
  readonly seed: (file: SeedFile) => Promise<FileRecord>
  /** Copies a file into a session. */
  readonly mount: (id: string, session: string) => Promise<FileRecord>
  /** The faults, each with the number of requests that it has hit. */
  readonly faults: () => Promise<ReadonlyArray<Emulator.ArmedFault>>
  /** Replaces all faults. */
  readonly setFaults: (faults: ReadonlyArray<Fault>) => Promise<void>
  /** The rules for message requests, each with the number of requests that it has answered. */
  readonly rules: () => Promise<ReadonlyArray<Emulator.CountedRule>>
  /** Replaces all rules. */
  readonly setRules: (rules: ReadonlyArray<Rule>) => Promise<void>
  /** Issues an access token and a refresh token. */
  readonly issueToken: (options?: Emulator.TokenOptions) => Promise<Emulator.IssuedToken>
  /** Expires an access token now; without an argument, all of them. */
  readonly expireTokens: (token?: string) => Promise<void>
  /** Refuses an access token or a refresh token from now on; without an argument, all access tokens. */
  readonly revokeTokens: (token?: string) => Promise<void>
  /** Moves the emulator's time forward, by milliseconds or by a text such as `"2 hours"`. */
  readonly advance: (duration: Duration.Input) => Promise<void>
  /** Forgets files, batches, requests, faults, rules, tokens and what `advance` added. */
  readonly reset: () => Promise<void>
  /** Closes the socket and every connection. A second call does nothing. */
  readonly stop: () => Promise<void>
  /** `await using emulator = await startEmulator()` stops it at the end of its block. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

const toStarted = (emulator: Emulator.Running, scope: Scope.Closeable): StartedEmulator => {
  const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)
  const stop = () => run(Scope.close(scope, Exit.void))
  return {
    url: emulator.url,
    apiKey: Redacted.value(emulator.apiKey),
    requests: () => run(emulator.requests),
    files: () => run(emulator.files),
    content: (id) => run(emulator.content(id)),
    seed: ({ createdAt, ...file }) =>
      run(emulator.seed({ ...file, createdAt: createdAt === undefined ? undefined : DateTime.makeUnsafe(createdAt) })),
    mount: (id, session) => run(emulator.mount(id, session)),
    faults: () => run(emulator.armedFaults),
    setFaults: (faults) => run(emulator.setFaults(faults)),
    rules: () => run(emulator.countedRules),
    setRules: (rules) => run(emulator.setRules(rules)),
    issueToken: (options) => run(emulator.issueToken(options)),
    expireTokens: (token) => run(emulator.expireTokens(token)),
    revokeTokens: (token) => run(emulator.revokeTokens(token)),
    advance: (duration) => run(emulator.advance(duration)),
    reset: () => run(emulator.reset),
    stop,
    [Symbol.asyncDispose]: stop
  }
}

/** Starts an emulator on a socket, on any free port of this machine. Rejects with an error that says why if it can't. */
export const startEmulator = ({ apiKey, ...options }: Options = {}): Promise<StartedEmulator> =>
  Effect.runPromise(Effect.gen(function*() {
    const scope = yield* Scope.make()
    const server = NodeEmulator.layerServer({
      ...options,
      apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey)
    })
    const context = yield* Layer.buildWithScope(server, scope).pipe(
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    return toStarted(Context.get(context, Emulator.Emulator), scope)
  }))
