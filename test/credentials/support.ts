/**
 * Profiles in a temporary folder, a token endpoint that records its requests, and a clock that advances while files are read.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { ConfigProvider, Context, Effect, Fiber, FileSystem, Layer, Path, Redacted } from "effect"
import type { Credentials } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"

export const disk = Layer.merge(NodeFileSystem.layer, NodePath.layer)

/** A folder for profiles, removed with its scope. */
export class Folder extends Context.Service<Folder, {
  readonly path: string
  readonly writeConfig: (name: string, json: object) => Effect.Effect<void>
  readonly writeToken: (name: string, json: object, mode?: number) => Effect.Effect<void>
  readonly write: (file: string, text: string) => Effect.Effect<string>
  readonly readToken: (name: string) => Effect.Effect<Record<string, unknown>>
  /** All files in the folder, by their relative path. */
  readonly files: Effect.Effect<ReadonlyArray<string>>
}>()("test/Folder") {}

export const folder: Layer.Layer<Folder | FileSystem.FileSystem | Path.Path> = Layer.provideMerge(
  Layer.effect(
    Folder,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const path = yield* fs.makeTempDirectoryScoped({ prefix: "credentials-" })
      yield* fs.makeDirectory(join(path, "configs"))
      yield* fs.makeDirectory(join(path, "credentials"))
      const write = (file: string, text: string, mode = 0o600) =>
        Effect.orDie(Effect.gen(function*() {
          const target = join(path, file)
          // Written like programs that share a profile do, so that nobody reads a partial file.
          yield* fs.writeFileString(`${target}.new`, text)
          yield* fs.chmod(`${target}.new`, mode)
          yield* fs.rename(`${target}.new`, target)
          return target
        }))
      return Folder.of({
        path,
        write,
        writeConfig: (name, json) => Effect.asVoid(write(`configs/${name}.json`, JSON.stringify(json))),
        writeToken: (name, json, mode) => Effect.asVoid(write(`credentials/${name}.json`, JSON.stringify(json), mode)),
        readToken: (name) =>
          Effect.orDie(Effect.map(
            fs.readFileString(join(path, `credentials/${name}.json`)),
            (text) => JSON.parse(text) as Record<string, unknown>
          )),
        files: Effect.orDie(Effect.map(fs.readDirectory(path, { recursive: true }), (names) => names.toSorted()))
      })
    })
  ),
  disk
).pipe(Layer.orDie)

/** A login in the profile `work`: its config and its token. */
export const writeLogin = (config: object, token: object, mode?: number): Effect.Effect<void, never, Folder> =>
  Effect.flatMap(
    Folder,
    ({ writeConfig, writeToken }) => Effect.andThen(writeConfig("work", config), writeToken("work", token, mode))
  )

export interface Exchange {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, string>>
}

export interface Endpoint {
  readonly exchanges: Array<Exchange>
  /** How requests are answered; by default with numbered tokens. */
  answer: ((exchange: Exchange) => Effect.Effect<Response>) | undefined
}

/** A token endpoint that issues `token-1`, `token-2` … for an hour, with `refresh-1`, `refresh-2` … */
export const endpoint = () => {
  const state: Endpoint = { exchanges: [], answer: undefined }
  const { client } = HttpMock.answering(({ json, request }) =>
    Effect.gen(function*() {
      const exchange: Exchange = {
        url: request.url,
        headers: { ...request.headers },
        body: json as Record<string, string>
      }
      state.exchanges.push(exchange)
      if (state.answer !== undefined) return yield* state.answer(exchange)
      const number = state.exchanges.length
      return Response.json({
        token_type: "Bearer",
        access_token: `token-${number}`,
        expires_in: 3600,
        ...(exchange.body.grant_type === "refresh_token" ? { refresh_token: `refresh-${number}` } : undefined)
      })
    })
  )
  return { state, client, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

export const environment = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnvRecord(env))

const request = HttpClientRequest.get("https://api.anthropic.com/v1/files")

/** The headers that authorize a request, without the redaction. */
export const headersOf = (credentials: Credentials.Credentials["Service"], of = request) =>
  Effect.map(credentials.headersFor(of), (headers) =>
    Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Redacted.isRedacted(value) ? Redacted.value(value) : value])
    ))

/** Runs an effect while the test clock advances in small steps, since reading and writing files takes real time. */
export const driven = <A, E, R>(effect: Effect.Effect<A, E, R>, step = 10): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let turns = 0; fiber.pollUnsafe() === undefined && turns < 200_000; turns++) {
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      if (turns % 10 === 9) yield* TestClock.adjust(step)
    }
    return yield* Fiber.join(fiber)
  })
