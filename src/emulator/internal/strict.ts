/**
 * Decodes data that people write (faults, rules). An unknown key is an error that names it, since it may be misspelt.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { InvalidConfig } from "../../FilesError.ts"

const keysOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  SchemaAST.isObjects(ast) ? ast.propertySignatures.map(({ name }) => String(name)) : []

const toIssues = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    switch (issue._tag) {
      case "UnexpectedKey":
        return ` is not a known key; expected one of ${keysOf(issue.ast).join(", ")}`
      case "MissingKey":
        return " is missing"
      default:
        return `: ${SchemaIssue.defaultLeafHook(issue)}`
    }
  }
})

const pathOf = (root: string, path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>((out, key) => out + (Predicate.isNumber(key) ? `[${key}]` : `.${String(key)}`), root)

const sentence = (root: string, issue: SchemaIssue.Issue): string =>
  toIssues(issue).issues.map(({ message, path }) => {
    const keys = (path ?? []).map((key) => typeof key === "object" ? key.key : key)
    return `${pathOf(root, keys)}${/^[ :]/.test(message) ? message : `: ${message}`}`
  }).join("; ")

const invalid = (option: string, message: string): InvalidConfig =>
  new InvalidConfig({ option, message: `${message}.` })

/** Decodes one value. `name` is its name in error messages. */
export const decode =
  <A>(name: string, schema: Schema.Codec<A, unknown>) => (input: unknown): Effect.Effect<A, InvalidConfig> =>
    Schema.decodeUnknownEffect(schema)(input, { onExcessProperty: "error", errors: "all" }).pipe(
      Effect.mapError((error) => invalid(name, sentence(name, error.issue)))
    )

type Member = Schema.Codec<unknown, unknown> & { readonly fields: Schema.Struct.Fields }

/** Decodes a list of tagged values. The error of an unknown `_tag` lists the known ones. */
export const decodeTagged = <const Members extends Readonly<Record<string, Member>>>(
  name: string,
  members: Members
) => {
  const tags = Object.keys(members).join(", ")
  const known = new Set(Object.values(members).flatMap(({ fields }) => Object.keys(fields)))
  return (input: unknown): Effect.Effect<ReadonlyArray<Members[keyof Members]["Type"]>, InvalidConfig> => {
    if (!Array.isArray(input)) return Effect.fail(invalid(name, `${name}: Expected a list`))
    return Effect.forEach(input, (entry: unknown, index) => {
      const at = `${name}[${index}]`
      if (!Predicate.isObject(entry)) return Effect.fail(invalid(at, `${at}: Expected an object`))
      const tag: unknown = "_tag" in entry ? entry._tag : undefined
      const member = Predicate.isString(tag) && Object.hasOwn(members, tag) ? members[tag] : undefined
      if (member !== undefined) return decode(at, member)(entry)
      const strange = Object.keys(entry).filter((key) => !known.has(key))
      const unknown = strange.length === 0 ? "" : `; unknown keys: ${strange.join(", ")}`
      return Effect.fail(invalid(`${at}._tag`, `${at}._tag: Expected one of ${tags}${unknown}`))
    })
  }
}
