/**
 * Makes a value that fits a JSON Schema, where the service's model would fill one in.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type Json, object, string } from "./json.ts"
import { marker } from "./marker.ts"

/** At this depth, optional properties are left out, lists are empty, and null is used if it is allowed. */
const enough = 5

/** The most items of a list. */
const maxItems = 1000

/** The depth at which schemas that require themselves end. */
const maxDepth = 20

const formats: Readonly<Record<string, string>> = {
  "date-time": "2026-01-01T00:00:00Z",
  date: "2026-01-01",
  time: "00:00:00Z",
  duration: "P1D",
  email: "emulator@example.com",
  hostname: "example.com",
  ipv4: "127.0.0.1",
  ipv6: "::1",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000"
}

const numberOf = (value: unknown, otherwise: number): number => Predicate.isNumber(value) ? value : otherwise

const nearestToZero = (least: number, most: number, step: number): number => {
  if (least > 0) return Math.ceil(least / step) * step
  return most < 0 ? Math.floor(most / step) * step : 0
}

const shapeNumber = (schema: Json): number => {
  const multiple = numberOf(schema.multipleOf, 1)
  const least = Math.max(numberOf(schema.minimum, -Infinity), numberOf(schema.exclusiveMinimum, -Infinity))
  const most = Math.min(numberOf(schema.maximum, Infinity), numberOf(schema.exclusiveMaximum, Infinity))
  const isExcluded = (value: number) => value === schema.exclusiveMinimum || value === schema.exclusiveMaximum
  const near = nearestToZero(least, most, multiple)
  if (!isExcluded(near)) return near
  const beyond = near + (near === schema.exclusiveMinimum ? multiple : -multiple)
  if (beyond > least && beyond < most) return beyond
  return (Math.max(least, near - multiple) + Math.min(most, near + multiple)) / 2
}

const toRegExp = Option.liftThrowable((pattern: string) => new RegExp(pattern, "u"))

/** A text that matches a pattern, always the same. */
const sample = (pattern: RegExp, least: number, most: number): Effect.Effect<string | undefined> =>
  Arbitrary.sampleEffect(
    Arbitrary.schema(
      Schema.String.check(Schema.isPattern(pattern), Schema.isMinLength(least), Schema.isMaxLength(most))
    ),
    { count: 1, seed: 1 }
  ).pipe(
    Effect.map(([first]) => first),
    Effect.orElseSucceed(() => undefined)
  )

const shapeString = Effect.fnUntraced(function*(schema: Json, name: string): Effect.fn.Return<string> {
  const known = Predicate.isString(schema.format) ? formats[schema.format] : undefined
  if (known !== undefined) return known
  const least = numberOf(schema.minLength, 0)
  const most = numberOf(schema.maxLength, Infinity)
  const pattern = Predicate.isString(schema.pattern) ? toRegExp(schema.pattern) : Option.none()
  const sampled = Option.isSome(pattern) ? yield* sample(pattern.value, least, Math.min(most, least + 100)) : undefined
  return sampled ?? (name === "" ? marker : `${marker} ${name}`).padEnd(least, ".").slice(0, most)
})

const camelCase = (words: string): string => words.replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase())

const parseJson = Option.liftThrowable((text: string): unknown => JSON.parse(text))

const limits = new RegExp(
  "\\b(exclusive ?minimum|exclusive ?maximum|minimum|maximum|multiple ?of|min ?length|max ?length|min ?items|max ?items)"
    + ": (-?\\d+(?:\\.\\d+)?)",
  "gi"
)

/**
 * Limits that clients move from a schema into its description, since the service does not enforce them: a model reads
 * them there. The official SDK writes `{minItems: 2, enum: ["a"]}`, others `min items: 2; pattern: ^a`.
 */
const hints = (description: string): Json => {
  const found: Record<string, unknown> = {}
  for (const [, name = "", value] of description.matchAll(limits)) found[camelCase(name)] = Number(value)
  const values = /\benum: (\[[^\]]*\])/.exec(description)?.[1]
  const parsed = values === undefined ? Option.none() : parseJson(values)
  if (Option.isSome(parsed)) found.enum = parsed.value
  const quoted = /\bpattern: ("(?:[^"\\]|\\.)*")/.exec(description)?.[1]
  const pattern = quoted === undefined
    ? /\bpattern: (.+?)\.?$/.exec(description)?.[1]
    : Option.getOrUndefined(parseJson(quoted))
  if (pattern !== undefined) found.pattern = pattern
  return found
}

