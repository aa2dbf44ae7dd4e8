/**
 * A value that fits a JSON Schema: what the emulator answers where the service's model would fill one in.
 */
import * as Predicate from "effect/Predicate"
import { type Json, object, string } from "./json.ts"
import { marker } from "./marker.ts"

/** From here on what is optional is left out, lists are empty, and null is taken where it may be. */
const enough = 5

/** Schemas that require themselves end here. */
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

const shapeString = (schema: Json, name: string): string => {
  const known = Predicate.isString(schema.format) ? formats[schema.format] : undefined
  if (known !== undefined) return known
  const value = name === "" ? marker : `${marker} ${name}`
  return value.padEnd(numberOf(schema.minLength, 0), ".").slice(0, numberOf(schema.maxLength, Infinity))
}

/** What a `$ref` into the same document points to. */
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

/** The schema with what it refers to and what all its parts ask for. */
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

const shape = (root: Json, given: Json, name: string, depth: number): unknown => {
  const schema = flatten(root, given, depth)
  if (schema.const !== undefined) return schema.const
  if (Array.isArray(schema.enum)) return schema.enum[0]
  if (schema.default !== undefined) return schema.default
  if (depth > maxDepth) return null
  const choices = schema.anyOf ?? schema.oneOf
  const isDeep = depth >= enough
  if (Array.isArray(choices)) {
    const choice: unknown = choices.find((one) => isNull(one) === isDeep) ?? choices[0]
    return shape(root, object(choice), name, depth + 1)
  }
  const types = typesOf(schema)
  switch (types.find((type) => type !== "null" || types.length === 1)) {
    case "object": {
      const required: ReadonlyArray<unknown> = Array.isArray(schema.required) ? schema.required : []
      return Object.fromEntries(
        Object.entries(object(schema.properties))
          .filter(([key]) => required.includes(key) || !isDeep)
          .map(([key, property]) => [key, shape(root, object(property), key, depth + 1)])
      )
    }
    case "array": {
      const fixed: ReadonlyArray<unknown> = Array.isArray(schema.prefixItems) ? schema.prefixItems : []
      const least = Math.max(numberOf(schema.minItems, isDeep || fixed.length > 0 ? 0 : 1), fixed.length)
      const length = Math.min(least, numberOf(schema.maxItems, Infinity))
      return Array.from({ length }, (_, i) => shape(root, object(fixed[i] ?? schema.items), name, depth + 1))
    }
    case "integer":
    case "number":
      return shapeNumber(schema)
    case "boolean":
      return false
    case "null":
      return null
    default:
      return shapeString(schema, name)
  }
}

/** A value that fits the schema, as far as types, enums, formats and limits say; `pattern` is not read. */
export const valueOf = (schema: Json): unknown => shape(schema, schema, string(schema.title) ?? "", 0)

/** The input of a tool. */
export const inputOf = (tool: Json): Json => object(valueOf(object(tool.input_schema)))
