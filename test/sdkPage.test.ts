import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"

const sdk = "node_modules/@anthropic-ai/sdk"
const read = (file: string) => fs.readFileSync(file, "utf8")
const page = read("docs/coming-from-the-sdk.md")

/** A declaration, from its first line to the closing brace. */
const declaration = (text: string, start: string): string => {
  const from = text.indexOf(start)
  assert.isAtLeast(from, 0, `the SDK has no ${start} any more`)
  return text.slice(from, text.indexOf("\n}", from))
}

/** The properties of an interface, at the first level. */
const properties = (text: string, start: string): ReadonlyArray<string> =>
  Array.from(declaration(text, start).matchAll(/^ {4}(?!__)(\w+)\??: /gm), ([, name = ""]) => name)

const methods = (text: string, start: string): ReadonlyArray<string> =>
  Array.from(declaration(text, start).matchAll(/^ {4}(\w+)\(/gm), ([, name = ""]) => name)
    .filter((name) => name !== "constructor")

const files = read(`${sdk}/resources/files.d.ts`)
const betaFiles = read(`${sdk}/resources/beta/files.d.ts`)
const parameters = ["FileListParams", "FileDeleteParams", "FileDownloadParams", "FileRetrieveMetadataParams"]
  .concat("FileUploadParams")
  .flatMap((name) => [files, betaFiles].flatMap((text) => properties(text, `export interface ${name}`)))

const parts = {
  "methods of Files": methods(files, "export declare class Files "),
  "methods of a page": methods(read(`${sdk}/core/pagination.d.ts`), "export declare class PageCursor<")
    .filter((name) => name === "hasNextPage"),
  "parameters": [...parameters, "limit", "page"],
  "options of a request": properties(read(`${sdk}/internal/request-options.d.ts`), "export interface RequestOptions"),
  "options of the client": properties(read(`${sdk}/client.d.ts`), "export interface ClientOptions"),
  "errors": [
    ...read(`${sdk}/core/error.d.ts`).matchAll(/^export declare class (\w+)/gm),
    ...files.matchAll(/^export declare class (\w+Error)/gm)
  ].map(([, name = ""]) => name)
}

describe("docs/coming-from-the-sdk.md", () => {
  it("names the version of the SDK that it was compared with", () => {
    const { version } = JSON.parse(read(`${sdk}/package.json`)) as { readonly version: string }
    assert.include(page, `\`@anthropic-ai/sdk\` ${version.split(".").slice(0, 2).join(".")} `)
  })

  for (const [part, names] of Object.entries(parts)) {
    it(`names all ${part}`, () => {
      assert.isNotEmpty(names)
      const named = new Set(Array.from(page.matchAll(/`[^`]*`/g), ([code]) => code).join(" ").match(/\w+/g))
      assert.deepStrictEqual(names.filter((name) => !named.has(name)), [])
    })
  }
})
