/**
 * Recognizes bytes by their shape, so that those of other realms, polyfills and shared memory count as well.
 */

const tagOf = (value: unknown): string => Object.prototype.toString.call(value)

/** Whether the bytes were transferred to another thread or stream. */
const isDetached = (value: unknown): boolean => {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value
  return tagOf(buffer) === "[object ArrayBuffer]" && (buffer as { readonly detached?: unknown }).detached === true
}

const isBuffer = (value: unknown): value is ArrayBufferLike => {
  const tag = tagOf(value)
  return tag === "[object ArrayBuffer]" || tag === "[object SharedArrayBuffer]"
}

/**
 * The bytes of a view or a buffer, copied only if the memory is shared; `undefined` for anything else and for detached
 * buffers.
 */
export const toBytes = (value: unknown): Uint8Array | undefined => {
  if (value instanceof Uint8Array && value.length > 0 && value.buffer instanceof ArrayBuffer) return value
  if (isDetached(value)) return undefined
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    // Shared memory may change while it is sent, and fetch does not take it.
    return tagOf(value.buffer) === "[object SharedArrayBuffer]" ? bytes.slice() : bytes
  }
  if (!isBuffer(value)) return undefined
  const bytes = new Uint8Array(value)
  return tagOf(value) === "[object SharedArrayBuffer]" ? bytes.slice() : bytes
}
