/**
 * Profiles: credentials in files on this machine, shared with the official clients and with other processes.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { type CredentialsFailed, InvalidConfig } from "../../FilesError.ts"
import { ofLines } from "../sha256.ts"
import { excerpt, printable } from "../text.ts"
import { type Endpoint, exchange, type Granted } from "./exchange.ts"
import { credentialsFailed } from "./failed.ts"
import { assertionFile, federate, type Federation } from "./federation.ts"
import { type Disk, type Json, locked, readIfThere, readSecret, writeSecret } from "./files.ts"
import { isSameSecret, oauthBeta } from "./rotating.ts"
import { isHeaderText } from "./static.ts"
import type { Lent } from "./tokens.ts"
import { names, type Variables } from "./variables.ts"

const optional = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const common = { credentials_path: optional(Schema.String) }

const File = Schema.fromJsonString(Schema.Struct({
  base_url: optional(Schema.String),
  organization_id: optional(Schema.String),
  workspace_id: optional(Schema.String),
  authentication: Schema.Union([
    Schema.Struct({
      ...common,
      type: Schema.Literal("oidc_federation"),
      federation_rule_id: optional(Schema.String),
      service_account_id: optional(Schema.String),
      identity_token: optional(Schema.Struct({ source: Schema.Literal("file"), path: Schema.String }))
    }),
    Schema.Struct({ ...common, type: Schema.Literal("user_oauth"), client_id: optional(Schema.String) })
  ])
}))

const decode = Schema.decodeUnknownExit(File)

type Authentication =
  | { readonly _tag: "UserOAuth"; readonly clientId: string | undefined }
  | { readonly _tag: "Federation"; readonly federation: Federation }

export interface Profile {
  readonly name: string
  /** The profile, worded for a sentence. */
  readonly source: string
  readonly file: string
  readonly credentialsFile: string
  /** From the file itself, not from the environment. */
  readonly baseUrl: string | undefined
  readonly organizationId: string | undefined
  readonly workspaceId: string | undefined
  readonly authentication: Authentication
}

const isName = (name: string): boolean => /^[A-Za-z0-9_.-]+$/.test(name) && name !== "." && name !== ".."

const text = (value: string | null | undefined): string | undefined => {
  const trimmed = value?.trim()
  return trimmed === "" ? undefined : trimmed
}

/** The active profile of a folder: the name in `active_config`, else `default`. */
export const activeProfile = (disk: Disk, folder: string): Effect.Effect<string, InvalidConfig> => {
  const file = disk.path.join(folder, "active_config")
  return Effect.mapBoth(readIfThere(disk, file), {
    onFailure: (error) =>
      new InvalidConfig({
        option: "active_config",
        message: `${printable(file)} can't be read (${error.reason._tag}): check its permissions.`
      }),
    onSuccess: (name) => text(name) ?? "default"
  })
}

/**
 * Reads a profile, and fills its missing fields from the environment. `undefined` if there is no such file.
 *
 * @param option the option or variable that named it, for errors
 */
