import { describe } from "@effect/vitest"
import { killing } from "./killing.ts"

describe("an emulator that is killed", () => {
  // KILL_ROUNDS=200 for a long look, KILL_SEED to repeat a run's moments.
  killing(Number(process.env["KILL_ROUNDS"] ?? 20))
})
