/**
 * The client that the flags and the environment ask for.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { InvalidConfig } from "../FilesError.ts"
import * as NodeFiles from "../NodeFiles.ts"
import * as Policy from "../Policy.ts"
import { Settings } from "./settings.ts"

export type Services = NodeFiles.Services

export const layer: Layer.Layer<NodeFiles.Services, InvalidConfig | Layer.Error<Policy.Policy>, Settings> = Layer
  .unwrap(
    Effect.map(Settings, (settings) =>
      NodeFiles.layerConfig(
        {
          baseUrl: settings.baseUrl,
          workspaceId: settings.workspaceId,
          allowPlainHttp: settings.allowPlainHttp,
          dialect: settings.dialect,
          idleTimeout: settings.idleTimeout
        },
        Policy.standard({
          retry: { times: settings.retries },
          concurrency: Math.max(16, settings.concurrency),
          ...(settings.requestsPerMinute === undefined
            ? undefined
            : { rateLimit: { requestsPerMinute: settings.requestsPerMinute } })
        })
      ))
  )
