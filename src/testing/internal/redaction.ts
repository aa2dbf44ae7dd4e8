/**
 * Replaces what a recording must not hold with names, the same name for the same text, so that ids that belonged together
 * still do.
 */
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Cassette from "./cassette.ts"

const token = /[a-z]+(?:_[a-z]+)*?_redacted_\d+/g

/** Words of the API in paths. Every other segment is an id. */
const pathWords: ReadonlySet<string> = new Set([
  "",
  "v1",
  "files",
  "content",
  "messages",
  "batches",
  "cancel",
  "results",
  "count_tokens"
])

const word = /^[a-z][a-z0-9_.]*$/

const mimeType = /^[\w.+-]+\/[\w.+-]+(;.*)?$/

/** Fields whose values are the API's own words, as long as they look like it. */
const apiWords: Readonly<Record<string, RegExp>> = {
  type: word,
  event: word,
  role: /^(user|assistant|system)$/,
  model: /^[\w.:/@-]+$/,
  mime_type: mimeType,
  media_type: mimeType,
  contentType: mimeType,
  stop_reason: word,
  processing_status: word,
  error_code: word,
  service_tier: word,
  ttl: /^\d+[a-z]$/
}

const time = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/

const isApiWord = (text: string, name: string): boolean =>
  name.endsWith("_at") ? time.test(text) : Object.hasOwn(apiWords, name) && apiWords[name]?.test(text) === true

const isId = (name: string): boolean => /^(id|ids\[\]|fileId|page|next_page)$|_id$/.test(name)

/** Ids such as `file_011CNha8iCJcU1wXNR6q4V8w` within a sentence. */
const idInText = /\b[a-z]{2,12}_(?=[A-Za-z]*[0-9A-Z])[A-Za-z0-9]{6,}\b/g

/** Secrets in requests to the token endpoint, and in its answers. */
const secretFields = /^(access_token|refresh_token|id_token|assertion|client_secret)$/

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

export interface Options {
  readonly ids: boolean
  readonly bodies: boolean
}

export const make = (options: Options) => {
  const names = new Map<string, string>()
  const numbers = new Map<string, string>()
  const counts = new Map<string, number>()
  /** In bodies that are kept, a short id may be any word. */
  const shortest = options.bodies ? 1 : 6

  const next = (kind: string): string => {
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    return `${kind}_redacted_${count}`
  }

  const stand = (original: string, kind: string, suffix = ""): string => {
    const known = names.get(original)
    if (known !== undefined) return known
    const name = `${next(kind.toLowerCase().replace(/[^a-z]+/g, "_").replace(/^_+|_+$/g, "") || "text")}${suffix}`
    names.set(original, name)
    return name
  }

  const number = (original: number): string => {
    const name = numbers.get(String(original)) ?? next("number")
    numbers.set(String(original), name)
    return name
  }

  const id = (original: string, name: string): string =>
    options.ids && original !== "" ? stand(original, /^([a-z]+)_/.exec(original)?.[1] ?? name) : original

  /** A sentence of the service: only what was replaced before, and ids, are replaced in it. */
  const sentence = (text: string): string => {
    const known = [...names, ...numbers]
      .filter(([original]) => original.length >= shortest && text.includes(original))
      .sort(([a], [b]) => b.length - a.length)
    const clean = known.reduce((so, [original, name]) =>
      // A short one may be a part of any word.
      original.length < 6
        ? so.replace(new RegExp(`(?<![\\p{L}\\p{N}_])${escape(original)}(?![\\p{L}\\p{N}_])`, "gu"), () => name)
        : so.replaceAll(original, () => name), text)
    return options.ids
      ? clean.replace(idInText, (found) => found.includes("_redacted_") ? found : id(found, "id"))
      : clean
  }

  const text = (text: string, name: string, parent: string): string => {
    // Secrets are replaced whatever the options say.
    if (secretFields.test(name)) return stand(text, name)
    if (isId(name)) return id(text, name)
    if (isApiWord(text, name)) return text
    if (name === "message" && parent === "error") return sentence(text)
    if (!options.bodies) return sentence(text)
    if (text === "") return text
    return stand(text, name, name === "filename" ? /\.[A-Za-z0-9]{1,8}$/.exec(text)?.[0] : undefined)
  }

  const free = (value: unknown): unknown =>
    options.bodies
      ? Cassette.mapFree(value, {
        text: (inner) => inner === "" ? inner : stand(inner, "text"),
        number,
        fields: (fields) => Object.fromEntries(fields.map(([key, inner]) => [stand(key, "text"), inner]))
      })
      : Cassette.mapTexts(value, text, free)

  return {
    body: (body: Cassette.Body): Cassette.Body =>
      Cassette.mapTexts(options.bodies ? Cassette.withWholeInputs(body) : body, text, free) as Cassette.Body,
    path: (path: string): string =>
      path.split("/").map((segment) => pathWords.has(segment) ? segment : id(segment, "id")).join("/"),
    text,
    header: (name: string, value: string): string => name === "request-id" ? id(value, "req") : value
  }
}

