/**
 * Page cursors of the GA dialect. They hold a place in the listing, not a page number, so that files which come and go
 * between two pages neither repeat nor hide others.
 */

/** cyrb53, with the secret as its seed: a check, not a signature. What a cursor may reach is decided by the key. */
const hash = (text: string, seed: number): number => {
  let h1 = 0xdeadbeef ^ seed
  let h2 = 0x41c6ce57 ^ seed
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    h1 = Math.imul(h1 ^ code, 2654435761)
    h2 = Math.imul(h2 ^ code, 1597334677)
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909)
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909)
  return 4294967296 * (2097151 & h2) + (h1 >>> 0)
}

/** A check value of `text`, as eleven characters. */
export const checksum = (text: string): string => hash(text, 0).toString(36).padStart(11, "0")

const check = (secret: string, workspace: string, body: string): string => checksum(`${secret}.${workspace}.${body}`)

/** The cursor of the page that starts right after this sequence number. */
export const encode = (secret: string, workspace: string, sequence: number): string => {
  const body = sequence.toString(36)
  return `page_${check(secret, workspace, body)}${body}`
}

/** The sequence number, or `undefined` for a cursor that this emulator did not hand out in this workspace. */
export const decode = (secret: string, workspace: string, cursor: string): number | undefined => {
  const body = cursor.slice(16)
  if (!cursor.startsWith("page_") || !/^[0-9a-z]{1,11}$/.test(body)) return undefined
  if (cursor.slice(5, 16) !== check(secret, workspace, body)) return undefined
  return Number.parseInt(body, 36)
}
