import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import { messageOf } from "../../src/cli/wording.ts"

const said = (message: string): string => messageOf(new Error(message))

/** Names of options that have no meaning to who types commands. */
const options =
  /\b(apiKey|authToken|baseUrl|workspaceId|allowPlainHttp|expiresIn|idleTimeout|onExisting|maxDeletions|the layer|the option)\b/

describe("messages of the library, on the command line", () => {
  const cases: ReadonlyArray<readonly [message: string, instead: string]> = [
    [
      "There is no credential: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN), log in to a profile, or give apiKey to the layer.",
      "There is no credential: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN) or log in to a profile."
    ],
    [
      "There is no credential: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN), or give apiKey to the layer.",
      "There is no credential: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN)."
    ],
    [
      "The package aws4fetch is not installed: run npm install aws4fetch, or give sign.",
      "The package aws4fetch is not installed: add -p aws4fetch to npx, or install it beside this one."
    ],
    [
      "the proxy http://p:1 can't be reached (ECONNREFUSED): check HTTPS_PROXY and HTTP_PROXY, or the option proxy.",
      "the proxy http://p:1 can't be reached (ECONNREFUSED): check HTTPS_PROXY and HTTP_PROXY."
    ],
    ["Check HTTPS_PROXY or the option proxy.", "Check HTTPS_PROXY."],
    [
      "There is no AWS region: give region, or set AWS_REGION.",
      "There is no AWS region: set AWS_REGION."
    ],
    [
      "expiresIn has to be 1 hour to 90 days, in whole seconds.",
      "--expires-in has to be 1 hour to 90 days, in whole seconds."
    ]
  ]
  it.each(cases)("%s", (message, instead) => assert.strictEqual(said(message), instead))

  it("that name a file of the user's leave its name alone", () => {
    for (const name of ["src/baseUrl.ts", "expiresIn.md", "./workspaceId", "a/expiresIn/b", "my-expiresIn"]) {
      assert.strictEqual(said(`There is no file at ${name}.`), `There is no file at ${name}.`)
    }
  })

  it("in the sources that the command line can meet name no option of a layer", () => {
    const files = fs.readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) =>
      /^(platform|node|internal)\/.*\.ts$/.test(file)
    )
    const texts = files.flatMap((file) =>
      Array.from(
        // Sentences that tell what to do.
        fs.readFileSync(`src/${file}`, "utf8").matchAll(/["`]([A-Z][^"`\n]*: (?:set|give|check) [^"`\n]*\.)["`]/g),
        ([, text = ""]) => text.replace(/\$\{[^}]*\}/g, "…")
      )
    )
    assert.isAbove(texts.length, 10)
    const left = texts.map(said).filter((text) => options.test(text))
    // Both can only be given in code.
    assert.deepStrictEqual(left.filter((text) => !/skipAuth|exclude each other/.test(text)), [])
  })
})
