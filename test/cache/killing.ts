import { Effect, FileSystem, Layer, Redacted, type Scope } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { platform } from "./stores.ts"

const worker = fileURLToPath(new URL("./worker.ts", import.meta.url))

export const layer = Layer.mergeAll(NodeEmulator.layerServer(), platform)

export interface Place {
  readonly store: string
  readonly directory: string
}

/** A folder of 24 files: six names, four files each, all of the same size, so that only their contents differ. */
export const place: Effect.Effect<Place, never, FileSystem.FileSystem | Scope.Scope> = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.makeTempDirectoryScoped()
  const directory = `${root}/files`
  for (let n = 0; n < 24; n++) {
    yield* fs.makeDirectory(`${directory}/${n % 4}`, { recursive: true })
    yield* fs.writeFileString(
      `${directory}/${n % 4}/${Math.floor(n / 4)}.txt`,
      `content ${String(n).padStart(2, "0")}`
    )
  }
  return { store: `${root}/store`, directory }
}).pipe(Effect.orDie)

export interface Run {
  readonly what: "sync" | "get"
  readonly place: Place
  /** The lease of the worker's cache. */
  readonly lease?: "400 millis" | "30 seconds"
  /** Starts once the worker has loaded its modules. When it ends, the worker is killed. */
  readonly kill?: Effect.Effect<unknown, never, Emulator.Emulator>
}

/** Runs a worker in a process of its own, and returns its exit code, or `null` if it was killed. */
export const run = ({ kill, lease = "400 millis", place, what }: Run) =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator.Emulator
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          process.execPath,
          ["--no-warnings", worker, what, url, Redacted.value(apiKey), place.store, place.directory, lease],
          { stdio: ["ignore", "pipe", "inherit"] }
        )
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const ready = Effect.callback<void>((resume) => {
      child.stdout.once("data", () => resume(Effect.void))
    })
    const exited = Effect.callback<number | null>((resume) => {
      child.once("exit", (code) => resume(Effect.succeed(code)))
    })
    if (kill !== undefined) {
      yield* Effect.forkScoped(
        Effect.andThen(Effect.andThen(ready, kill), Effect.sync(() => child.kill("SIGKILL")))
      )
    }
    return yield* exited
  }).pipe(Effect.scoped)

/** Waits until the emulator has that many files. */
export const untilStored = (count: number): Effect.Effect<void, never, Emulator.Emulator> =>
  Effect.gen(function*() {
    const emulator = yield* Emulator.Emulator
    while ((yield* emulator.files).length < count) yield* Effect.promise(() => new Promise(setImmediate))
  }).pipe(Effect.orDie)

/** How many files there are of each content. */
export const counts = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  const contents = yield* Effect.forEach(
    yield* emulator.files,
    (file) => Effect.map(emulator.content(file.id), (bytes) => new TextDecoder().decode(bytes))
  )
  const of: Record<string, number> = {}
  for (const content of contents) of[content] = (of[content] ?? 0) + 1
  return of
})

/** Every content once. */
export const expected = Object.fromEntries(
  Array.from({ length: 24 }, (_, n) => [`content ${String(n).padStart(2, "0")}`, 1])
)
