import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { anchorsOf, headingsOf, linksOf, pages } from "../scripts/pages.mjs"
import { defaultModel } from "../src/internal/wire/constants.ts"

const filesBelow = (folder: string, extension: RegExp): ReadonlyArray<string> =>
  fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name}`)
    .filter((file) => extension.test(file) && !file.includes("node_modules"))

const read = (file: string) => fs.readFileSync(file, "utf8")

/** On a page, a snippet from the middle of a function is indented less. */
const withoutIndentation = (text: string) => text.trim().replaceAll(/^ +/gm, "")

/** The files that are compiled and run. Each snippet of a page is part of one of them. */
const programs = ["examples", "test"].flatMap((folder) => filesBelow(folder, /\.m?ts$/)).map((file) =>
  withoutIndentation(read(file))
)

/** What each public module exports, members of its interfaces included, by the module's name. */
const exported = new Map(
  ["", "/emulator", "/fleet", "/platform", "/testing"].flatMap((folder) =>
    fs.readdirSync(`src${folder}`).filter((name) => name.endsWith(".ts")).map((name) => {
      const text = read(`src${folder}/${name}`)
      const declared = text.matchAll(/^export (?:const|class|interface|type|function) (\w+)/gm)
      const members = text.matchAll(/^ {2}readonly (\w+)\??:/gm)
      const lists = Array.from(text.matchAll(/^export (?:type )?\{([^]*?)\}/gm), ([, list = ""]) => list).join(",")
      const passedOn = lists.replaceAll(/\/\*[^]*?\*\//g, "").matchAll(/(\w+)\s*(?:,|$)/g)
      const names = [...declared, ...members, ...passedOn].map(([, found = ""]) => found)
      return [name.slice(0, -".ts".length), new Set(names)] as const
    })
  )
)

const { files, homepage } = JSON.parse(read("package.json")) as {
  readonly files: ReadonlyArray<string>
  readonly homepage: string
}

const repository = `${homepage.replace(/#.*$/, "")}/blob/main/`

/** The path that a link of a page leads to, from the root; undefined for another site. */
const targetOf = (page: string, link: string): string | undefined => {
  if (link.startsWith(repository)) return link.slice(repository.length)
  if (/^\w+:/.test(link)) return undefined
  return path.posix.join(path.posix.dirname(page), link)
}

const isPacked = (file: string) =>
  ["README.md", "LICENSE", "package.json"].includes(file)
  || files.some((entry) => file === entry || file.startsWith(`${entry}/`))

for (const page of pages()) {
  const text = read(page)

  describe(`${page}`, () => {
    it("every snippet is part of an example or a test, which is compiled and run", () => {
      for (const [, snippet = ""] of text.matchAll(/^```ts\n([^]*?)^```/gm)) {
        assert.isTrue(
          programs.some((program) => program.includes(withoutIndentation(snippet))),
          `no program holds:\n${snippet}`
        )
      }
    })

    it("every snippet says what language it is in", () => {
      const fences = Array.from(text.matchAll(/^( *)```(.*)$/gm), ([, , language = ""]) => language)
      const opening = fences.filter((_, i) => i % 2 === 0)
      assert.deepStrictEqual(opening.filter((language) => !/^(ts|sh|text|json|python|diff|yaml)$/.test(language)), [])
    })

    it("every link leads to a file, which the package contains if it contains the page", () => {
      for (const link of linksOf(text)) {
        const target = targetOf(page, link)
        if (target === undefined) {
          assert.match(link, /^(https:\/\/|mailto:)/, `${page} links to ${link}`)
          continue
        }
        assert.isTrue(fs.existsSync(target), `${page} links to ${link}`)
        if (isPacked(page) && !link.startsWith(repository)) {
          assert.isTrue(isPacked(target), `${page} links to ${link}, which is not in the package: write the whole URL`)
        }
      }
    })

    it("every link to a heading leads to one", () => {
      for (const [link, anchor] of anchorsOf(text)) {
        const target = link === "" ? page : targetOf(page, link) ?? page
        if (!target.endsWith(".md")) continue
        assert.include(headingsOf(read(target)), anchor, `${page} links to ${link}#${anchor}`)
      }
    })

    it("no heading has two subheadings with the same text", () => {
      const above: Array<string> = []
      const headings = Array.from(
        text.replaceAll(/^```[^]*?^```/gm, "").matchAll(/^(#+) (.*)$/gm),
        ([, { length } = "", heading = ""]) => {
          above.splice(length - 1, above.length, heading)
          return above.join(" > ")
        }
      )
      assert.deepStrictEqual(headings, Array.from(new Set(headings)))
    })

    it("the members of modules that it names exist", () => {
      for (const [, code = ""] of text.replaceAll(/^```[^]*?^```/gm, "").matchAll(/`([^`\n]+)`/g)) {
        for (const [, name = "", member = ""] of code.matchAll(/(?<![\w./])([A-Z]\w+)\.([A-Za-z]\w*)/g)) {
          const found = exported.get(name)
          if (found !== undefined) assert.isTrue(found.has(member), `${page} names ${name}.${member}`)
        }
      }
    })

    it("the paths that it names exist", () => {
      for (const [, named = ""] of text.matchAll(/`((?:docs|examples|scripts|src|test|bench)\/[\w./-]+\.\w+)`/g)) {
        assert.isTrue(fs.existsSync(named), `${page} names ${named}`)
      }
    })
  })
}

describe("pages of docs/", () => {
  for (const page of pages().filter((page) => page.startsWith("docs/"))) {
    it(`${page} begins with its purpose and a snippet`, () => {
      const [title = "", ...paragraphs] = read(page).split("\n\n")
      assert.match(title, /^# \S/)
      assert.match(paragraphs[0] ?? "", /^[A-Z`][^]*[.:]$/)
      const opening = paragraphs.slice(0, paragraphs.findIndex((paragraph) => paragraph.startsWith("## "))).join("\n\n")
      assert.match(opening, /^```(?:ts|sh)$/m)
    })
  }
})

/** Where a page lists the options of an interface. */
const optionTables: ReadonlyArray<readonly [page: string, heading: string, source: string, type: string]> = [
  ["docs/node.md", "## Options", "src/internal/request/options.ts", "ClientOptions"],
  ["docs/node.md", "## Options", "src/NodeFiles.ts", "HttpClientOptions"],
  ["docs/transfer.md", "## One file", "src/internal/files/upload.ts", "UploadOptions"],
  ["docs/transfer.md", "## One file", "src/internal/request/callOptions.ts", "CallOptions"],
  ["docs/transfer.md", "## Many at once", "src/Transfer.ts", "BulkOptions"],
  ["docs/upload-cache.md", "## Options", "src/UploadCache.ts", "Options"],
  ["docs/upload-cache.md", "## A directory", "src/internal/cache/sync.ts", "SyncOptions"],
  ["docs/messages.md", "## The block for a file", "src/ContentBlock.ts", "DocumentOptions"],
  ["docs/messages.md", "## One file, many questions", "src/Conversation.ts", "Options"],
  ["docs/messages.md", "### Options of one call", "src/internal/request/callOptions.ts", "MessageCallOptions"],
  ["docs/emulator.md", "## In process, with Effect", "src/emulator/internal/http/options.ts", "Options"],
  ["docs/policies.md", "## retry", "src/internal/policy/options.ts", "RetryOptions"],
  ["docs/policies.md", "## rateLimit", "src/internal/policy/options.ts", "RateLimitOptions"],
  ["docs/policies.md", "## circuitBreaker", "src/internal/policy/options.ts", "CircuitBreakerOptions"],
  ["docs/policies.md", "## timeout", "src/internal/policy/options.ts", "TimeoutOptions"],
  ["docs/policies.md", "## For one call", "src/internal/policy/options.ts", "Overrides"]
]

describe("tables of options", () => {
  for (const [page, heading, source, type] of optionTables) {
    it(`${page}, ${heading.replace(/^#+ /, "")}: every option of ${type}, with its default`, () => {
      const section = read(page).split(`\n${heading}\n`)[1]?.split("\n## ")[0] ?? ""
      const [, declaration = ""] =
        new RegExp(`^export interface ${type}\\b[^{]*\\{\\n([^]*?)^\\}`, "m").exec(read(source)) ?? []
      const options = Array.from(
        declaration.matchAll(/(?:\/\*\*([^]*?)\*\/\s*)?^ {2}readonly (\w+)\?:/gm),
        ([, comment = "", name = ""]) => ({ name, value: /@default (.+?)(?: \*\/)?$/m.exec(comment)?.[1] })
      )
      assert.isNotEmpty(options)
      for (const { name, value } of options) {
        const row = section.split("\n").find((line) => new RegExp(`^\\|[^|]*\`${name}\``).test(line))
        assert.isDefined(row, `${page} does not list ${name}`)
        if (value === undefined || !/^("[^"]*"|\[.*\]|true|false|[\d_]+)$/.test(value)) continue
        const bare = (text: string) => text.replaceAll(/[",_`]/g, "")
        assert.include(bare(row), bare(value), `${page}: ${name} is ${value} unless given`)
      }
    })
  }
})

describe("README.md", () => {
  it("the first program has at most 15 lines", () => {
    const [, first = ""] = /```ts\n([^]*?)```/.exec(read("README.md")) ?? []
    assert.isAtMost(first.trim().split("\n").length, 15)
  })

  it("leads to every page of docs/", () => {
    const linked = new Set(linksOf(read("README.md")))
    for (const name of fs.readdirSync("docs").filter((name) => name.endsWith(".md"))) {
      assert.isTrue(linked.has(`docs/${name}`), `README.md does not lead to docs/${name}`)
    }
  })
})

describe("models", () => {
  it("pages, examples and docstrings name no retired model", () => {
    const texts = [...pages(), ...filesBelow("examples", /\.ts$/), ...filesBelow("src", /\.ts$/)]
    for (const file of texts.filter((file) => !file.startsWith("src/emulator/internal/model/"))) {
      for (const [name] of read(file).matchAll(/claude-(?:sonnet|opus|haiku)-[\w-]+/g)) {
        assert.include([defaultModel, "claude-opus-5-5"], name, file)
      }
    }
  })

  it("examples name the model once, and ANTHROPIC_MODEL overrides it", () => {
    const named = filesBelow("examples", /\.ts$/).filter((file) => read(file).includes(defaultModel))
    assert.deepStrictEqual(named, ["examples/shared/example.ts"])
    assert.include(read("examples/shared/example.ts"), `process.env["ANTHROPIC_MODEL"] ?? "${defaultModel}"`)
  })
})

describe("examples", () => {
  const numbered = fs.readdirSync("examples").filter((name) => /^\d+_.*\.ts$/.test(name))

  it("each example has a unique number", () => {
    const numbers = numbered.map((name) => name.slice(0, 2))
    assert.deepStrictEqual(numbers.filter((number, i) => numbers.indexOf(number) !== i), [])
    assert.strictEqual(numbers[0], "01")
  })

  it("each example is listed in examples/README.md", () => {
    const linked = new Set(linksOf(read("examples/README.md")))
    for (const name of [...numbered, "demo.ts"]) assert.isTrue(linked.has(name), name)
  })
})
