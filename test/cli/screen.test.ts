import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration } from "effect"
import { FileMetadata } from "effect-anthropic-files"
import type * as Ingest from "effect-anthropic-files/fleet/Ingest"
import { displayWidth } from "effect/cli/CliOutput"
import * as FileTable from "../../src/cli/fileTable.ts"
import * as Format from "../../src/cli/screen/format.ts"
import * as IngestScreen from "../../src/cli/screen/ingest.ts"
import * as Progress from "../../src/cli/screen/progress.ts"
import { colored, plain, wantsColor } from "../../src/cli/screen/style.ts"
import * as Summary from "../../src/cli/screen/summary.ts"

const widths = [60, 80, 120]

const golden = (name: string, columns: number) => `./golden/${name}-${columns}.txt`

const file = (name: string, bytes: number, total: number | undefined, rate: number) => ({
  name,
  bytes,
  total,
  rate,
  remaining: total === undefined ? undefined : Duration.seconds((total - bytes) / rate)
})

const busy: Progress.State = {
  snapshot: {
    files: { done: 10, failed: 2, total: 300 },
    bytes: 1_234_000_000,
    total: 3_000_000_000,
    rate: 48_000_000,
    remaining: Duration.seconds(121),
    active: [
      file(
        "Quarterly report of the harbour authority, final version 3 (signed).pdf",
        64_000_000,
        128_000_000,
        12_000_000
      ),
      file("数据集-二零二六年十一月-完整版本-不要删除-最终稿.csv", 900_000, 12_000_000, 250_000),
      file("stdin", 7_340_032, undefined, 3_000_000),
      file("empty.txt", 0, 0, 0)
    ]
  },
  waits: [
    { reason: "429", until: 112_000, attempt: 2 },
    { reason: "429", until: 104_000, attempt: 3 },
    { reason: "rate limit", until: 101_500, attempt: undefined },
    { reason: "ECONNRESET", until: 99_000, attempt: 2 }
  ],
  attempts: 5,
  now: 100_000
}

const many: Progress.State = {
  ...busy,
  waits: [],
  snapshot: {
    ...busy.snapshot,
    active: Array.from({ length: 24 }, (_, i) => file(`part-${String(i).padStart(3, "0")}.bin`, i * 1e6, 24e6, 2e6))
  }
}

describe("progress fits the screen", () => {
  for (const columns of widths) {
    it(`transfers, totals and waits at ${columns} columns`, async ({ expect }) => {
      const lines = Progress.render(busy, { columns, rows: 24 }, plain)
      for (const line of lines) assert.isBelow(displayWidth(line), columns, line)
      await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(golden("progress", columns))
    })

    it(`more transfers than fit, at ${columns} columns`, async ({ expect }) => {
      const lines = Progress.render(many, { columns, rows: 10 }, plain)
      assert.isBelow(lines.length, 10)
      await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(golden("progress-many", columns))
    })
  }

  it("colour changes no width", () => {
    const width = (style: typeof plain) => Progress.render(busy, { columns: 80, rows: 24 }, style).map(displayWidth)
    assert.deepStrictEqual(width(colored), width(plain))
  })

  it("fits any screen, however small", () => {
    for (let columns = 20; columns < 200; columns += 7) {
      for (let rows = 2; rows < 30; rows += 3) {
        const lines = Progress.render(many, { columns, rows }, colored)
        assert.isAtMost(lines.length, Math.max(3, rows))
        if (columns >= 44) { for (const line of lines) assert.isAtMost(displayWidth(line), columns) }
      }
    }
  })

  it("nothing is drawn while nothing has begun and nothing is expected", () => {
    const snapshot = {
      files: { done: 0, failed: 0, total: undefined },
      bytes: 0,
      total: undefined,
      rate: 0,
      remaining: undefined,
      active: []
    }
    assert.deepStrictEqual(
      Progress.render({ ...busy, snapshot, waits: [] }, { columns: 80, rows: 24 }, plain),
      []
    )
  })
})

const now = Date.UTC(2026, 10, 25, 12)

const stored = (id: string, filename: string, size_bytes: number, age: number, expires: number | null) =>
  ({
    id: FileMetadata.FileId.make(id),
    type: "file",
    filename,
    mime_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    size_bytes,
    created_at: DateTime.makeUnsafe(now - age),
    downloadable: false,
    expires_at: expires === null ? null : DateTime.makeUnsafe(now + expires),
    scope: null
  }) satisfies FileMetadata.FileMetadata

const hour = 3_600_000

