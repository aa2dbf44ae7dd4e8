/**
 * JSON answers: bounded in size, and anything but the documented shape is an error that names the field.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { FilesError } from "../../FilesError.ts"
import { excerpt } from "../text.ts"
import { decodeText, parseJson, readWhole } from "./body.ts"
import { fromMisplacedEnvelope, type Subject, unexpected } from "./errors.ts"
import type { Answer } from "./send.ts"

/** A JSON answer, once decoded from the wire, has at most this many bytes. */
const maxJsonBytes = 16 * 1024 * 1024

/** As much of a body goes into an error's message at first. */
const maxShown = 64 * 1024

/**
 * Reads and decodes a JSON answer: bounded in size and in time, and anything but the documented shape is an error that
 * names the field.
 */
export const decodeJson = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  schema: S,
  /** A shorter way for what is plainly as documented; `undefined` leaves it to the Schema. */
  direct: (json: unknown) => S["Type"] | undefined = () => undefined
) => {
  const decode = Schema.decodeUnknownExit(schema)
  return (
    subject: Subject,
    { response }: Answer,
    /** What is made of it. */
    then: (value: S["Type"]) => Effect.Effect<S["Type"], FilesError> = Effect.succeed
  ): Effect.Effect<S["Type"], FilesError> =>
    Effect.matchEffect(readWhole(response, maxJsonBytes), {
      onFailure: () => Effect.fail(unexpected(subject, response, "The answer broke off before its end.", "")),
      onSuccess: (body): Effect.Effect<S["Type"], FilesError> => {
        if ("isCut" in body && body.isCut) {
          return Effect.fail(unexpected(subject, response, `The answer is longer than ${maxJsonBytes} bytes.`, ""))
        }
        const text = decodeText("isCut" in body ? body.bytes : body)
        const json = parseJson(text)
        if (Result.isFailure(json)) {
          const what = text === "" ? "The answer is empty." : "The answer is not JSON, or not all of it."
          return Effect.fail(unexpected(subject, response, what, text.slice(0, maxShown)))
        }
        const plain = direct(json.success)
        if (plain !== undefined) return then(plain)
        const decoded = decode(json.success)
        if (Exit.isSuccess(decoded)) return then(decoded.value)
        const misplaced = fromMisplacedEnvelope(subject, response.headers, json.success)
        if (misplaced !== undefined) return Effect.fail(misplaced)
        return Effect.fail(unexpected(
          subject,
          response,
          `The answer is not what the API documents (${excerpt(issueOf(decoded))}).`,
          text.slice(0, maxShown)
        ))
      }
    })
}

const issueOf = (exit: Exit.Failure<unknown, Schema.SchemaError>): string =>
  Option.match(Exit.findErrorOption(exit), { onNone: () => "", onSome: (error) => error.message })
