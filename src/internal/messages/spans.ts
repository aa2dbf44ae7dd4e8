/**
 * Attributes of a message's span, named after OpenTelemetry's conventions for generative AI. Values that are absent or of
 * the wrong type set nothing. No attribute holds content.
 */
import * as Clock from "effect/Clock"
import type * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import { annotateAll, recordedSpan, setAll, usedTokens } from "../telemetry.ts"
import { commaList } from "../wire/commaList.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** Takes out of a text what must not be shown, should a server repeat it. */
type Scrub = (text: string) => string

type Attributes = Record<string, string | number | boolean | ReadonlyArray<string>>

const field = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((inner, name) => Predicate.hasProperty(inner, name) ? inner[name] : undefined, value)

const isInt = (value: unknown): value is number => Number.isSafeInteger(value)

const setString = (attributes: Attributes, name: string, value: unknown): void => {
  if (Predicate.isString(value) && value !== "") attributes[name] = value
}

const setInt = (attributes: Attributes, name: string, value: unknown): void => {
  if (isInt(value)) attributes[name] = value
}

const credentialBeta = /^oauth-/

/**
 * Attributes of a request, known from the start.
 *
 * @param betas the values of `anthropic-beta`
 */
const requestAttributes = (request: object, stream: boolean, betas: string | undefined): Attributes => {
  const attributes: Attributes = { "gen_ai.operation.name": "chat" }
  setString(attributes, "gen_ai.request.model", field(request, "model"))
  setInt(attributes, "gen_ai.request.max_tokens", field(request, "max_tokens"))
  setString(attributes, "gen_ai.request.reasoning.level", field(request, "output_config", "effort"))
  if (stream) attributes["gen_ai.request.stream"] = true
  if (Predicate.isObject(field(request, "output_config", "format"))) attributes["gen_ai.output.type"] = "json"
  setString(attributes, "anthropic.request.service_tier", field(request, "service_tier"))
  setString(attributes, "anthropic.thinking.type", field(request, "thinking", "type"))
  setInt(attributes, "anthropic.thinking.budget_tokens", field(request, "thinking", "budget_tokens"))
  const sent = commaList(betas).filter((beta) => !credentialBeta.test(beta))
  if (sent.length > 0) attributes["anthropic.beta"] = sent
  return attributes
}

/** Token counts, with their paths in the answer's usage. */
const usage = [
  ["gen_ai.usage.output_tokens", ["output_tokens"]],
  ["gen_ai.usage.reasoning.output_tokens", ["output_tokens_details", "thinking_tokens"]],
  ["gen_ai.usage.cache_read.input_tokens", ["cache_read_input_tokens"]],
  ["gen_ai.usage.cache_write.input_tokens", ["cache_creation_input_tokens"]],
  ["anthropic.usage.cache_creation.ephemeral_5m_input_tokens", ["cache_creation", "ephemeral_5m_input_tokens"]],
  ["anthropic.usage.cache_creation.ephemeral_1h_input_tokens", ["cache_creation", "ephemeral_1h_input_tokens"]]
] as const

/** Tokens read from the cache or written to it count as input. */
const inputTokens = (usage: unknown): number | undefined => {
  const input = field(usage, "input_tokens")
  if (!isInt(input)) return undefined
  const cached = ["cache_creation_input_tokens", "cache_read_input_tokens"].map((name) => field(usage, name))
  return cached.reduce<number>((sum, tokens) => isInt(tokens) ? sum + tokens : sum, input)
}

const outputTokens = (usage: unknown): number | undefined => {
  const output = field(usage, "output_tokens")
  return isInt(output) ? output : undefined
}

const sum = (counts: ReadonlyArray<number | undefined>): number =>
  counts.reduce<number>((total, tokens) => total + (tokens ?? 0), 0)

/** The tokens of all steps that compacted the context, which the usage itself leaves out. */
const setCompaction = (attributes: Attributes, answered: object): void => {
  const steps = field(answered, "usage", "iterations")
  if (!Array.isArray(steps)) return
  const compactions = steps.filter((step) => field(step, "type") === "compaction")
  if (compactions.length === 0) return
  attributes["anthropic.usage.compaction.input_tokens"] = sum(compactions.map(inputTokens))
  attributes["anthropic.usage.compaction.output_tokens"] = sum(compactions.map(outputTokens))
}

/** Attributes of an answer, or of the part of it in a stream's event. */
const answerAttributes = (answered: object, scrub: Scrub): Attributes => {
  const attributes: Attributes = {}
  const set = (name: string, value: unknown) =>
    setString(attributes, name, Predicate.isString(value) ? scrub(value) : value)
  set("gen_ai.response.id", field(answered, "id"))
  set("gen_ai.response.model", field(answered, "model"))
  set("anthropic.message.stop_reason", field(answered, "stop_reason"))
  set("anthropic.response.service_tier", field(answered, "usage", "service_tier"))
  setInt(attributes, "gen_ai.usage.input_tokens", inputTokens(field(answered, "usage")))
  for (const [name, path] of usage) setInt(attributes, name, field(answered, "usage", ...path))
  setCompaction(attributes, answered)
  return attributes
}

const countTokens = (
  where: AnyFiber["context"],
  model: string,
  input: number | undefined,
  output: number | undefined
) => {
  if (input !== undefined) usedTokens(where, model, "input", input)
  if (output !== undefined) usedTokens(where, model, "output", output)
}

/** Annotates the span with a request that is about to be sent. */
export const sending = (
  fiber: AnyFiber,
  request: object,
  options: { readonly stream: boolean; readonly betas: string | undefined }
): void => {
  // Attributes are computed only if a span is recorded.
  if (recordedSpan(fiber) !== undefined) annotateAll(fiber, requestAttributes(request, options.stream, options.betas))
}

/** Annotates the span with a whole answer, and counts its tokens. */
export const received = (fiber: AnyFiber, model: string, message: object, scrub: Scrub): void => {
  if (recordedSpan(fiber) !== undefined) annotateAll(fiber, answerAttributes(message, scrub))
  const usage = field(message, "usage")
  countTokens(fiber.context, model, inputTokens(usage), outputTokens(usage))
}

/** Annotates the span that a stream began in with its events, and counts its tokens at the end. */
export const follow = (fiber: AnyFiber, model: string, scrub: Scrub) => {
  const { context } = fiber
  const clock = fiber.getRef(Clock.Clock)
  const span = recordedSpan(fiber)
  const since = clock.monotonicTimeNanosUnsafe()
  let hasBegun = false
  let input: number | undefined
  let output: number | undefined
  const learn = (answered: object) => {
    if (span !== undefined) setAll(span, answerAttributes(answered, scrub))
    const usage = field(answered, "usage")
    input = inputTokens(usage) ?? input
    output = outputTokens(usage) ?? output
  }
  return (event: { readonly type: string }): void => {
    switch (event.type) {
      case "message_start": {
        const message = field(event, "message")
        if (Predicate.isObject(message)) learn(message)
        return
      }
      case "content_block_delta": {
        if (hasBegun) return
        hasBegun = true
        const waited = Number(clock.monotonicTimeNanosUnsafe() - since) / 1e9
        span?.attribute("gen_ai.response.time_to_first_chunk", waited)
        return
      }
      case "message_delta":
        return learn({ stop_reason: field(event, "delta", "stop_reason"), usage: field(event, "usage") })
      case "message_stop":
        return countTokens(context, model, input, output)
    }
  }
}
