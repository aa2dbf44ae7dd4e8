/**
 * Uploads: everything that can be checked is checked before a byte is sent, the bytes are counted once, and the stored
 * size is compared with what was sent.
 */
import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import {
  type DeleteError,
  type FilesError,
  type FileTooLarge,
  InvalidFilename,
  InvalidFileType,
  type RequestFailed,
  SourceFailed,
  TransferInterrupted
} from "../../FilesError.ts"
import { type Content, type FileSource, isFileSource } from "../../FileSource.ts"
import { operation } from "../operation.ts"
import type { Resolution } from "../request/attempt.ts"
import { type BlobBody, withBlob } from "../request/blobBody.ts"
import { Buffers } from "../request/buffers.ts"
import type { CallOptions } from "../request/callOptions.ts"
import { fileTooLarge, invalidRequest, type Sent, type Subject } from "../request/errors.ts"
import { IsWithinBody } from "../request/ownRequest.ts"
import type { Progress } from "../request/send.ts"
import { CurrentSilence } from "../request/silence.ts"
import { annotate, type AnyFiber, moved } from "../telemetry.ts"
import { describeValue, excerpt, loneSurrogate, printable } from "../text.ts"
import * as Wire from "../wire/constants.ts"
import { mimeTypeOf } from "../wire/mimeType.ts"
import * as Multipart from "../wire/multipart.ts"
import { calledWith, callFiles, type FilesClient, subjectOf } from "./client.ts"
import type { LostUploads } from "./lostUploads.ts"
import { decodeMetadata } from "./single.ts"

export interface UploadOptions extends CallOptions {
  /**
   * The file's name: 1 to 255 characters, without `< > : " | ? * \ /` and control characters.
   *
   * @default the source's own name
   */
  readonly filename?: string | undefined
  /**
   * The file's MIME type, at most 255 characters.
   *
   * @default the source's own type, else the type that the name's extension implies. Without either, the GA service
   * detects the type, and the beta dialect sends `application/octet-stream`
   */
  readonly mimeType?: string | undefined
  /**
   * How long the content is kept: 1 hour to 90 days, in whole seconds.
   *
   * @default until it is deleted
   */
  readonly expiresIn?: Duration.Input | undefined
  /**
   * Sent only if given. The service does not document this field, but some gateways do.
   *
   * @default none
   */
  readonly purpose?: string | undefined
  /**
   * What a retry policy does with an upload whose answer was lost. The service may have stored it, and the API has no
   * idempotency keys.
   *
   * - `adopt`: searches the newest files for one with this name, size, type and expiry that was created since the upload
   *   began. If exactly one matches and only this upload can have made it, it is the result. If none matches, the file is
   *   sent again. If any doubt remains, the upload fails with `isOutcomeUnknown`.
   * - `resend`: sends it again. There may be two files afterwards.
   * - `fail`: fails with `isOutcomeUnknown`.
   *
   * @default "adopt"
   */
  readonly onUnknownOutcome?: "adopt" | "resend" | "fail" | undefined
}

/** A source that has been opened and checked. */
interface Checked {
  readonly content: Content
  readonly filename: string
  readonly mimeType: string | undefined
  readonly fields: Fields
}

type Fields = ReadonlyArray<readonly [name: string, value: string]>

