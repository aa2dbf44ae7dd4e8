/**
 * An emulator without a door: the way of a request through it, and its control surface.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { FileId } from "../../../FileMetadata.ts"
import type { Emulator, SeedFile } from "../../Emulator.ts"
import { Store } from "../../Store.ts"
import * as MimeType from "../files/mimeType.ts"
import * as Random from "../random.ts"
import type { Options } from "./options.ts"
import * as Pipeline from "./pipeline.ts"
import * as Routes from "./routes.ts"
import * as State from "./state.ts"

export interface Made {
  readonly handle: Pipeline.Handle
  /** The control surface of the emulator that is reached at `url`. */
  readonly service: (url: string) => Emulator["Service"]
}

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, 0))
  let offset = 0
  for (const chunk of chunks) {
    out.set(chunk, offset)
    offset += chunk.byteLength
  }
  return out
}

export const make = Effect.fnUntraced(function*(
  options: Options & { readonly adminRoute?: boolean | undefined }
): Effect.fn.Return<Made, never, Store | Scope.Scope> {
  const store = yield* Store
  const state = yield* State.make(options, store)
  const route = yield* HttpRouter.toHttpEffect(Routes.layer.pipe(Layer.provide(HttpServer.layerServices)))
  const handle = Pipeline.make(state, route)

  const now = Effect.map(Clock.currentTimeMillis, (millis) => millis + state.offset.millis)

  const seed = Effect.fnUntraced(function*(file: SeedFile) {
    const at = yield* now
    const content = typeof file.content === "string"
      ? new TextEncoder().encode(file.content)
      : (file.content ?? new Uint8Array(0)).slice()
    const createdAt = file.createdAt?.epochMilliseconds ?? at
    const expiresAt = file.expiresIn === undefined
      ? null
      : createdAt + Duration.toMillis(Duration.fromInputUnsafe(file.expiresIn))
    const staging = yield* store.stage
    if (content.byteLength > 0) yield* staging.write(content)
    const stored = yield* staging.commit({
      id: FileId.make(file.id ?? (yield* Random.identifier("file"))),
      workspace: file.workspace ?? state.workspace,
      filename: file.filename,
      mimeType: file.mimeType ?? MimeType.detect(file.filename, content.subarray(0, 512)),
      createdAt,
      expiresAt,
      downloadable: file.downloadable ?? false,
      scope: file.scope ?? null,
      purpose: file.purpose ?? null
    })
    yield* store.sweep(at)
    return (yield* store.get(stored.id)) ?? stored
  }, Effect.scoped)

  return {
    handle,
    service: (url) => ({
      url,
      apiKey: state.apiKey,
      workspace: state.workspace,
      requests: Effect.sync(() => state.requests.list()),
      files: now.pipe(
        Effect.flatMap(store.sweep),
        Effect.andThen(store.all),
        Effect.map((files) => [...files].sort((a, b) => b.sequence - a.sequence))
      ),
      content: (id) =>
        Effect.gen(function*() {
          const file = yield* store.get(id)
          if (file === undefined) return undefined
          return concat(yield* Stream.runCollect(yield* store.read(file)))
        }).pipe(Effect.scoped),
      seed,
      faults: Effect.sync(() => state.faults.list().map(({ fault }) => fault)),
      setFaults: (faults) => Effect.sync(() => state.faults.set(faults)),
      addFault: (fault) => Effect.sync(() => state.faults.add(fault)),
      advance: (duration) =>
        Effect.sync(() => {
          state.offset.millis += Duration.toMillis(Duration.fromInputUnsafe(duration))
        }),
      reset: State.reset(state)
    })
  }
})
