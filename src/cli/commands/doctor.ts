/**
 * `doctor`: what works, what does not, and how to mend it.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as NodeDns from "node:dns/promises"
import * as NodeOs from "node:os"
import process from "node:process"
import * as NodeTls from "node:tls"
import * as Credentials from "../../Credentials.ts"
import * as Files from "../../Files.ts"
import { printable } from "../../internal/text.ts"
import { anthropicVersion, defaultBaseUrl } from "../../internal/wire/constants.ts"
import { proxiesOf } from "../../node/proxies.ts"
import * as NodeFiles from "../../NodeFiles.ts"
import * as UploadStore from "../../UploadStore.ts"
import * as Client from "../client.ts"
import { define } from "../define.ts"
import { codeOf, ExitCode } from "../exitCode.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"

interface Finding {
  readonly name: string
  readonly state: "ok" | "warning" | "failed" | "skipped"
  readonly detail: string
  /** What to do about it. */
  readonly advice?: string | undefined
  /** The exit code of a failure. */
  readonly code?: number | undefined
}

const ok = (name: string, detail: string): Finding => ({ name, state: "ok", detail })

const warning = (name: string, detail: string, advice: string): Finding => ({ name, state: "warning", detail, advice })

const failed = (name: string, detail: string, advice: string, code: number = ExitCode.someFailed): Finding => ({
  name,
  state: "failed",
  detail,
  advice,
  code
})

const skipped = (name: string, detail: string): Finding => ({ name, state: "skipped", detail })

const messageOf = (error: unknown): string => printable(error instanceof Error ? error.message : String(error))

const variable = (name: string) =>
  Effect.map(
    Effect.orElseSucceed(Config.option(Config.Redacted(name)), Option.none),
    (found) =>
      Option.getOrUndefined(
        Option.filter(Option.map(found, (value) => Redacted.value(value).trim()), (text) => text !== "")
      )
  )

/** The last four characters, and no more. */
const ending = (key: string): string => key.length < 12 ? "…" : `…${printable(key.slice(-4))}`

const node = Effect.sync(() => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 21)
    ? ok("Node", process.versions.node)
    : failed("Node", process.versions.node, "Install Node 22.21 or newer.")
})

const settingNames = (env: NodeJS.ProcessEnv): ReadonlyArray<string> =>
  Object.keys(env).filter((name) => name.startsWith("ANTHROPIC_FILES_") && env[name] !== "").sort()

/** Which base URL it is, and who says so. */
const endpoint = Effect.gen(function*() {
  const settings = yield* Settings
  if (settings.baseUrl !== undefined) return { url: settings.baseUrl, source: "--base-url" }
  const fromEnvironment = yield* variable("ANTHROPIC_BASE_URL")
  return fromEnvironment === undefined
    ? { url: defaultBaseUrl, source: "the default" }
    : { url: fromEnvironment, source: "ANTHROPIC_BASE_URL" }
})

const credential = Effect.gen(function*() {
  const { platform, profile } = yield* Settings
  if (platform !== "anthropic") return ok("credential", `what ${platform} uses, by its own variables`)
  if (profile !== undefined) return ok("credential", `the profile ${printable(profile)}, from --profile`)
  const { message, source } = yield* Credentials.explain
  if (source === undefined) {
    return failed("credential", printable(message), "Set ANTHROPIC_API_KEY, or name a profile.", ExitCode.unauthorized)
  }
  const key = yield* variable(source)
  return ok("credential", `${printable(message)}${key === undefined ? "" : ` It ends in ${ending(key)}.`}`)
})

const workspace = Effect.gen(function*() {
  const { workspaceId } = yield* Settings
  if (workspaceId !== undefined) return ok("workspace", `${printable(workspaceId)}, from --workspace`)
  const fromEnvironment = yield* variable("ANTHROPIC_WORKSPACE_ID")
  return fromEnvironment === undefined
    ? ok("workspace", "the credential's own")
    : ok("workspace", `${printable(fromEnvironment)}, from ANTHROPIC_WORKSPACE_ID`)
})

const noProxy = "none"

const proxy = (url: URL) =>
  Effect.match(proxiesOf(undefined, process.env), {
    onFailure: (error) => failed("proxy", messageOf(error), "Correct the variable, or unset it."),
    onSuccess: (proxies) => {
      const used = url.protocol === "https:" ? proxies?.https : proxies?.http
      return ok("proxy", used === undefined ? noProxy : `${printable(used)}, unless NO_PROXY names the host`)
    }
  })

const dns = (url: URL) => {
  const host = url.hostname.replace(/^\[|\]$/g, "")
  return Effect.tryPromise({ try: () => NodeDns.lookup(host), catch: messageOf }).pipe(
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.fail("no answer within 10 s") }),
    Effect.match({
      onFailure: (why) => failed("DNS", `${host}: ${why}`, "Check the base URL and the network.", ExitCode.temporary),
      onSuccess: ({ address }) => ok("DNS", `${host} is ${address}`)
    })
  )
}

