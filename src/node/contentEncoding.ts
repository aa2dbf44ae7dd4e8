/**
 * Takes off an encoding that nobody asked for. An encoded body that breaks off is an error.
 */
import { identity } from "effect/Function"
import { pipeline, type Readable, Transform, type TransformCallback } from "node:stream"
import * as zlib from "node:zlib"

/** deflate with its header, or without, as some servers send it. */
class Inflate extends Transform {
  private inner: zlib.Inflate | zlib.InflateRaw | undefined

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    let { inner } = this
    if (inner === undefined) {
      this.inner = inner = ((chunk[0] ?? 0) & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw()
      inner.on("data", (data) => {
        if (!this.push(data)) this.inner?.pause()
      })
      inner.on("error", (error) => this.destroy(error))
    }
    // What follows the end is left out, as zlib leaves it out of the chunk that the end is in.
    if (inner.readableEnded) return callback()
    inner.write(chunk, callback)
  }

  override _read(size: number): void {
    this.inner?.resume()
    super._read(size)
  }

  override _flush(callback: TransformCallback): void {
    if (this.inner === undefined || this.inner.readableEnded) return callback()
    this.inner.once("end", () => callback()).end()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.inner?.destroy()
    callback(error)
  }
}

const decoders: ReadonlyMap<string, () => Transform> = new Map<string, () => Transform>([
  ["gzip", zlib.createGunzip],
  ["x-gzip", zlib.createGunzip],
  ["deflate", () => new Inflate()],
  ["br", zlib.createBrotliDecompress],
  ["zstd", zlib.createZstdDecompress]
])

/** More in a row are nothing that a server means. */
const maxEncodings = 2

/** What takes off an encoding, or `undefined` when there is none, or one that is not known. */
export const decoderOf = (
  encoding: string | undefined,
  contentLength: string | undefined
): ((body: Readable) => Readable) | undefined => {
  if (encoding === undefined) return undefined
  // Nothing, encoded, would be more than nothing.
  if (contentLength === "0") return identity
  const names = encoding.toLowerCase().split(",").map((name) => name.trim()).filter((name) =>
    name !== "" && name !== "identity"
  )
  const made = names.reverse().map((name) => decoders.get(name))
  if (made.length === 0 || made.length > maxEncodings || made.includes(undefined)) return undefined
  return (body) =>
    made.reduce<Readable>((from, make) => {
      // An error of one destroys the others, and comes out at the end.
      return make === undefined ? from : pipeline(from, make(), () => {})
    }, body)
}
