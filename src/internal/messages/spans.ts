/**
 * What the span of a message says, under the names of OpenTelemetry's conventions for generative AI. Absent values set
 * nothing.
 */

type Attributes = Readonly<Record<string, string | number | boolean>>

const present = (attributes: Readonly<Record<string, string | number | boolean | null | undefined>>): Attributes =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => value === null || value === undefined ? [] : [[name, value]])
  )

/** Of a request, from the start. */
export const requestAttributes = (
  request: { readonly model: string; readonly max_tokens: number },
  stream: boolean
): Attributes =>
  present({
    "gen_ai.provider.name": "anthropic",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": request.model,
    "gen_ai.request.max_tokens": request.max_tokens,
    "gen_ai.request.stream": stream ? true : undefined
  })

interface Answered {
  readonly id?: string
  readonly model?: string
  readonly stop_reason: string | null
  readonly usage: {
    readonly input_tokens?: number | null
    readonly output_tokens: number | null
    readonly cache_creation_input_tokens?: number | null
    readonly cache_read_input_tokens?: number | null
  }
}

/** Of an answer, or of what a stream says of it. Tokens that were read from the cache or written to it count as input. */
export const answerAttributes = ({ id, model, stop_reason, usage }: Answered): Attributes => {
  const { cache_creation_input_tokens: written, cache_read_input_tokens: read, input_tokens: input } = usage
  return present({
    "gen_ai.response.id": id,
    "gen_ai.response.model": model,
    "anthropic.message.stop_reason": stop_reason,
    "gen_ai.usage.input_tokens": typeof input === "number" ? input + (written ?? 0) + (read ?? 0) : undefined,
    "gen_ai.usage.output_tokens": usage.output_tokens,
    "gen_ai.usage.cache_read.input_tokens": read,
    "gen_ai.usage.cache_write.input_tokens": written
  })
}
