/**
 * A running checksum over bytes, the same however they are split. It tells a file from another one by accident, not by
 * malice, and costs little beside a download.
 */
export interface Checksum {
  readonly update: (chunk: Uint8Array) => void
  readonly digest: () => string
}

export const make = (): Checksum => {
  let a = 0x811c9dc5
  let b = 0x9e3779b1
  let length = 0
  // Up to three bytes that do not fill a word yet.
  let carry = 0
  let carried = 0

  const word = (value: number) => {
    a = Math.imul(a ^ value, 0x01000193)
    b = Math.imul(b + value | 0, 0x85ebca6b) ^ (b >>> 15)
  }

  return {
    update: (chunk) => {
      length += chunk.length
      let position = 0
      while (carried !== 0 && position < chunk.length) {
        carry |= (chunk[position++] ?? 0) << (carried * 8)
        carried = (carried + 1) % 4
        if (carried === 0) {
          word(carry)
          carry = 0
        }
      }
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      const end = chunk.length - 3
      for (; position < end; position += 4) word(view.getInt32(position, true))
      for (; position < chunk.length; position++) carry |= (chunk[position] ?? 0) << (carried++ * 8)
    },
    digest: () => `${length}:${(a ^ carry) >>> 0}:${(b + carry) >>> 0}`
  }
}