export const makeUpload = (
  client: FilesClient,
  lost: LostUploads,
  remove: (id: FileId, options?: CallOptions) => Effect.Effect<unknown, DeleteError>
) => {
  const { dialect, maxFileBytes } = client.connection.settings

  const check = (content: Content, fields: Fields, options: UploadOptions): Effect.Effect<Checked, FilesError> => {
    const filename = options.filename ?? content.filename ?? ""
    const wrongName = filenameError(filename)
    if (wrongName !== undefined) return Effect.fail(wrongName)
    const mimeType = options.mimeType ?? content.mimeType ?? mimeTypeOf(filename) ?? content.fallbackMimeType
      ?? (dialect === "ga" ? undefined : "application/octet-stream")
    const wrong = mimeTypeError(mimeType) ?? sizeError(filename, content.size, maxFileBytes)
    return wrong === undefined ? Effect.succeed({ content, filename, mimeType, fields }) : Effect.fail(wrong)
  }

  const open = <R>(
    source: FileSource<R>,
    options: UploadOptions
  ): Effect.Effect<Checked, FilesError, R | Scope.Scope> => {
    if (!isFileSource(source)) return Effect.fail(noSource())
    const fields = uploadFields(options)
    if (Result.isFailure(fields)) return Effect.fail(fields.failure)
    return Effect.flatMap(source.open, (content) => check(content, fields.success, options))
  }

  const send = (
    fiber: AnyFiber,
    client: FilesClient,
    { content, fields, filename, mimeType }: Checked,
    options: UploadOptions
  ) => {
    const { bytes, size } = content
    const progress: Progress = {
      started: false,
      sent: { bytes: bytes?.length ?? 0, total: size, complete: bytes !== undefined },
      failure: undefined
    }
    const onUnknownOutcome = options.onUnknownOutcome ?? "adopt"
    const upload = {
      filename,
      size,
      mimeType: options.mimeType,
      expiresIn: expirySeconds(fields),
      isSent: () => progress.sent.complete,
      // The search has to use the call's options, such as another workspace.
      client
    }
    // The context of the operation: nothing of its request is in it yet.
    const outer = fiber.context
    return lost.track(upload, (own) =>
      callFiles(client, {
        subject: subjectOf(client.connection, "upload", { filename, size, isSent: () => progress.sent.complete }),
        method: "POST",
        path: "/v1/files",
        body: bodyOf(
          Multipart.frame({ boundary: Multipart.makeBoundary(), fields, filename, mimeType }),
          content,
          filename,
          progress,
          maxFileBytes,
          outer
        ),
        progress,
        read: (answer, subject) =>
          decodeMetadata(subject, answer, (file) =>
            checkStored(subject, file, progress.sent, (id) =>
              own.mayDelete(file) ? remove(id, options) : Effect.fail("kept"))),
        canRepeat: (error) =>
          (content.isReplayable || !progress.started)
          && !(error.isOutcomeUnknown && progress.sent.complete && onUnknownOutcome === "fail"),
        resolve: () =>
          progress.sent.complete && onUnknownOutcome === "adopt"
            ? own.resolve(progress.sent.bytes)
            : Effect.succeed(notDone)
      }))
  }

  return operation(
    "upload",
    client.connection.settings.baseUrl,
    <R>(
      fiber: AnyFiber,
      source: FileSource<R>,
      options: UploadOptions = {}
    ): Effect.Effect<FileMetadata, FilesError, R> => {
      const called = calledWith(client, "upload", options)
      if (Result.isFailure(called)) return Effect.fail(called.failure)
      const upload = Effect.flatMap(open(source, options), (checked) => send(fiber, called.success, checked, options))
      return Effect.map(Effect.scoped(upload), (file) => {
        annotate(fiber, "anthropic.file.id", called.success.connection.settings.scrub(file.id))
        return file
      })
    }
  )
}

const notDone: Resolution<never> = { _tag: "NotDone" }

const bodyOf = (
  frame: Multipart.Frame,
  content: Content,
  filename: string,
  progress: Progress,
  maxFileBytes: number,
  outer: Context.Context<never>
): HttpBody.HttpBody => {
  const { blob, bytes, size } = content
  if (bytes !== undefined) return HttpBody.uint8Array(Multipart.toBytes(frame, bytes), frame.contentType)
  const body = HttpBody.stream(
    Multipart.toStream(frame, watched(content, filename, progress, maxFileBytes, outer)),
    frame.contentType,
    size === undefined ? undefined : frame.head.length + size + frame.tail.length
  )
  return blob === undefined ? body : withBlob(body, asBlob(frame, blob, filename, progress))
}

/** A body that a browser reads by itself. When its last byte is sent is not known, so it counts as sent from the start. */
const asBlob = (
  frame: Multipart.Frame,
  { content, onSent }: NonNullable<Content["blob"]>,
  filename: string,
  progress: Progress
): BlobBody => ({
  parts: [frame.head, content, frame.tail],
  begin: (context) => {
    let before = 0
    progress.started = true
    progress.failure = undefined
    progress.sent = { bytes: content.size, total: content.size, complete: true }
    onSent?.(0)
    return (sent) => {
      const bytes = Math.min(Math.max(sent - frame.head.length, before), content.size)
      moved(context, "transmit", bytes - before)
      before = bytes
      onSent?.(bytes)
    }
  },
  unreadable: (cause) => {
    progress.failure = new SourceFailed({
      operation: "upload",
      reason: "Unreadable",
      message: `${printable(filename)} can't be read any more: the file has changed or is gone. Nothing was stored.`,
      source: filename,
      cause
    })
  }
})

