/// <reference types="vitest" />
/**
 * The matchers of `Expect` with their types for vitest, 5 and later. In a setup file:
 *
 * ```ts
 * import { matchers } from "effect-anthropic-files/testing/VitestMatchers"
 * import { expect } from "vitest"
 *
 * expect.extend(matchers)
 * ```
 */
import type { Matchers as FailureMatchers } from "./Expect.ts"

export {
  /** The argument of `expect.extend`. */
  matchers
} from "./Expect.ts"

declare module "vitest" {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> extends FailureMatchers<R> {}
}
