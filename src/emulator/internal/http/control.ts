/**
 * Controls an emulator, in code and over the admin route.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { FileId } from "../../../FileMetadata.ts"
import type { Fault } from "../../Fault.ts"
import type { Rule } from "../../Rule.ts"
import type { FileRecord, StoreFailed } from "../../Store.ts"
import type { Armed } from "../faults.ts"
import * as MimeType from "../files/mimeType.ts"
import type { Counted } from "../model/rules.ts"
import * as Random from "../random.ts"
import type { RecordedRequest } from "./requestLog.ts"
import * as State from "./state.ts"
import type { IssuedToken, Workspaces } from "./tokens.ts"

/** A file that is stored without an upload. */
export interface SeedFile {
  readonly filename: string
  /** @default empty */
  readonly content?: Uint8Array | string | undefined
  /** @default detected from the name and the content */
  readonly mimeType?: string | undefined
  /** `true` for a file that a tool or a skill created. @default false */
  readonly downloadable?: boolean | undefined
  /** Counted from `createdAt`: with an early `createdAt`, the file has already expired. @default never */
  readonly expiresIn?: Duration.Input | undefined
  /** @default now */
  readonly createdAt?: DateTime.Utc | undefined
  /** The session that the file belongs to. @default none */
  readonly scope?: { readonly id: string; readonly type: string } | undefined
  /** @default none */
  readonly purpose?: string | undefined
  /** @default the workspace of `apiKey` */
  readonly workspace?: string | undefined
  /** @default a new one */
  readonly id?: string | undefined
}

/** Options of an access token that is issued without an exchange. */
export interface TokenOptions {
  /** The workspaces that it reaches. @default the workspace of `apiKey` */
  readonly workspaces?: Workspaces | undefined
  /** How long it is valid; `null` means for ever. @default the emulator's `credentials.tokenLifetime` */
  readonly lifetime?: Duration.Input | null | undefined
}

/**
 * A file could not be copied into a session.
 *
 * - `NotFound`: there is no such file.
 * - `Expired`: its content is gone.
 * - `SessionFull`: the session has 500 files already.
 */
export class MountFailed
  extends Schema.TaggedError<MountFailed>("effect-anthropic-files/emulator/MountFailed")("MountFailed", {
    reason: Schema.Literals(["NotFound", "Expired", "SessionFull"]),
    message: Schema.String
  })
{}

/** The documented limit of the service. */
const maxFilesPerSession = 500

/** The control surface of an emulator. */
export interface Control {
  readonly apiKey: Redacted.Redacted<string>
  /** The workspace that `apiKey` reaches. */
  readonly workspace: string
  /** The organization of all workspaces. A federation has to name it. */
  readonly organization: string
  /** The requests so far, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** All files of all workspaces, newest first. */
  readonly files: Effect.Effect<ReadonlyArray<FileRecord>, StoreFailed>
  /** The bytes of any file, downloadable or not; `undefined` for one that does not exist. */
  readonly content: (id: string) => Effect.Effect<Uint8Array | undefined, StoreFailed>
  /** Stores a file without an upload. */
  readonly seed: (file: SeedFile) => Effect.Effect<FileRecord, StoreFailed>
  /**
   * Copies a file into a session, like mounting it there: the copy has an id and a `created_at` of its own, can't be
   * downloaded, doesn't count towards the quota, and outlives its upload.
   */
  readonly mount: (id: string, session: string) => Effect.Effect<FileRecord, MountFailed | StoreFailed>
  /** All faults, including those that are used up. */
  readonly faults: Effect.Effect<ReadonlyArray<Fault>>
  /** All faults, each with the number of requests that it has hit. */
  readonly armedFaults: Effect.Effect<ReadonlyArray<Armed>>
  /** Replaces all faults. */
  readonly setFaults: (faults: ReadonlyArray<Fault>) => Effect.Effect<void>
  /** Adds a fault after the others. */
  readonly addFault: (fault: Fault) => Effect.Effect<void>
  /** All rules, including those that are used up. */
  readonly rules: Effect.Effect<ReadonlyArray<Rule>>
  /** All rules, each with the number of requests that it has answered. */
  readonly countedRules: Effect.Effect<ReadonlyArray<Counted>>
  /** Replaces all rules. */
  readonly setRules: (rules: ReadonlyArray<Rule>) => Effect.Effect<void>
  /** Adds a rule after the others. */
  readonly addRule: (rule: Rule) => Effect.Effect<void>
  /** The access tokens that were issued, oldest first, expired and revoked ones included. */
  readonly tokens: Effect.Effect<ReadonlyArray<IssuedToken>>
  /** Issues an access token and a refresh token without an exchange. */
  readonly issueToken: (options?: TokenOptions) => Effect.Effect<IssuedToken>
  /** Expires an access token now; without an argument, all of them. Their refresh tokens stay valid. */
  readonly expireTokens: (token?: string) => Effect.Effect<void>
  /** Refuses an access token or a refresh token from now on; without an argument, all access tokens. */
  readonly revokeTokens: (token?: string) => Effect.Effect<void>
  /** The emulator's time, in milliseconds since 1970. */
  readonly now: Effect.Effect<number>
  /** Moves the emulator's time forward: files and tokens expire, batches end, rate limits refill. */
  readonly advance: (duration: Duration.Input) => Effect.Effect<void>
  /** Forgets files, batches, requests, faults, rules, tokens and what `advance` added. */
  readonly reset: Effect.Effect<void, StoreFailed>
}

