import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = fileURLToPath(new URL("./src/", import.meta.url))

const isLong = process.env["LONG_TESTS"] === "1"

const long = ["test/**/*.long.test.ts"]

/** Tests that change their process (its variables, its modules, its warnings) or measure its memory. */
const alone = [
  "test/emulator/requestLog.test.ts",
  "test/examplesSdk.test.ts",
  "test/internal/request/silence.test.ts",
  "test/node/**/*.test.ts",
  "test/platform/**/*.test.ts"
]

// The many processes that tests start load the same modules: what is compiled once is kept.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("./node_modules/.cache/node", import.meta.url))

export default defineConfig({
  resolve: {
    // The same mapping as `paths` in tsconfig.json: tests run against src, no build needed.
    alias: [
      { find: /^effect-anthropic-files$/, replacement: `${src}index.ts` },
      { find: /^effect-anthropic-files\/(.+)$/, replacement: `${src}$1.ts` }
    ]
  },
  test: {
    // What takes minutes has its own files, *.long.test.ts: loops of kills, other programs. `npm run test:long` runs
    // them, and no others.
    projects: isLong ? [{ extends: true, test: { name: "long", include: long } }] : [
      // These share the modules of their worker: to load effect for each of them would take a quarter of the whole run.
      {
        extends: true,
        test: { name: "shared", include: ["test/**/*.test.ts"], exclude: [...long, ...alone], isolate: false }
      },
      { extends: true, test: { name: "alone", include: alone, exclude: long } }
    ],
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
