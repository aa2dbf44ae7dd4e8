/**
 * The operations of the services, each a method whose effect runs in a span of its own and is measured. `Effect.fn` does
 * the same in two steps of the context, and has an accessor's failures name a line of effect's runtime.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { ErrorOf, FilesError, RequestFailed } from "../FilesError.ts"
import { framed } from "./accessor.ts"
import { toOperationError } from "./request/errors.ts"
import { type AnyFiber, type End, observer } from "./telemetry.ts"
import { operations, type Sending } from "./telemetry/operations.ts"

/**
 * An operation over a base URL. Its failures are those that it documents.
 */
export const operation = <O extends Sending, Args extends ReadonlyArray<unknown>, A, R>(
  operation: O,
  baseUrl: string,
  run: (fiber: AnyFiber, ...args: Args) => Effect.Effect<A, FilesError, R>
): (...args: Args) => Effect.Effect<A, ErrorOf[O] | RequestFailed, R> => {
  const { name } = operations[operation]
  const begin = observer(operation, baseUrl)
  const toError = toOperationError(operation)
  return framed(name, (frame, ...args: Args) =>
    Effect.useSpan(name, { kind: "client" }, (span) => {
      let end: End | undefined
      const begun = Effect.withFiber<A, FilesError, R>((fiber) => {
        end = begin(fiber)
        return run(fiber, ...args)
      })
      return Effect.updateContext(
        Effect.onExitPrimitive(Effect.mapError(begun, toError), (exit) => end?.(exit)),
        (context: Context.Context<R>) =>
          context.pipe(
            Context.add(Tracer.ParentSpan, span),
            Context.add(References.CurrentStackFrame, frame(Context.get(context, References.CurrentStackFrame)))
          )
      )
    }))
}
