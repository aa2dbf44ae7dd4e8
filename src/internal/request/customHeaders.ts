/**
 * `ANTHROPIC_CUSTOM_HEADERS`.
 */
import * as Effect from "effect/Effect"
import { InvalidConfig } from "../../FilesError.ts"

/** Lines of `Name: value`. */
export const parseCustomHeaders = (text: string): Effect.Effect<Record<string, string>, InvalidConfig> =>
  Effect.suspend(() => {
    const headers: Record<string, string> = {}
    for (const line of text.split(/\r?\n/)) {
      if (line.trim() === "") continue
      const colon = line.indexOf(":")
      if (colon <= 0) {
        return Effect.fail(
          new InvalidConfig({
            option: "ANTHROPIC_CUSTOM_HEADERS",
            message: "ANTHROPIC_CUSTOM_HEADERS has a line that is not `Name: value`."
          })
        )
      }
      headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
    }
    return Effect.succeed(headers)
  })
