import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as UploadFlags from "../../src/cli/uploadFlags.ts"
import { messageOf } from "../../src/cli/wording.ts"
import { InvalidConfig, InvalidFilename, SourceFailed } from "../../src/FilesError.ts"
import { fixableConfig } from "../../src/internal/advice.ts"
import { SyncFailed } from "../../src/internal/cache/sync.ts"
import { parseAddress } from "../../src/internal/request/baseUrl.ts"

const sync = (reason: SyncFailed["reason"], message: string) =>
  new SyncFailed({
    operation: "sync",
    reason,
    message,
    directory: "docs",
    isRetryable: false,
    isOutcomeUnknown: false
  })

describe("the sentence of a failure, on the command line", () => {
  it.effect("plain http to another machine: names the flag that allows it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(parseAddress("http://example.com", false, "baseUrl"))
      assert.match(error.message, /: use https or pass allowPlainHttp\.$/)
      assert.match(messageOf(error), /: use https or add --allow-plain-http\.$/)
    }))

  it("a missing workspace: names the variable, and the flag beside it", () => {
    const error = fixableConfig("workspaceId", "A workspace is needed", ["set ANTHROPIC_AWS_WORKSPACE_ID"])
    assert.strictEqual(
      error.message,
      "A workspace is needed: set ANTHROPIC_AWS_WORKSPACE_ID or pass workspaceId."
    )
    assert.strictEqual(
      messageOf(error),
      "A workspace is needed: set ANTHROPIC_AWS_WORKSPACE_ID or add --workspace."
    )
  })

  it("an option without a flag is left out", () => {
    const error = fixableConfig("apiKey", "There is no credential", ["set ANTHROPIC_API_KEY", "log in to a profile"])
    assert.strictEqual(
      error.message,
      "There is no credential: set ANTHROPIC_API_KEY, log in to a profile, or pass apiKey."
    )
    assert.strictEqual(messageOf(error), "There is no credential: set ANTHROPIC_API_KEY or log in to a profile.")
  })

  it.effect("--expires-in outside its range: names the flag and the range", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(UploadFlags.check({ expiresIn: Option.some(Duration.minutes(1)) }))
      assert.strictEqual(message, "--expires-in has to be 1 hour to 90 days, in whole seconds.")
    }))

  it("a file without a name: names the flag that gives one", () => {
    const error = new InvalidFilename({
      operation: "upload",
      message: "A file needs a name: give one as the upload's filename.",
      filename: ""
    })
    assert.strictEqual(messageOf(error), "A file needs a name: give one with --name.")
  })

  it("too many deletions: names the flag that allows them", () => {
    assert.strictEqual(
      messageOf(sync("TooManyDeletions", "5 files are gone from docs, more than the 3 that may be deleted.")),
      "5 files are gone from docs, more than the 3 that may be deleted. --max-delete allows more."
    )
    assert.strictEqual(messageOf(sync("Empty", "docs is empty.")), "docs is empty.")
  })

  it("names and texts of users stay as they are, whatever options they are called like", () => {
    const options = ["allowPlainHttp", "baseUrl", "expiresIn", "idleTimeout", "maxDeletions", "workspaceId"]
    for (const name of [...options, ...options.map((option) => `set ${option}, or give a key`)]) {
      const message = `There is no file at ${name}.`
      const source = new SourceFailed({ operation: "upload", reason: "NotFound", message, source: name })
      const config = new InvalidConfig({ option: name, message })
      const filename = new InvalidFilename({ operation: "upload", message, filename: name })
      for (const error of [source, config, filename, new Error(message), message]) {
        assert.strictEqual(messageOf(error), message)
      }
    }
  })

  it("sentences of the library that are printed unchanged name no option of a program", () => {
    const files = fs.readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) =>
      /^(platform|node|internal)\/.*\.ts$/.test(file)
    )
    const texts = files.flatMap((file) =>
      Array.from(
        // Sentences that say what to do.
        fs.readFileSync(`src/${file}`, "utf8").matchAll(/["`]([A-Z][^"`\n]*: (?:set|give|pass|check) [^"`\n]*\.)["`]/g),
        ([, text = ""]) => text.replace(/\$\{[^}]*\}/g, "…")
      )
    )
    assert.isAbove(texts.length, 5)
    const options =
      /\b(apiKey|authToken|baseUrl|workspaceId|allowPlainHttp|expiresIn|idleTimeout|onExisting|maxDeletions|the layer|the option)\b/
    // Those answer what can be given in code alone.
    const inCode = /skipAuth|exclude each other|(?:give|pass) apiKey, or use layerConfig/
    assert.deepStrictEqual(texts.filter((text) => options.test(text) && !inCode.test(text)), [])
  })
})
