import { assert, describe, it } from "@effect/vitest"
import { mimeTypeOf, statedMimeType } from "../../../src/internal/wire/mimeType.ts"

describe("mimeTypeOf", () => {
  it.each([
    ["a.pdf", "application/pdf"],
    ["A.PDF", "application/pdf"],
    ["a.txt", "text/plain"],
    ["a.log", "text/plain"],
    ["a.md", "text/markdown"],
    ["a.csv", "text/csv"],
    ["a.json", "application/json"],
    ["a.html", "text/html"],
    ["a.yaml", "text/yaml"],
    ["a.js", "text/javascript"],
    ["a.mjs", "text/javascript"],
    ["a.cjs", "text/javascript"],
    ["a.ts", "text/plain"],
    ["a.mts", "text/plain"],
    ["a.cts", "text/plain"],
    ["a.tsx", "text/plain"],
    ["a.d.ts", "text/plain"],
    ["a.rs", "text/plain"],
    ["a.png", "image/png"],
    ["a.JPG", "image/jpeg"],
    ["a.jfif", "image/jpeg"],
    ["a.webp", "image/webp"],
    ["a.gif", "image/gif"],
    ["a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
    ["a.XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
    ["a.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"],
    ["a.odt", "application/vnd.oasis.opendocument.text"],
    ["a.ipynb", "application/x-ipynb+json"],
    ["a.tar.gz", "application/gzip"],
    ["a.7z", "application/x-7z-compressed"],
    ["日本.pdf", "application/pdf"],
    ["a b.pdf", "application/pdf"]
  ])("%s is %s", (name, type) => assert.strictEqual(mimeTypeOf(name), type))

  it.each([
    "README",
    "pdf",
    "json",
    "ts",
    ".pdf",
    "a.",
    "",
    ".",
    "a.pdf/b",
    "dir.pdf\\b",
    "a.unheard-of",
    "a.constructor"
  ])(
    "%j says nothing",
    (name) => assert.strictEqual(mimeTypeOf(name), undefined)
  )
})

describe("statedMimeType", () => {
  it.each([
    ["application/pdf", "application/pdf"],
    ["Text/CSV; charset=utf-8", "text/csv"],
    [" image/png ", "image/png"],
    ["application/pdf;", "application/pdf"],
    ["application/x-tar", "application/x-tar"]
  ])("%j states %s", (header, type) => assert.strictEqual(statedMimeType(header), type))

  it.each([
    undefined,
    "",
    "pdf",
    "null",
    "undefined",
    "application/pdf, application/pdf",
    "application/",
    "/pdf",
    "application/pdf/x",
    "*/*",
    "image/*",
    "text plain",
    " ",
    "application/octet-stream",
    "Application/Octet-Stream",
    "application/octet-stream; charset=binary",
    "binary/octet-stream",
    "application/x-download",
    "application/force-download",
    "application/unknown",
    "application/x-www-form-urlencoded",
    "multipart/form-data"
  ])("%j is taken for none", (header) => assert.strictEqual(statedMimeType(header), undefined))
})