describe("a table fits the screen", () => {
  for (const columns of widths) {
    it(`files at ${columns} columns`, async ({ expect }) => {
      const rows = [
        stored("file_011CNha8iCJcU1wXNR6q4V8w", "budget.xlsx", 0, 4_000, null),
        stored("file_011CPMxVD3fHLUhvTqtsQA5w", "a/../\u001b[31mred\u202egnp.exe", 999, 3 * hour, 2 * hour),
        stored("file_01AbCdEfGhIjKlMnOpQrStUv", `${"very ".repeat(40)}long name.pdf`, 500e6, 2000 * hour, -hour)
      ]
      const table = FileTable.forScreen(columns, 29, now, plain)
      const lines = [table.header, ...rows.map(table.row)]
      for (const line of lines) {
        assert.isAtMost(displayWidth(line), columns, line)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(line, /[\u0000-\u001f\u202e]/)
      }
      await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(golden("table", columns))
    })
  }

  it("off a terminal a row is complete, with tabs, and escaped", () => {
    assert.strictEqual(
      FileTable.forScript(stored("file_1", "tab\there\nnew", 12, 0, null)),
      "file_1\t12\t2026-11-25T12:00:00.000Z\t-\tapplication/vnd.openxmlformats-officedocument.spreadsheetml.sheet\ttab\\u0009here\\u000anew"
    )
  })
})

const ingest: Ingest.Status = {
  ingest: "corpus of the harbour authority, all volumes from 1911 to 2026, scanned and signed",
  state: "running",
  counts: { pending: 587_655, done: 411_999, failed: 346, cancelled: 0, deleted: 0 },
  total: 1_000_000,
  failures: { SourceFailed: 301, FileTooLarge: 41, InvalidItem: 4 },
  bytes: 98_200_000_000,
  last_minute: 486,
  time_left: 72_550_000,
  at: DateTime.makeUnsafe(now),
  runners: [
    { name: "web-1.example.internal:4711", last: 3, is_alive: true, done: 200_123 },
    { name: "gone-3:12", last: 400, is_alive: false, done: 12 },
    { name: "web-2:\u001b[31m99", last: 1, is_alive: true, done: 180_002 }
  ].map(({ done, is_alive, last, name }, n) => ({
    id: `${n}`,
    ingest: "corpus",
    name,
    concurrency: 8,
    in_flight: is_alive ? 8 : 0,
    done,
    failed: 12 * n,
    bytes: done * 240_000,
    started_at: DateTime.makeUnsafe(now - 3 * hour),
    last_seen_at: DateTime.makeUnsafe(now - last * 1000),
    is_alive
  }))
}

const large: Ingest.Status = {
  ...ingest,
  failures: Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`Tag${n}`, n + 1])),
  runners: Array.from({ length: 30 }, (_, n) => ({ ...ingest.runners[0], name: `web-${n}` }) as Ingest.Runner)
}

const idle: Ingest.Status = {
  ...ingest,
  ingest: "empty",
  state: "paused",
  counts: { pending: 0, done: 0, failed: 0, cancelled: 0, deleted: 0 },
  total: 0,
  failures: {},
  bytes: 0,
  last_minute: 0,
  time_left: null,
  runners: []
}

describe("an ingest fits the screen", () => {
  for (const columns of widths) {
    it(`states, rate, failures, runners and time left at ${columns} columns`, async ({ expect }) => {
      const lines = IngestScreen.render(ingest, { columns, rows: 24 }, plain)
      for (const line of lines) {
        assert.isBelow(displayWidth(line), columns, line)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(line, /[\u0000-\u001f\u202e]/)
      }
      await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(golden("ingest", columns))
    })

    it(`more failures and runners than fit, at ${columns} columns`, async ({ expect }) => {
      const lines = IngestScreen.render(large, { columns, rows: 20 }, plain)
      assert.isBelow(lines.length, 20)
      await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(golden("ingest-many", columns))
    })
  }

  it("an empty ingest", () => {
    assert.deepStrictEqual(IngestScreen.render(idle, { columns: 80, rows: 24 }, plain), [
      "empty  paused, no runner",
      `${"░".repeat(60)} 0 %`,
      "0 done (0 B), 0 pending, 0 failed",
      "0 items within the last minute"
    ])
  })

  it("stays narrower than any screen, and lower; colour changes no width", () => {
    for (const columns of [44, 61, 79, 131]) {
      for (const rows of [6, 13, 40]) {
        for (const status of [ingest, large, idle]) {
          const lines = IngestScreen.render(status, { columns, rows }, colored)
          assert.isAtMost(lines.length, rows)
          for (const line of lines) assert.isAtMost(displayWidth(line), columns, line)
          assert.deepStrictEqual(
            lines.map(displayWidth),
            IngestScreen.render(status, { columns, rows }, plain).map(displayWidth)
          )
        }
      }
    }
  })
})

