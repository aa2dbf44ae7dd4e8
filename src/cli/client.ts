/**
 * The client, made from the flags and the environment.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Credentials from "../Credentials.ts"
import type { InvalidConfig, PolicyFailed } from "../FilesError.ts"
import * as NodeFiles from "../NodeFiles.ts"
import * as Policy from "../Policy.ts"
import { Settings } from "./settings.ts"

export type Services = NodeFiles.Services

/** The credentials that the flags and the environment give. */
export const credentials = Effect.gen(function*() {
  const { allowPlainHttp, baseUrl, platform, profile, workspaceId } = yield* Settings
  const common = { baseUrl, allowPlainHttp }
  if (platform === "aws") {
    const { layer } = yield* Effect.promise(() => import("../platform/Aws.ts"))
    return layer({ ...common, workspaceId })
  }
  if (platform === "google-cloud") {
    const { layer } = yield* Effect.promise(() => import("../platform/GoogleCloud.ts"))
    return layer({ ...common, workspaceId })
  }
  if (platform === "foundry") {
    const { layer } = yield* Effect.promise(() => import("../platform/Foundry.ts"))
    return layer(common)
  }
  return profile === undefined
    ? Credentials.fromEnvironment(common)
    : Credentials.profile({ ...common, name: profile })
})

/** The options of the policies that the flags give. */
export const policyOptions = (
  { concurrency, requestsPerMinute, retries }: Settings["Service"]
): Policy.StandardOptions => ({
  retry: { times: retries },
  concurrency: Math.max(16, concurrency),
  ...(requestsPerMinute === undefined ? undefined : { rateLimit: { requestsPerMinute } })
})

export const layerWith = (
  policy: Policy.Policy
): Layer.Layer<NodeFiles.Services, InvalidConfig | PolicyFailed, Settings> =>
  Layer.unwrap(Effect.gen(function*() {
    const { allowPlainHttp, baseUrl, dialect, idleTimeout, platform, profile, workspaceId } = yield* Settings
    const options = { allowPlainHttp, dialect, idleTimeout }
    const ownApi = { ...options, baseUrl, workspaceId }
    if (platform === "anthropic" && profile === undefined) return NodeFiles.layerConfig(ownApi, policy)
    return NodeFiles.layerCredentials(yield* credentials, platform === "anthropic" ? ownApi : options, policy)
  }))

export const layer: Layer.Layer<NodeFiles.Services, InvalidConfig | PolicyFailed, Settings> = Layer.unwrap(
  Effect.map(Settings, (settings) => layerWith(Policy.standard(policyOptions(settings))))
)
