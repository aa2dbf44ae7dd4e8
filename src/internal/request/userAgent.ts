/**
 * Who is asking. Some firewalls refuse a request that doesn't say.
 */
import { version } from "../version.ts"

const agent = { "user-agent": `effect-anthropic-files/${version}` }

// Browsers name themselves. One that lets the header be set asks the service first whether it may be sent.
const isBrowser = "document" in globalThis || "importScripts" in globalThis

/** The header that names this package, where a program may set it. */
export const userAgent: Readonly<Record<string, string>> = isBrowser ? {} : agent
