/**
 * Schemas for data that the API may extend at any time: they keep unknown fields when decoding and encoding.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"

/**
 * A schema's decoded type in a form that an interface can extend, so that editors show the interface's name instead of
 * all its fields.
 */
export type TypeOf<S extends { readonly Type: unknown }> = S["Type"]

/**
 * A struct that keeps unknown fields.
 */
export const open = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Unknown)])

/**
 * The `type` of a union's last member: any name except those that other members decode strictly.
 *
 * Its static type consists of the other documented names. The union therefore stays discriminated, so that
 * `block.type === "text"` narrows. Names that the API adds later are accepted at run time.
 */
export const otherType = <const Documented extends string>(
  documented: ReadonlyArray<Documented>,
  strict: ReadonlyArray<string>
) =>
  Schema.declare<Documented>(
    (u): u is Documented => Predicate.isString(u) && !strict.includes(u),
    {
      expected: documented.length === 0 ? "a type" : `${documented.join(", ")} or a type that is new`,
      toCodecArbitrary: () =>
        Schema.link<Documented>()(Schema.String, {
          decode: SchemaGetter.transform((name) => name as Documented),
          encode: SchemaGetter.forbidden(() => "A generated value is not encoded")
        })
    }
  )

/** A flag that a constructor sets to `false` by default. */
export const flag = Schema.Boolean.pipe(Schema.withConstructorDefault(Effect.succeed(false)))

/**
 * Decodes to `null` if the field is absent.
 */
export const nullByDefault = <S extends Schema.Constraint>(schema: S) =>
  Schema.NullOr(schema).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))

/**
 * An object with only optional fields; `null` and an absent object decode as an empty one.
 */
export const emptyByDefault = <S extends Schema.Codec<object, object>>(schema: S) =>
  Schema.NullOr(schema).pipe(
    Schema.decodeTo(Schema.toType(schema), {
      decode: SchemaGetter.transform((value: S["Type"] | null) => value ?? Schema.decodeSync(schema)({})),
      encode: SchemaGetter.transform((value: S["Type"]) => value)
    }),
    Schema.withDecodingDefaultKey(Effect.succeed({}))
  )

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** A path as written in code: `messages[0].role`. */
const pathOf = (path: ReadonlyArray<unknown>): string =>
  path.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(/^\./, "")

/**
 * A decoding failure in one line: the field, and what was expected there. A value that matches no member of a union has
 * an issue for each of them, of which the deepest is the most helpful.
 */
export const issueOf = (exit: Exit.Failure<unknown, Schema.SchemaError>): string =>
  Option.match(Exit.findErrorOption(exit), {
    onNone: () => "",
    onSome: ({ issue }) => {
      const depthOf = ({ path = [] }: { readonly path?: ReadonlyArray<unknown> | undefined }) => path.length
      const [deepest] = Array.from(issuesOf(issue).issues).sort((a, b) => depthOf(b) - depthOf(a))
      if (deepest === undefined) return ""
      const path = pathOf((deepest.path ?? []).map((key) => Predicate.isObject(key) && "key" in key ? key.key : key))
      return path === "" ? deepest.message : `${path}: ${deepest.message}`
    }
  })
