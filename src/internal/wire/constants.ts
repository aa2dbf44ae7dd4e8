/**
 * Constants of the API, for both dialects. Source: the Files API guide and reference, and the official SDK.
 */
export const defaultBaseUrl = "https://api.anthropic.com"

/** Accepted everywhere, including gateways. Files behave the same under newer versions. */
export const anthropicVersion = "2023-06-01"

/** The `anthropic-beta` value that selects the beta dialect. */
export const filesBeta = "files-api-2025-04-14"

/**
 * `ga` is the API that has been generally available since 2026-08-20. `beta` is served to requests with the beta header
 * `files-api-2025-04-14`.
 */
export type Dialect = "ga" | "beta"

/** The documented limit of one file: 500 MB, as the service counts them. */
export const maxFileBytes = 500_000_000

/** The longest filename of an upload, in characters. */
export const maxFilenameLength = 255

/** Characters that an uploaded filename must not contain: `< > : " | ? * \ /` and U+0000 to U+001F. */
// oxlint-disable-next-line no-control-regex
export const forbiddenFilenameCharacters = /[<>:"|?*\\/\u0000-\u001f]/

/** The longest MIME type, in characters. */
export const maxMimeTypeLength = 255

/** The shortest expiry: 1 hour, in seconds. */
export const minExpiresIn = 3_600

/** The longest expiry: 90 days, in seconds. */
export const maxExpiresIn = 7_776_000

/** The most files in one page. */
export const maxPageLimit = 1000

/** Files in one page if a request sets no limit. */
export const defaultPageLimit = 20

/** The most distinct ids in one `ids[]` request. */
export const maxIdsPerRequest = 100

/** The documented rate limits, in requests per minute. */
export const requestsPerMinute = { ga: 500, beta: 100 } as const

/** The model that the command line uses unless ANTHROPIC_MODEL or a flag names one; examples and pages use it too. */
export const defaultModel = "claude-sonnet-5-5"
