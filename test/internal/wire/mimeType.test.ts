import { assert, it } from "@effect/vitest"
import mime from "mime"
import { mimeTypeOf } from "../../../src/internal/wire/mimeType.ts"

const extensions =
  "pdf txt md csv tsv json xml html css js png jpg jpeg gif webp svg tif bmp doc docx xls xlsx ppt pptx msg odt ods odp epub rtf zip gz tar 7z rar mp3 wav m4a mp4 webm ipynb tex sh c h cpp java yaml toml log ics"

it("knows what is uploaded, as the whole table does", () => {
  for (const extension of extensions.split(" ")) {
    assert.isString(mimeTypeOf(`x.${extension}`), extension)
    assert.strictEqual(mimeTypeOf(`x.${extension.toUpperCase()}`), mime.getType(`x.${extension}`) ?? undefined)
  }
  assert.strictEqual(mimeTypeOf("x.ts"), "text/plain")
  assert.strictEqual(mimeTypeOf("x.unheard-of"), undefined)
  assert.strictEqual(mimeTypeOf("README"), undefined)
})
