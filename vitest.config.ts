import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = fileURLToPath(new URL("./src/", import.meta.url))

const isLong = process.env["LONG_TESTS"] === "1"

export default defineConfig({
  resolve: {
    // The same mapping as `paths` in tsconfig.json: tests run against src, no build needed.
    alias: [
      { find: /^effect-anthropic-files$/, replacement: `${src}index.ts` },
      { find: /^effect-anthropic-files\/(.+)$/, replacement: `${src}$1.ts` }
    ]
  },
  test: {
    // What takes minutes is in files of its own: loops of kills, other programs. `npm run test:long` runs just those.
    include: [isLong ? "test/**/*.long.test.ts" : "test/**/*.test.ts"],
    exclude: isLong ? [] : ["test/**/*.long.test.ts"],
    globalSetup: ["test/support/build.ts"],
    pool: "forks",
    // By default one core is kept back, which on two cores leaves a single worker.
    maxWorkers: "100%",
    // Generous, so that a busy machine is slow and not red. Time in tests is TestClock's.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A forgotten `.only` fails the run on every machine, not only where CI is set.
    allowOnly: false
  }
})