export const readProfile = Effect.fnUntraced(function*(
  disk: Disk,
  folder: string,
  name: string,
  variables: Variables,
  option: string
): Effect.fn.Return<Profile | undefined, InvalidConfig> {
  const invalid = (message: string) => new InvalidConfig({ option, message })
  if (!isName(name)) {
    return yield* invalid(
      `“${printable(name)}” is not the name of a profile; expected only letters, digits, "_", "." and "-".`
    )
  }
  const source = `the profile ${name}`
  const file = disk.path.join(folder, "configs", `${name}.json`)
  const content = yield* Effect.mapError(
    readIfThere(disk, file),
    (error) =>
      invalid(`The file of ${source}, ${printable(file)}, can't be read (${error.reason._tag}): check its permissions.`)
  )
  if (content === undefined) return undefined
  const decoded = decode(content)
  if (Exit.isFailure(decoded)) {
    const issue = Option.match(Exit.findErrorOption(decoded), { onNone: () => "", onSome: (error) => error.message })
    return yield* invalid(
      `The file of ${source}, ${printable(file)}, is invalid (${excerpt(issue)}): correct it, or log in again.`
    )
  }
  const { authentication, base_url, organization_id, workspace_id } = decoded.value
  const shared = {
    name,
    source,
    file,
    credentialsFile: text(authentication.credentials_path) ?? disk.path.join(folder, "credentials", `${name}.json`),
    baseUrl: text(base_url),
    organizationId: text(organization_id) ?? variables.organizationId,
    workspaceId: text(workspace_id) ?? variables.workspaceId
  }
  if (authentication.type === "user_oauth") {
    return { ...shared, authentication: { _tag: "UserOAuth", clientId: text(authentication.client_id) } }
  }
  const ruleId = text(authentication.federation_rule_id) ?? variables.ruleId
  const tokenFile = text(authentication.identity_token?.path) ?? variables.identityTokenFile
  const { identityToken } = variables
  const assertion = tokenFile === undefined
    ? identityToken && Effect.succeed(identityToken)
    : assertionFile(disk, source, tokenFile)
  const missing = (field: string, name: string) =>
    invalid(`${source} names no ${field}: write it into ${printable(file)}, or set ${name}.`)
  if (ruleId === undefined) return yield* missing("federation_rule_id", names.ruleId)
  if (shared.organizationId === undefined) return yield* missing("organization_id", names.organizationId)
  if (assertion === undefined) return yield* missing("identity_token", names.identityTokenFile)
  return {
    ...shared,
    authentication: {
      _tag: "Federation",
      federation: {
        source,
        ruleId,
        organizationId: shared.organizationId,
        serviceAccountId: text(authentication.service_account_id) ?? variables.serviceAccountId,
        workspaceId: shared.workspaceId,
        assertion
      }
    }
  }
})

/** The content of a credentials file. */
interface Stored {
  readonly json: Json
  readonly accessToken: Redacted.Redacted<string>
  readonly expiresAt: number | undefined
  readonly refreshToken: Redacted.Redacted<string> | undefined
}

const string = (value: unknown): string | undefined => Predicate.isString(value) ? text(value) : undefined

const storedOf = (
  { credentialsFile, source }: Profile,
  json: Json
): Effect.Effect<Stored, CredentialsFailed> => {
  const accessToken = string(json["access_token"])
  const expires = json["expires_at"] ?? undefined
  const refreshToken = string(json["refresh_token"])
  const broken = (what: string) =>
    Effect.fail(credentialsFailed(source, `${printable(credentialsFile)} ${what}: log in again.`))
  if (accessToken === undefined) return broken("has no access_token")
  if (!isHeaderText(accessToken)) return broken("has an access_token with characters that a header can't hold")
  if (expires !== undefined && !(Predicate.isNumber(expires) && Number.isFinite(expires))) {
    return broken("has an expires_at that is not a number of seconds")
  }
  return Effect.succeed({
    json,
    accessToken: Redacted.make(accessToken),
    expiresAt: expires === undefined ? undefined : expires * 1000,
    refreshToken: refreshToken === undefined ? undefined : Redacted.make(refreshToken)
  })
}

/** A stored token that expires sooner than this is not used. Milliseconds. */
const reserve = 30_000

/** The token that no longer serves, if there is one. */
type Instead = Redacted.Redacted<string> | undefined

const serves = ({ accessToken, expiresAt }: Stored, instead: Instead, now: number): boolean =>
  (instead === undefined || !isSameSecret(accessToken, instead))
  && (expiresAt === undefined || expiresAt - now > reserve)

const lend = (
  { accessToken, expiresAt }: Pick<Stored, "accessToken" | "expiresAt">
): Lent<Redacted.Redacted<string>> => ({ value: accessToken, expiresAt })

const mark = "effect_anthropic_files"

/** The new content of a credentials file, with its other fields kept. */
const merged = (json: Json, granted: Granted, more: Json = {}): Json => ({
  version: "1.0",
  type: "oauth_token",
  ...json,
  access_token: Redacted.value(granted.accessToken),
  expires_at: Math.floor(granted.expiresAt / 1000),
  ...(granted.refreshToken === undefined ? undefined : { refresh_token: Redacted.value(granted.refreshToken) }),
  ...more
})

