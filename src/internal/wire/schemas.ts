/**
 * Schemas for data of which the API may add to at any time: what is not known is kept as it came, both ways.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * A struct that keeps fields it does not know.
 */
export const open = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Unknown)])

/**
 * The `type` of a union's last member: any name but the ones that the other members are strict about.
 *
 * Its static type is the names that the API documents besides those. That keeps the union discriminated, so that
 * `block.type === "text"` narrows; a name that the API adds later comes through at run time.
 */
export const otherType = <const Documented extends string>(
  documented: ReadonlyArray<Documented>,
  strict: ReadonlyArray<string>
) =>
  Schema.declare<Documented>(
    (u): u is Documented => Predicate.isString(u) && !strict.includes(u),
    { expected: documented.length === 0 ? "a type" : `${documented.join(", ")} or a type that is new` }
  )

/**
 * `null` where the field is left out.
 */
export const nullByDefault = <S extends Schema.Constraint>(schema: S) =>
  Schema.NullOr(schema).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))
