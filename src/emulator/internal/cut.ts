import * as Stream from "effect/Stream"

/** The first `limit` bytes, followed by `end`. */
export const cut = <E, E2>(
  body: Stream.Stream<Uint8Array, E>,
  limit: number,
  end: Stream.Stream<Uint8Array, E2>
): Stream.Stream<Uint8Array, E | E2> =>
  Stream.suspend(() => {
    let left = limit
    return body.pipe(
      Stream.takeWhile(() => left > 0),
      Stream.map((chunk) => {
        const part = chunk.subarray(0, left)
        left -= part.length
        return part
      }),
      Stream.concat(end)
    )
  })
