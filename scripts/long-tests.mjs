/**
 * Runs only the tests that take minutes, `*.long.test.ts`: `npm run test:long`, with the arguments of vitest.
 */
import { spawnSync } from "node:child_process"

const { status } = spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, LONG_TESTS: "1" }
})
process.exitCode = status ?? 1
