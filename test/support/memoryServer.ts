import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"

/** A server in a process of its own, which takes uploads without keeping them and makes downloads up. Gives its port. */
export const server: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<readonly [ReturnType<typeof spawn>, string]>((resume) => {
      const child = spawn(process.execPath, ["test/memory/server.mjs"], { stdio: ["ignore", "pipe", "inherit"] })
      child.stdout.once("data", (port: Buffer) => resume(Effect.succeed([child, port.toString().trim()])))
    }),
    ([child]) => Effect.sync(() => child.kill())
  ),
  ([, port]) => port
)
