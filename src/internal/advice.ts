/**
 * Configuration errors that say which option would fix them.
 */
import { InvalidConfig } from "../FilesError.ts"
import { sentenceOf } from "./text.ts"

/**
 * An `InvalidConfig` that an option would fix.
 *
 * @param option the invalid or missing option
 * @param fixedBy the option that fixes it, if it is another one
 */
export const fixableConfig = (
  option: string,
  problem: string,
  remedies: ReadonlyArray<string>,
  fixedBy = option
): InvalidConfig =>
  new InvalidConfig({
    option,
    message: sentenceOf(problem, [...remedies, `pass ${fixedBy}`]),
    advice: { problem, remedies, option: fixedBy }
  })
