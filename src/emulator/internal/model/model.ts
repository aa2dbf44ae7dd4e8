/**
 * What the faked model remembers from request to request.
 */
import * as Context from "effect/Context"
import type { Batches } from "./batch.ts"
import type { RuleEngine } from "./rules.ts"
import type { Threads } from "./threads.ts"
import type { PromptCache } from "./usage.ts"

/** The faked model of an emulator. */
export class Model extends Context.Service<Model, {
  readonly rules: RuleEngine
  readonly cache: PromptCache
  readonly batches: Batches
  readonly threads: Threads
  /** The models there are; without them any name will do. */
  readonly models: ReadonlyArray<string> | undefined
}>()("effect-anthropic-files/emulator/Model") {}
