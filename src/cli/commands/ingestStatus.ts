/**
 * `ingest status`: how far an ingest has come.
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Ingest from "../../fleet/Ingest.ts"
import { printable } from "../../internal/text.ts"
import { define } from "../define.ts"
import * as IngestLayer from "../ingestLayer.ts"
import { type NewItem, Output } from "../output.ts"
import * as Screen from "../screen/ingest.ts"
import { program } from "../usage.ts"

const encode = Schema.encodeSync(Ingest.Status)

const counted = (status: Ingest.Status): NewItem => ({
  action: "counted",
  bytes: status.bytes,
  data: encode(status)
})

const all = Effect.gen(function*() {
  const output = yield* Output
  const ingests = yield* Ingest.list
  if (ingests.length === 0) return yield* output.note("There is no ingest in this database.")
  const { header, row } = Screen.ingests(output.columns, output.style)
  yield* output.heading(header)
  for (const { name } of ingests) {
    const status = yield* Ingest.status(name)
    const { counts, ingest, state, total } = status
    yield* output.item(
      counted(status),
      output.isTerminal ? row(status) : [printable(ingest), state, total, counts.done, counts.failed].join("\t")
    )
  }
})

/** Rows of a screen that nothing is drawn over. */
const unlimited = 1_000

const one = Effect.fnUntraced(function*(ingest: string) {
  const output = yield* Output
  let last = yield* Ingest.status(ingest)
  const print = Effect.suspend(() =>
    output.item(
      counted(last),
      (output.isTerminal
        ? Screen.render(last, { columns: output.columns, rows: unlimited }, output.style)
        : Screen.lines(last)).join("\n")
    )
  )
  /** There is something to see as long as somebody works. */
  const isMoving = ({ runners }: Ingest.Status) => runners.some(({ is_alive }) => is_alive)
  if (!output.isTerminal || !output.isLive || !isMoving(last)) return yield* print
  const statuses = Stream.concat(Stream.succeed(last), Stream.drop(Ingest.watch(ingest), 1)).pipe(
    Stream.tap((status) => Effect.sync(() => void (last = status))),
    Stream.takeUntil((status) => !isMoving(status))
  )
  yield* Effect.ensuring(
    output.liveUntilEnd(Stream.map(statuses, (status) => (size, style) => Screen.render(status, size, style))),
    print
  )
})

export const status = define({
  name: "status",
  path: ["ingest", "status"],
  description: "Show how far an ingest has come; on a terminal again and again while a runner is at work",
  examples: [
    { command: `${program} ingest status corpus`, description: "States, rate, failures, runners, time left" },
    { command: `${program} ingest status`, description: "All ingests of the database" }
  ],
  flags: {
    ingest: Argument.optional(Argument.String("ingest").pipe(Argument.withDescription("Name of the ingest"))),
    ...IngestLayer.flags
  },
  onlyReads: true,
  run: Effect.fnUntraced(function*({ databaseUrl, ingest }) {
    yield* Effect.provide(Option.isSome(ingest) ? one(ingest.value) : all, IngestLayer.layer({ databaseUrl }))
  })
})
