/**
 * Chromium, driven over its DevTools protocol.
 */
import { Effect, type Scope } from "effect"
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"

const find = () =>
  ["chromium", "chromium-browser", "google-chrome"].find((name) => spawnSync(name, ["--version"]).status === 0)

// Where nobody is asked, on a machine that is there for one run.
if (find() === undefined && process.env["CI"] === "true" && process.getuid?.() === 0) {
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "chromium"], { stdio: "ignore" })
}

const program = find()

export const available = program !== undefined

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly exceptionDetails?: unknown; readonly sessionId?: string }
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

export interface Page {
  readonly send: (method: string, params?: object) => Effect.Effect<unknown>
  /** Evaluates an expression, waits for the promise that it may give, and gives the value. */
  readonly evaluate: (expression: string) => Effect.Effect<unknown>
  readonly reload: Effect.Effect<unknown>
  /** What it failed with and nobody caught. */
  readonly errors: ReadonlyArray<string>
}

const started: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function*() {
  const profile = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(`${os.tmpdir()}/chromium-`)),
    (profile) => Effect.sync(() => fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 }))
  )
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(program ?? "", [...flags, "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"], {
        stdio: ["ignore", "ignore", "pipe"]
      })
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void)).kill()
      })
  )
  return yield* Effect.callback<string>((resume) => {
    let said = ""
    child.stderr.on("data", (chunk) => {
      said += chunk
      const [, url] = /DevTools listening on (ws:\S+)/.exec(said) ?? []
      if (url !== undefined) resume(Effect.succeed(url))
    })
    child.once("exit", (code) => resume(Effect.die(new Error(`Chromium ended with ${code}: ${said}`))))
  })
})

/** A browser of its own, with the page at that address. */
export const open = (url: string): Effect.Effect<Page, never, Scope.Scope> =>
  Effect.gen(function*() {
    const address = yield* started
    const socket = yield* Effect.acquireRelease(
      Effect.callback<WebSocket>((resume) => {
        const socket = new WebSocket(address)
        socket.addEventListener("open", () => resume(Effect.succeed(socket)))
        socket.addEventListener("error", () => resume(Effect.die(new Error("Chromium takes no connection"))))
      }),
      (socket) => Effect.sync(() => socket.close())
    )
    const waiting = new Map<number, (message: Message) => void>()
    const errors: Array<string> = []
    socket.addEventListener("message", ({ data }) => {
      const message: Message = JSON.parse(String(data))
      if (message.id !== undefined) waiting.get(message.id)?.(message)
      if (message.method === "Runtime.exceptionThrown") errors.push(JSON.stringify(message.params?.exceptionDetails))
    })
    let count = 0
    const call = (method: string, params: object, sessionId?: string) =>
      Effect.callback<unknown>((resume) => {
        const id = ++count
        waiting.set(id, ({ error, result }) => {
          waiting.delete(id)
          resume(error === undefined ? Effect.succeed(result) : Effect.die(new Error(`${method}: ${error.message}`)))
        })
        socket.send(JSON.stringify({ id, method, params, sessionId }))
      })
    const { targetId } = (yield* call("Target.createTarget", { url: "about:blank" })) as { readonly targetId: string }
    const { sessionId } = (yield* call("Target.attachToTarget", { targetId, flatten: true })) as {
      readonly sessionId: string
    }
    const send = (method: string, params: object = {}) => call(method, params, sessionId)
    const evaluate = (expression: string) =>
      Effect.flatMap(
        send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }),
        (answer) => {
          const { exceptionDetails, result } = answer as {
            readonly exceptionDetails?: unknown
            readonly result: { readonly value?: unknown }
          }
          return exceptionDetails === undefined
            ? Effect.succeed(result.value)
            : Effect.die(new Error(JSON.stringify(exceptionDetails)))
        }
      )
    yield* send("Runtime.enable")
    yield* send("Page.enable")
    yield* send("Network.enable")
    const loaded = evaluate(
      "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))"
    )
    const reload = Effect.andThen(send("Page.navigate", { url }), loaded)
    yield* reload
    return { send, evaluate, reload, errors }
  })
