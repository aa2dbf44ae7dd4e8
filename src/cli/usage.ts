/**
 * Says what is wrong with a command line in one sentence, and where to read on.
 */
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import { printable } from "../internal/text.ts"
import type { Streams } from "./streams.ts"

/** The name of the command. The package's name starts the same program. */
export const program = "anthropic-files"

/** Where to read on. */
export const hint = (commandPath: ReadonlyArray<string>): string => `Run '${commandPath.join(" ")} --help' for usage.`

const didYouMean = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : ` Did you mean ${suggestions.slice(0, 2).join(" or ")}?`

const expected = (text: string): string =>
  text.replace(/^Expected:?\s*/, "").replace(/\.$/, "").replace(/^"[^"]*"( \| "[^"]*")+$/, orList)

/** `"a" | "b" | "c"` as `a, b or c`. */
const orList = (choices: string): string =>
  choices.replaceAll("\"", "").replace(/ \| (?=[^|]*$)/, " or ").replaceAll(" | ", ", ")

/** One sentence, two with a suggestion. */
export const sentence = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `There is no flag ${error.option}.${didYouMean(error.suggestions)}`
    case "UnknownSubcommand":
      return `There is no command ${JSON.stringify(error.subcommand)}.${didYouMean(error.suggestions)}`
    case "MissingOption":
      return `The flag --${error.option} is missing.`
    case "MissingArgument":
      return `The argument <${error.argument}> is missing.`
    case "UnexpectedArgument":
      return `Unexpected argument: ${error.arguments.map((value) => JSON.stringify(value)).join(", ")}.`
    case "InvalidValue":
      return invalidValue(error)
    default:
      return error.message
  }
}

const invalidValue = ({ expected: what, kind, option, value }: CliError.InvalidValue): string => {
  // The flags of this program say it in a sentence of their own.
  if (what.startsWith("--")) return `${expected(what)}.`
  // Only of variables that effect reads by itself, for flags without a value and for choices.
  if (what.startsWith("SchemaError(")) {
    return `The environment sets --${option} to a value that it does not take: expected true or false, or one of its choices.`
  }
  const name = kind === "flag" ? `--${option}` : `<${option}>`
  return value === ""
    ? `${name} needs a value: ${expected(what)}.`
    : `${name} takes ${expected(what)}, not ${JSON.stringify(value)}.`
}

/** Help that was asked for is data. A wrong command line is explained on standard error, with a hint instead of the whole help. */
export const presenter = (
  streams: Streams["Service"],
  canColor: boolean
): CliOutput.Presenter => {
  const formatter = CliOutput.defaultFormatter({ colors: canColor, globalFlags: "summary" })
  return {
    present: (event) => {
      switch (event._tag) {
        case "Help":
          return streams.out(`${formatter.formatHelpDoc(event.helpDoc).trimEnd()}\n`)
        case "Version":
          return streams.out(`${event.name} ${event.version}\n`)
        case "InvalidInvocation": {
          const [first] = event.errors
          const text = first === undefined ? "" : `${printable(sentence(first))}\n`
          return streams.err(`${text}${hint(event.commandPath)}\n`)
        }
      }
    }
  }
}
