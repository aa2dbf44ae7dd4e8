/**
 * The operations of the services, each a method whose effect runs in a span of its own and is measured. `Effect.fn` does
 * the same in two steps of the context, and has an accessor's failures name lines of this package.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import type { ErrorOf, FilesError, RequestFailed } from "../FilesError.ts"
import { type AddFrame, addFrame, framed } from "./accessor.ts"
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
): (...args: Args) => Effect.Effect<A, ErrorOf[O] | RequestFailed, R> =>
  framed(operations[operation].name, inSpan(operation, baseUrl, run))

/** The same for an operation that others of this package are made of: a failure names the line that called those. */
export const innerOperation = <O extends Sending, Args extends ReadonlyArray<unknown>, A, R>(
  operation: O,
  baseUrl: string,
  run: (fiber: AnyFiber, ...args: Args) => Effect.Effect<A, FilesError, R>
): (...args: Args) => Effect.Effect<A, ErrorOf[O] | RequestFailed, R> => {
  const begun = inSpan(operation, baseUrl, run)
  return (...args) => begun(undefined, ...args)
}

const inSpan = <O extends Sending, Args extends ReadonlyArray<unknown>, A, R>(
  operation: O,
  baseUrl: string,
  run: (fiber: AnyFiber, ...args: Args) => Effect.Effect<A, FilesError, R>
): (frame: AddFrame | undefined, ...args: Args) => Effect.Effect<A, ErrorOf[O] | RequestFailed, R> => {
  const { name } = operations[operation]
  const begin = observer(operation, baseUrl)
  const toError = toOperationError(operation)
  return (frame, ...args) =>
    Effect.useSpan(name, { kind: "client" }, (span) => {
      let end: End | undefined
      const begun = Effect.withFiber<A, FilesError, R>((fiber) => {
        end = begin(fiber)
        return run(fiber, ...args)
      })
      return Effect.updateContext(
        Effect.onExitPrimitive(Effect.mapError(begun, toError), (exit) => end?.(exit)),
        (context: Context.Context<R>) => {
          const within = Context.add(context, Tracer.ParentSpan, span)
          return frame === undefined ? within : addFrame(within, frame)
        }
      )
    })
}
