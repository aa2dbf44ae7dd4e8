/**
 * The state that the imitated model keeps between requests.
 */
import * as Context from "effect/Context"
import type { Batches } from "./batch.ts"
import type { RuleEngine } from "./rules.ts"
import type { Threads } from "./threads.ts"
import type { PromptCache } from "./usage.ts"

/** The imitated model of an emulator. */
export class Model extends Context.Service<Model, {
  readonly rules: RuleEngine
  readonly cache: PromptCache
  readonly batches: Batches
  readonly threads: Threads
  /** The known models; without them any name is accepted. */
  readonly models: ReadonlyArray<string> | undefined
}>()("effect-anthropic-files/emulator/Model") {}
