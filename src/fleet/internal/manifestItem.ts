/**
 * One item of a manifest, and what is wrong with it.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { kindOf, loneSurrogate, shorten } from "../../internal/text.ts"

/**
 * Something that is to be a file of the service.
 */
export interface Item {
  /** What the item is called in its ingest: added again, it is the same item. At most 1024 bytes of UTF-8. */
  readonly key: string
  /**
   * Where the content is: a path, an `http:` or `https:` URL, or anything else with a scheme, `s3://bucket/key` for
   * example, which the runner's `presign` turns into a URL right before it is fetched. A path that is not absolute
   * counts from the folder in which the runner was started.
   */
  readonly source: string
  /** @default what the source says: the last component of a path, for example */
  readonly filename?: string | undefined
  /** @default told from the name */
  readonly mimeType?: string | undefined
  /**
   * How long the service keeps the file. As text it has a unit, `"30 days"` for example.
   *
   * @default until it is deleted
   */
  readonly expiresIn?: Duration.Input | undefined
  /** Whatever the item's owner wants to find beside it. Kept in the table, not sent to the service. */
  readonly metadata?: Readonly<Record<string, Schema.Json>> | undefined
}

/**
 * A line that is not an item. It becomes a failed item with the tag `InvalidItem`, and a line with the same key that is
 * well-formed takes its place.
 */
export class Malformed extends Schema.TaggedClass<Malformed>("effect-anthropic-files/fleet/Manifest/Malformed")(
  "Malformed",
  {
    key: Schema.String,
    /** Where it stands in its file, from 1. */
    line: Schema.optionalKey(Schema.Int),
    message: Schema.String
  }
) {}

/** What a manifest is made of. */
export type Entry = Item | Malformed

/** Whether an entry of a manifest is a line that is not an item. */
export const isMalformed = (entry: Entry): entry is Malformed => Predicate.isTagged(entry, "Malformed")

/** Bytes of UTF-8. An entry of an index in Postgres can't be much longer. */
export const maxKeySize = 1024

/** Postgres can't store a NUL, and UTF-8 can't express half a character. */
const isStorable = (text: string): boolean => !text.includes("\0") && !loneSurrogate.test(text)

const utf8 = new TextEncoder()

const keyProblem = (key: unknown): string | undefined => {
  if (!Predicate.isString(key)) return `key is ${kindOf(key)}; it has to be a string.`
  if (key === "") return "key is empty."
  if (!isStorable(key)) return "key has a NUL or half a character in it."
  return utf8.encode(key).length > maxKeySize ? `key is longer than ${maxKeySize} bytes.` : undefined
}

const textProblem = (field: string, value: unknown): string | undefined => {
  if (!Predicate.isString(value)) return `${field} is ${kindOf(value)}; it has to be a string.`
  if (value === "") return `${field} is empty.`
  return isStorable(value) ? undefined : `${field} has a NUL or half a character in it.`
}

const optional = (value: unknown, problem: (value: unknown) => string | undefined): string | undefined =>
  value === undefined || value === null ? undefined : problem(value)

const millisOf = (expiresIn: unknown): number | undefined => {
  const parsed = Option.map(Duration.fromInput(expiresIn as Duration.Input), Duration.toMillis)
  // What is longer the database can't hold.
  return Option.isSome(parsed) && parsed.value > 0 && parsed.value <= Number.MAX_SAFE_INTEGER ? parsed.value : undefined
}

/** In a file a number without its unit may mean anything; in a program it is one of milliseconds. */
const expiryProblem = (isFromFile: boolean) => (value: unknown): string | undefined => {
  const isUnclear = isFromFile && (Predicate.isNumber(value) || Predicate.isBigInt(value))
  if (!isUnclear && millisOf(value) !== undefined) return undefined
  const shown = Predicate.isString(value) || Predicate.isNumber(value) ? `“${shorten(String(value))}”` : kindOf(value)
  return `expiresIn is ${shown}; it has to be a duration above 0 with its unit, for example "30 days".`
}

const encodeMetadata = Schema.encodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

const decodeMetadata = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

/** In a cell of CSV it is text. */
const metadataOf = (value: unknown): Readonly<Record<string, Schema.Json>> | undefined => {
  const text = Predicate.isString(value) ? Option.some(value) : encodeMetadata(value)
  return Option.getOrUndefined(Option.flatMap(text, decodeMetadata))
}

const metadataProblem = (value: unknown): string | undefined => {
  const metadata = metadataOf(value)
  if (metadata === undefined) return "metadata has to be a JSON object."
  return isStorable(unescaped(metadata)) ? undefined : "metadata has a NUL or half a character in it."
}

/** All text in a JSON value, with its escapes resolved. */
const unescaped = (value: Schema.Json): string => {
  if (Predicate.isString(value)) return value
  if (!Predicate.isObjectOrArray(value)) return ""
  return Object.entries(value).map(([key, value]) => `${key}${unescaped(value as Schema.Json)}`).join("")
}

/** An item out of anything, or what is wrong with it, with the key as far as there is one. */
export const parseItem = (
  value: unknown,
  isFromFile = true
): { readonly item: Item } | { readonly message: string; readonly key: string | undefined } => {
  if (!Predicate.isObject(value)) return { message: `the item is ${kindOf(value)}, not an object.`, key: undefined }
  const { expiresIn, filename, key, metadata, mimeType, source } = value as Readonly<Record<string, unknown>>
  const wrongKey = keyProblem(key)
  if (wrongKey !== undefined || !Predicate.isString(key)) return { message: wrongKey ?? "", key: undefined }
  const problem = textProblem("source", source)
    ?? optional(filename, (value) => textProblem("filename", value))
    ?? optional(mimeType, (value) => textProblem("mimeType", value))
    ?? optional(expiresIn, expiryProblem(isFromFile))
    ?? optional(metadata, metadataProblem)
  if (problem !== undefined || !Predicate.isString(source)) return { message: problem ?? "", key }
  const millis = millisOf(expiresIn)
  const parsedMetadata = metadataOf(metadata)
  return {
    item: {
      key,
      source,
      ...(Predicate.isString(filename) ? { filename } : undefined),
      ...(Predicate.isString(mimeType) ? { mimeType } : undefined),
      ...(millis === undefined ? undefined : { expiresIn: Duration.millis(millis) }),
      ...(parsedMetadata === undefined ? undefined : { metadata: parsedMetadata })
    }
  }
}