/** Resolves a `$ref` into the same document. */
const deref = (root: Json, ref: string): unknown =>
  ref.split("/").slice(1).reduce<unknown>(
    (at, key) => object(at)[key.replaceAll("~1", "/").replaceAll("~0", "~")],
    root
  )

const typesOf = (schema: Json): ReadonlyArray<string> => {
  if (Predicate.isString(schema.type)) return [schema.type]
  if (Array.isArray(schema.type)) return schema.type.map(String)
  if (schema.properties !== undefined) return ["object"]
  return schema.items === undefined ? [] : ["array"]
}

/** The schema, merged with those that it refers to and combines. */
const flatten = (root: Json, schema: Json, depth: number): Json => {
  const parts = [
    ...(Predicate.isString(schema.$ref) ? [deref(root, schema.$ref)] : []),
    ...(Array.isArray(schema.allOf) ? schema.allOf : [])
  ]
  if (parts.length === 0 || depth > maxDepth) return schema
  const { $ref: _, allOf: __, ...own } = schema
  return [own, ...parts.map((part) => flatten(root, object(part), depth + 1))].reduce((all, part) => ({
    ...all,
    ...part,
    ...(all.properties === undefined && part.properties === undefined
      ? undefined
      : { properties: { ...object(all.properties), ...object(part.properties) } }),
    ...(Array.isArray(all.required) && Array.isArray(part.required)
      ? { required: [...all.required, ...part.required] }
      : undefined)
  }))
}

const isNull = (schema: unknown): boolean => object(schema).type === "null"

/** Where in a schema a value is made. */
interface Place {
  readonly root: Json
  /** The name of the property. */
  readonly name: string
  readonly depth: number
}

const shapeObject = Effect.fnUntraced(function*(schema: Json, { depth, root }: Place): Effect.fn.Return<unknown> {
  const required: ReadonlyArray<unknown> = Array.isArray(schema.required) ? schema.required : []
  const out: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(object(schema.properties))) {
    if (depth >= enough && !required.includes(name)) continue
    out[name] = yield* shape(object(property), { root, name, depth: depth + 1 })
  }
  return out
})

const shapeArray = Effect.fnUntraced(function*(schema: Json, { depth, name, root }: Place): Effect.fn.Return<unknown> {
  const fixed: ReadonlyArray<unknown> = Array.isArray(schema.prefixItems) ? schema.prefixItems : []
  const usual = depth >= enough || fixed.length > 0 ? 0 : 1
  const least = Math.max(numberOf(schema.minItems, usual), fixed.length)
  const length = Math.min(least, numberOf(schema.maxItems, Infinity), maxItems)
  const out: Array<unknown> = []
  for (let i = 0; i < length; i++) {
    out.push(yield* shape(object(fixed[i] ?? schema.items), { root, name, depth: depth + 1 }))
  }
  return out
})

const shape = Effect.fnUntraced(function*(given: Json, place: Place): Effect.fn.Return<unknown> {
  const flat = flatten(place.root, given, place.depth)
  const schema: Json = Predicate.isString(flat.description) ? { ...hints(flat.description), ...flat } : flat
  if (schema.const !== undefined) return schema.const
  if (Array.isArray(schema.enum)) return schema.enum[0]
  if (schema.default !== undefined) return schema.default
  if (place.depth > maxDepth) return null
  const choices = schema.anyOf ?? schema.oneOf
  if (Array.isArray(choices)) {
    const choice: unknown = choices.find((one) => isNull(one) === (place.depth >= enough)) ?? choices[0]
    return yield* shape(object(choice), { ...place, depth: place.depth + 1 })
  }
  const types = typesOf(schema)
  switch (types.find((type) => type !== "null" || types.length === 1)) {
    case "object":
      return yield* shapeObject(schema, place)
    case "array":
      return yield* shapeArray(schema, place)
    case "integer":
    case "number":
      return shapeNumber(schema)
    case "boolean":
      return false
    case "null":
      return null
    default:
      return yield* shapeString(schema, place.name)
  }
})

/** A value that fits the schema as well as possible, always the same. */
export const valueOf = (schema: Json): Effect.Effect<unknown> =>
  shape(schema, { root: schema, name: string(schema.title) ?? "", depth: 0 })

/** The input of a tool. */
export const inputOf = (tool: Json): Effect.Effect<Json> => Effect.map(valueOf(object(tool.input_schema)), object)
