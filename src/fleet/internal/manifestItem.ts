/**
 * One item of a manifest, and its validation.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { kindOf, loneSurrogate, shorten } from "../../internal/text.ts"

/**
 * An item to upload.
 */
export interface Item {
  /** Identifies the item in its ingest. At most 1024 bytes of UTF-8. */
  readonly key: string
  /**
   * Where the content is: a path, an `http:` or `https:` URL, or another scheme such as `s3://bucket/key`, which the runner's
   * `presign` turns into a URL right before it is fetched. A relative path is resolved from the directory in which the runner
   * was started.
   */
  readonly source: string
  /** @default the name that the source suggests, for example the last component of a path */
  readonly filename?: string | undefined
  /** @default inferred from the name */
  readonly mimeType?: string | undefined
  /**
   * How long the service keeps the file. Text needs a unit, for example `"30 days"`.
   *
   * @default until it is deleted
   */
  readonly expiresIn?: Duration.Input | undefined
  /** Data of your own. Kept in the table, not sent to the service. */
  readonly metadata?: Readonly<Record<string, Schema.Json>> | undefined
}

/**
 * A line that is not a valid item. It becomes a failed item with the tag `InvalidItem`, and a valid line with the same key
 * replaces it.
 */
export class Malformed extends Schema.TaggedClass<Malformed>("effect-anthropic-files/fleet/Manifest/Malformed")(
  "Malformed",
  {
    key: Schema.String,
    /** The line number, from 1. */
    line: Schema.optionalKey(Schema.Int),
    message: Schema.String
  }
) {}

/** An element of a manifest. */
export type Entry = Item | Malformed

/** Whether an entry of a manifest is a {@link Malformed}. */
export const isMalformed = (entry: Entry): entry is Malformed => Predicate.isTagged(entry, "Malformed")

/** Bytes of UTF-8. An index entry in Postgres can't be much longer. */
export const maxKeySize = 1024

/** Postgres can't store a NUL, and UTF-8 can't express half a character. */
const isStorable = (text: string): boolean => !text.includes("\0") && !loneSurrogate.test(text)

const utf8 = new TextEncoder()

/** What is wrong with a key. */
export const keyProblem = (key: unknown): string | undefined => {
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
  // The database can't store a longer one.
  return Option.isSome(parsed) && parsed.value > 0 && parsed.value <= Number.MAX_SAFE_INTEGER ? parsed.value : undefined
}

/** In a file, a number without a unit is ambiguous; in a program it means milliseconds. */
const expiryProblem = (isFromFile: boolean) => (value: unknown): string | undefined => {
  const isUnclear = isFromFile && (Predicate.isNumber(value) || Predicate.isBigInt(value))
  if (!isUnclear && millisOf(value) !== undefined) return undefined
  const shown = Predicate.isString(value) || Predicate.isNumber(value) ? `“${shorten(String(value))}”` : kindOf(value)
  return `expiresIn is ${shown}; it has to be a duration above 0 with its unit, for example "30 days".`
}

const encodeMetadata = Schema.encodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

const decodeMetadata = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

/** In CSV, it is text. */
const metadataOf = (value: unknown): Readonly<Record<string, Schema.Json>> | undefined => {
  const text = Predicate.isString(value) ? Option.some(value) : encodeMetadata(value)
  return Option.getOrUndefined(Option.flatMap(text, decodeMetadata))
}

const metadataProblem = (value: unknown): string | undefined => {
  const metadata = metadataOf(value)
  if (metadata === undefined) return "metadata has to be a JSON object."
  return isStorable(unescaped(metadata)) ? undefined : "metadata has a NUL or half a character in it."
}

/** All text in a JSON value, unescaped. */
const unescaped = (value: Schema.Json): string => {
  if (Predicate.isString(value)) return value
  if (!Predicate.isObjectOrArray(value)) return ""
  return Object.entries(value).map(([key, value]) => `${key}${unescaped(value as Schema.Json)}`).join("")
}

/** Parses an item. Returns the item, or the problem with the key, if it has one. */
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
