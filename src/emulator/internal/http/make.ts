/**
 * An emulator without a transport: answers requests, and can be controlled.
 */
import * as Effect from "effect/Effect"
import { Store } from "../../Store.ts"
import * as Control from "./control.ts"
import * as Handlers from "./handlers.ts"
import type { Options } from "./options.ts"
import * as Pipeline from "./pipeline.ts"
import * as State from "./state.ts"

export interface Made {
  readonly handle: Pipeline.Handle
  readonly control: Control.Control
}

export const make = Effect.fnUntraced(function*(
  options: Options & { readonly adminRoute?: boolean | undefined }
): Effect.fn.Return<Made, never, Store> {
  const store = yield* Store
  const state = yield* State.make(options, store)
  const control = Control.make(state)
  return { handle: Pipeline.make(state, Handlers.make(state, control)), control }
})
