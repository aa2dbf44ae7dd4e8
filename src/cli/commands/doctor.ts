/**
 * `doctor`: checks the setup, and says how to fix what is wrong.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as NodeOs from "node:os"
import process from "node:process"
import * as Files from "../../Files.ts"
import { CredentialsFailed } from "../../FilesError.ts"
import { printable } from "../../internal/text.ts"
import { anthropicVersion } from "../../internal/wire/constants.ts"
import * as NodeFiles from "../../NodeFiles.ts"
import * as UploadStore from "../../UploadStore.ts"
import * as Client from "../client.ts"
import { define } from "../define.ts"
import { failed, type Finding, ok, reasonOf, skipped, variable, warning } from "../doctor/finding.ts"
import * as Identity from "../doctor/identity.ts"
import * as Network from "../doctor/network.ts"
import { codeOf, ExitCode } from "../exitCode.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"

const node = Effect.sync(() => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 21)
    ? ok("Node", process.versions.node)
    : failed("Node", process.versions.node, "Install Node 22.21 or newer.")
})

const settingNames = (env: NodeJS.ProcessEnv): ReadonlyArray<string> =>
  Object.keys(env).filter((name) => name.startsWith("ANTHROPIC_FILES_") && env[name] !== "").sort()

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
        const advice = error instanceof CredentialsFailed
          ? "Do what the message says, or use another credential."
          : advices[code] ?? "Do what the message says, or try the other --dialect."
        return failed(name, reasonOf(error), advice, code)
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

/** The organization's own limits, where an admin key can ask for them. */
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
    const read = Effect.flatMap(
      client.execute(HttpClientRequest.get(Network.routeOf(url, "organizations/rate_limits"), {
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

/** Checks that a folder can be written to: a temporary one is made in it and removed again. */
const folder = Effect.fnUntraced(function*(name: string, directory: string, advice: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.andThen(
    fs.makeDirectory(directory, { recursive: true, mode: 0o700 }),
    Effect.scoped(fs.makeTempDirectoryScoped({ directory, prefix: "anthropic-files-doctor-" }))
  ).pipe(Effect.match({
    onFailure: (error) => failed(name, `${printable(directory)}: ${reasonOf(error)}`, advice),
    onSuccess: () => ok(name, printable(directory))
  }))
})

const cacheFolder = Effect.gen(function*() {
  const given = yield* variable("ANTHROPIC_FILES_CACHE_DIR")
  const directory = given ?? (yield* Effect.orElseSucceed(UploadStore.defaultDirectory, () => undefined))
  return directory === undefined
    ? warning("cache folder", "this user has none", "Add --cache-dir to the commands that use it.")
    : yield* folder("cache folder", directory, "Make it writable, or add --cache-dir.")
})

const marks = { ok: "✓", warning: "!", failed: "✗", skipped: "–" } as const

export const doctor = define({
  name: "doctor",
  description: "Check the setup, and say how to fix what is wrong",
  examples: [{ command: `${program} doctor --json`, description: "For a bug report; it holds no key" }],
  flags: {},
  onlyReads: true,
  run: Effect.fnUntraced(
    function*() {
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
      yield* tell(yield* node)
      const settings = settingNames(process.env)
      yield* tell(ok("settings", settings.length === 0 ? "flags alone" : `from ${settings.join(", ")}`))
      yield* tell(yield* Identity.platform)
      const { baseUrl, finding } = yield* Identity.identity
      yield* tell(finding)
      yield* tell(yield* Identity.workspace)
      const endpoint = yield* Identity.endpoint(baseUrl)
      yield* tell(endpoint.finding)
      if (endpoint.url !== undefined) {
        const way = yield* Network.way(endpoint.url)
        yield* tell(way.finding)
        yield* tell(yield* Network.dns(endpoint.url, way))
        yield* tell(yield* Network.tls(endpoint.url, way))
        for (const found of yield* Network.reach(endpoint.url, way)) yield* tell(found)
        yield* tell(finding.state === "ok" ? yield* authorization : skipped("authorization", "there is no credential"))
        if ((yield* Settings).platform === "anthropic") yield* tell(yield* limits(endpoint.url))
      }
      yield* tell(yield* folder("temporary", path.resolve(NodeOs.tmpdir()), "Make it writable, or set TMPDIR."))
      yield* tell(yield* cacheFolder)
      yield* output.endWith(code)
    }
  )
})
