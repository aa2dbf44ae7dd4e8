/**
 * Decides which rule answers a message request.
 */
import type * as Rule from "../../Rule.ts"

/** What a rule matches of a request. */
export interface Target {
  readonly model: string
  readonly text: string
  readonly toolResults: ReadonlyArray<string>
  /** Ids and names. */
  readonly files: ReadonlyArray<string>
}

/** A rule, and how many requests it has answered. */
export interface Counted {
  readonly rule: Rule.Rule
  readonly hits: number
}

/** The rules of an emulator, with their counts. */
export interface RuleEngine {
  /** Replaces all rules. Counts start at 0. */
  readonly set: (rules: ReadonlyArray<Rule.Rule>) => void
  readonly add: (rule: Rule.Rule) => void
  readonly list: () => ReadonlyArray<Counted>
  /** The answer of the rule that matches this request. Every call counts as one request. */
  readonly answer: (target: Target) => Rule.Answer | undefined
}

const contains = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase())

const matches = ({ file, model, text, toolResult }: Rule.Match, target: Target): boolean =>
  (model === undefined || model === target.model)
  && (text === undefined || contains(target.text, text))
  && (toolResult === undefined || target.toolResults.some((result) => contains(result, toolResult)))
  && (file === undefined || target.files.includes(file))

const count = (rule: Rule.Rule) => {
  const { call, ...rest } = rule.match ?? {}
  const times = rule.times ?? Infinity
  let calls = 0
  let hits = 0
  return {
    rule,
    hits: () => hits,
    /** Whether the rule could answer this request. */
    fits: (target: Target): boolean => {
      if (!matches(rest, target)) return false
      calls++
      return (call === undefined || call === calls) && hits < times
    },
    answer: (): Rule.Answer => {
      hits++
      return rule.answer
    }
  }
}

/** An engine that starts with these rules. */
export const make = (initial: ReadonlyArray<Rule.Rule>): RuleEngine => {
  let rules = initial.map(count)
  return {
    set: (replacement) => {
      rules = replacement.map(count)
    },
    add: (rule) => {
      rules = [...rules, count(rule)]
    },
    list: () => rules.map(({ hits, rule }) => ({ rule, hits: hits() })),
    // Every rule counts the request, whichever one answers it.
    answer: (target) => rules.filter((rule) => rule.fits(target))[0]?.answer()
  }
}
