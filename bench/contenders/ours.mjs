/**
 * This package from `dist`, all checks on. `variant` holds `standard` for `Policy.standard()` and `traced` for spans
 * that are recorded and handed on in batches, as an exporter does; without it no span is made and none is propagated.
 */
import * as Files from "effect-anthropic-files/Files"
import * as FileSource from "effect-anthropic-files/FileSource"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Policy from "effect-anthropic-files/Policy"
import * as Transfer from "effect-anthropic-files/Transfer"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as fs from "node:fs"
import { check, measured, untilFirst } from "./measured.mjs"

/** What an exporter takes of a span when it ends; the span itself holds on to what its effect gave. */
class RecordedSpan extends Tracer.NativeSpan {
  static ended = []
  end(time, exit) {
    super.end(time, exit)
    const { attributes, events, kind, name, spanId, status, traceId } = this
    const taken = {
      traceId,
      spanId,
      name,
      kind,
      start: status.startTime,
      end: time,
      attributes: Array.from(attributes),
      events,
      isError: exit._tag === "Failure"
    }
    if (RecordedSpan.ended.push(taken) === 512) RecordedSpan.ended = []
  }
}

const recorder = Tracer.make({ span: (options) => new RecordedSpan(options) })

const spans = (variant) => (effect) =>
  variant.includes("traced")
    ? Effect.withTracer(effect, recorder)
    : effect.pipe(
      Effect.withTracerEnabled(false),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
    )

const run = ({ baseUrl, variant }, effect) =>
  Effect.runPromise(
    effect.pipe(
      spans(variant),
      Effect.provide(NodeFiles.layer(
        { apiKey: Redacted.make("sk-ant-bench"), baseUrl },
        // The service's documented rate would be what is measured.
        variant.includes("standard") ? Policy.standard({ rateLimit: { requestsPerMinute: 1e9 } }) : undefined
      ))
    )
  )

const times = (count, concurrency, one) =>
  Effect.forEach(Array.from({ length: count }, (_, n) => n), one, { concurrency, discard: true })

/** {@link untilFirst} for effects, which run in one fiber as a program's do. */
const untilFirstEffect = (count, one) =>
  Effect.flatMap(
    Effect.context(),
    (context) => Effect.promise(() => untilFirst(count, (came) => Effect.runPromiseWith(context)(one(came))))
  )

await measured({
  upload: (job) => run(job, Files.upload(FileSource.path(job.path))),
  download: (job) => run(job, Transfer.downloadToFile(`file_${job.bytes}_1`, job.target, { onExisting: "replace" })),
  small: (job) => {
    const source = FileSource.bytes(fs.readFileSync(job.path), "upload.bin")
    return run(job, times(job.count, job.concurrency, () => Files.upload(source)))
  },
  metadata: (job) =>
    run(job, times(job.count, job.concurrency, (n) => Files.metadata(`file_1024_${String(n).padStart(9, "0")}`))),
  list: (job) =>
    run(
      { ...job, baseUrl: `${job.baseUrl}/t${job.total}` },
      Effect.map(
        Stream.runFold(Files.list({ limit: job.limit }), () => 0, (seen) => seen + 1),
        (seen) => check(seen === job.total, `${seen} of ${job.total} files`)
      )
    ),
  firstByte: (job) =>
    run(
      job,
      untilFirstEffect(job.count, (came) => {
        let isFirst = true
        return Stream.runForEach(Files.download(`file_${job.bytes}_1`), () =>
          Effect.sync(() => {
            if (isFirst) came()
            isFirst = false
          }))
      })
    ),
  firstRow: (job) =>
    run(
      { ...job, baseUrl: `${job.baseUrl}/t${job.total}` },
      untilFirstEffect(
        job.count,
        (came) => Stream.runForEach(Stream.take(Files.list({ limit: job.limit }), 1), () => Effect.sync(came))
      )
    ),
  mixed: (job) =>
    run(job, times(job.paths.length, job.concurrency, (n) => Files.upload(FileSource.path(job.paths[n])))),
  batched: (job) =>
    run(job, Files.findMany(Array.from({ length: job.count }, (_, n) => `file_1024_${String(n).padStart(9, "0")}`)))
})
