/**
 * Handlers turn an admitted request into its answer.
 */
import type * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import type { Store, StoreFailed } from "../../Store.ts"
import type { BodyError, RequestContext } from "../context.ts"
import type { Model } from "../model/model.ts"
import type { Operation, Params, Query } from "./endpoints.ts"

/** The services that a handler may use. */
export type Requirements = RequestContext | Store | Model | Scope.Scope

/** The parameters of a request; the rest of it is in the {@link RequestContext}. */
export interface Call<O extends Operation> {
  readonly params: Params<O>
  readonly query: Query<O>
}

export type Handler<O extends Operation> = (
  call: Call<O>
) => Effect.Effect<HttpServerResponse, BodyError | StoreFailed, Requirements>

export type Handlers = { readonly [O in Operation]: Handler<O> }
