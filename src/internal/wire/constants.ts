/**
 * The wire's constants, both dialects. Source: the Files API guide and reference, and the official SDK.
 */
export const defaultBaseUrl = "https://api.anthropic.com"

/** Accepted everywhere, gateways included; Files behave the same under newer ones. */
export const anthropicVersion = "2023-06-01"

/** The `anthropic-beta` value that selects the beta dialect. */
export const filesBeta = "files-api-2025-04-14"

/**
 * `ga` is the API as it is generally available since 2026-08-20; `beta` is what is served to requests that send the
 * `files-api-2025-04-14` beta header.
 */
export type Dialect = "ga" | "beta"

/** 500 MB, the documented limit of one file, as the service counts it. */
export const maxFileBytes = 500_000_000

/** The filename bound on upload, in characters. */
export const maxFilenameLength = 255

/** Characters that an uploaded filename must not hold: `< > : " | ? * \ /` and U+0000 to U+001F. */
// oxlint-disable-next-line no-control-regex
export const forbiddenFilenameCharacters = /[<>:"|?*\\/\u0000-\u001f]/

export const maxMimeTypeLength = 255

/** Seconds. */
export const minExpiresIn = 3_600

/** Seconds. */
export const maxExpiresIn = 7_776_000

export const maxPageLimit = 1000

export const defaultPageLimit = 20

/** Distinct ids in one `ids[]` request. */
export const maxIdsPerRequest = 100

/** Documented requests a minute. */
export const requestsPerMinute = { ga: 500, beta: 100 } as const

/** The model that the command line asks unless ANTHROPIC_MODEL or a flag names one; examples and pages name it too. */
export const defaultModel = "claude-sonnet-5-5"
