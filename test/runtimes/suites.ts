/**
 * Suites as a program of its own, bundled for Bun and Deno: `suites.mjs contract`.
 */
import { Effect } from "effect"
import { run } from "./runner.ts"

const suites: Readonly<Record<string, () => Promise<unknown>>> = {
  // Not over the mocked client: it reads uploads with the runtime's own formData(), which takes names and types otherwise.
  contract: () => import("../contract/emulator.test.ts"),
  faults: () => Promise.all([import("../faults.test.ts"), import("../node/httpClient.test.ts")]),
  sources: () => import("../FileSource.test.ts"),
  cache: () =>
    Promise.all([
      import("../cache/leases.test.ts"),
      import("../cache/stores.test.ts"),
      import("../cache/sync.test.ts")
    ]),
  policies: () =>
    Promise.all([
      import("../policy/sockets.test.ts"),
      import("../policy/uploads.test.ts"),
      import("../policy/retry.test.ts")
    ]),
  transfers: () => import("../Transfer.test.ts")
}

await suites[process.argv[2] ?? ""]?.()
await Effect.runPromise(run)
process.exit(0)
