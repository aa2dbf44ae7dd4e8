import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FileSystem, PlatformError, Schema, Stream } from "effect"
import * as Manifest from "effect-anthropic-files/fleet/Manifest"
import { recordsOf } from "../../src/fleet/internal/csvRecords.ts"
import { platform } from "../cache/stores.ts"

const utf8 = new TextEncoder()

/** The bytes of a text in pieces of that many. */
const bytes = (text: string | Uint8Array, size = 7) => {
  const all = typeof text === "string" ? utf8.encode(text) : text
  return Stream.fromIterable(
    Array.from({ length: Math.ceil(all.length / size) }, (_, n) => all.subarray(n * size, (n + 1) * size))
  )
}

const shown = (entry: Manifest.Entry) =>
  Manifest.isMalformed(entry) ? `${entry.key} (${entry.line}): ${entry.message}` : `${entry.key} = ${entry.source}`

const read = <E, R>(manifest: Stream.Stream<Manifest.Entry, E, R>) =>
  Effect.map(Stream.runCollect(manifest), (entries) => entries.map(shown))

const messageOf = (line: string) =>
  Effect.map(read(Manifest.jsonl(bytes(line))), ([first]) => first?.replace(/^.*line 1: /, ""))

describe("a manifest in JSONL", () => {
  it.effect("is an item a line, whatever ends the line and wherever the chunks end", () =>
    Effect.gen(function*() {
      const text = `\ufeff{"key":"a","source":"ä.pdf"}\r\n\n  \n{"key":"b","source":"b"}\n{"key":"c","source":"c"}`
      for (const size of [1, 2, 7, 1000]) {
        assert.deepStrictEqual(yield* read(Manifest.jsonl(bytes(text, size))), ["a = ä.pdf", "b = b", "c = c"])
      }
    }))

  it.effect("a line that is not an item is one, with its number and its key, and the others go on", () =>
    Effect.gen(function*() {
      const lines = ["{", "[1]", "null", "{\"source\":\"x\"}", "{\"key\":\"k\"}", "{\"key\":\"good\",\"source\":\"g\"}"]
      assert.deepStrictEqual(yield* read(Manifest.jsonl(bytes(lines.join("\n")), { name: "m" })), [
        "m:1 (1): m, line 1: the line is not JSON.",
        "m:2 (2): m, line 2: the item is an array, not an object.",
        "m:3 (3): m, line 3: the item is null, not an object.",
        "m:4 (4): m, line 4: key is undefined; it has to be a string.",
        "k (5): m, line 5: source is undefined; it has to be a string.",
        "good = g"
      ])
    }))

  it.effect("what the database could not store is malformed: NUL, half a character, a key of more than 1024 bytes", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* messageOf(`{"key":"a\\u0000","source":"x"}`),
        "key has a NUL or half a character in it."
      )
      assert.strictEqual(yield* messageOf(`{"key":"\\ud800","source":"x"}`), "key has a NUL or half a character in it.")
      assert.strictEqual(
        yield* messageOf(`{"key":"a","source":"x\\u0000"}`),
        "source has a NUL or half a character in it."
      )
      assert.strictEqual(
        yield* messageOf(`{"key":"a","source":"x","metadata":{"b":["\\u0000"]}}`),
        "metadata has a NUL or half a character in it."
      )
      assert.strictEqual(
        yield* messageOf(JSON.stringify({ key: "ä".repeat(513), source: "x" })),
        "key is longer than 1024 bytes."
      )
    }))

  it.effect("bytes that are not UTF-8, and a line without an end, cost one item and no memory", () =>
    Effect.gen(function*() {
      const good = utf8.encode("\n{\"key\":\"a\",\"source\":\"x\"}\n")
      const bad = new Uint8Array([0x22, 0xff, 0x22])
      assert.deepStrictEqual(
        yield* read(Manifest.jsonl(Stream.make(bad, good), { name: "m" })),
        ["m:1 (1): m, line 1: the line is not UTF-8 text of at most 1 MiB.", "a = x"]
      )
      const long = Stream.concat(
        Stream.take(Stream.forever(Stream.make(new Uint8Array(1 << 16).fill(0x20))), 32),
        Stream.make(good)
      )
      assert.deepStrictEqual(
        yield* read(Manifest.jsonl(long, { name: "m" })),
        ["m:1 (1): m, line 1: the line is not UTF-8 text of at most 1 MiB.", "a = x"]
      )
    }))

  it.effect("expiresIn has a unit; a number without one is malformed", () =>
    Effect.gen(function*() {
      const [entry] = yield* Stream.runCollect(Manifest.jsonl(bytes(`{"key":"a","source":"x","expiresIn":"30 days"}`)))
      assert.isTrue(entry !== undefined && !Manifest.isMalformed(entry))
      if (entry === undefined || Manifest.isMalformed(entry)) return
      assert.strictEqual(Duration.toDays(Duration.fromInputUnsafe(entry.expiresIn ?? 0)), 30)
      for (const wrong of ["3600", "\"soon\"", "\"-1 day\"", "\"Infinity\"", "\"99999999999999999 days\"", "{}"]) {
        assert.match(
          (yield* messageOf(`{"key":"a","source":"x","expiresIn":${wrong}}`)) ?? "",
          /it has to be a duration above 0 with its unit/,
          wrong
        )
      }
    }))

  it.effect.prop(
    "what was written as JSON is read as it was",
    { key: Schema.NonEmptyString, source: Schema.NonEmptyString },
    ({ key, source }) =>
      Effect.gen(function*() {
        const [entry] = yield* Stream.runCollect(Manifest.jsonl(bytes(JSON.stringify({ key, source }), 3)))
        assert.isDefined(entry)
        if (entry === undefined || Manifest.isMalformed(entry)) return
        assert.deepStrictEqual([entry.key, entry.source], [key, source])
      })
  )
})

