/**
 * Why a SQL statement failed. The message of the driver only says what it was doing; the reason is in the cause.
 */
import type { SqlError } from "effect/sql/SqlError"
import { codeOf, evidenceOf, wordsOf } from "./request/evidence.ts"
import { shorten } from "./text.ts"

/** What the database or the network reported, on one line. */
export const reasonOf = ({ message, reason }: SqlError): string =>
  shorten(wordsOf(reason.cause) || (codeOf(reason.cause) ?? message)).replace(/\.$/, "")

/** Codes of permanent errors in Postgres: a value, a password, a name or a statement is refused. */
const lasting = /^(22|23|28|3D|3F|42)/

/** Whether the statement may succeed later. Unknown errors may pass, for example a restart or a full disk. */
export const mayPass = ({ reason: { cause } }: SqlError): boolean =>
  !lasting.test(codeOf(cause) ?? "") && !evidenceOf(cause).isPermanent

/** Whether the database can't store a value. */
export const isOfValue = ({ reason: { cause } }: SqlError): boolean => /^2[23]/.test(codeOf(cause) ?? "")
