/**
 * The client that the flags and the environment ask for.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Credentials from "../Credentials.ts"
import type { InvalidConfig, PolicyFailed } from "../FilesError.ts"
import * as NodeFiles from "../NodeFiles.ts"
import * as Policy from "../Policy.ts"
import { Settings } from "./settings.ts"

export type Services = NodeFiles.Services

const platformLayer = Effect.fnUntraced(function*(settings: Settings["Service"]) {
  const options = {
    baseUrl: settings.baseUrl,
    workspaceId: settings.workspaceId,
    allowPlainHttp: settings.allowPlainHttp
  }
  if (settings.platform === "aws") {
    const { layer } = yield* Effect.promise(() => import("../platform/Aws.ts"))
    return layer(options)
  }
  if (settings.platform === "google-cloud") {
    const { layer } = yield* Effect.promise(() => import("../platform/GoogleCloud.ts"))
    return layer(options)
  }
  const { layer } = yield* Effect.promise(() => import("../platform/Foundry.ts"))
  return layer({ baseUrl: settings.baseUrl, allowPlainHttp: settings.allowPlainHttp })
})

export const layer: Layer.Layer<NodeFiles.Services, InvalidConfig | PolicyFailed, Settings> = Layer.unwrap(
  Effect.gen(function*() {
    const settings = yield* Settings
    const { allowPlainHttp, baseUrl, dialect, idleTimeout, profile, requestsPerMinute, workspaceId } = settings
    const policy = Policy.standard({
      retry: { times: settings.retries },
      concurrency: Math.max(16, settings.concurrency),
      ...(requestsPerMinute === undefined ? undefined : { rateLimit: { requestsPerMinute } })
    })
    if (settings.platform !== "anthropic") {
      const credentials = yield* platformLayer(settings)
      return NodeFiles.layerCredentials(credentials, { allowPlainHttp, dialect, idleTimeout }, policy)
    }
    const options = { baseUrl, workspaceId, allowPlainHttp, dialect, idleTimeout }
    return profile === undefined
      ? NodeFiles.layerConfig(options, policy)
      : NodeFiles.layerCredentials(Credentials.profile({ name: profile, baseUrl, allowPlainHttp }), options, policy)
  })
)