describe("a manifest in CSV", () => {
  it.effect("has its columns in any order, cells with commas, quotes and line breaks, and cells that say nothing", () =>
    Effect.gen(function*() {
      const text = "source,note,key\r\na.pdf,x,a\r\n\"b, \"\"the\nsecond\"\".pdf\",,b\n\nc.pdf,,c"
      assert.deepStrictEqual(yield* read(Manifest.csv(bytes(text))), [
        "a = a.pdf",
        "b = b, \"the\nsecond\".pdf",
        "c = c.pdf"
      ])
    }))

  it.effect("a record of another width or with a quote that is never closed is malformed, and the others go on", () =>
    Effect.gen(function*() {
      const text = "key,source\na,a.pdf,surplus\nb,b.pdf\nc,\"c.pdf\nd,d.pdf\ne,e.pdf\n"
      assert.deepStrictEqual(yield* read(Manifest.csv(bytes(text), { name: "m" })), [
        "m:2 (2): m, line 2: the record has 3 cells, and the first one 2.",
        "b = b.pdf",
        "m:4 (4): m, line 4: the quotes of the record do not match.",
        "d = d.pdf",
        "e = e.pdf"
      ])
    }))

  it.effect("a quote within a cell makes its own line malformed, and no other", () =>
    Effect.gen(function*() {
      const lines = Array.from({ length: 500 }, (_, i) => `k${i + 2},f${i + 2}.pdf`)
      const wrong: Readonly<Record<number, string>> = {
        4: "k4,pipe 5\" v3.pdf",
        200: "k200,\"a\"b.pdf",
        300: "k300,\"one",
        301: "more\" line\"",
        491: "k491,pipe 5\" v4.pdf"
      }
      for (const [line, text] of Object.entries(wrong)) lines[Number(line) - 2] = text
      lines[400 - 2] = "k400,\"two"
      lines[401 - 2] = "lines, \"\"quoted\"\".pdf\""
      const entries = yield* read(Manifest.csv(bytes(["key,source", ...lines].join("\r\n"), 100), { name: "m" }))
      const expected = Array.from({ length: 500 }, (_, i) => i + 2).flatMap((line) => {
        if (wrong[line] !== undefined) {
          return [`m:${line} (${line}): m, line ${line}: the quotes of the record do not match.`]
        }
        if (line === 400) return ["k400 = two\nlines, \"quoted\".pdf"]
        return line === 401 ? [] : [`k${line} = f${line}.pdf`]
      })
      assert.deepStrictEqual(entries, expected)
    }))

  it.effect("a quote that is closed nowhere costs one line, before a thousand others and at the end", () =>
    Effect.gen(function*() {
      const lines = Array.from({ length: 1497 }, (_, i) => `k${i + 3},f.pdf`)
      const text = ["key,source", "a,\"b", ...lines, "c,\"d\ne\"", "f,\"g", "h,\"i", "j,k"].join("\n")
      const entries = yield* read(Manifest.csv(bytes(text), { name: "m" }))
      assert.deepStrictEqual(entries.filter((entry) => !entry.endsWith(" = f.pdf")), [
        "m:2 (2): m, line 2: the quotes of the record do not match.",
        "c = d\ne",
        "m:1502 (1502): m, line 1502: the quotes of the record do not match.",
        "m:1503 (1503): m, line 1503: the quotes of the record do not match.",
        "j = k"
      ])
      assert.strictEqual(entries.length, lines.length + 5)
    }))

  it.effect.prop(
    "whatever the quotes, every line is an item, malformed, or a line of an item",
    {
      lines: Schema.Array(
        Schema.Literals(["a,b", "a,\"b", "b\"", "\"a\",b", "a,5\" b", "a,\"\"\"", "\"", "\"a\"b,c", "a\r,\"b\""])
      )
    },
    ({ lines }) =>
      Effect.gen(function*() {
        const text = ["key,source", ...lines, "last,line"].join("\n")
        const records = yield* Stream.runCollect(recordsOf(bytes(text, 3), ","))
        const inCells = records.flatMap(({ cells = [] }) => cells).join("").split("\n").length - 1
        assert.strictEqual(records.length + inCells, lines.length + 2)
        assert.deepStrictEqual(records.at(-1)?.cells, ["last", "line"])
      })
  )

  it.effect("a quote that is not closed within a mebibyte is malformed, however few lines that is", () =>
    Effect.gen(function*() {
      const long = "x".repeat(600_000)
      const text = `key,source\na,"${long}\n${long}\nb,b.pdf\nc.pdf"\n`
      const entries = yield* Stream.runCollect(Manifest.csv(bytes(text, 100_000), { name: "m" }))
      assert.deepStrictEqual(entries.map(({ key }) => key), ["m:2", "m:3", "b", "m:5"])
    }))

  it.effect("whose first record is of no use says so once, whatever comes behind it", () =>
    Effect.gen(function*() {
      const failure = (text: string, delimiter = ",") => read(Manifest.csv(bytes(text, 3), { name: "m", delimiter }))
      assert.deepStrictEqual(yield* failure("id;url\n1;x\n2;y\n", ";"), [
        "m:1 (1): m, line 1: the first record has no column key and source: id, url. Nothing further was read."
      ])
      assert.deepStrictEqual(yield* failure("key;source\n1;x\n"), [
        "m:1 (1): m, line 1: the first record has no column key and source: key;source. Nothing further was read."
      ])
      assert.deepStrictEqual(yield* failure("key,source,source\na,x,y\n"), [
        "m:1 (1): m, line 1: the first record has the column source twice. Nothing further was read."
      ])
      assert.deepStrictEqual(yield* failure("key,source,note,note\na,x,y,z\n"), ["a = x"])
      assert.deepStrictEqual(yield* failure("\ufeffkey,source\r\na,x\r\n"), ["a = x"])
      assert.deepStrictEqual(yield* failure(""), [])
    }))

  it.effect("metadata is JSON in a cell", () =>
    Effect.gen(function*() {
      const [entry] = yield* Stream.runCollect(
        Manifest.csv(bytes("key,source,metadata\na,x,\"{\"\"page\"\": 1}\"\n"))
      )
      assert.deepInclude(entry, { metadata: { page: 1 } })
    }))

  it.effect.prop(
    "any text of cells is read as it was written",
    { text: Schema.Array(Schema.Literals(["a", "\"", ",", "\n", " ", "ä"])).check(Schema.isMinLength(1)) },
    ({ text }) =>
      Effect.gen(function*() {
        const source = text.join("")
        const quoted = `"${source.replaceAll("\"", "\"\"")}"`
        const entries = yield* read(Manifest.csv(bytes(`key,source\nk,${quoted}\nl,end\n`, 2)))
        assert.deepStrictEqual(entries, [`k = ${source}`, "l = end"])
      })
  )
})

