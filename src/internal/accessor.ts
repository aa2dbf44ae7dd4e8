/**
 * Functions that call a method of the service in the context. A failure's trace would name only this package's line;
 * these functions add their caller's line, as `Effect.fn` does.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Stream from "effect/Stream"

/** Assigning to `Error.stackTraceLimit` throws where `Error` is frozen. */
const canLimit = Object.isExtensible(Error)
  && Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")?.writable === true

/** The index in a stack of the line that called the caller of `capture`. */
const callerLine = 3

type AddFrame = (parent: References.StackFrame | undefined) => References.StackFrame

/** The stack frame of the caller's caller. Call it directly from the function that users call. */
export const capture = (name: string): AddFrame => {
  const limit = Error.stackTraceLimit
  if (limit === 0) return (parent) => ({ name, stack: () => undefined, parent })
  if (canLimit) Error.stackTraceLimit = callerLine
  const error = new Error()
  if (canLimit) Error.stackTraceLimit = limit
  // Read only when a trace is printed, because formatting a stack is expensive.
  return (parent) => ({ name, stack: () => error.stack?.split("\n")[callerLine]?.trim(), parent })
}

/** A method of `service` as a function, for methods that return an Effect. */
export const effect =
  <I, S>(service: Context.Service<I, S>, name: string) =>
  <Args extends ReadonlyArray<unknown>, A, E, R>(
    method: (service: S) => (...args: Args) => Effect.Effect<A, E, R>
  ): (...args: Args) => Effect.Effect<A, E, R | I> =>
  (...args) =>
    Effect.updateService(
      service.use((service) => method(service)(...args)),
      References.CurrentStackFrame,
      capture(name)
    )

/** A method of `service` as a function, for methods that return a Stream. */
export const stream =
  <I, S>(service: Context.Service<I, S>, name: string) =>
  <Args extends ReadonlyArray<unknown>, A, E, R>(
    method: (service: S) => (...args: Args) => Stream.Stream<A, E, R>
  ): (...args: Args) => Stream.Stream<A, E, R | I> =>
  (...args) =>
    Stream.updateService(
      Stream.unwrap(service.useSync((service) => method(service)(...args))),
      References.CurrentStackFrame,
      capture(name)
    )