/** Who vouches for the service's certificate: a proxy that opens TLS shows itself here. */
const tls = (url: URL) => {
  if (url.protocol !== "https:") {
    return Effect.succeed(warning("TLS", "plain http", "Fine for this machine; elsewhere use https."))
  }
  const name = "TLS"
  return Effect.callback<Finding>((resume) => {
    const socket = NodeTls.connect({
      host: url.hostname,
      port: Number(url.port || 443),
      servername: url.hostname,
      timeout: 10_000
    })
    const end = (finding: Finding) => {
      socket.destroy()
      resume(Effect.succeed(finding))
    }
    socket.once("secureConnect", () => {
      const { issuer, valid_to } = socket.getPeerCertificate()
      const by = printable(String(issuer?.O ?? issuer?.CN ?? "an unnamed authority"))
      const extra = process.env["NODE_EXTRA_CA_CERTS"]
      const trusted = extra === undefined ? "" : `; NODE_EXTRA_CA_CERTS is ${printable(extra)}`
      end(ok(name, `${socket.getProtocol() ?? "TLS"}, certificate by ${by}, valid to ${printable(valid_to)}${trusted}`))
    })
    socket.once(
      "timeout",
      () => end(failed(name, "no connection within 10 s", "Check the network.", ExitCode.temporary))
    )
    socket.once("error", (error) =>
      end(failed(
        name,
        messageOf(error),
        "Behind a proxy that opens TLS, give its authority with NODE_EXTRA_CA_CERTS.",
        ExitCode.temporary
      )))
    return Effect.sync(() => socket.destroy())
  })
}

/** Without a key: whether somebody answers who speaks this API, and what time it is there. */
const reach = (url: URL) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.get(`${url.href.replace(/\/+$/, "").replace(/\/v1$/, "")}/v1/files?limit=1`, {
      headers: { "anthropic-version": anthropicVersion }
    })
    const response = yield* client.execute(request)
    const found = { headers: response.headers, status: response.status, at: yield* Clock.currentTimeMillis }
    yield* Effect.ignore(response.text)
    return found
  }).pipe(
    Effect.timeoutOrElse({ duration: "15 seconds", orElse: () => Effect.fail("no answer within 15 s") }),
    Effect.provide(NodeFiles.layerHttpClient),
    Effect.match({
      onFailure: (error): ReadonlyArray<Finding> => [
        failed("service", messageOf(error), "Check the base URL, the network and the proxy.", ExitCode.temporary)
      ],
      onSuccess: ({ at, headers, status }): ReadonlyArray<Finding> => [
        headers["request-id"] === undefined
          ? warning("service", `answers ${status} without a request-id`, "A gateway answers, or another service.")
          : ok("service", `answers ${status} to a request without a key, as it should`),
        clock(headers["date"], at)
      ]
    })
  )

/** @param now epoch milliseconds of this machine */
export const clock = (date: string | undefined, now: number): Finding => {
  const there = Date.parse(date ?? "")
  if (Number.isNaN(there)) return skipped("clock", "the service tells no time")
  const apart = Math.round(Math.abs(now - there) / 1000)
  const detail = `${Format.duration(apart)} ${now >= there ? "ahead of" : "behind"} the service's`
  if (apart <= 5) return ok("clock", "that of the service")
  return apart <= 60
    ? warning("clock", detail, "Set the clock, best by NTP.")
    : failed("clock", detail, "Set the clock, best by NTP: expiry and signed requests depend on it.")
}

const advices: Readonly<Record<number, string>> = {
  [ExitCode.unauthorized]: "Check the key, and that it may use files in this workspace.",
  [ExitCode.temporary]: "Try again later."
}

/** One real request, in the dialect that is set. */
const authorization = Effect.gen(function*() {
  const { dialect } = yield* Settings
  const name = "authorization"
  return yield* Files.listPage({ limit: 1 }).pipe(
    Effect.provide(Client.layer),
    Effect.match({
      onFailure: (error) => {
        const code = codeOf(error)
        const advice = advices[code] ?? "Read the message; with the other dialect, --dialect, it may be another one."
        return failed(name, messageOf(error), advice, code)
      },
      onSuccess: () => ok(name, `files can be listed in the ${dialect === "beta" ? "beta" : "GA"} dialect`)
    })
  )
})

const limitsIn = (body: unknown): string | undefined => {
  const groups = Predicate.hasProperty(body, "data") ? body.data : body
  if (!Array.isArray(groups)) return undefined
  const files: unknown = groups.find((group) => Predicate.hasProperty(group, "type") && group.type === "files")
  return Predicate.hasProperty(files, "requests_per_minute") && typeof files.requests_per_minute === "number"
    ? `${files.requests_per_minute} requests a minute`
    : undefined
}

