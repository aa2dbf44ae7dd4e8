/**
 * Page cursors of the GA dialect. A cursor holds a place in the listing, not a page number, so that no file is repeated or
 * skipped when others come and go between two pages.
 */
import { checksum } from "../checksum.ts"

// A checksum, not a signature: the key decides what a cursor may reach.
const check = (secret: string, workspace: string, body: string): string => checksum(`${secret}.${workspace}.${body}`)

/** The cursor of the page that starts right after this sequence number. */
export const encode = (secret: string, workspace: string, sequence: number): string => {
  const body = sequence.toString(36)
  return `page_${check(secret, workspace, body)}${body}`
}

/** The sequence number, or `undefined` for a cursor that does not come from this store and workspace. */
export const decode = (secret: string, workspace: string, cursor: string): number | undefined => {
  const body = cursor.slice(16)
  if (!cursor.startsWith("page_") || !/^[0-9a-z]{1,11}$/.test(body)) return undefined
  if (cursor.slice(5, 16) !== check(secret, workspace, body)) return undefined
  return Number.parseInt(body, 36)
}
