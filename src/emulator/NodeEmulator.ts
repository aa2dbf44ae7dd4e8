/**
 * The emulator on Node: on a loopback socket, and in a folder.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import type { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as DirectoryStore from "./DirectoryStore.ts"
import * as Emulator from "./Emulator.ts"
import * as Internal from "./internal/http/make.ts"
import * as NodeServer from "./internal/http/nodeServer.ts"
import * as NodeProcessProbe from "./internal/store/nodeProcessProbe.ts"
import * as Store from "./Store.ts"

/** Options of an emulator on Node. */
export interface Options extends Emulator.Options {
  /** The folder to keep files in. @default none: files are kept in memory */
  readonly directory?: string | undefined
}

/** Options of an emulator on a socket. */
export interface ServerOptions extends Options, NodeServer.ServerOptions {
  /**
   * Serves `/_emulator/` to holders of a key: seeding, requests, faults, rules, tokens, clock, reset.
   *
   * @default false
   */
  readonly adminRoute?: boolean | undefined
}

/** The emulator could not be started; the message says why. */
export class EmulatorFailed
  extends Schema.TaggedError<EmulatorFailed>("effect-anthropic-files/emulator/EmulatorFailed")("EmulatorFailed", {
    reason: Schema.Literals(["Refused", "Listen"]),
    message: Schema.String,
    cause: Schema.optionalKey(Schema.Defect())
  })
{}

/** Tells whether a process is alive, by its number, its start and where it runs. */
export const layerProcessProbe: Layer.Layer<DirectoryStore.ProcessProbe> = NodeProcessProbe.layer

/** A store in a folder. */
export const layerDirectory = (directory: string): Layer.Layer<Store.Store, Store.StoreFailed> =>
  DirectoryStore.layer(directory).pipe(
    Layer.provide([NodeFileSystem.layer, NodePath.layer, layerProcessProbe])
  )

const storeOf = (options: Options): Layer.Layer<Store.Store, Store.StoreFailed> =>
  options.directory === undefined ? Store.layerMemory : layerDirectory(options.directory)

/**
 * The emulator in process, in a folder or in memory.
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Emulator.Emulator | HttpClient, Store.StoreFailed> =>
  Emulator.layerStore(options).pipe(Layer.provide(storeOf(options)))

const hasKey = (options: ServerOptions): boolean =>
  options.apiKey !== undefined || Object.keys(options.apiKeys ?? {}).length > 0

const whyNotListening = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return "code" in cause && cause.code === "EADDRINUSE"
    ? "the port is in use. Choose another one, or 0 for any free port"
    : cause.message
}

/** How a client on this machine reaches an address that the server listens on. */
const nameInUrl = (host: string): string => {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1"
  return host.includes(":") ? `[${host}]` : host
}

const listen = (options: ServerOptions, host: string) =>
  Layer.effect(
    Emulator.Emulator,
    Effect.gen(function*() {
      const { control, handle } = yield* Internal.make(options)
      const server = NodeServer.createServer(options)
      const httpServer = yield* NodeHttpServer.make(() => server, { port: options.port ?? 0, host }).pipe(
        Effect.mapError((error) =>
          new EmulatorFailed({
            reason: "Listen",
            message: `Can't listen on ${host}:${options.port ?? 0}: ${whyNotListening(error.cause)}.`,
            cause: error
          })
        )
      )
      yield* httpServer.serve(NodeServer.serve(handle, options))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      return { url: `http://${nameInUrl(host)}:${port}`, ...control }
    })
  ).pipe(Layer.provide(storeOf(options)))

/**
 * The emulator on a socket. It accepts requests once the layer is built. Closing the scope closes the socket and every
 * connection at once.
 */
export const layerServer = (
  options: ServerOptions = {}
): Layer.Layer<Emulator.Emulator, EmulatorFailed | Store.StoreFailed> => {
  const host = options.host ?? "127.0.0.1"
  if (NodeServer.isLoopback(host) || hasKey(options)) return listen(options, host)
  return Layer.effect(
    Emulator.Emulator,
    Effect.fail(
      new EmulatorFailed({
        reason: "Refused",
        message: `Others can reach the emulator on ${host}: set a key of your own (--key-file on the command line), or `
          + "bind a loopback address."
      })
    )
  )
}