const save = (disk: Disk, file: string, json: Json) =>
  Effect.retry(writeSecret(disk, file, json), Schedule.upTo(Schedule.spaced("100 millis"), { times: 2 }))

/** What to do about a profile whose login no longer serves, as the end of a sentence. */
export const loginAdvice = "log in again, for example with ant auth login"

/** A refresh token is spent when its exchange begins, so an interruption must not lose the new one. */
const toItsEnd = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.uninterruptible(Effect.flatMap(Effect.forkDetach(effect), Fiber.join))

/** Another process may have spent the same refresh token, and may be about to write the new one. */
const rereads = Schedule.upTo(Schedule.exponential("50 millis"), { times: 5 })

interface LoginFile {
  readonly read: Effect.Effect<Stored, CredentialsFailed>
  /** Writes what was granted for a refresh token that is now spent. */
  readonly write: (stored: Stored, spent: Redacted.Redacted<string>, granted: Granted) => Effect.Effect<void>
}

/** The credentials file of a login. A grant that can't be written to it is kept in memory. */
const loginFile = (disk: Disk, profile: Profile): LoginFile => {
  const { credentialsFile, source } = profile
  let unsaved: { readonly spent: Redacted.Redacted<string>; readonly granted: Granted } | undefined

  const read = Effect.gen(function*() {
    const json = yield* readSecret(disk, source, credentialsFile)
    if (json === undefined) {
      return yield* credentialsFailed(
        source,
        `There is no credentials file ${printable(credentialsFile)}: ${loginAdvice}.`
      )
    }
    const stored = yield* storedOf(profile, json)
    if (unsaved === undefined || stored.refreshToken === undefined) return stored
    if (!isSameSecret(stored.refreshToken, unsaved.spent)) {
      unsaved = undefined
      return stored
    }
    const { granted } = unsaved
    return { ...granted, json: merged(json, granted), refreshToken: granted.refreshToken ?? stored.refreshToken }
  })

  const write: LoginFile["write"] = (stored, spent, granted) =>
    Effect.matchEffect(save(disk, credentialsFile, merged(stored.json, granted)), {
      onSuccess: () =>
        Effect.sync(() => {
          unsaved = undefined
        }),
      onFailure: (error) => {
        const before = unsaved?.spent
        unsaved = { spent: before ?? spent, granted: { ...granted, refreshToken: granted.refreshToken ?? spent } }
        return Effect.logWarning(
          `${printable(credentialsFile)} can't be written (${error.reason._tag}): the renewed token of ${source} is `
            + "kept in memory, and is lost when this process ends."
        )
      }
    })

  return { read, write }
}

type Acquired = Effect.Effect<Lent<Redacted.Redacted<string>>, CredentialsFailed>

/** A token that can't be renewed serves until it expires. */
const withoutRenewal = (
  { file, source }: Profile,
  clientId: string | undefined,
  stored: Stored,
  now: number
): Acquired =>
  stored.expiresAt === undefined || stored.expiresAt > now
    ? Effect.succeed(lend(stored))
    : Effect.fail(credentialsFailed(
      source,
      `The token of ${source} has expired and can't be renewed, since there is no ${
        clientId === undefined ? `client_id in ${printable(file)}` : "refresh token"
      }: log in again.`
    ))