/**
 * A stream in a context of its own. Requests that a source makes are not part of the upload's: nothing of that one's
 * limits, marks and spans is in their context, which Stream.provideContext would leave in.
 */
const within = <A, E>(
  stream: Stream.Stream<A, E>,
  context: Context.Context<never>
): Stream.Stream<A, Pull.ExcludeDone<E>> => {
  const replaced: (current: Context.Context<never>) => Context.Context<never> = () => context
  const run = <B, E2>(effect: Effect.Effect<B, E2>): Effect.Effect<B, E2> => Effect.updateContext(effect, replaced)
  return Stream.fromChannel(
    Channel.fromTransform((upstream, scope) =>
      run(Effect.map(Channel.toTransform(Stream.toChannel(stream))(upstream, scope), run))
    )
  )
}

/** Counts the bytes that the transport takes, and aborts the request if they can't add up to the declared size. */
const watched = (
  { size, stream }: Content,
  filename: string,
  progress: Progress,
  maxFileBytes: number,
  /** What the source's own requests run with. */
  outer: Context.Context<never>
): Stream.Stream<Uint8Array, SourceFailed | FileTooLarge> =>
  Stream.unwrap(Effect.map(Effect.context(), (context) => {
    const silence = Context.get(context, CurrentSilence)
    const limit = size ?? maxFileBytes
    const move = (bytes: number, complete: boolean) => {
      progress.sent = { bytes, total: size, complete }
      silence?.moved()
    }
    move(0, false)
    progress.started = true
    progress.failure = undefined
    const forSource = outer.pipe(
      Context.add(IsWithinBody, true),
      Context.add(Buffers, Context.get(context, Buffers))
    )
    return within(stream, forSource).pipe(
      Stream.mapEffect((chunk) => {
        const bytes = progress.sent.bytes + chunk.length
        if (bytes > limit) {
          return Effect.fail(
            size === undefined ? fileTooLarge(filename, undefined, limit) : sizeMismatch(filename, size, bytes)
          )
        }
        move(bytes, false)
        moved(context, "transmit", chunk.length)
        return Effect.succeed(chunk)
      }),
      Stream.concat(Stream.suspend(() => {
        const { bytes } = progress.sent
        if (size !== undefined && bytes !== size) return Stream.fail(sizeMismatch(filename, size, bytes))
        move(bytes, true)
        return Stream.empty
      })),
      Stream.tapError((failure) => Effect.sync(() => void (progress.failure = failure)))
    )
  }))

/**
 * Compares the stored file with what was sent. If the sizes differ, or the answer came before everything was sent, the
 * file is deleted again, provided that it can only be this upload's.
 */
const checkStored = (
  subject: Subject,
  file: FileMetadata,
  { bytes: sent, complete, total }: Sent,
  remove: (id: FileId) => Effect.Effect<unknown, unknown>
): Effect.Effect<FileMetadata, FilesError> => {
  if (complete && file.size_bytes === sent) return Effect.succeed(file)
  const expected = complete ? sent : total
  return Effect.flatMap(Effect.isSuccess(remove(file.id)), (isDeleted) =>
    Effect.fail(
      new TransferInterrupted({
        operation: "upload",
        reason: "SizeMismatch",
        message: `${printable(subject.filename ?? "The file")} ${
          complete
            ? `has ${sent} bytes, but the service stored ${file.size_bytes}`
            : `was not completely sent (${sent} of ${total ?? "an unknown number of"} bytes) when the service answered`
        } as ${file.id}, which ${isDeleted ? "was deleted again" : "was not deleted"}.`,
        transferred: file.size_bytes,
        expected,
        fileId: file.id,
        tries: subject.tries,
        isRetryable: isDeleted
      })
    ))
}

const noSource = () =>
  new SourceFailed({
    operation: "upload",
    reason: "Failed",
    message: "The source of an upload is not a FileSource; expected for example FileSource.path(\"report.pdf\")."
  })

const sizeMismatch = (filename: string, declared: number, given: number): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason: "SizeMismatch",
    message: `${printable(filename)} was declared with ${declared} bytes but gave ${
      given > declared ? "more" : `only ${given}`
    }. Nothing was stored.`,
    source: filename
  })

