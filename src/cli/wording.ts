/**
 * What the library says to who writes a program, as it is said to who types a command: options are flags here, the key
 * comes from the environment, and a package is added to npx.
 */

/** A word that stands by itself: not a part of a path or of a longer name. */
const word = (name: string): RegExp => new RegExp(`(?<![\\w./\\\\-])${name}(?![\\w/\\\\-]|\\.\\w)`, "g")

const wordings: ReadonlyArray<readonly [said: RegExp, instead: string]> = [
  [
    /The package (\S+) is not installed: run npm install \S+, or give \w+\./,
    "The package $1 is not installed: add -p $1 to npx, or install it beside this one."
  ],
  [/, log in to a profile, or give apiKey to the layer\b/, " or log in to a profile"],
  [/, or give apiKey to the layer\b/, ""],
  [/, or give a (key|token)\b/, ""],
  [/,? or the option proxy\b/, ""],
  [/give the key as apiKey instead/, "put the key into ANTHROPIC_API_KEY instead"],
  [/exclude each other: give one of them/, "exclude each other: unset one of them"],
  [/: give (project|region|resource|baseUrl), or set /, ": set "],
  [/give workspaceId, or set /, "give --workspace, or set "],
  [/, log in with the AWS command line, or give credentials\./, ", or log in with the AWS command line."],
  [/set allowPlainHttp\b/, "add --allow-plain-http"],
  [/set dialect to "(ga|beta)"/, "add --dialect $1"],
  [/choose another path, or set onExisting/, "choose another path, or add --force"],
  [/give one as the upload's filename/, "give one with --name"],
  [/: give its bytes as a stream/, ": give its bytes on standard input, and - as the path"],
  [word("allowPlainHttp"), "--allow-plain-http"],
  [word("baseUrl"), "--base-url"],
  [word("expiresIn"), "--expires-in"],
  [word("idleTimeout"), "--idle-timeout"],
  [word("maxDeletions"), "--max-delete"],
  [word("requestsPerMinute"), "--rate-limit"],
  [word("workspaceId"), "--workspace"]
]

/** The sentence of a failure, for who types commands. */
export const messageOf = (error: unknown): string =>
  wordings.reduce(
    (message, [said, instead]) => message.replace(said, instead),
    error instanceof Error ? error.message : String(error)
  )
