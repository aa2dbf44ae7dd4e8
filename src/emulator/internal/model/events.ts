/**
 * Turns an answer into the events of a stream.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ConnectionReset } from "../http/apiError.ts"
import type { Block } from "./content.ts"
import { type Json, string } from "./json.ts"
import type { Answered, Message } from "./messages.ts"

/** An event of a stream. */
export interface Event {
  readonly type: string
  readonly [key: string]: unknown
}

/** Characters of a delta. */
const pieceLength = 40

const pieces = (value: string): ReadonlyArray<string> => {
  const out: Array<string> = []
  for (let at = 0; at < value.length;) {
    // A surrogate pair stays together.
    const end = at + pieceLength
    const isSplit = /[\ud800-\udbff]/.test(value[end - 1] ?? "")
    out.push(value.slice(at, isSplit ? end + 1 : end))
    at = isSplit ? end + 1 : end
  }
  return out
}

/** The start of a block, and the deltas that complete it. */
const parts = (
  block: Block | Json,
  isBeta: boolean
): { readonly start: Json; readonly deltas: ReadonlyArray<Json> } => {
  switch (block.type) {
    case "text": {
      const citations = Array.isArray(block.citations) ? block.citations : []
      return {
        start: { ...block, text: "", citations: block.citations === null ? null : [] },
        deltas: [
          ...citations.map((citation: unknown) => ({ type: "citations_delta", citation })),
          ...pieces(string(block.text) ?? "").map((text) => ({ type: "text_delta", text }))
        ]
      }
    }
    case "thinking":
      return {
        start: { ...block, thinking: "", signature: "" },
        deltas: [
          ...pieces(string(block.thinking) ?? "").map((thinking) => ({
            type: "thinking_delta",
            thinking,
            ...(isBeta ? { estimated_tokens: null } : undefined)
          })),
          { type: "signature_delta", signature: block.signature }
        ]
      }
    case "tool_use":
    case "server_tool_use":
      return {
        start: { ...block, input: {} },
        deltas: pieces(JSON.stringify(block.input)).map((json) => ({ type: "input_json_delta", partial_json: json }))
      }
    default:
      return { start: block, deltas: [] }
  }
}

/** The counts at the end of a stream: those of the message, without those of its start. */
const endUsage = (usage: Message["usage"]): Json => {
  const { cache_creation: _, inference_geo: __, service_tier: ___, speed: ____, ...rest } = usage
  return rest
}

/** The events of a message, in the service's order. */
export const of = (message: Message): ReadonlyArray<Event> => {
  const isBeta = "context_management" in message
  const { container, stop_details, stop_reason, stop_sequence } = message
  const end = {
    type: "message_delta",
    delta: { stop_reason, stop_sequence, stop_details, container },
    usage: endUsage(message.usage)
  }
  return [
    {
      type: "message_start",
      message: {
        ...message,
        content: [],
        container: null,
        stop_reason: null,
        stop_sequence: null,
        usage: { ...message.usage, output_tokens: 1 }
      }
    },
    { type: "ping" },
    ...message.content.flatMap((block, index): ReadonlyArray<Event> => {
      const { deltas, start } = parts(block, isBeta)
      return [
        { type: "content_block_start", index, content_block: start },
        ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
        { type: "content_block_stop", index }
      ]
    }),
    isBeta ? { ...end, context_management: null } : end,
    { type: "message_stop" }
  ]
}

const encoder = new TextEncoder()

const encode = (event: Event): Uint8Array => encoder.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)

const overload = { type: "overloaded_error", message: "Overloaded" }

/** The body of a streamed answer, cut if a rule says so. */
export const body = ({ cut, error, message }: Answered): Stream.Stream<Uint8Array, ConnectionReset> => {
  const events = of(message)
  const sent = Stream.fromIterable((cut === undefined ? events : events.slice(0, cut.after)).map(encode), {
    chunkSize: 1
  })
  switch (cut?.with) {
    case "reset":
      return Stream.concat(
        sent,
        Stream.fromEffect(Effect.fail(new ConnectionReset({ description: "Reset in the middle of a stream" })))
      )
    case "stall":
      return Stream.concat(sent, Stream.never)
    case "error": {
      const shown = error === undefined
        ? overload
        : { type: error.type ?? "api_error", message: error.message ?? "Internal server error" }
      return Stream.concat(sent, Stream.succeed(encode({ type: "error", error: shown })))
    }
    default:
      return sent
  }
}
