/**
 * Random values of this package's Schemas, as the service could have sent them: for `it.effect.prop`,
 * `Arbitrary.checkEffect` and `Arbitrary.sampleEffect`.
 *
 * The values that `Arbitrary.schema` derives are valid too, but a status may be -5, and an expiry lie in the year 275760.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { generator } from "../emulator/internal/faults.ts"
import { FileMetadata } from "../FileMetadata.ts"
import { FilesError } from "../FilesError.ts"
import { maxFileBytes } from "../internal/wire/constants.ts"

const hashOf = (text: string): number => {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}

/** Characters of an alphabet, derived from the text: the same for the same text. */
const characters = (text: string, alphabet: string, length: number): string => {
  const random = generator(hashOf(text))
  return Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join("")
}

const letters = "abcdefghijklmnopqrstuvwxyz"

const alphanumeric = `${letters}${letters.toUpperCase()}0123456789`

const pick = (text: string, ...values: ReadonlyArray<string>): string =>
  values[Math.abs(hashOf(text)) % values.length] ?? text

const id = (prefix: string) => (text: string): string => `${prefix}_${characters(text, alphanumeric, 24)}`

/** Values of text fields, by the field's name. */
const strings: Readonly<Record<string, (text: string) => string>> = {
  file_id: id("file"),
  fileId: id("file"),
  first_id: id("file"),
  last_id: id("file"),
  requestId: id("req"),
  filename: (text) =>
    `${characters(text, letters, 1 + Math.abs(hashOf(text)) % 20)}.${pick(text, "pdf", "txt", "csv", "png", "docx")}`,
  mime_type: (text) => pick(text, "application/pdf", "text/plain", "text/csv", "image/png", "application/octet-stream"),
  errorCode: (text) => characters(text, `${letters}_`, 12),
  custom_id: (text) => characters(text, `${alphanumeric}_-`, 16)
}

const remainder = (value: number, limit: number): number => Math.abs(Math.trunc(value)) % limit

const size = (value: number): number => remainder(value, maxFileBytes + 1)

/** Values of number fields, by the field's name. */
const numbers: Readonly<Record<string, (value: number) => number>> = {
  status: (value) => 400 + remainder(value, 200),
  size_bytes: size,
  size,
  transferred: size,
  expected: size
}

const firstYear = Date.UTC(2025, 0)

const tenYears = Date.UTC(2035, 0) - firstYear

/** A time in whole seconds within ten years, like those of the service. */
const time = (value: DateTime.DateTime): DateTime.Utc =>
  DateTime.makeUnsafe(firstYear + Math.floor(remainder(value.epochMilliseconds, tenYears) / 1000) * 1000)

/** A duration of less than an hour. */
const wait = (value: Duration.Duration): Duration.Duration =>
  Duration.millis(Duration.isFinite(value) ? remainder(Duration.toMillis(value), 3_600_000) : 0)

type Constructor = { readonly fields: object; new(fields: object): object }

/** The class of a value, if it is the class of a Schema. */
const classOf = (value: object): Constructor | undefined => {
  const { constructor } = value as { readonly constructor?: unknown }
  return Predicate.isFunction(constructor) && Schema.isSchema(constructor)
    ? constructor as unknown as Constructor
    : undefined
}

/** The fields of a value with these names. They are read one by one, since an error's `message` is not enumerable. */
const fieldsOf = (value: object, names: ReadonlyArray<string>, known: ReadonlySet<string>): object =>
  Object.fromEntries(
    names.filter((name) => Object.hasOwn(value, name)).map((name) => {
      const inner: unknown = Reflect.get(value, name)
      return [name, lifelike(inner, name, known)]
    })
  )

/** The same value with lifelike leaves, and without unknown fields. */
const lifelike = (value: unknown, name: string, known: ReadonlySet<string>): unknown => {
  if (Predicate.isString(value)) return strings[name]?.(value) ?? value
  if (Predicate.isNumber(value)) return numbers[name]?.(value) ?? value
  if (DateTime.isDateTime(value)) return time(value)
  if (Duration.isDuration(value)) return wait(value)
  if (Array.isArray(value)) return value.map((item) => lifelike(item, name, known))
  if (!Predicate.isObject(value)) return value
  const Class = classOf(value)
  if (Class !== undefined) return new Class(fieldsOf(value, Object.keys(Class.fields), known))
  if (value instanceof Error) return value
  const all: Record<string, unknown> = { ...fieldsOf(value, Object.keys(value).filter((key) => known.has(key)), known) }
  return all.type === "file" && Predicate.isString(all.id) ? { ...all, id: id("file")(all.id) } : all
}

/** Names of the fields in a JSON Schema. */
const namesOf = (schema: unknown): ReadonlyArray<string> => {
  if (Array.isArray(schema)) return schema.flatMap(namesOf)
  if (!Predicate.isObject(schema)) return []
  const own = Predicate.isObject(schema.properties) ? Object.keys(schema.properties) : []
  return [...own, ...Object.values(schema).flatMap(namesOf)]
}

/**
 * Values of a Schema of this package: of its files, errors, messages, batches, faults and rules.
 */
export const of = <S extends Schema.Constraint>(schema: S): Arbitrary.Arbitrary<S["Type"]> => {
  const type = Schema.toType(schema)
  const known = new Set(namesOf(Schema.toJsonSchemaDocument(schema)))
  return Arbitrary.schema(type).pipe(
    Arbitrary.map((value): S["Type"] => lifelike(value, "", known)),
    Arbitrary.filter(Schema.is(type))
  )
}

/** Stored files. */
export const file: Arbitrary.Arbitrary<FileMetadata> = of(FileMetadata)

/** Everything that an operation can fail with. */
export const filesError: Arbitrary.Arbitrary<FilesError> = of(FilesError)