const nowOf = ({ offset }: State.State): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (millis) => millis + offset.millis)

const seed = Effect.fnUntraced(function*(state: State.State, file: SeedFile) {
  const { store } = state
  const at = yield* nowOf(state)
  const content = typeof file.content === "string"
    ? new TextEncoder().encode(file.content)
    : (file.content ?? new Uint8Array(0)).slice()
  const createdAt = file.createdAt?.epochMilliseconds ?? at
  const expiresAt = file.expiresIn === undefined
    ? null
    : createdAt + Duration.toMillis(Duration.fromInputUnsafe(file.expiresIn))
  const staging = yield* store.stage
  if (content.byteLength > 0) yield* staging.write(content)
  const stored = yield* staging.commit({
    id: FileId.make(file.id ?? (yield* Random.identifier("file"))),
    workspace: file.workspace ?? state.workspace,
    filename: file.filename,
    mimeType: file.mimeType ?? MimeType.detect(file.filename, content.subarray(0, 512)),
    createdAt,
    expiresAt,
    downloadable: file.downloadable ?? false,
    scope: file.scope ?? null,
    countsForQuota: true,
    purpose: file.purpose ?? null
  })
  yield* store.sweep(at)
  return (yield* store.get(stored.id)) ?? stored
}, Effect.scoped)

/** The file, if it can be copied into the session. */
const mountable = Effect.fnUntraced(function*(state: State.State, id: string, session: string) {
  const { store } = state
  const file = yield* store.get(id)
  if (file === undefined) return yield* new MountFailed({ reason: "NotFound", message: `File not found: ${id}` })
  if (file.expired) return yield* new MountFailed({ reason: "Expired", message: `File ${id} has expired.` })
  const { records } = yield* store.page({ workspace: file.workspace, scopeId: session, limit: maxFilesPerSession })
  if (records.length < maxFilesPerSession) return file
  return yield* new MountFailed({
    reason: "SessionFull",
    message: `Session ${session} has ${maxFilesPerSession} files already. Mount the file into another session.`
  })
})

const mount = Effect.fnUntraced(function*(state: State.State, id: string, session: string) {
  const { store } = state
  const at = yield* nowOf(state)
  yield* store.sweep(at)
  const file = yield* mountable(state, id, session)
  const content = yield* store.read(file)
  const staging = yield* store.stage
  // A store takes over the chunks that it is given, and the one in memory gives out its own: they are copied.
  yield* Stream.runForEach(content, (chunk) => staging.write(chunk.slice()))
  return yield* staging.commit({
    id: FileId.make(yield* Random.identifier("file")),
    workspace: file.workspace,
    filename: file.filename,
    mimeType: file.mimeType,
    createdAt: at,
    expiresAt: null,
    downloadable: false,
    scope: { id: session, type: "session" },
    countsForQuota: false,
    purpose: null
  })
}, Effect.scoped)

const issueToken = Effect.fnUntraced(function*(state: State.State, { lifetime, workspaces }: TokenOptions = {}) {
  const reached = workspaces ?? state.workspace
  return yield* state.tokens.issue(
    yield* nowOf(state),
    typeof reached === "string" ? [reached] : reached,
    lifetime === undefined || lifetime === null ? lifetime : Duration.toMillis(Duration.fromInputUnsafe(lifetime))
  )
})

const contentOf = Effect.fnUntraced(function*({ store }: State.State, id: string) {
  const file = yield* store.get(id)
  return file === undefined ? undefined : Bytes.concat(yield* Stream.runCollect(yield* store.read(file)))
}, Effect.scoped)

export const make = (state: State.State): Control => {
  const { model, store, tokens } = state
  const now = nowOf(state)
  return {
    apiKey: state.apiKey,
    workspace: state.workspace,
    organization: state.organization,
    requests: Effect.sync(() => state.requests.list()),
    files: now.pipe(
      Effect.flatMap(store.sweep),
      Effect.andThen(store.all),
      Effect.map((files) => [...files].sort((a, b) => b.sequence - a.sequence))
    ),
    content: (id) => contentOf(state, id),
    seed: (file) => seed(state, file),
    mount: (id, session) => mount(state, id, session),
    armedFaults: Effect.sync(() => state.faults.list()),
    faults: Effect.sync(() => state.faults.list().map(({ fault }) => fault)),
    setFaults: (faults) => Effect.sync(() => state.faults.set(faults)),
    addFault: (fault) => Effect.sync(() => state.faults.add(fault)),
    rules: Effect.sync(() => model.rules.list().map(({ rule }) => rule)),
    countedRules: Effect.sync(() => model.rules.list()),
    setRules: (rules) => Effect.sync(() => model.rules.set(rules)),
    addRule: (rule) => Effect.sync(() => model.rules.add(rule)),
    tokens: Effect.sync(tokens.list),
    issueToken: (options) => issueToken(state, options),
    expireTokens: (token) => Effect.map(now, (at) => tokens.expire(at, token)),
    revokeTokens: (token) => Effect.sync(() => tokens.revoke(token)),
    now,
    advance: (duration) =>
      Effect.sync(() => {
        state.offset.millis += Duration.toMillis(Duration.fromInputUnsafe(duration))
      }),
    reset: State.reset(state)
  }
}
