/**
 * Colours, and whether to use them.
 */
export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const sgr = (on: number, off: number) => (text: string): string =>
  text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`

export const colored: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
  cyan: sgr(36, 39)
}

const same = (text: string): string => text

export const plain: Style = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same }

export type Environment = Readonly<Record<string, string | undefined>>

const isSet = (value: string | undefined): value is string => value !== undefined && value !== ""

const isOn = (value: string | undefined): boolean => isSet(value) && value !== "0" && value.toLowerCase() !== "false"

/** `NO_COLOR` wins, then what forces colour, then what switches it off, then whether it is a terminal. */
export const wantsColor = (environment: Environment, isTerminal: boolean): boolean => {
  if (isSet(environment["NO_COLOR"])) return false
  if (isOn(environment["FORCE_COLOR"]) || isOn(environment["CLICOLOR_FORCE"])) return true
  const force = environment["FORCE_COLOR"]
  if (isSet(force) || environment["CLICOLOR"] === "0" || environment["TERM"] === "dumb") return false
  return isTerminal
}