/** Replaces nothing. */
export const none: Redaction = {
  path: identity,
  body: identity,
  text: identity,
  header: (_, value) => value
}

export type Redaction = ReturnType<typeof make>

/** The texts that the names of a recording stand for at a replay. */
export type Bindings = Map<string, string>

/** The text, or the pattern, that a sent text has to match. */
export const pattern = (recorded: string, bindings: Bindings): string | RegExp => {
  const names = recorded.match(token) ?? []
  if (names.every((name) => bindings.has(name))) return reveal(recorded, bindings)
  let source = ""
  let at = 0
  for (const match of recorded.matchAll(token)) {
    const bound = bindings.get(match[0])
    source += escape(recorded.slice(at, match.index)) + (bound === undefined ? "([^]+)" : `(${escape(bound)})`)
    at = match.index + match[0].length
  }
  return new RegExp(`^${source}${escape(recorded.slice(at))}$`)
}

/** Remembers what the names in a recorded text stand for, by the sent text that matched it. */
export const bind = (recorded: unknown, live: unknown, bindings: Bindings): void => {
  if (Predicate.isString(recorded) && Predicate.isString(live)) {
    const found = pattern(recorded, bindings)
    if (!(found instanceof RegExp)) return
    const values = found.exec(live)?.slice(1) ?? []
    for (const [index, name] of (recorded.match(token) ?? []).entries()) bindings.set(name, values[index] ?? name)
    return
  }
  if (!Predicate.isObjectOrArray(recorded) || !Predicate.isObjectOrArray(live)) return
  for (const [name, value] of Object.entries(recorded)) {
    if (Predicate.hasProperty(live, name)) bind(value, live[name], bindings)
  }
}

/**
 * A recorded text with what stands behind its names. A name that stands for nothing yet is a value from now on, and one of
 * a number its own number.
 */
export const reveal = (recorded: string, bindings: Bindings): string =>
  recorded.replace(token, (name) => {
    const value = bindings.get(name) ?? numberName.exec(name)?.[1] ?? name
    bindings.set(name, value)
    return value
  })

const numberName = /^number_redacted_(\d+)$/

/** Recorded free-form JSON with what stands behind its names. */
export const revealFree = (recorded: unknown, bindings: Bindings): unknown =>
  Cassette.mapFree(recorded, {
    text: (text) => numberName.test(text) ? Number(reveal(text, bindings)) : reveal(text, bindings),
    number: identity,
    fields: (fields) => Object.fromEntries(fields.map(([key, value]) => [reveal(key, bindings), value]))
  })

/**
 * Free-form JSON as it is compared: with its fields in a row and its numbers as texts, since a name may stand for a key
 * and for a number.
 */
export const comparable = (value: unknown, f: (text: string) => unknown): unknown =>
  Cassette.mapFree(value, {
    text: (text) => numberName.test(text) ? { number: f(text) } : f(text),
    number: (number) => ({ number: f(String(number)) }),
    fields: (fields) => ({ fields: fields.map(([key, inner]) => [f(key), inner]) })
  })
