/**
 * Configuration errors that say what an option would mend.
 */
import { InvalidConfig } from "../FilesError.ts"
import { sentenceOf } from "./text.ts"

/**
 * An `InvalidConfig` that an option would mend.
 *
 * @param option what is wrong
 * @param give the option that mends it, where it is another one
 */
export const fixableConfig = (
  option: string,
  problem: string,
  remedies: ReadonlyArray<string>,
  give = option
): InvalidConfig =>
  new InvalidConfig({
    option,
    message: sentenceOf(problem, [...remedies, `give ${give}`]),
    advice: { problem, remedies, option: give }
  })
