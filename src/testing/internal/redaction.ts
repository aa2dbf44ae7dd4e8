/**
 * Replaces what a recording must not hold with names, the same name for the same text, so that ids that belonged together
 * still do.
 */
import * as Predicate from "effect/Predicate"

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

/** Fields whose values are the API's own words. */
const apiWords =
  /^(type|role|model|mime_type|media_type|contentType|stop_reason|processing_status|error_code|service_tier|ttl|purpose|event|.*_at)$/

const isId = (name: string): boolean => /^(id|ids\[\]|fileId|page|next_page)$|_id$/.test(name)

/** Ids such as `file_011CNha8iCJcU1wXNR6q4V8w` within a sentence. */
const idInText = /\b[a-z]{2,12}_(?=[A-Za-z]*[0-9A-Z])[A-Za-z0-9]{6,}\b/g

/** Secrets in requests to the token endpoint, and in its answers. */
const secretFields = /^(access_token|refresh_token|id_token|assertion|client_secret)$/

export interface Options {
  readonly ids: boolean
  readonly bodies: boolean
}

export const make = (options: Options) => {
  const names = new Map<string, string>()
  const counts = new Map<string, number>()

  const stand = (original: string, kind: string, suffix = ""): string => {
    const known = names.get(original)
    if (known !== undefined) return known
    const word = kind.toLowerCase().replace(/[^a-z]+/g, "_").replace(/^_+|_+$/g, "") || "text"
    const count = (counts.get(word) ?? 0) + 1
    counts.set(word, count)
    const name = `${word}_redacted_${count}${suffix}`
    names.set(original, name)
    return name
  }

  const id = (original: string, name: string): string =>
    options.ids && original !== "" ? stand(original, /^([a-z]+)_/.exec(original)?.[1] ?? name) : original

  /** A sentence of the service: only the ids and names in it are replaced. */
  const sentence = (text: string): string => {
    if (!options.ids) return text
    let clean = text
    for (const [original, name] of names) {
      if (original.length >= 6) clean = clean.replaceAll(original, name)
    }
    return clean.replace(idInText, (found) => found.includes("_redacted_") ? found : id(found, "id"))
  }

  return {
    path: (path: string): string =>
      path.split("/").map((segment) => pathWords.has(segment) ? segment : id(segment, "id")).join("/"),
    text: (text: string, name: string, parent: string): string => {
      // Secrets are replaced whatever the options say.
      if (secretFields.test(name)) return stand(text, name)
      if (isId(name)) return id(text, name)
      if (apiWords.test(name)) return text
      if (name === "message" && parent === "error") return sentence(text)
      if (!options.bodies) return sentence(text)
      if (text === "") return text
      return stand(text, name, name === "filename" ? /\.[A-Za-z0-9]{1,8}$/.exec(text)?.[0] : undefined)
    },
    header: (name: string, value: string): string => name === "request-id" ? id(value, "req") : value
  }
}

/** Replaces nothing. */
export const none: Redaction = {
  path: (path) => path,
  text: (text) => text,
  header: (_, value) => value
}

export type Redaction = ReturnType<typeof make>

/** The texts that the names of a recording stand for at a replay. */
export type Bindings = Map<string, string>

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

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

/** A recorded text with what stands behind its names. A name that stands for nothing yet is a value from now on. */
export const reveal = (recorded: string, bindings: Bindings): string =>
  recorded.replace(token, (name) => {
    const value = bindings.get(name)
    if (value === undefined) bindings.set(name, name)
    return value ?? name
  })
