/**
 * Workload identity: exchanges another issuer's token for an access token.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { CredentialsFailed } from "../../FilesError.ts"
import { printable } from "../text.ts"
import { type Endpoint, exchange, type Granted } from "./exchange.ts"
import { credentialsFailed } from "./failed.ts"
import { type Disk, readIfThere } from "./files.ts"
import { oauthBeta } from "./rotating.ts"

export interface Federation {
  readonly source: string
  readonly ruleId: string
  readonly organizationId: string
  readonly serviceAccountId: string | undefined
  readonly workspaceId: string | undefined
  /** The other issuer's token, obtained for each exchange. */
  readonly assertion: Effect.Effect<Redacted.Redacted<string>, CredentialsFailed>
}

const betas = `${oauthBeta},oidc-federation-2026-04-01`

const maxAssertionLength = 16_384

/** One exchange. */
export const federate = (endpoint: Endpoint, federation: Federation): Effect.Effect<Granted, CredentialsFailed> =>
  Effect.flatMap(federation.assertion, (given) => {
    const assertion = Redacted.value(given).trim()
    const { organizationId, ruleId, serviceAccountId, source, workspaceId } = federation
    if (assertion === "") {
      return Effect.fail(credentialsFailed(source, "The identity token is empty: check where it comes from."))
    }
    if (assertion.length > maxAssertionLength) {
      return Effect.fail(credentialsFailed(
        source,
        `The identity token has ${assertion.length} characters; the token endpoint accepts at most ${maxAssertionLength}.`
      ))
    }
    return exchange(endpoint, {
      source,
      betas,
      fields: {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: Redacted.make(assertion),
        federation_rule_id: ruleId,
        organization_id: organizationId,
        service_account_id: serviceAccountId,
        workspace_id: workspaceId
      },
      hint: () =>
        `check that the rule ${ruleId} accepts such a token${
          workspaceId === undefined ? ", name the workspace if the rule has several" : ""
        }, and look at its events in the Console`
    })
  })

/** Platforms replace their token files from time to time, some of them not atomically. */
const untilReplaced = Schedule.upTo(Schedule.spaced("100 millis"), { times: 3 })

/** An identity token from a file, which is read each time. */
export const assertionFile = (
  disk: Disk,
  source: string,
  file: string
): Effect.Effect<Redacted.Redacted<string>, CredentialsFailed> => {
  const failed = (what: string) => credentialsFailed(source, `The identity token file ${printable(file)} ${what}.`)
  return readIfThere(disk, file).pipe(
    Effect.mapError((error) => failed(`can't be read (${error.reason._tag}): check its permissions`)),
    Effect.flatMap((text) => {
      if (text === undefined) return Effect.fail(failed("does not exist: check its path"))
      return text.trim() === ""
        ? Effect.fail(failed("is empty: check what writes it"))
        : Effect.succeed(Redacted.make(text.trim()))
    }),
    Effect.retry(untilReplaced)
  )
}