/** The organization's own, where an admin key can ask for them. */
const limits = (url: URL) =>
  Effect.gen(function*() {
    const key = yield* variable("ANTHROPIC_ADMIN_KEY")
    const name = "limits"
    if (key === undefined) {
      return skipped(
        name,
        "500 requests a minute are documented; ANTHROPIC_ADMIN_KEY would tell the organization's own"
      )
    }
    const client = yield* HttpClient.HttpClient
    const base = url.href.replace(/\/+$/, "").replace(/\/v1$/, "")
    const read = Effect.flatMap(
      client.execute(HttpClientRequest.get(`${base}/v1/organizations/rate_limits`, {
        headers: { "x-api-key": key, "anthropic-version": anthropicVersion }
      })),
      (response: HttpClientResponse.HttpClientResponse) =>
        Effect.map(Effect.orElseSucceed(response.json, () => undefined), (body) => ({ status: response.status, body }))
    )
    return yield* Effect.match(read, {
      onFailure: () => warning(name, "could not be asked for", "Try again later."),
      onSuccess: ({ body, status }) => {
        const found = limitsIn(body)
        return found === undefined
          ? warning(name, `the service answered ${status} without the limits of files`, "Check ANTHROPIC_ADMIN_KEY.")
          : ok(name, found)
      }
    })
  }).pipe(Effect.provide(NodeFiles.layerHttpClient), Effect.orElseSucceed(() => skipped("limits", "not asked for")))

/** Whether a file can be made there, and is removed again. */
const folder = Effect.fnUntraced(function*(name: string, directory: string, advice: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.andThen(
    fs.makeDirectory(directory, { recursive: true, mode: 0o700 }),
    Effect.scoped(fs.makeTempDirectoryScoped({ directory, prefix: "anthropic-files-doctor-" }))
  ).pipe(Effect.match({
    onFailure: (error) => failed(name, `${printable(directory)}: ${messageOf(error)}`, advice),
    onSuccess: () => ok(name, printable(directory))
  }))
})

const cacheFolder = Effect.gen(function*() {
  const given = yield* variable("ANTHROPIC_FILES_CACHE_DIR")
  const directory = given ?? (yield* Effect.orElseSucceed(UploadStore.defaultDirectory, () => undefined))
  return directory === undefined
    ? warning("cache folder", "this user has none", "Give --cache-dir to what uses it.")
    : yield* folder("cache folder", directory, "Make it writable, or give --cache-dir.")
})

const marks = { ok: "✓", warning: "!", failed: "✗", skipped: "–" } as const

export const doctor = define({
  name: "doctor",
  description: "Say what works, and how to mend what does not",
  examples: [{ command: `${program} doctor --json`, description: "For a bug report: it holds no key" }],
  flags: {},
  onlyReads: true,
  run: Effect.fnUntraced(function*() {
    const output = yield* Output
    const path = yield* Path.Path
    let code: number = ExitCode.done
    const tell = (finding: Finding) => {
      const { advice, detail, name, state } = finding
      if (state === "failed" && code === ExitCode.done) code = finding.code ?? ExitCode.someFailed
      const { dim, green, red, yellow } = output.style
      const paint = { ok: green, warning: yellow, failed: red, skipped: dim }[state]
      const text = `${paint(marks[state])} ${Format.padEnd(name, 14)} ${detail}`
      return output.item(
        { action: "checked", data: { name, state, detail, ...(advice === undefined ? undefined : { advice }) } },
        advice === undefined ? text : `${text}\n${" ".repeat(17)}${output.style.bold("→")} ${advice}`
      )
    }
    const { source, url } = yield* endpoint
    yield* tell(yield* node)
    const settings = settingNames(process.env)
    yield* tell(ok("settings", settings.length === 0 ? "flags alone" : `from ${settings.join(", ")}`))
    yield* tell(yield* credential)
    yield* tell(yield* workspace)
    const { platform } = yield* Settings
    const parsed = Option.liftThrowable((text: string) => new URL(text))(url)
    if (platform !== "anthropic") {
      yield* tell(skipped("endpoint", `that of ${platform}, by its own variables`))
      yield* tell(yield* authorization)
    } else if (Option.isNone(parsed)) {
      yield* tell(
        failed("endpoint", `${source} is not a URL`, `Expected for example ${defaultBaseUrl}.`, ExitCode.usage)
      )
    } else {
      const base = parsed.value
      yield* tell(ok("endpoint", `${printable(base.origin + base.pathname.replace(/\/$/, ""))}, from ${source}`))
      const through = yield* proxy(base)
      yield* tell(through)
      const isDirect = through.detail === noProxy
      yield* tell(isDirect ? yield* dns(base) : skipped("DNS", "the proxy's own"))
      yield* tell(isDirect ? yield* tls(base) : skipped("TLS", "through the proxy"))
      for (const finding of yield* reach(base)) yield* tell(finding)
      yield* tell(yield* authorization)
      yield* tell(yield* limits(base))
    }
    yield* tell(yield* folder("temporary", path.resolve(NodeOs.tmpdir()), "Make it writable, or set TMPDIR."))
    yield* tell(yield* cacheFolder)
    yield* output.endWith(code)
  })
})
