/**
 * `usage`: shows how much storage is used, by type, age and expiry.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { FileMetadata } from "../../FileMetadata.ts"
import * as Files from "../../Files.ts"
import { printable } from "../../internal/text.ts"
import * as Client from "../client.ts"
import { define } from "../define.ts"
import * as Flags from "../flags.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import type { Style } from "../screen/style.ts"
import { program } from "../usage.ts"

const day = 86_400_000

const ages: ReadonlyArray<readonly [title: string, days: number]> = [
  ["up to 1 day", 1],
  ["up to 7 days", 7],
  ["up to 30 days", 30],
  ["up to 90 days", 90],
  ["older", Number.POSITIVE_INFINITY]
]

interface Share {
  files: number
  bytes: number
}

interface Figures {
  readonly all: Share
  readonly byType: Map<string, Share>
  readonly byAge: Map<string, Share>
  readonly expiringWithinADay: Share
  readonly expiringWithinAWeek: Share
  readonly expired: Share
}

const none = (): Share => ({ files: 0, bytes: 0 })

const add = (share: Share, bytes: number) => {
  share.files++
  share.bytes += bytes
}

const addTo = (shares: Map<string, Share>, name: string, bytes: number) => {
  const share = shares.get(name) ?? none()
  shares.set(name, share)
  add(share, bytes)
}

/** @param now epoch milliseconds */
const count = (figures: Figures, file: FileMetadata, now: number) => {
  const { created_at, expires_at, mime_type, size_bytes } = file
  add(figures.all, size_bytes)
  addTo(figures.byType, mime_type, size_bytes)
  const days = (now - DateTime.toEpochMillis(created_at)) / day
  const age = ages.find(([, most]) => days <= most)?.[0] ?? "older"
  addTo(figures.byAge, age, size_bytes)
  if (expires_at === null) return
  const left = DateTime.toEpochMillis(expires_at) - now
  if (left <= 0) return add(figures.expired, size_bytes)
  if (left <= day) add(figures.expiringWithinADay, size_bytes)
  if (left <= 7 * day) add(figures.expiringWithinAWeek, size_bytes)
}

/** The documented storage of an organization, bytes. */
const documentedQuota = 1_000_000_000_000

const percent = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${part > 0 && part / whole < 0.001 ? "< 0.1" : (part / whole * 100).toFixed(1)} %`

const report = (figures: Figures, quota: number, isDocumented: boolean, style: Style): string => {
  const shareOf = ({ bytes, files }: Share): string =>
    `${Format.padStart(Format.files(files), 14)} ${Format.padStart(Format.bytes(bytes), 10)}`
  const row = (name: string, share: Share): string =>
    `  ${Format.padEnd(Format.middle(name, 30), 30)} ${shareOf(share)}`
  const rows = (shares: ReadonlyArray<readonly [string, Share]>) => shares.map(([name, share]) => row(name, share))
  const types = Array.from(figures.byType).sort(([, a], [, b]) => b.bytes - a.bytes)
  const byAge = ages.flatMap(([title]) => {
    const share = figures.byAge.get(title)
    return share === undefined ? [] : [[title, share] as const]
  })
  return [
    style.bold(
      `${Format.files(figures.all.files)}, ${Format.bytes(figures.all.bytes)}: ${
        percent(figures.all.bytes, quota)
      } of ${isDocumented ? "the documented " : ""}${Format.bytes(quota)}`
    ),
    "",
    style.bold("By type"),
    ...rows(types.map(([type, share]) => [printable(type), share] as const)),
    "",
    style.bold("By age"),
    ...rows(byAge),
    "",
    style.bold("Expiring"),
    row("within a day", figures.expiringWithinADay),
    row("within a week", figures.expiringWithinAWeek),
    row("expired", figures.expired)
  ].join("\n")
}

export const usage = define({
  name: "usage",
  description: "Show how much storage is used, by type, age and expiry",
  examples: [{ command: `${program} usage --quota 500GB --json`, description: "For a monitor" }],
  flags: {
    quota: Flags.size("quota", "Storage of the organization (default: the documented 1 TB)")
  },
  onlyReads: true,
  run: Effect.fnUntraced(function*({ quota }) {
    const output = yield* Output
    const now = yield* Clock.currentTimeMillis
    const figures: Figures = {
      all: none(),
      byType: new Map(),
      byAge: new Map(),
      expiringWithinADay: none(),
      expiringWithinAWeek: none(),
      expired: none()
    }
    yield* Stream.runForEach(Files.list({ limit: 1000 }), (file) => Effect.sync(() => count(figures, file, now)))
    const most = Option.getOrElse(quota, () => documentedQuota)
    const { all, byAge, byType, expired, expiringWithinADay, expiringWithinAWeek } = figures
    const plain = (shares: Map<string, Share>) =>
      Object.fromEntries(Array.from(shares, ([name, { bytes, files }]) => [name, { files, bytes }]))
    yield* output.item({
      action: "counted",
      bytes: all.bytes,
      data: {
        files: all.files,
        bytes: all.bytes,
        quota: most,
        share: most === 0 ? null : all.bytes / most,
        byType: plain(byType),
        byAge: plain(byAge),
        expiringWithinADay: { ...expiringWithinADay },
        expiringWithinAWeek: { ...expiringWithinAWeek },
        expired: { ...expired }
      }
    }, report(figures, most, Option.isNone(quota), output.style))
  }, Effect.provide(Client.layer))
})
