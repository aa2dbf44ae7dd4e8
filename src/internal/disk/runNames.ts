/**
 * The names of the files that one run saves in a directory: no two are the same, so that no file of a run takes the place of
 * another.
 */
import { numbered } from "./safeName.ts"

export interface RunNames {
  /** Takes a name; `false` if a file of this run has it. */
  readonly take: (name: string) => boolean
  /** Takes the first of `name.ext`, `name (1).ext` and so on that no file of this run has. */
  readonly takeFree: (name: string) => string
}

/** The same for names that are one file where the file system ignores case or normalisation. The same rule on every system. */
const folded = (name: string): string => name.normalize("NFC").toUpperCase()

export const make = (): RunNames => {
  /** The names that are taken, each with the number to try next. */
  const taken = new Map<string, number>()
  const take = (name: string): boolean => {
    const key = folded(name)
    if (taken.has(key)) return false
    taken.set(key, 1)
    return true
  }
  return {
    take,
    takeFree: (name) => {
      for (let n = taken.get(folded(name)) ?? 0;; n++) {
        const candidate = numbered(name, n)
        if (!take(candidate)) continue
        taken.set(folded(name), n + 1)
        return candidate
      }
    }
  }
}
