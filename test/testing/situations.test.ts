import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Rule from "effect-anthropic-files/emulator/Rule"
import * as fs from "node:fs"
import * as happyPath from "../../examples/40_test_happy_path.ts"
import * as quotaFull from "../../examples/41_test_quota_full.ts"
import * as rateLimited from "../../examples/42_test_rate_limited.ts"
import * as brokenDownload from "../../examples/43_test_broken_download.ts"
import * as expiredOvernight from "../../examples/44_test_expired_overnight.ts"
import * as faults from "../../examples/46_test_faults.ts"
import * as rules from "../../examples/47_test_rules.ts"

it.effect("situation: happy path", () => happyPath.test)
it.effect("situation: quota full half-way", () => quotaFull.test)
it.effect("situation: rate limited, then fine", () => rateLimited.test)
it.effect("situation: download breaks at 40 %", () => brokenDownload.test)
it.effect("situation: file expired overnight", () => expiredOvernight.test)
it.effect("situation: faults by chance", () => faults.test)
it.effect("situation: an answer by a rule", () => rules.test)

it.effect("the JSON of faults and rules in the documentation is valid", () =>
  Effect.gen(function*() {
    const page = fs.readFileSync("docs/testing.md", "utf8")
    const [faults, rules] = [...page.matchAll(/```json\n([^]*?)```/g)].map(([, text = ""]) =>
      JSON.parse(text) as unknown
    )
    const tags = (yield* Fault.decode(faults)).map((fault) => fault._tag)
    assert.sameMembers([...new Set(tags)], ["Latency", "Answer", "Reset", "Stall", "Truncate", "Drip"])
    assert.lengthOf(yield* Rule.decode(rules), 5)
  }))

it("the documentation links each situation", () => {
  const page = fs.readFileSync("docs/testing.md", "utf8")
  for (const name of fs.readdirSync("examples").filter((name) => name.startsWith("4"))) assert.include(page, name)
})
