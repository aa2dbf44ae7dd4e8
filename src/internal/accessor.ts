/**
 * The caller's line in a failure's trace, which would otherwise name only lines of this package: of methods that are
 * called, and of functions that call a method of the service in the context.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Stream from "effect/Stream"

/** Assigning to `Error.stackTraceLimit` throws where `Error` is frozen. */
const canLimit = Object.isExtensible(Error)
  && Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")?.writable === true

/** The index in a stack of the line that called the caller of `capture`. */
const callerLine = 3

export type AddFrame = (parent: References.StackFrame | undefined) => References.StackFrame

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

/** A context with a further frame. */
export const addFrame = <R>(context: Context.Context<R>, frame: AddFrame): Context.Context<R> =>
  Context.add(context, References.CurrentStackFrame, frame(Context.get(context, References.CurrentStackFrame)))

const calledFrom = Symbol("effect-anthropic-files/internal/calledFrom")

/** A method that can be given the frame of its caller. */
interface Framed<Args extends ReadonlyArray<unknown>, Result> {
  (...args: Args): Result
  readonly [calledFrom]?: (frame: AddFrame, ...args: Args) => Result
}

/**
 * A method whose effect is given the frame of its caller. An accessor, which calls it inside of a fiber, gives it the
 * frame of its own caller instead.
 */
export const framed = <Args extends ReadonlyArray<unknown>, A, E, R>(
  name: string,
  run: (frame: AddFrame, ...args: Args) => Effect.Effect<A, E, R>
): (...args: Args) => Effect.Effect<A, E, R> =>
  Object.assign((...args: Args) => run(capture(name), ...args), { [calledFrom]: run })

const call = <Args extends ReadonlyArray<unknown>, A, E, R>(
  method: Framed<Args, Effect.Effect<A, E, R>>,
  frame: AddFrame,
  args: Args
): Effect.Effect<A, E, R> => {
  const framed = method[calledFrom]
  return framed === undefined
    ? Effect.updateService(method(...args), References.CurrentStackFrame, frame)
    : framed(frame, ...args)
}

/** A method of `service` as a function, for methods that return an Effect. */
export const effect =
  <I, S>(service: Context.Service<I, S>, name: string) =>
  <Args extends ReadonlyArray<unknown>, A, E, R>(
    method: (service: S) => (...args: Args) => Effect.Effect<A, E, R>
  ): (...args: Args) => Effect.Effect<A, E, R | I> =>
  (...args) => {
    const frame = capture(name)
    return service.use((service) => call(method(service), frame, args))
  }

/** The same for a function that takes other arguments than the method. */
export const effectWith = <I, S, Given extends ReadonlyArray<unknown>, Args extends ReadonlyArray<unknown>>(
  service: Context.Service<I, S>,
  name: string,
  argumentsOf: (...given: Given) => Args
) =>
<A, E, R>(
  method: (service: S) => (...args: Args) => Effect.Effect<A, E, R>
): (...given: Given) => Effect.Effect<A, E, R | I> =>
(...given) => {
  const frame = capture(name)
  return service.use((service) => call(method(service), frame, argumentsOf(...given)))
}

/** A method of `service` as a function, for methods that return a Stream. */
export const stream =
  <I, S>(service: Context.Service<I, S>, name: string) =>
  <Args extends ReadonlyArray<unknown>, A, E, R>(
    method: (service: S) => (...args: Args) => Stream.Stream<A, E, R>
  ): (...args: Args) => Stream.Stream<A, E, R | I> =>
  (...args) => {
    const frame = capture(name)
    return Stream.unwrap(Effect.contextWith((context: Context.Context<I>) => {
      const own = method(Context.get(context, service))(...args)
      const parent = Context.get(context, References.CurrentStackFrame)
      // `Stream.updateService` would merge two contexts for each pull.
      return Effect.succeed(Stream.provideService(own, References.CurrentStackFrame, frame(parent)))
    }))
  }
