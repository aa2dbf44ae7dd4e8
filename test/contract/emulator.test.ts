import { NodeFileSystem } from "@effect/platform-node"
import { Effect, FileSystem, Layer } from "effect"
import * as BrowserFiles from "effect-anthropic-files/BrowserFiles"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { FetchHttpClient, HttpClient } from "effect/http"
import { Backend } from "../support/Backend.ts"
import { contract } from "./suite.ts"

const backend = Layer.effect(
  Backend,
  Effect.gen(function*() {
    const emulator = yield* Emulator.Emulator
    return Backend.of({
      baseUrl: emulator.url,
      apiKey: emulator.apiKey,
      client: yield* HttpClient.HttpClient,
      generate: (filename, mimeType, content) =>
        Effect.map(
          Effect.orDie(emulator.seed({ filename, mimeType, content, downloadable: true })),
          (file) => file.id
        ),
      requests: Effect.map(emulator.requests, (requests) => requests.map((r) => `${r.method} ${r.url}`))
    })
  })
)

contract("emulator in process", backend.pipe(Layer.provide(Emulator.layer())))

contract(
  "emulator over node:http",
  backend.pipe(Layer.provide([NodeEmulator.layerServer(), NodeFiles.layerHttpClient]))
)

contract(
  "emulator over fetch",
  backend.pipe(Layer.provide([NodeEmulator.layerServer(), FetchHttpClient.layer]))
)

contract(
  "emulator over a page's client",
  backend.pipe(Layer.provide([NodeEmulator.layerServer(), BrowserFiles.layerHttpClient]))
)

contract(
  "emulator in a folder",
  backend.pipe(
    Layer.provide([
      Layer.unwrap(Effect.map(
        Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped()),
        (directory) => NodeEmulator.layerServer({ directory })
      )),
      NodeFiles.layerHttpClient
    ]),
    Layer.provide(NodeFileSystem.layer)
  )
)
