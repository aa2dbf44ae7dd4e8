/**
 * Turns a name that someone else chose into one that is safe to create in a directory.
 */
import { loneSurrogates } from "../text.ts"

/** The longest segment of a path on the common file systems, in bytes of UTF-8. */
const maxBytes = 255

const encoder = new TextEncoder()

// U+200D joins emoji and is kept. The others are invisible but change how a name reads.
// oxlint-disable-next-line no-control-regex
const invisible = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff]/g

/** Names of devices, which Windows opens in any directory and with any extension. */
const device = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(\.|$)/i

const clean = (name: string): string => {
  const visible = name.replace(loneSurrogates, "\ufffd").replace(invisible, "").normalize("NFC")
  const segment = visible.slice(Math.max(visible.lastIndexOf("/"), visible.lastIndexOf("\\")) + 1)
  const trimmed = segment.replace(/[<>:"|?*]/g, "_").replace(/^\s+|[.\s]+$/g, "")
  // A hidden file may configure a shell or a tool.
  const shown = trimmed.replace(/^\./, "_")
  return device.test(shown) ? `_${shown}` : shown
}

const shorten = (text: string, bytes: number): string => {
  if (encoder.encode(text).length <= bytes) return text
  let short = ""
  let used = 0
  for (const character of text) {
    used += encoder.encode(character).length
    if (used > bytes) break
    short += character
  }
  return short
}

/** Splits into `report` and `.pdf`. The part after the last dot is an extension if it has at most 16 characters. */
const split = (name: string): readonly [stem: string, extension: string] => {
  const dot = name.lastIndexOf(".")
  return dot > 0 && name.length - dot <= 17 ? [name.slice(0, dot), name.slice(dot)] : [name, ""]
}

/**
 * Puts a suffix before a name's extension, as in `report (1).pdf`, and shortens the rest so that a file system accepts it.
 */
export const withSuffix = (name: string, suffix: string): string => {
  const [stem, extension] = split(name)
  const room = maxBytes - encoder.encode(suffix).length - encoder.encode(extension).length
  return `${shorten(stem, room)}${suffix}${extension}`
}

/** `name.ext` for 0, then `name (1).ext`, `name (2).ext` and so on. */
export const numbered = (name: string, n: number): string => n === 0 ? name : withSuffix(name, ` (${n})`)

/**
 * A single path segment: without separators, `..`, control and bidirectional characters and `< > : " | ? *`; not hidden,
 * not a device; in NFC; 1 to 255 bytes. `fallback` is used if nothing is left of the name.
 */
export const safeName = (name: string, fallback: string): string => {
  const usable = [name, fallback].map(clean).find((candidate) => candidate !== "") ?? "file"
  const fitting = withSuffix(usable, "").replace(/[.\s]+$/, "")
  return fitting === "" ? "file" : fitting
}
