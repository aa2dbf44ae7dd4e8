/**
 * Makes foreign text (names, paths, server messages) safe to show in messages.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

// C0 and C1 controls, line separators, and what changes the direction of the text around it.
const unprintable =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** Half of a surrogate pair, which UTF-8 can't express. */
export const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/** All of them, for `replace`. */
export const loneSurrogates = new RegExp(loneSurrogate, "g")

const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/**
 * A name that is safe to print: characters that would colour, break or reorder a line are escaped.
 */
export const printable = (name: string): string => name.replace(unprintable, escape).replace(loneSurrogates, escape)

/** A name or path for a sentence: printable, and cut in the middle if it is very long. */
export const shorten = (name: string): string => {
  const shown = printable(name)
  return shown.length <= 300 ? shown : `${cut(shown, 100)}…${shown.slice(-190).replace(/^[\udc00-\udfff]/, "")}`
}

/** Cuts a text, but not in the middle of a character. */
const cut = (text: string, length: number): string => {
  const last = text.charCodeAt(length - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length)
}

/** The most of a foreign body that a message shows. Characters. */
const excerptLength = 512

/**
 * A foreign text as part of one line: without tags, control or bidirectional characters, or repeated spaces.
 */
export const excerpt = (text: string): string => {
  const plain = cut(text, 16_384)
    .replace(/<(script|style)\b[^]*?(<\/\1\s*>|$)/gi, " ")
    .replace(/<[a-z/!?][^>]*(>|$)/gi, " ")
    .replace(unprintable, " ")
    .replace(loneSurrogates, "\ufffd")
    .replace(/ {2,}/g, " ")
    .trim()
  return plain.length > excerptLength ? `${cut(plain, excerptLength - 1)}…` : plain
}

/** Whether a body that was read as text is binary: an image, an archive, something compressed. */
export const isBinary = (text: string): boolean => {
  const start = text.slice(0, 1024)
  // oxlint-disable-next-line no-control-regex
  return /[\u0000-\u0008\u000e-\u001a]/.test(start) || (start.match(/\ufffd/g)?.length ?? 0) > 2
}

/** The kind of an unexpected value, for a sentence. It never shows the value itself. */
export const kindOf = (value: unknown): string => {
  if (value === undefined) return "undefined"
  if (value === null) return "null"
  if (typeof value === "string") return "a string"
  if (typeof value === "function") return "a function"
  if (typeof value !== "object") return `a ${typeof value}`
  if (Array.isArray(value)) return "an array"
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value
  if ("detached" in buffer && buffer.detached === true) return "a detached buffer, whose bytes were transferred"
  if ("getReader" in value) return "a web ReadableStream"
  if ("pipe" in value && "read" in value && "on" in value) return "a Node stream"
  if ("then" in value) return "a Promise"
  const name = value.constructor?.name ?? ""
  if (name === "" || name === "Object") return "an object"
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${printable(name.slice(0, 60))}`
}

const orList = (all: ReadonlyArray<string>): string => {
  if (all.length < 3) return all.join(" or ")
  return `${all.slice(0, -1).join(", ")}, or ${all.at(-1)}`
}

/** For example `There is no AWS region: set AWS_REGION or pass region.` */
export const sentenceOf = (problem: string, remedies: ReadonlyArray<string>): string =>
  `${problem}: ${orList(remedies)}.`

/** The value of an option, for a sentence about one that is invalid. */
export const describeValue = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value.length <= 100 ? value : `${cut(value, 100)}…`)
  if (Duration.isDuration(value)) return Duration.format(value)
  return typeof value === "number" || typeof value === "boolean" ? String(value) : kindOf(value)
}

const stringify = Option.liftThrowable((value: unknown): string | undefined => JSON.stringify(value))

/** A value as JSON; `undefined` where there is none, as for what is nested deeper than the stack takes. */
export const jsonText = (value: unknown): string | undefined => Option.getOrUndefined(stringify(value))
