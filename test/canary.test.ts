import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, References, Stream, Tracer } from "effect"
import { Redacted } from "effect"
import { FileMetadata, Files, FileSource, Policy } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { HttpClient } from "effect/http"
import { inspect } from "node:util"
import { recordSpans } from "./support/spans.ts"

const key = "sk-ant-canary-abcdefghijklmnopqrstuvwxyz"

it.live("a key is in no span, log, error or printed value", () =>
  Effect.gen(function*() {
    const { spans, tracer } = recordSpans()
    const seen: Array<unknown> = []
    const logger = Logger.make((options) => void seen.push(options.message, Cause.pretty(options.cause)))
    const apiKey = Redacted.make(key)
    const client = Layer.provideMerge(
      Layer.unwrap(Effect.map(Emulator.Emulator, (emulator) => Files.layer({ apiKey, baseUrl: emulator.url }))),
      Layer.provideMerge(
        Policy.standard({ retry: { times: 1, baseDelay: 1 } }),
        Emulator.layer({ apiKeys: { [key]: "default" } })
      )
    )
    yield* Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const files = yield* Files.Files
      seen.push(files, apiKey, yield* HttpClient.HttpClient)
      const id = FileMetadata.FileId.make("file_none")
      const operations = [
        files.upload(FileSource.text("x", "x.txt")),
        files.upload(FileSource.text("x", "a/b")),
        files.metadata(id),
        files.delete(id),
        Stream.runDrain(files.download(id)),
        Stream.runDrain(files.list())
      ]
      const faults = [
        Fault.reset({ at: "before" }),
        Fault.serverError({ at: "after" }),
        Fault.rateLimited({ retryAfter: "0 seconds" }),
        Fault.malformedJson(),
        Fault.htmlPage(),
        Fault.answer({ status: 400, type: "invalid_request_error", message: `your key is ${key}` })
      ]
      for (const fault of [undefined, ...faults]) {
        yield* emulator.setFaults(fault === undefined ? [] : [fault])
        for (const operation of operations) {
          const exit = yield* Effect.exit(operation as Effect.Effect<unknown, unknown>)
          seen.push(exit)
          if (Exit.isFailure(exit)) seen.push(Cause.pretty(exit.cause), JSON.stringify(exit))
        }
      }
    }).pipe(
      Effect.provide(client),
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "Trace"),
      // The most revealing way to print it.
      Effect.provideService(HttpClient.TracerDisabledWhen, () => false),
      Effect.provideService(HttpClient.TracerHeaderFilter, () => true)
    )
    const printed = [...seen, ...spans].map((value) => inspect(value, { depth: 12, showHidden: false })).join("\n")
    assert.include(printed, "anthropic-version")
    assert.include(printed, "[redacted]")
    assert.notInclude(printed, key)
    // Nor a telling part of it.
    assert.notInclude(printed, key.slice(-16))
  }))