describe("figures", () => {
  const cases: ReadonlyArray<readonly [actual: string, expected: string]> = [
    [Format.bytes(0), "0 B"],
    [Format.bytes(999), "999 B"],
    [Format.bytes(1000), "1.0 kB"],
    [Format.bytes(999_950), "1.0 MB"],
    [Format.bytes(3e9), "3.0 GB"],
    [Format.duration(0.04), "0.0 s"],
    [Format.duration(9.96), "10 s"],
    [Format.duration(59.6), "1 min"],
    [Format.duration(64), "1 min 4 s"],
    [Format.duration(7500), "2 h 5 min"],
    [Format.duration(90_000), "1 d 1 h"],
    [Format.age(-5), "0 s"],
    [Format.age(59), "59 s"],
    [Format.age(86_400 * 9.5), "9 d"],
    [Format.age(86_400 * 365), "11 mo"],
    [Format.age(86_400 * 1100), "3 y"],
    [Format.expiry(undefined), ""],
    [Format.expiry(-1), "expired"],
    [Format.expiry(3 * 86_400), "in 3 d"],
    [Format.middle("abcdefghij", 7), "abc…hij"],
    [Format.middle("abcdefghij", 10), "abcdefghij"],
    [Format.middle("文件名字很长的文件.pdf", 9), "文件….pdf"],
    [Format.middle("👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 5), "👨‍👩‍👧‍👦…👨‍👩‍👧‍👦"],
    [Format.middle("abc", 1), "…"],
    [Format.middle("abc", 0), ""],
    [Format.end("abcdef", 4), "abc…"]
  ]
  for (const [actual, expected] of cases) {
    it(`“${expected}”`, () => assert.strictEqual(actual, expected))
  }
})

describe("the line at the end", () => {
  const outcome: Summary.Outcome = {
    main: "uploaded",
    counts: new Map([["uploaded", 298]]),
    bytes: 3e9,
    failed: 2,
    elapsed: 64,
    interrupted: false
  }

  it("says how many, how much, how long, and how many failed", () =>
    assert.strictEqual(Summary.sentence(outcome), "Uploaded 298 files (3.0 GB) in 1 min 4 s, 2 failed"))

  it("says how many files were there already", () =>
    assert.strictEqual(
      Summary.sentence({ ...outcome, counts: new Map([["uploaded", 1], ["reused", 5]]), failed: 0, bytes: 0 }),
      "Uploaded 1 file in 1 min 4 s, 5 already there"
    ))

  it("says that it was stopped", () =>
    assert.strictEqual(
      Summary.sentence({ ...outcome, interrupted: true }),
      "Stopped. Uploaded 298 files (3.0 GB) in 1 min 4 s, 2 failed"
    ))

  it("says that a dry run did nothing", () =>
    assert.strictEqual(
      Summary.sentence({ ...outcome, counts: new Map([["planned", 3]]), bytes: 1e6 }),
      "Dry run: nothing was done to 3 files (1.0 MB)"
    ))

  const problem = {
    version: 1,
    kind: "error",
    error: "RateLimited",
    message: "Too many requests.",
    exitCode: 5,
    isRetryable: true,
    isOutcomeUnknown: false,
    path: "a.pdf",
    requestId: "req_1"
  } as const

  it("names the reason of a failure, whether trying again may help, and the request id", () => {
    assert.strictEqual(
      Summary.failure(problem, true),
      "a.pdf: Too many requests. (trying again may help; request req_1)"
    )
    assert.strictEqual(
      Summary.failure({ ...problem, isOutcomeUnknown: true }, true),
      "a.pdf: Too many requests. (the service may have done it; request req_1)"
    )
  })
})

describe("colour", () => {
  const cases: ReadonlyArray<readonly [Readonly<Record<string, string>>, isTerminal: boolean, expected: boolean]> = [
    [{}, true, true],
    [{}, false, false],
    [{ NO_COLOR: "1", FORCE_COLOR: "1", CLICOLOR_FORCE: "1" }, true, false],
    [{ NO_COLOR: "" }, true, true],
    [{ FORCE_COLOR: "1" }, false, true],
    [{ FORCE_COLOR: "0" }, true, false],
    [{ CLICOLOR_FORCE: "1" }, false, true],
    [{ CLICOLOR_FORCE: "0" }, false, false],
    [{ CLICOLOR: "0" }, true, false],
    [{ CLICOLOR: "1" }, false, false],
    [{ TERM: "dumb" }, true, false],
    [{ TERM: "dumb", FORCE_COLOR: "1" }, true, true]
  ]
  for (const [environment, isTerminal, expected] of cases) {
    it(`${JSON.stringify(environment)} ${isTerminal ? "on" : "off"} a terminal: ${expected ? "yes" : "no"}`, () =>
      assert.strictEqual(wantsColor(environment, isTerminal), expected))
  }
})
