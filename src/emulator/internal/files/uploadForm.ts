/**
 * Reads the multipart body of an upload, and passes on the file's bytes as they arrive.
 */
import * as Effect from "effect/Effect"
import * as MultipartParser from "effect/http/MultipartParser"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StoreFailed } from "../../Store.ts"
import type { BodyError, RecordedPart, RequestContext } from "../context.ts"
import { type ApiError, invalidRequest, tooLarge } from "../http/apiError.ts"
import { makeFilter } from "./delimiterBlanks.ts"

export interface UploadedFile {
  /** Absent when the part had none. */
  readonly filename: string | undefined
  /** As the part states it; absent when it states none. A default of `octet-stream` would hide that. */
  readonly contentType: string | undefined
  readonly size: number
  /** The first bytes, enough to tell a type by. */
  readonly head: Uint8Array
}

export interface UploadForm {
  readonly file: UploadedFile | undefined
  readonly fields: ReadonlyMap<string, string>
}

const headBytes = 512

/** Bytes that may follow the closing boundary: they mean nothing, but some clients send them. */
const maxEpilogueBytes = 64 * 1024

/** Bounds the bytes around the file, so that an endless body is not read. */
const maxOverheadBytes = 1024 * 1024

type Event =
  | { readonly _tag: "Field"; readonly info: MultipartParser.PartInfo; readonly value: Uint8Array }
  | { readonly _tag: "File"; readonly part: number; readonly info: MultipartParser.PartInfo }
  | { readonly _tag: "Chunk"; readonly part: number; readonly chunk: Uint8Array }
  | { readonly _tag: "Error"; readonly error: MultipartParser.MultipartError }

const header = (info: MultipartParser.PartInfo, name: string): string | undefined => {
  const value = info.headers[name]
  return typeof value === "string" ? value : value?.[0]
}

const boundaryOf = (contentType: string): string => {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]*)"|([^;\s]*))/i.exec(contentType) ?? []
  return quoted ?? plain ?? ""
}

const describeHeaders = ({ error }: MultipartParser.MultipartError & { readonly _tag: "BadHeaders" }): ApiError => {
  switch (error.reason) {
    case "TooManyHeaders":
      return invalidRequest("A part of the multipart body has too many headers")
    case "HeaderTooLarge":
      return invalidRequest("The headers of a part of the multipart body are too large")
    case "InvalidHeaderName":
    case "InvalidHeaderValue":
      return invalidRequest("Malformed headers in a multipart part: each line ends with CR LF, a blank line ends them")
  }
}

const describe = (error: MultipartParser.MultipartError): ApiError => {
  switch (error._tag) {
    case "InvalidBoundary":
      return invalidRequest("Missing or malformed boundary in the multipart content-type header")
    case "BadHeaders":
      return describeHeaders(error)
    case "InvalidDisposition":
      return invalidRequest("Malformed content-disposition in a multipart part")
    case "EndNotReached":
      return invalidRequest("The multipart body ends before its closing boundary")
    case "ReachedLimit":
      return error.limit === "MaxParts"
        ? invalidRequest("Too many parts in the multipart body")
        : invalidRequest("A field of the multipart body is too long")
  }
}

/**
 * Reads the whole body, one chunk at a time, and passes the bytes of the part named `file` to `sink`. Stops reading
 * as soon as the file is larger than the limit.
 */
