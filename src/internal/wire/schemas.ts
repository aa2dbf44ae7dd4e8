/**
 * Schemas for data that the API may add to at any time: what they don't know is kept as it came, both ways.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"

/**
 * What a schema decodes to, under a name that an interface can extend: editors then show the interface's name instead
 * of all its fields.
 */
export type TypeOf<S extends { readonly Type: unknown }> = S["Type"]

/**
 * A struct that keeps fields it does not know.
 */
export const open = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Unknown)])

/**
 * The `type` of a union's last member: any name except those that the other members are strict about.
 *
 * Its static type consists of the other names that the API documents. The union therefore stays discriminated, so that
 * `block.type === "text"` narrows. A name that the API adds later is accepted at run time.
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

/**
 * Decodes to `null` where the field is absent.
 */
export const nullByDefault = <S extends Schema.Constraint>(schema: S) =>
  Schema.NullOr(schema).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))

/**
 * An object of which every field may be absent; `null` and an absent object decode as an empty one.
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

/** A path as it would be written in code: `messages[0].role`. */
const pathOf = (path: ReadonlyArray<unknown>): string =>
  path.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(/^\./, "")

/**
 * What a failed decoding says, in one line: the field, and what was expected there. A value that fits none of a union's
 * members has an issue for each of them; the deepest one tells most.
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
