/**
 * The blocks of an answer on the wire.
 */
import type { Citation } from "./citations.ts"
import type { Json } from "./json.ts"

interface DirectCaller {
  readonly type: "direct"
}

/** A block of an answer. */
export type Block =
  | { readonly type: "text"; readonly text: string; readonly citations: ReadonlyArray<Citation> | null }
  | { readonly type: "thinking"; readonly thinking: string; readonly signature: string }
  | {
    readonly type: "tool_use" | "server_tool_use"
    readonly id: string
    readonly name: string
    readonly input: Json
    readonly caller: DirectCaller
  }
  | {
    readonly type: "bash_code_execution_tool_result" | "code_execution_tool_result"
    readonly tool_use_id: string
    readonly content: Json
  }

/** A block of text. */
export const text = (value: string, citations: ReadonlyArray<Citation> | null = null): Block => ({
  type: "text",
  text: value,
  citations
})