export const read = Effect.fnUntraced(function*(
  context: RequestContext["Service"],
  sink: {
    /** Looks at the file before its first byte is taken. */
    readonly check: (filename: string | undefined, contentType: string | undefined) => Effect.Effect<void, ApiError>
    readonly write: (chunk: Uint8Array) => Effect.Effect<void, StoreFailed | ApiError>
  }
): Effect.fn.Return<UploadForm, BodyError | StoreFailed, Scope.Scope> {
  const { limits } = context
  const contentType = context.contentType
  if (contentType === undefined || !contentType.toLowerCase().startsWith("multipart/form-data")) {
    return yield* invalidRequest("Expected a multipart/form-data request body")
  }

  let events: Array<Event> = []
  let parts = 0
  let done = false
  const parser = MultipartParser.make({
    headers: { "content-type": contentType },
    maxParts: limits.maxParts,
    maxFieldSize: limits.maxFieldBytes,
    // The service takes a `file` part without a filename too.
    isFile: (info) => info.name === "file" || MultipartParser.defaultIsFile(info),
    onField: (info, value) => events.push({ _tag: "Field", info, value }),
    onFile: (info) => {
      const part = ++parts
      events.push({ _tag: "File", part, info })
      return (chunk) => {
        if (chunk !== null) events.push({ _tag: "Chunk", part, chunk })
      }
    },
    onError: (error) => events.push({ _tag: "Error", error }),
    onDone: () => {
      done = true
    }
  })

  const unblanked = makeFilter(boundaryOf(contentType))
  const fields = new Map<string, string>()
  const recorded: Array<RecordedPart> = []
  let filePart = 0
  let filename: string | undefined
  let fileType: string | undefined
  let size = 0
  let other = 0
  let head = new Uint8Array(0)

  const note = () => {
    context.notes.parts = filePart === 0 ? recorded : [...recorded, {
      name: "file",
      ...(filename === undefined ? {} : { filename }),
      ...(fileType === undefined ? {} : { contentType: fileType }),
      size
    }]
  }

  const drain = Effect.fnUntraced(function*(): Effect.fn.Return<void, ApiError | StoreFailed> {
    if (events.length === 0) return
    const batch = events
    events = []
    for (const event of batch) {
      switch (event._tag) {
        case "Field": {
          const value = MultipartParser.decodeField(event.info, event.value)
          fields.set(event.info.name, value)
          recorded.push({ name: event.info.name, value })
          break
        }
        case "File": {
          if (event.info.name !== "file") break
          if (filePart !== 0) return yield* invalidRequest("file: Expected exactly one file")
          filePart = event.part
          filename = event.info.filename
          fileType = header(event.info, "content-type")
          note()
          yield* sink.check(filename, fileType)
          break
        }
        case "Chunk": {
          // A part with an unknown name is ignored, as unknown fields are.
          if (event.part !== filePart) {
            other += event.chunk.byteLength
            if (other > maxOverheadBytes) return yield* tooLarge("Request exceeds the maximum size")
            break
          }
          size += event.chunk.byteLength
          if (size > limits.maxFileBytes) {
            note()
            return yield* tooLarge(
              `File exceeds the maximum size of ${limits.maxFileBytes} bytes (${limits.maxFileBytes / 1_000_000} MB)`
            )
          }
          if (head.byteLength < headBytes) {
            const joined = new Uint8Array(Math.min(headBytes, head.byteLength + event.chunk.byteLength))
            joined.set(head)
            joined.set(event.chunk.subarray(0, headBytes - head.byteLength), head.byteLength)
            head = joined
          }
          yield* sink.write(event.chunk)
          break
        }
        case "Error":
          return yield* describe(event.error)
      }
    }
  })

  const pull = yield* Stream.toPull(context.body)
  let epilogue = 0
  let ended = false
  while (!ended) {
    const chunks = yield* pull.pipe(Pull.catchDone(() => Effect.undefined))
    if (chunks === undefined) {
      ended = true
      break
    }
    for (const chunk of chunks) {
      if (done) {
        // Read on to the end: a client that is cut off while it sends its last bytes would lose the answer.
        epilogue += chunk.byteLength
        if (epilogue > maxEpilogueBytes) return yield* invalidRequest("Data after the end of the multipart body")
      } else {
        for (const piece of unblanked(chunk)) parser.write(piece)
        yield* drain()
      }
    }
  }
  if (!done) {
    for (const piece of unblanked()) parser.write(piece)
    parser.end()
    yield* drain()
  }
  note()
  return {
    fields,
    file: filePart === 0 ? undefined : { filename, contentType: fileType, size, head }
  }
})
