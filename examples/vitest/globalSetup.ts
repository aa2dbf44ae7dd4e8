/** One emulator for a whole run of vitest: `globalSetup: ["./globalSetup.ts"]` in its configuration. */
import { type StartedEmulator, startEmulator } from "effect-anthropic-files/emulator/StartEmulator"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    readonly emulator: Pick<StartedEmulator, "url" | "apiKey">
  }
}

export const setup = async (project: TestProject) => {
  const { apiKey, stop, url } = await startEmulator({ adminRoute: true })
  project.provide("emulator", { url, apiKey })
  return stop
}
