/**
 * What a handler is: from a request that was let in to its answer.
 */
import type * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import type { Store, StoreFailed } from "../../Store.ts"
import type { BodyError, RequestContext } from "../context.ts"
import type { Model } from "../model/model.ts"
import type { Operation, Params, Query } from "./endpoints.ts"

/** Everything that a handler may ask for. */
export type Requirements = RequestContext | Store | Model | Scope.Scope

/** What a handler gets of a request, besides the {@link RequestContext}. */
export interface Call<O extends Operation> {
  readonly params: Params<O>
  readonly query: Query<O>
}

export type Handler<O extends Operation> = (
  call: Call<O>
) => Effect.Effect<HttpServerResponse, BodyError | StoreFailed, Requirements>

export type Handlers = { readonly [O in Operation]: Handler<O> }
