/**
 * Chooses the credential in an environment: the first one found, in the order of the official clients.
 */
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { InvalidConfig } from "../../FilesError.ts"
import { fixableConfig } from "../advice.ts"
import { parseCustomHeaders } from "../request/customHeaders.ts"
import { printable } from "../text.ts"
import { assertionFile, type Federation } from "./federation.ts"
import { configFolder, type Disk } from "./files.ts"
import { activeProfile, type Profile, readProfile } from "./profile.ts"
import type { Shape } from "./service.ts"
import { type EndpointOptions, ofFederation, ofProfile } from "./sources.ts"
import * as Static from "./static.ts"
import { names, type Variables } from "./variables.ts"

export interface Place {
  readonly variables: Variables
  /** `undefined` if the runtime has no file system. */
  readonly disk: Disk | undefined
}

/** A place where a credential may be. */
export interface Candidate {
  /** The place, worded for a sentence. */
  readonly source: string
  /** Why there is a credential, or why not. */
  readonly detail: string
  /** Makes the credentials, if there are any. */
  readonly found: ((client: HttpClient.HttpClient, options: EndpointOptions) => Made) | undefined
}

type Made = Effect.Effect<Shape, InvalidConfig, Scope.Scope>

const absent = (source: string, detail: string): Candidate => ({ source, detail, found: undefined })

const invalid = (option: string, message: string) => new InvalidConfig({ option, message })

const customHeaders = ({ variables }: Place): Effect.Effect<Candidate, InvalidConfig> => {
  const source = `a header in ${names.customHeaders}`
  if (variables.customHeaders === undefined) return Effect.succeed(absent(source, "the variable is not set"))
  return Effect.map(parseCustomHeaders(Redacted.value(variables.customHeaders)), (headers) => {
    const given = Object.entries(headers).filter(([name]) => Static.credentialHeaders.has(name.toLowerCase()))
    if (given.length === 0) return absent(source, "none of its headers is a credential")
    const option = names.customHeaders
    return {
      source,
      detail: `it sets ${given.map(([name]) => name.toLowerCase()).join(" and ")}`,
      found: (_, { identity }) => Effect.succeed(Static.byHand(Object.fromEntries(given), { option, identity, source }))
    }
  })
}

const apiKey = ({ variables }: Place): Candidate => {
  const key = variables.apiKey
  const source = names.apiKey
  return key === undefined ? absent(source, "the variable is not set") : {
    source,
    detail: "the variable is set",
    found: (_, { identity }) => Static.apiKey(key, { option: names.apiKey, identity })
  }
}

const authToken = ({ variables }: Place): Candidate => {
  const token = variables.authToken
  const source = names.authToken
  return token === undefined ? absent(source, "the variable is not set") : {
    source,
    detail: "the variable is set",
    found: (_, { identity }) => Static.bearer(token, { option: names.authToken, identity })
  }
}

const noFiles = "there is no file system: provide a FileSystem and a Path to the layer"

const noFolder =
  "the environment names no folder for profiles: ANTHROPIC_CONFIG_DIR, XDG_CONFIG_HOME and HOME are unset"

const profileCandidate = (place: Place, disk: Disk, profile: Profile, detail: string): Candidate => ({
  source: profile.source,
  detail,
  found: (client, options) => ofProfile(client, disk, profile, place.variables, options)
})

/**
 * A profile that was requested by name. If it does not exist, that is an error, and nothing else is tried.
 */
export const namedProfile = Effect.fnUntraced(function*(
  { disk, variables }: Place,
  name: string,
  option: string,
  folder?: string
): Effect.fn.Return<{ readonly disk: Disk; readonly profile: Profile }, InvalidConfig> {
  const why = `The profile ${printable(name)} (${option}) can't be read:`
  if (disk === undefined) return yield* invalid(option, `${why} ${noFiles}.`)
  const home = folder ?? configFolder(disk, variables)
  if (home === undefined) return yield* invalid(option, `${why} ${noFolder}.`)
  const profile = yield* readProfile(disk, home, name, variables, option)
  if (profile !== undefined) return { disk, profile }
  return yield* invalid(
    option,
    `There is no profile ${printable(name)} (${option}): ${
      printable(disk.path.join(home, "configs", `${name}.json`))
    } does not exist. Log in, for example with ant auth login, or name another profile.`
  )
})

