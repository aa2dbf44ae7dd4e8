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
const stepSize = 16

/** Bytes that are collected first, so that words are aligned wherever a chunk begins. */
const blockSize = 4096

/** One round of FxHash. */
const round = (sum: number, word: number): number => Math.imul((sum << 5 | sum >>> 27) ^ word, 0x27220a95)

export const make = (): Checksum => {
  let a = 0x811c9dc5
  let b = 0x9e3779b1
  let c = 0x85ebca6b
  let d = 0xc2b2ae35
  let length = 0
  const block = new Uint8Array(blockSize)
  const words = new Int32Array(block.buffer)
  let filled = 0

  const mix = (count: number) => {
    // In locals, which are faster than captured variables.
    let [w, x, y, z] = [a, b, c, d]
    for (let i = 0; i < count; i += 4) {
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

  /** Mixes all but what does not fill a step. */
  const flush = () => {
    const whole = filled - filled % stepSize
    mix(whole / 4)
    block.copyWithin(0, whole, filled)
    filled -= whole
  }

  return {
    update: (chunk) => {
      length += chunk.length
      for (let rest = chunk; rest.length > 0;) {
        const part = rest.subarray(0, blockSize - filled)
        block.set(part, filled)
        filled += part.length
        rest = rest.subarray(part.length)
        if (filled === blockSize) flush()
      }
    },
    digest: () => {
      flush()
      return `${length}:${[a, b, c, d, ...block.subarray(0, filled)].join(":")}`
    },
    short: () => {
      flush()
      block.fill(0, filled, stepSize)
      mix(stepSize / 4)
      const low = [b, c, d, length].reduce(round, a) >>> 0
      const high = [c, b, a].reduce(round, d) >>> 11
      return (high * 2 ** 32 + low).toString(36).padStart(11, "0")
    }
  }
}
