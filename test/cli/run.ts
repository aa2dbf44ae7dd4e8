/**
 * Runs the bundled command line as a process of its own, as its users do.
 */
import { Effect, Redacted, type Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import process from "node:process"

export const bin = `${process.cwd()}/dist/cli/bin.js`

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly pid: number
  readonly out: () => string
  readonly err: () => string
  readonly kill: (signal: NodeJS.Signals) => void
  /** Closes the other end of its standard output. */
  readonly stopReading: () => void
  readonly ended: Effect.Effect<Ended>
}

export interface Options {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
  readonly cwd?: string
  /** A file that takes standard output. */
  readonly out?: string
}

/** None of the developer's own settings. Compiled code is not kept in whatever HOME a test gives. */
export const bare: Readonly<Record<string, string | undefined>> = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(ANTHROPIC|NO_COLOR|FORCE_COLOR|CLICOLOR|npm_)/.test(name))
  ),
  NODE_COMPILE_CACHE: `${os.tmpdir()}/effect-anthropic-files-tests`
}

/** Killed with its scope at the latest. */
export const start = (
  args: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const out = options.out === undefined ? undefined : fs.openSync(options.out, "w")
        const child = spawn(process.execPath, ["--no-warnings", bin, ...args], {
          cwd: options.cwd,
          env: { ...bare, TERM: "xterm", ...options.env },
          stdio: ["pipe", out ?? "pipe", "pipe"]
        })
        if (out !== undefined) fs.closeSync(out)
        child.stdin?.on("error", () => {})
        child.stdin?.end(options.input ?? "")
        return child
      }),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    ),
    (child) => {
      let [out, err] = ["", ""]
      child.stdout?.on("data", (data: Buffer) => out += data.toString())
      child.stderr?.on("data", (data: Buffer) => err += data.toString())
      const exit = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, out, err })))
      return {
        pid: child.pid ?? 0,
        out: () => out,
        err: () => err,
        kill: (signal) => void child.kill(signal),
        stopReading: () => void child.stdout?.destroy(),
        ended: Effect.promise(() => exit)
      }
    }
  )

export const run = (args: ReadonlyArray<string>, options?: Options): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(args, options), ({ ended }) => ended))

/** What makes the command line talk to the emulator of the context. */
export const environment = Effect.map(Emulator, ({ apiKey, url }) => ({
  ANTHROPIC_API_KEY: Redacted.value(apiKey),
  ANTHROPIC_BASE_URL: url
}))

/** Against the emulator of the context. */
export const client = (...args: ReadonlyArray<string>) => Effect.flatMap(environment, (env) => run(args, { env }))

/** A fresh folder with these files in it, gone with its scope. */
export const folder = (files: Readonly<Record<string, string | Uint8Array>> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = fs.mkdtempSync(`${os.tmpdir()}/cli-`)
      for (const [name, content] of Object.entries(files)) {
        fs.mkdirSync(`${directory}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true })
        fs.writeFileSync(`${directory}/${name}`, content)
      }
      return directory
    }),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  )

/** Looks again until it holds. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => holds() ? Effect.void : Effect.andThen(Effect.sleep("10 millis"), until(holds)))