describe("a manifest of a folder, and of rows", () => {
  it.effect("rows of a query are items, null counting as absent", () =>
    Effect.gen(function*() {
      const rows = Stream.make({ key: "a", source: "x", filename: null }, { key: 1, source: "y" })
      assert.deepStrictEqual(yield* read(Manifest.rows(rows)), [
        "a = x",
        "rows:2 (2): rows, line 2: key is a number; it has to be a string."
      ])
    }))

  it.live("a folder below that can't be read is malformed by its own path, and the other files are items", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* fs.makeTempDirectoryScoped()
      yield* fs.makeDirectory(`${root}/locked`)
      yield* fs.writeFileString(`${root}/a.txt`, "a")
      const error = PlatformError.systemError({
        _tag: "PermissionDenied",
        module: "FileSystem",
        method: "readDirectory"
      })
      const entries = yield* read(Manifest.folder(root)).pipe(Effect.provideService(FileSystem.FileSystem, {
        ...fs,
        readDirectory: (path) => path.endsWith("locked") ? Effect.fail(error) : fs.readDirectory(path)
      }))
      assert.deepStrictEqual(entries, [
        `a.txt = ${root}/a.txt`,
        `locked (undefined): ${root}/locked can't be read by this user: permission is denied.`
      ])
    }).pipe(Effect.scoped, Effect.provide(platform)))

  it.live("the files of a folder are items, by their paths below it", () =>
    Effect.gen(function*() {
      const entries = yield* read(Manifest.folder("test/fleet", { include: ["*.test.ts"], exclude: ["p*"] }))
      assert.isTrue(entries.some((entry) => /^manifest\.test\.ts = \/.*\/test\/fleet\/manifest\.test\.ts$/.test(entry)))
      assert.isFalse(entries.some((entry) => entry.startsWith("p")))
    }).pipe(Effect.provide(platform)))
})