const profileVariable = (place: Place): Effect.Effect<Candidate, InvalidConfig> => {
  const name = place.variables.profile
  return name === undefined
    ? Effect.succeed(absent(`the profile in ${names.profile}`, "the variable is not set"))
    : Effect.map(
      namedProfile(place, name, names.profile),
      ({ disk, profile }) => profileCandidate(place, disk, profile, `${names.profile} names ${printable(profile.file)}`)
    )
}

const federationNames =
  `${names.ruleId}, ${names.organizationId} and ${names.identityTokenFile} or ${names.identityToken}`

const federation = ({ disk, variables }: Place): Effect.Effect<Candidate, InvalidConfig> => {
  const source = "the federation in the environment"
  const { identityToken, identityTokenFile, organizationId, ruleId, serviceAccountId, workspaceId } = variables
  if (ruleId === undefined || organizationId === undefined) {
    return Effect.succeed(absent(source, `${federationNames} are not all set`))
  }
  const assertion = identityTokenFile === undefined
    ? identityToken && Effect.succeed(identityToken)
    : disk && assertionFile(disk, source, identityTokenFile)
  if (assertion === undefined) {
    return identityTokenFile === undefined
      ? Effect.succeed(absent(source, `neither ${names.identityTokenFile} nor ${names.identityToken} is set`))
      : Effect.fail(invalid(names.identityTokenFile, `The identity token can't be read: ${noFiles}.`))
  }
  const parts: Federation = { source, ruleId, organizationId, serviceAccountId, workspaceId, assertion }
  return Effect.succeed({
    source,
    detail: `${names.ruleId}, ${names.organizationId} and ${
      identityTokenFile === undefined ? names.identityToken : names.identityTokenFile
    } are set`,
    found: (client, options) => ofFederation(client, parts, variables, options)
  })
}

const defaultProfile = (place: Place): Effect.Effect<Candidate, InvalidConfig> =>
  Effect.gen(function*() {
    const { disk, variables } = place
    const source = "the active profile"
    if (disk === undefined) return absent(source, noFiles)
    const folder = configFolder(disk, variables)
    if (folder === undefined) return absent(source, noFolder)
    const name = yield* activeProfile(disk, folder)
    const profile = yield* readProfile(disk, folder, name, variables, "active_config")
    return profile === undefined
      ? absent(source, `${printable(disk.path.join(folder, "configs", `${name}.json`))} does not exist`)
      : profileCandidate(place, disk, profile, `${printable(profile.file)} is the active profile`)
  })

/** All places in the order in which they are tried. Each fails by itself if its credential is invalid. */
export const candidates = (
  place: Place
): ReadonlyArray<readonly [source: string, candidate: Effect.Effect<Candidate, InvalidConfig>]> => [
  [names.customHeaders, customHeaders(place)],
  [names.apiKey, Effect.succeed(apiKey(place))],
  [names.authToken, Effect.succeed(authToken(place))],
  [names.profile, profileVariable(place)],
  ["the federation in the environment", federation(place)],
  ["the active profile", defaultProfile(place)]
]

/** The error if no credential was found. */
export const nothing = ({ variables }: Place): InvalidConfig => {
  const { organizationId, ruleId } = variables
  return ruleId !== undefined && organizationId !== undefined
    ? invalid(
      names.identityTokenFile,
      `${names.ruleId} and ${names.organizationId} are set, but no identity token: set ${names.identityTokenFile} or ${names.identityToken}.`
    )
    : fixableConfig("apiKey", "There is no credential", [
      `set ${names.apiKey} (or ${names.authToken})`,
      "log in to a profile"
    ])
}

const warned = new Set<string>()

/** The first credential found. Warns once if a key or a token that is also set is not used. */
export const choose = Effect.fnUntraced(function*(place: Place): Effect.fn.Return<Candidate, InvalidConfig> {
  for (const [, looked] of candidates(place)) {
    const candidate = yield* looked
    if (candidate.found === undefined) continue
    const hidden = [[names.apiKey, place.variables.apiKey], [names.authToken, place.variables.authToken]] as const
    const others = hidden.flatMap(([name, value]) => value === undefined || name === candidate.source ? [] : [name])
    const isStatic = [names.apiKey, names.authToken].some((name) => candidate.source.endsWith(name))
      || candidate.source.endsWith(names.customHeaders)
    const message = `${candidate.source} is used, and ${
      others.join(" and ")
    } is not: unset the one that you don't need.`
    if (isStatic && others.length > 0 && !warned.has(message)) {
      warned.add(message)
      yield* Effect.logWarning(message)
    }
    return candidate
  }
  return yield* nothing(place)
})
