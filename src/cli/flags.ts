/**
 * Flags. Each can also be set by a variable: `--idle-timeout` by `ANTHROPIC_FILES_IDLE_TIMEOUT`.
 */
import * as ByteSize from "effect/ByteSize"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/** The variable of a flag. */
export const twin = (name: string): string => `ANTHROPIC_FILES_${name.toUpperCase().replaceAll("-", "_")}`

/** A variable of the environment; an empty one counts as unset. */
const inEnvironment = (variable: string): Config.Config<string> =>
  Config.mapEffect(
    Config.String(variable),
    (text) => text === "" ? Config.String(variable).parse(ConfigProvider.fromUnknown({})) : Effect.succeed(text)
  )

/** On or off, off by default. A name that begins with `no-` has no negation. */
export const toggle = (name: string, description: string, variable = twin(name)): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(
    name.startsWith("no-") ? Flag.withoutNegation : identity,
    Flag.withDescription(description),
    Flag.withFallbackConfig(Config.Boolean(variable)),
    Flag.withDefault(false)
  )

const given = (name: string, description: string, metavar: string, variable = twin(name)): Flag.Flag<string> =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar(metavar),
    Flag.withFallbackConfig(inEnvironment(variable))
  )

export const text = (
  name: string,
  metavar: string,
  description: string,
  alias?: string,
  variable?: string
): Flag.Flag<Option.Option<string>> => {
  const flag = given(name, description, metavar, variable)
  return Flag.optional(alias === undefined ? flag : Flag.withAlias(flag, alias))
}

/**
 * The address of a database. It may hold a password, so it is never shown.
 *
 * @param otherVariable read where neither the flag nor its own variable is given
 */
export const address = (
  name: string,
  schemes: ReadonlyArray<string>,
  description: string,
  otherVariable: string
): Flag.Flag<Option.Option<Redacted.Redacted<string>>> =>
  Flag.String(name).pipe(
    Flag.withDescription(`${description}, instead of ${otherVariable}`),
    Flag.withMetavar("URL"),
    Flag.withFallbackConfig(Config.orElse(inEnvironment(twin(name)), () => inEnvironment(otherVariable))),
    Flag.filter(
      (text) => schemes.some((scheme) => text.startsWith(`${scheme}://`)) && URL.canParse(text),
      () => `--${name} takes a URL that begins with ${schemes[0]}://`
    ),
    Flag.map((text) => Redacted.make(text)),
    Flag.optional
  )

const parsed = <A>(
  name: string,
  metavar: string,
  description: string,
  parse: (text: string) => Option.Option<A>,
  expected: string,
  variable?: string
): Flag.Flag<Option.Option<A>> =>
  given(name, description, metavar, variable).pipe(
    Flag.filterMap(parse, (text) => `--${name} takes ${expected}, not ${JSON.stringify(text)}`),
    Flag.optional
  )

/** A whole number, at least `minimum`. */
export const count = (
  name: string,
  description: string,
  minimum: number,
  variable?: string
): Flag.Flag<Option.Option<number>> =>
  parsed(
    name,
    "N",
    description,
    (text) => {
      const number = Number(text)
      return /^\d+$/.test(text) && Number.isSafeInteger(number) && number >= minimum
        ? Option.some(number)
        : Option.none()
    },
    `a whole number of at least ${minimum}`,
    variable
  )

const units: Readonly<Record<string, Duration.Unit>> = {
  ms: "millis",
  s: "seconds",
  m: "minutes",
  min: "minutes",
  h: "hours",
  d: "days",
  w: "weeks"
}

/** `90s`, `12h`, `7d`, or in words, `7 days`. */
const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const short = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.trim())
  const unit = units[short?.[2] ?? ""]
  const found = unit === undefined
    ? Duration.fromInput(text.trim() as Duration.Input)
    : Duration.fromInput(`${Number(short?.[1])} ${unit}`)
  return Option.filter(found, Duration.isGreaterThan(Duration.zero))
}

export const duration = (
  name: string,
  description: string,
  variable?: string
): Flag.Flag<Option.Option<Duration.Duration>> =>
  parsed(name, "TIME", description, parseDuration, "a duration such as 90s, 12h or 7d", variable)

const symbols: Readonly<Record<string, string>> = {
  "": "B",
  b: "B",
  k: "kB",
  kb: "kB",
  ki: "KiB",
  kib: "KiB",
  m: "MB",
  mb: "MB",
  mi: "MiB",
  mib: "MiB",
  g: "GB",
  gb: "GB",
  gi: "GiB",
  gib: "GiB",
  t: "TB",
  tb: "TB",
  ti: "TiB",
  tib: "TiB"
}

/** `1500`, `10MB`, `1.5 GiB`, `10m`. */
const parseBytes = (text: string): Option.Option<number> => {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  const symbol = symbols[match?.[2]?.toLowerCase() ?? "?"]
  return symbol === undefined
    ? Option.none()
    : Option.flatMap(ByteSize.fromString(`${match?.[1]} ${symbol}`), ByteSize.toNumber)
}

export const size = (name: string, description: string, variable?: string): Flag.Flag<Option.Option<number>> =>
  parsed(name, "SIZE", description, parseBytes, "a size such as 1500, 10MB or 1.5GiB", variable)

/** A point in time, or how long ago it is. */
export type Since = DateTime.Utc | Duration.Duration

export const since = (name: string, description: string): Flag.Flag<Option.Option<Since>> =>
  parsed<Since>(
    name,
    "WHEN",
    description,
    (text) =>
      Option.orElse<Since, Since>(
        parseDuration(text),
        () => /^\d{4}-/.test(text) ? DateTime.make(text) : Option.none()
      ),
    "a date such as 2026-11-01, or a duration such as 2d for two days ago"
  )

/** May be given several times; separated by commas in the variable. */
export const list = (
  name: string,
  metavar: string,
  description: string,
  variable = twin(name)
): Flag.Flag<ReadonlyArray<string>> =>
  Flag.String(name).pipe(
    Flag.withDescription(`${description}; may be given several times`),
    Flag.withMetavar(metavar),
    Flag.atLeast(1),
    Flag.withFallbackConfig(
      Config.map(inEnvironment(variable), (text) => text.split(",").map((part) => part.trim()))
    ),
    Flag.withDefault<ReadonlyArray<string>>([])
  )

export const choice = <const Choices extends ReadonlyArray<string>>(
  name: string,
  choices: Choices,
  description: string
): Flag.Flag<Option.Option<Choices[number]>> =>
  Flag.Literals(name, choices).pipe(
    Flag.withDescription(description),
    Flag.withFallbackConfig(Config.Literals(choices, twin(name))),
    Flag.optional
  )
