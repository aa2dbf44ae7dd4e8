/**
 * What a failed statement says of itself. The driver says what it was doing; why that failed is in the cause.
 */
import type { SqlError } from "effect/sql/SqlError"
import { codeOf, evidenceOf, wordsOf } from "./request/evidence.ts"
import { shorten } from "./text.ts"

/** What the database or the network said, on one line. */
export const reasonOf = ({ message, reason }: SqlError): string =>
  shorten(wordsOf(reason.cause) || (codeOf(reason.cause) ?? message)).replace(/\.$/, "")

/** Codes of Postgres for what it refuses for good: a value, a password, a name, a statement. */
const lasting = /^(22|23|28|3D|3F|42)/

/** Whether the same may succeed later. What is not known to last may pass: a restart, a full disk. */
export const mayPass = ({ reason: { cause } }: SqlError): boolean =>
  !lasting.test(codeOf(cause) ?? "") && !evidenceOf(cause).isPermanent

/** Whether a value is at fault, which the database can't store. */
export const isOfValue = ({ reason: { cause } }: SqlError): boolean => /^2[23]/.test(codeOf(cause) ?? "")