export const sizeError = (
  filename: string,
  size: number | undefined,
  maxFileBytes: number
): RequestFailed | FileTooLarge | undefined => {
  if (size === undefined) return undefined
  if (!(Number.isSafeInteger(size) && size >= 0)) {
    return invalidRequest("upload", "size", `The source's size is ${size}; expected a whole number of bytes.`)
  }
  return size > maxFileBytes ? fileTooLarge(filename, size, maxFileBytes) : undefined
}

const outcomes: ReadonlyArray<unknown> = [undefined, "adopt", "resend", "fail"]

const filenameProblem = (filename: unknown): string | undefined => {
  if (!Predicate.isString(filename) || filename === "") {
    return "A file needs a name: pass one as the upload's filename."
  }
  // A name has no more characters than UTF-16 units.
  const length = filename.length > Wire.maxFilenameLength ? Array.from(filename).length : filename.length
  if (length > Wire.maxFilenameLength) {
    return `The name has ${length} characters; the service accepts at most ${Wire.maxFilenameLength}: pass another name as the upload's filename.`
  }
  if (Wire.forbiddenFilenameCharacters.test(filename)) {
    return `“${
      printable(filename)
    }” contains one of < > : " | ? * \\ / or a control character, which the service refuses: pass another name as the upload's filename.`
  }
  return loneSurrogate.test(filename)
    ? `“${
      printable(filename)
    }” contains half a character (a lone surrogate), which UTF-8 can't express: pass another name as the upload's filename.`
    : undefined
}

export const filenameError = (filename: string): InvalidFilename | undefined => {
  const message = filenameProblem(filename)
  return message === undefined
    ? undefined
    : new InvalidFilename({ operation: "upload", message, filename: String(filename) })
}

// RFC 9110: type/subtype of token characters, then parameters with token or plainly quoted values.
const mimeTypePattern =
  /^[!#$%&'*+\-.^_`|~0-9a-z]+\/[!#$%&'*+\-.^_`|~0-9a-z]+(\s*;\s*[!#$%&'*+\-.^_`|~0-9a-z]+=([!#$%&'*+\-.^_`|~0-9a-z]+|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*$/i

const isMimeType = (mimeType: unknown): boolean =>
  Predicate.isString(mimeType) && mimeType.length <= Wire.maxMimeTypeLength && mimeTypePattern.test(mimeType)

export const mimeTypeError = (mimeType: string | undefined): InvalidFileType | undefined =>
  mimeType === undefined || isMimeType(mimeType)
    ? undefined
    : new InvalidFileType({
      operation: "upload",
      message: `“${excerpt(String(mimeType))}” is not a MIME type; expected for example application/pdf.`,
      mimeType: String(mimeType)
    })

export const expirySeconds = (fields: Fields): number | undefined => {
  const field = fields.find(([name]) => name === "expires_in_seconds")
  return field === undefined ? undefined : Number(field[1])
}

/** In words, for messages. */
export const expiresInRange = "1 hour to 90 days, in whole seconds"

/** The fields of the form besides the file. Checks what can be checked of the options before the source is opened. */
export const uploadFields = (
  { expiresIn, onUnknownOutcome, purpose }: Pick<UploadOptions, "expiresIn" | "onUnknownOutcome" | "purpose">
): Result.Result<Fields, RequestFailed> => {
  const fields: Array<readonly [string, string]> = []
  if (expiresIn !== undefined) {
    const duration = Duration.fromInput(expiresIn)
    const seconds = Option.isSome(duration) ? Duration.toSeconds(duration.value) : NaN
    if (!Number.isInteger(seconds) || seconds < Wire.minExpiresIn || seconds > Wire.maxExpiresIn) {
      return Result.fail(
        invalidRequest("upload", "expiresIn", `expiresIn is ${describeValue(expiresIn)}; expected ${expiresInRange}.`)
      )
    }
    fields.push(["expires_in_seconds", String(seconds)])
  }
  if (purpose !== undefined) fields.push(["purpose", purpose])
  return outcomes.includes(onUnknownOutcome)
    ? Result.succeed(fields)
    : Result.fail(
      invalidRequest(
        "upload",
        "onUnknownOutcome",
        `onUnknownOutcome is ${describeValue(onUnknownOutcome)}; expected "adopt", "resend" or "fail".`
      )
    )
}
