/**
 * An incremental checksum over bytes, independent of how they are split. It detects accidental differences, not malicious
 * ones, and is fast compared with a download.
 */
export interface Checksum {
  readonly update: (chunk: Uint8Array) => void
  readonly digest: () => string
  /** 53 bits of it in eleven characters, for short contents. The checksum can't be used afterwards. */
  readonly short: () => string
}

/** Bytes per round: one word for each of four sums, which a processor can compute in parallel. */
const blockSize = 16

/** One round of FxHash. */
const round = (sum: number, word: number): number => Math.imul((sum << 5 | sum >>> 27) ^ word, 0x27220a95)

export const make = (): Checksum => {
  let a = 0x811c9dc5
  let b = 0x9e3779b1
  let c = 0x85ebca6b
  let d = 0xc2b2ae35
  let length = 0
  const block = new Uint8Array(blockSize)
  const blockWords = new Int32Array(block.buffer)
  let filled = 0

  const mix = (words: Int32Array) => {
    // In locals, which are faster than captured variables.
    let [w, x, y, z] = [a, b, c, d]
    for (let i = 0; i < words.length; i += 4) {
      w = round(w, words[i] ?? 0)
      x = round(x, words[i + 1] ?? 0)
      y = round(y, words[i + 2] ?? 0)
      z = round(z, words[i + 3] ?? 0)
    }
    a = w
    b = x
    c = y
    d = z
  }

  const fill = (bytes: Uint8Array) => {
    block.set(bytes, filled)
    filled += bytes.length
  }

  return {
    update: (chunk) => {
      length += chunk.length
      let rest = chunk
      if (filled > 0) {
        const missing = rest.subarray(0, blockSize - filled)
        fill(missing)
        rest = rest.subarray(missing.length)
        if (filled < blockSize) return
        mix(blockWords)
        filled = 0
      }
      const whole = rest.length - rest.length % blockSize
      // Words have to be aligned to four bytes. Not `slice`, which returns a view for a `Buffer`.
      const aligned = rest.byteOffset % 4 === 0 ? rest : new Uint8Array(rest.subarray(0, whole))
      mix(new Int32Array(aligned.buffer, aligned.byteOffset, whole / 4))
      fill(rest.subarray(whole))
    },
    digest: () => `${length}:${[a, b, c, d, ...block.subarray(0, filled)].join(":")}`,
    short: () => {
      block.fill(0, filled)
      mix(blockWords)
      const low = [b, c, d, length].reduce(round, a) >>> 0
      const high = [c, b, a].reduce(round, d) >>> 11
      return (high * 2 ** 32 + low).toString(36).padStart(11, "0")
    }
  }
}
