/**
 * What a single call may set for itself: the workspace, the user profile, further headers.
 */
import * as Headers from "effect/http/Headers"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Operation, RequestFailed } from "../../FilesError.ts"
import { credentialHeaders } from "../credentials/static.ts"
import { filesBeta } from "../wire/constants.ts"
import { invalidRequest } from "./errors.ts"
import { headerName, headersProblem, headerValue, mayHoldSecret, reserved, type Settings } from "./options.ts"
import type { Connection } from "./send.ts"

/**
 * Options of a single call.
 */
export interface CallOptions {
  /**
   * `wrkspc_…`, for a credential that reaches several workspaces.
   *
   * @default the client's `workspaceId`
   */
  readonly workspaceId?: string | undefined
  /**
   * Sent with this call besides the client's own, and instead of one of the same name; `anthropic-beta` values are
   * added to the client's. Names are case-insensitive. The credential can't be replaced here.
   *
   * @default {}
   */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
}

/**
 * Options of a call that sends a message or creates a batch.
 */
export interface MessageCallOptions extends CallOptions {
  /**
   * The user profile on whose behalf the message is sent, as `anthropic-user-profile-id`.
   *
   * @default none
   */
  readonly userProfileId?: string | undefined
}

const betasOf = (list: string | undefined): ReadonlyArray<string> =>
  (list ?? "").split(",").map((beta) => beta.trim()).filter((beta) => beta !== "")

/** Of one call's header: what is wrong with it. */
const problemOf = (settings: Settings, name: string, value: unknown): string | undefined => {
  if (!headerName.test(name) || !Predicate.isString(value) || !headerValue.test(value)) {
    return `The header ${JSON.stringify(name)} is not one that HTTP can carry.`
  }
  if (reserved.has(name)) return `The header ${name} is set by the client itself.`
  if (credentialHeaders.has(name)) {
    return `The header ${name} carries the client's credential: make a client with another one.`
  }
  if (name === "anthropic-beta" && settings.dialect === "ga" && betasOf(value).includes(filesBeta)) {
    return `${filesBeta} selects the beta dialect: make a client with the dialect "beta" instead.`
  }
  return undefined
}

const givesNothing = ({ headers, userProfileId, workspaceId }: MessageCallOptions): boolean =>
  headers === undefined && userProfileId === undefined && workspaceId === undefined

/**
 * The connection as a call's options change it, which is the same one where they change nothing. What is wrong with
 * them fails before anything is sent.
 */
export const withCallOptions = (
  connection: Connection,
  operation: Operation,
  options: MessageCallOptions | null | undefined
): Result.Result<Connection, RequestFailed> => {
  if (options === undefined || options === null || givesNothing(options)) return Result.succeed(connection)
  const { settings } = connection
  const given: Record<string, string> = {}
  const wrong = headersProblem(options.headers)
  if (wrong !== undefined) return Result.fail(invalidRequest(operation, "headers", wrong))
  for (const [spelled, value] of Object.entries(options.headers ?? {})) {
    if (value === undefined) continue
    const name = spelled.toLowerCase()
    const problem = problemOf(settings, name, value)
    if (problem !== undefined) return Result.fail(invalidRequest(operation, "headers", problem))
    given[name] = value.trim()
  }
  const ids = [
    ["workspaceId", "anthropic-workspace-id", "wrkspc_…", options.workspaceId],
    ["userProfileId", "anthropic-user-profile-id", "uprof_…", options.userProfileId]
  ] as const
  for (const [option, name, example, value] of ids) {
    if (value === undefined || value === null) continue
    if (!Predicate.isString(value) || !headerName.test(value.trim())) {
      const message = `${option} is ${JSON.stringify(value)}; expected for example ${example}.`
      return Result.fail(invalidRequest(operation, option, message))
    }
    given[name] = value.trim()
  }
  const names = Object.keys(given)
  if (names.length === 0) return Result.succeed(connection)
  const betas = given["anthropic-beta"]
  if (betas !== undefined) {
    const all = new Set([...betasOf(settings.headers["anthropic-beta"]), ...betasOf(betas)])
    given["anthropic-beta"] = Array.from(all).join(",")
  }
  return Result.succeed({ ...connection, settings: withHeaders(settings, given) })
}

const withHeaders = (settings: Settings, given: Readonly<Record<string, string>>): Settings => {
  const secret = Object.entries(given).filter(([name]) => mayHoldSecret(name))
  // Without the scheme in front of it too, as it may be repeated. Short ones would blank out ordinary words.
  const values = secret
    .flatMap(([, value]) => [value, ...value.split(/\s+/)])
    .filter((value) => value.length >= 8)
    .sort((a, b) => b.length - a.length)
  return {
    ...settings,
    headers: Headers.setAll(settings.headers, given),
    secretHeaders: [...settings.secretHeaders, ...secret.map(([name]) => name)],
    scrub: (text) => values.reduce((clean, value) => clean.replaceAll(value, "[redacted]"), settings.scrub(text))
  }
}
