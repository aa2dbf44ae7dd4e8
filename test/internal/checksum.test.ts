import { assert, describe, it } from "@effect/vitest"
import * as Checksum from "../../src/internal/files/checksum.ts"

const short = (...chunks: ReadonlyArray<string>) => {
  const sum = Checksum.make()
  for (const chunk of chunks) sum.update(new TextEncoder().encode(chunk))
  return sum.short()
}

const line = "{\"id\":\"file_0123456789\",\"size\":12345,\"name\":\"a b c.txt\"}"

describe("the short form of a checksum", () => {
  it("has eleven characters, the same however the text is split", () => {
    for (let at = 0; at <= line.length; at++) {
      assert.strictEqual(short(line.slice(0, at), line.slice(at)), short(line))
    }
    for (const text of ["", "a", line]) assert.match(short(text), /^[0-9a-z]{11}$/)
  })

  it("differs for half a line, a flipped bit, swapped words and zeros at the end", () => {
    const damaged = [`${line}\0`, `${line}\0\0\0\0`]
    for (let at = 0; at < line.length; at++) damaged.push(line.slice(0, at))
    for (let at = 0; at < line.length; at++) {
      for (let bit = 0; bit < 7; bit++) {
        const flipped = String.fromCharCode(line.charCodeAt(at) ^ (1 << bit))
        damaged.push(line.slice(0, at) + flipped + line.slice(at + 1))
      }
    }
    damaged.push(line.slice(16, 32) + line.slice(0, 16) + line.slice(32))
    damaged.push(line.slice(4, 8) + line.slice(0, 4) + line.slice(8))
    for (const text of damaged) assert.notStrictEqual(short(text), short(line), text)
  })
})
