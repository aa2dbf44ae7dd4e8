/**
 * Anthropic's Files API, served locally: the same wire, real storage, no network, no model.
 *
 * `Emulator.layer()` serves it in process, as the `HttpClient` of your program, with no socket. It runs wherever Effect
 * runs. `NodeEmulator.layerServer()` serves the same routes on a loopback socket.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Fault } from "./Fault.ts"
import * as InProcess from "./internal/http/inProcess.ts"
import * as Internal from "./internal/http/make.ts"
import type { Options as InternalOptions } from "./internal/http/options.ts"
import type { RecordedRequest as InternalRecordedRequest } from "./internal/http/state.ts"
import * as Store from "./Store.ts"

/** How an emulator behaves. Everything has a default. */
export interface Options extends InternalOptions {}

/** A request as the emulator saw it. */
export interface RecordedRequest extends InternalRecordedRequest {}

/** A file that is there without having been uploaded. */
export interface SeedFile {
  readonly filename: string
  /** @default empty */
  readonly content?: Uint8Array | string | undefined
  /** @default told from the name and the content */
  readonly mimeType?: string | undefined
  /** `true` for what a tool or a skill made. @default false */
  readonly downloadable?: boolean | undefined
  /** From `createdAt` on; together with an early `createdAt` the file has already expired. */
  readonly expiresIn?: Duration.Input | undefined
  /** @default now */
  readonly createdAt?: DateTime.Utc | undefined
  readonly scope?: { readonly id: string; readonly type: string } | undefined
  readonly purpose?: string | undefined
  /** @default the workspace of `apiKey` */
  readonly workspace?: string | undefined
  /** @default a new one */
  readonly id?: string | undefined
}

/**
 * A running emulator: where it is, its key, what it was asked, what it holds, and what goes wrong with it.
 */
export class Emulator extends Context.Service<Emulator, {
  /** The base URL for a client. In process it is a placeholder: any other works just as well. */
  readonly url: string
  readonly apiKey: Redacted.Redacted<string>
  /** The workspace that `apiKey` reaches. */
  readonly workspace: string
  /** The requests so far, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** All files of all workspaces, newest first. */
  readonly files: Effect.Effect<ReadonlyArray<Store.FileRecord>, Store.StoreError>
  /** The bytes of any file, downloadable or not; `undefined` for one that is not there. */
  readonly content: (id: string) => Effect.Effect<Uint8Array | undefined, Store.StoreError>
  readonly seed: (file: SeedFile) => Effect.Effect<Store.FileRecord, Store.StoreError>
  readonly faults: Effect.Effect<ReadonlyArray<Fault>>
  readonly setFaults: (faults: ReadonlyArray<Fault>) => Effect.Effect<void>
  readonly addFault: (fault: Fault) => Effect.Effect<void>
  /** Moves the emulator's time on: files expire, batches end, the rate limit fills up. */
  readonly advance: (duration: Duration.Input) => Effect.Effect<void>
  /** Forgets files, batches, requests, faults and what `advance` added. */
  readonly reset: Effect.Effect<void, Store.StoreError>
}>()("effect-anthropic-files/emulator/Emulator") {}

/** The base URL in process. Nothing listens there. */
export const placeholderUrl = "http://emulator.localhost"

/**
 * The emulator in process, over the store of your choice.
 */
export const layerStore = (
  options: Options = {}
): Layer.Layer<Emulator | HttpClient.HttpClient, never, Store.Store> =>
  Layer.effectContext(Effect.gen(function*() {
    const { handle, service } = yield* Internal.make(options)
    return Context.make(Emulator, service(placeholderUrl)).pipe(
      Context.add(HttpClient.HttpClient, InProcess.make(handle))
    )
  }))

/**
 * The emulator in process, in memory: an `HttpClient` that reaches it without a socket, whatever the base URL.
 */
export const layer = (options: Options = {}): Layer.Layer<Emulator | HttpClient.HttpClient> =>
  layerStore(options).pipe(Layer.provide(Store.layerMemory))
