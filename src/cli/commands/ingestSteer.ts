/**
 * `ingest pause`, `resume`, `cancel`, `retry` and `renew`.
 */
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Ingest from "../../fleet/Ingest.ts"
import { printable } from "../../internal/text.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import * as Flags from "../flags.ts"
import { ingestArgument } from "../ingestFlags.ts"
import * as IngestLayer from "../ingestLayer.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { program } from "../usage.ts"

const common = { ingest: ingestArgument, ...IngestLayer.flags, dryRun: Confirm.flags.dryRun }

type Steering = "paused" | "resumed" | "cancelled" | "retried" | "renewed"

/** `cancelled 12 items of corpus` */
const tell = Effect.fnUntraced(function*(action: Steering, ingest: string, items?: number) {
  const output = yield* Output
  yield* output.item(
    { action, data: { ingest, ...(items === undefined ? undefined : { items }) } },
    `${action} ${items === undefined ? "" : `${Format.items(items)} of `}${printable(ingest)}`
  )
})

/** Prints the items that would be changed. */
const plan = Effect.fnUntraced(function*(
  would: "resume" | "cancel" | "retry" | "renew",
  ingest: string,
  state: Ingest.State,
  isMeant: (row: Ingest.ItemRow) => boolean = () => true
) {
  const output = yield* Output
  yield* Stream.runForEach(
    Stream.filter(Ingest.items(ingest, { states: [state] }), isMeant),
    ({ key }) => output.item({ action: "planned", would, key }, `would ${would} ${printable(key)}`)
  )
})

/** Prints that the ingest itself would be changed. */
const planWhole = Effect.fnUntraced(function*(would: "pause" | "resume", ingest: string) {
  const output = yield* Output
  const { state } = yield* Ingest.status(ingest)
  yield* output.item(
    { action: "planned", would, data: { ingest, state } },
    `would ${would} ${printable(ingest)} (${state})`
  )
})

export const pause = define({
  name: "pause",
  path: ["ingest", "pause"],
  description: "Let no runner begin another item until it is resumed",
  examples: [{ command: `${program} ingest pause corpus`, description: "Runners stay, and wait" }],
  flags: common,
  run: Effect.fnUntraced(function*({ databaseUrl, dryRun, ingest }) {
    const change = Effect.andThen(Ingest.pause(ingest), tell("paused", ingest))
    yield* Effect.provide(dryRun ? planWhole("pause", ingest) : change, IngestLayer.layer({ databaseUrl }))
  })
})

export const resume = define({
  name: "resume",
  path: ["ingest", "resume"],
  description: "Go on after a pause or a cancellation",
  examples: [{ command: `${program} ingest resume corpus`, description: "Cancelled items are pending again" }],
  flags: common,
  run: Effect.fnUntraced(function*({ databaseUrl, dryRun, ingest }) {
    const planned = Effect.andThen(planWhole("resume", ingest), plan("resume", ingest, "cancelled"))
    const change = Effect.flatMap(
      Ingest.resume(ingest),
      (items) => tell("resumed", ingest, items === 0 ? undefined : items)
    )
    yield* Effect.provide(dryRun ? planned : change, IngestLayer.layer({ databaseUrl }))
  })
})

export const cancel = define({
  name: "cancel",
  path: ["ingest", "cancel"],
  description: "Give up what is pending; what is under way ends as it ends",
  examples: [
    { command: `${program} ingest cancel corpus --dry-run`, description: "Which items it would be" },
    { command: `${program} ingest cancel corpus`, description: "resume takes them up again" }
  ],
  flags: common,
  run: Effect.fnUntraced(function*({ databaseUrl, dryRun, ingest }) {
    const change = Effect.flatMap(Ingest.cancel(ingest), (items) => tell("cancelled", ingest, items))
    yield* Effect.provide(dryRun ? plan("cancel", ingest, "pending") : change, IngestLayer.layer({ databaseUrl }))
  })
})

export const retry = define({
  name: "retry",
  path: ["ingest", "retry"],
  description: "Make failed items pending again, with all their tries",
  examples: [
    { command: `${program} ingest retry corpus --tag SourceFailed`, description: "Those that failed for one reason" }
  ],
  flags: {
    ...common,
    tag: Flags.text("tag", "TAG", "Only items that failed with it, as the status names it"),
    key: Flags.text("key", "KEY", "Only the item with this key")
  },
  run: Effect.fnUntraced(function*({ databaseUrl, dryRun, ingest, ...given }) {
    const key = Option.getOrUndefined(given.key)
    const tag = Option.getOrUndefined(given.tag)
    const planned = plan(
      "retry",
      ingest,
      "failed",
      (row) =>
        row.source !== null && (key === undefined || row.key === key) && (tag === undefined || row.error_tag === tag)
    )
    const change = Effect.flatMap(Ingest.retry(ingest, { key, tag }), (items) => tell("retried", ingest, items))
    yield* Effect.provide(dryRun ? planned : change, IngestLayer.layer({ databaseUrl }))
  })
})

export const renew = define({
  name: "renew",
  path: ["ingest", "renew"],
  description: "Make items pending again whose files will expire, to be uploaded anew",
  examples: [{ command: `${program} ingest renew corpus --within 7d`, description: "What expires within a week" }],
  flags: {
    ...common,
    within: Flags.duration("within", "How soon they expire").pipe(
      Flag.filterMap((within) => within, () => "--within is missing: say how soon they expire, for example 7d")
    )
  },
  run: Effect.fnUntraced(function*({ databaseUrl, dryRun, ingest, within }) {
    const planned = Effect.flatMap(Ingest.status(ingest), ({ at }) => {
      const until = DateTime.addDuration(at, within)
      return plan(
        "renew",
        ingest,
        "done",
        ({ expires_at }) => expires_at !== null && DateTime.isLessThan(expires_at, until)
      )
    })
    const change = Effect.flatMap(Ingest.renew(ingest, within), (items) => tell("renewed", ingest, items))
    yield* Effect.provide(dryRun ? planned : change, IngestLayer.layer({ databaseUrl }))
  })
})
