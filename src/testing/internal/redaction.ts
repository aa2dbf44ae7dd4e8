/**
 * Stands a name in for everything that a recording must not tell, always the same for the same, so that what belonged
 * together still does.
 */
import * as Predicate from "effect/Predicate"

const token = /[a-z]+(?:_[a-z]+)*?_redacted_\d+/g

/** Words of the API that a path is made of; all else in it is an id. */
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

/** `file_011CNha8iCJcU1wXNR6q4V8w` and its like, in the middle of a sentence. */
const idInText = /\b[a-z]{2,12}_(?=[A-Za-z]*[0-9A-Z])[A-Za-z0-9]{6,}\b/g

/** What the token endpoint exchanges, and what it gives for that. */
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

  /** A sentence of the service's own: only what it names is replaced. */
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
      // Whatever else a recording is to hold.
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

/** Leaves everything as it is. */
export const none: Redaction = {
  path: (path) => path,
  text: (text) => text,
  header: (_, value) => value
}

export type Redaction = ReturnType<typeof make>

/** What stands behind the names at a replay. */
export type Bindings = Map<string, string>

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** A recorded text as something to hold a live one against. */
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

/** Remembers what stands behind the names of a recorded text that a live one met. */
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
