/**
 * Sentences that say what is wrong and what mends it.
 */
import { InvalidConfig } from "../FilesError.ts"

const orList = (all: ReadonlyArray<string>): string => {
  if (all.length < 3) return all.join(" or ")
  return `${all.slice(0, -1).join(", ")}, or ${all.at(-1)}`
}

/** `There is no AWS region: set AWS_REGION or give region.` */
export const advise = (problem: string, remedies: ReadonlyArray<string>): string => `${problem}: ${orList(remedies)}.`

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
    message: advise(problem, [...remedies, `give ${give}`]),
    advice: { problem, remedies, option: give }
  })