const userOAuth = (disk: Disk, endpoint: Endpoint, profile: Profile, clientId: string | undefined) => {
  const { credentialsFile, source } = profile
  const { read, write } = loginFile(disk, profile)

  const spend = (stored: Stored, refreshToken: Redacted.Redacted<string>, clientId: string): Acquired =>
    exchange(endpoint, {
      source,
      // The token endpoint refuses a refresh that has the beta of federation.
      betas: oauthBeta,
      fields: { grant_type: "refresh_token", refresh_token: refreshToken, client_id: clientId },
      hint: () => loginAdvice
    }).pipe(
      Effect.tap((granted) => write(stored, refreshToken, granted)),
      Effect.map(lend)
    )

  /** The token in the file, if it serves. */
  const current = (stored: Stored, instead: Instead) =>
    Effect.map(Clock.currentTimeMillis, (now) => serves(stored, instead, now) ? lend(stored) : undefined)

  const renew = (instead: Instead): Acquired =>
    Effect.gen(function*() {
      const stored = yield* read
      const found = yield* current(stored, instead)
      if (found !== undefined) return found
      const { refreshToken } = stored
      if (clientId === undefined || refreshToken === undefined) {
        return yield* withoutRenewal(profile, clientId, stored, yield* Clock.currentTimeMillis)
      }

      const again = (error: CredentialsFailed) =>
        Effect.gen(function*() {
          const stored = yield* read
          const found = yield* current(stored, instead)
          if (found !== undefined) return found
          if (stored.refreshToken === undefined || isSameSecret(stored.refreshToken, refreshToken)) return yield* error
          return yield* spend(stored, stored.refreshToken, clientId)
        })
      return yield* Effect.catch(spend(stored, refreshToken, clientId), (error) => {
        const isSpent = error.status === 400 || error.status === 401
        return isSpent
          ? Effect.retry(again(error), { schedule: rereads, while: (latest) => latest === error })
          : Effect.fail(error)
      })
    })

  return Effect.fnUntraced(function*(instead: Instead): Effect.fn.Return<
    Lent<Redacted.Redacted<string>>,
    CredentialsFailed
  > {
    const stored = yield* read
    const found = yield* current(stored, instead)
    if (found !== undefined) return found
    if (clientId === undefined || stored.refreshToken === undefined) {
      return yield* withoutRenewal(profile, clientId, stored, yield* Clock.currentTimeMillis)
    }
    const settled = Effect.orElseSucceed(Effect.flatMap(read, (stored) => current(stored, instead)), () => undefined)
    return yield* toItsEnd(locked(disk, credentialsFile, settled, renew(instead)))
  })
}

/** The tokens of federation are cached in the credentials file, if it can be read and written. */
const federated = (disk: Disk, endpoint: Endpoint, profile: Profile, federation: Federation) => {
  const { credentialsFile, source } = profile
  const { organizationId, ruleId, serviceAccountId, workspaceId } = federation
  // A token that was issued for another rule or workspace does not belong to this profile, even at the same path.
  const configuration = ofLines(
    endpoint.baseUrl,
    organizationId,
    ruleId,
    serviceAccountId ?? "",
    workspaceId ?? ""
  ).slice(0, 32)

  const cached = readSecret(disk, source, credentialsFile).pipe(
    Effect.flatMap((json) => json === undefined ? Effect.undefined : storedOf(profile, json)),
    Effect.catch((error) =>
      Effect.as(Effect.logDebug("A cached token can't be read", { reason: error.message }), undefined)
    )
  )

  return Effect.fnUntraced(function*(instead: Instead): Effect.fn.Return<
    Lent<Redacted.Redacted<string>>,
    CredentialsFailed
  > {
    const stored = yield* cached
    const kept = stored?.json[mark]
    const isOwn = kept === undefined || kept === configuration
    if (stored !== undefined && isOwn && serves(stored, instead, yield* Clock.currentTimeMillis)) return lend(stored)
    const granted = yield* federate(endpoint, federation)
    yield* Effect.catch(
      save(disk, credentialsFile, merged(stored?.json ?? {}, granted, { [mark]: configuration })),
      (error) => Effect.logDebug("A token can't be cached", { reason: error.reason._tag })
    )
    return lend(granted)
  })
}

/** Obtains a profile's token, and a new one if the given one no longer serves. */
export const acquireOf = (
  disk: Disk,
  endpoint: Endpoint,
  profile: Profile
): (instead: Instead) => Effect.Effect<Lent<Redacted.Redacted<string>>, CredentialsFailed> => {
  const { authentication } = profile
  return authentication._tag === "UserOAuth"
    ? userOAuth(disk, endpoint, profile, authentication.clientId)
    : federated(disk, endpoint, profile, authentication.federation)
}
