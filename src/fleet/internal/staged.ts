/**
 * Fetches the content of a URL once. It is read twice, for its hash and for the upload. A second fetch would cost as much
 * traffic again, and a signature that is valid only once would not work.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FileTooLarge, SourceFailed } from "../../FilesError.ts"
import * as FileSource from "../../FileSource.ts"
import { fail } from "../../internal/files/sourceFailed.ts"
import { joined } from "../../internal/request/body.ts"
import { fileTooLarge } from "../../internal/request/errors.ts"
import { codeOf } from "../../internal/request/evidence.ts"
import { maxFileBytes } from "../../internal/wire/constants.ts"

/** Contents of up to this size stay in memory, if the size is known. */
const maxInMemory = 1 << 20

const chunkSize = 1 << 20

/** The disk of this machine failed. */
const diskFailed = (error: PlatformError): SourceFailed =>
  fail(
    "Failed",
    `The content of a URL could not be kept in the temporary folder of this machine (${
      codeOf(error) ?? error.reason._tag
    }): make room there, or set TMPDIR.`,
    { cause: error, isRetryable: true }
  )

/** The chunks of a content. Fails if it is larger than a file may be. */
const bounded = ({ filename, stream }: FileSource.Content): Stream.Stream<Uint8Array, SourceFailed | FileTooLarge> =>
  Stream.mapAccumEffect(stream, () => 0, (size: number, chunk) => {
    const total = size + chunk.length
    return total > maxFileBytes
      ? Effect.fail(fileTooLarge(filename ?? "The file", undefined, maxFileBytes))
      : Effect.succeed([total, [chunk]] as const)
  })

const inMemory = (content: FileSource.Content, filename: string) =>
  Effect.map(
    Stream.runCollect(bounded(content)),
    (chunks) => FileSource.bytes(joined(chunks, chunks.reduce((size, chunk) => size + chunk.length, 0)), filename)
  )

/** Keeps the content in a file that has been unlinked, so that nothing is left if the process is killed. */
const onDisk = Effect.fnUntraced(function*(
  content: FileSource.Content,
  filename: string
): Effect.fn.Return<FileSource.FileSource, SourceFailed | FileTooLarge, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const file = yield* Effect.mapError(
    Effect.gen(function*() {
      const path = yield* fs.makeTempFileScoped({ prefix: "effect-anthropic-files-" })
      const file = yield* fs.open(path, { flag: "w+" })
      // On Windows this fails, and the scope removes the file.
      yield* Effect.ignore(fs.remove(path))
      return file
    }),
    diskFailed
  )
  let size = 0
  yield* Stream.runForEach(bounded(content), (chunk) => {
    size += chunk.length
    return Effect.mapError(file.writeAll(chunk), diskFailed)
  })
  const kept = Stream.paginate(0, (position) =>
    Effect.map(
      Effect.mapError(file.readAlloc(chunkSize, { position: BigInt(position) }), diskFailed),
      Option.match({
        onNone: () => [[], Option.none<number>()] as const,
        onSome: (chunk) => [[chunk], Option.some(position + chunk.length)] as const
      })
    ))
  return FileSource.stream(kept, { filename, size, replayable: true })
})

/** The content of a URL, kept until the scope closes. */
export const staged = Effect.fnUntraced(function*(
  url: string | URL
): Effect.fn.Return<
  FileSource.FileSource,
  SourceFailed | FileTooLarge,
  FileSystem.FileSystem | HttpClient.HttpClient | Scope.Scope
> {
  const content = yield* FileSource.url(url).open
  const { filename = "", mimeType, size = Infinity } = content
  if (Number.isFinite(size) && size > maxFileBytes) return yield* fileTooLarge(filename, size, maxFileBytes)
  const source = yield* (size <= maxInMemory ? inMemory(content, filename) : onDisk(content, filename))
  return { ...source, open: Effect.map(source.open, (opened) => ({ ...opened, filename: content.filename, mimeType })) }
})
