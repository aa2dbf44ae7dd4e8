/**
 * Query parameters: how each is read and described in the OpenAPI document.
 */
import type * as Arr from "effect/Array"
import type * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"

/** An optional parameter. */
export interface Parameter<out A> {
  readonly schema: JsonSchema.JsonSchema
  /** The value, or what is wrong with it. */
  readonly read: (values: Arr.NonEmptyReadonlyArray<string>) => Result.Result<A, string>
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>

/** The parameters that a handler gets. Unknown ones are ignored, as the service does. */
export type Read<P extends Parameters> = {
  readonly [K in keyof P]?: P[K] extends Parameter<infer A> ? A : never
}

/** Any text. The last of several values counts. */
export const text: Parameter<string> = {
  schema: { type: "string" },
  read: (values) => Result.succeed(values[values.length - 1] ?? values[0])
}

/** All values. */
export const list: Parameter<ReadonlyArray<string>> = {
  schema: { type: "array", items: { type: "string" } },
  read: Result.succeed
}

/** A whole number in decimal digits: `1e2`, `0x10` and ` 5` are refused. */
export const integer = (minimum: number, maximum: number): Parameter<number> => ({
  schema: { type: "integer", minimum, maximum },
  read: (values) => {
    const value = /^[0-9]{1,15}$/.test(values[0]) ? Number(values[0]) : NaN
    return values.length === 1 && value >= minimum && value <= maximum
      ? Result.succeed(value)
      : Result.fail(`Input should be an integer between ${minimum} and ${maximum}`)
  }
})

/** Reads the parameters of a query; fails with `name: what is wrong`. */
export const read = <P extends Parameters>(parameters: P, query: URLSearchParams): Result.Result<Read<P>, string> => {
  const out: Record<string, unknown> = {}
  for (const [name, parameter] of Object.entries(parameters)) {
    const [first, ...rest] = query.getAll(name)
    if (first === undefined) continue
    const value = parameter.read([first, ...rest])
    if (Result.isFailure(value)) return Result.fail(`${name}: ${value.failure}`)
    out[name] = value.success
  }
  return Result.succeed(out as Read<P>)
}
