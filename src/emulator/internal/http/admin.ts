/**
 * The admin route: what code can do to an emulator, over HTTP. Off unless asked for, and never without a key.
 */
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import * as Fault from "../../Fault.ts"
import * as Strict from "../strict.ts"
import { type ApiError, internal, invalidRequest, notFound } from "./apiError.ts"
import { openApi } from "./openApi.ts"
import { reset, type State } from "./state.ts"

export const prefix = "/_emulator/"

const Advance = Schema.Struct({ millis: Schema.Natural })

const read = <A>(decode: (body: unknown) => Effect.Effect<A, { readonly message: string }>) =>
(
  request: HttpServerRequest
): Effect.Effect<A, ApiError> =>
  request.json.pipe(
    Effect.mapError(() => invalidRequest("The request body is not valid JSON")),
    Effect.flatMap((body) => Effect.mapError(decode(body), (error) => invalidRequest(error.message)))
  )

const readFaults = read(Fault.decode)

const readAdvance = read(Strict.decode("advance", Advance))

const ok = HttpServerResponse.jsonUnsafe({})

export const handle = Effect.fnUntraced(function*(
  state: State,
  method: string,
  path: string,
  request: HttpServerRequest
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, ApiError> {
  switch (`${method} ${path.slice(prefix.length)}`) {
    case "GET faults":
      return HttpServerResponse.jsonUnsafe(state.faults.list().map(({ fault }) => fault))
    case "PUT faults":
      state.faults.set(yield* readFaults(request))
      return ok
    case "POST faults": {
      for (const fault of yield* readFaults(request)) state.faults.add(fault)
      return ok
    }
    case "DELETE faults":
      state.faults.set([])
      return ok
    case "POST reset":
      yield* reset(state).pipe(Effect.mapError(() => internal()))
      return ok
    case "POST advance":
      state.offset.millis += (yield* readAdvance(request)).millis
      return ok
    case "GET requests":
      return HttpServerResponse.jsonUnsafe(state.requests.list())
    case "GET openapi.json":
      return HttpServerResponse.jsonUnsafe(openApi())
    default:
      return yield* notFound("Not found")
  }
})
