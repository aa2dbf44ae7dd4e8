/**
 * Reads the multipart body of an upload, and passes on the file's bytes as they arrive.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as MultipartParser from "effect/http/MultipartParser"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StoreFailed } from "../../Store.ts"
import type { BodyError, Limits, RecordedPart, RequestContext } from "../context.ts"
import { type ApiError, invalidRequest, tooLarge } from "../http/apiError.ts"
import { makeFilter } from "./delimiterBlanks.ts"

export interface UploadedFile {
  /** Absent if the part has none. */
  readonly filename: string | undefined
  /** As the part states it; absent if it states none, which a default of `octet-stream` would hide. */
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

/** Bytes that may follow the closing boundary: they have no meaning, but some clients send them. */
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

/** Parses a multipart body. What it is fed with comes back as events. */
const makeParser = (contentType: string, { maxFieldBytes, maxParts }: Limits) => {
  let events: Array<Event> = []
  let parts = 0
  let isDone = false
  const parser = MultipartParser.make({
    headers: { "content-type": contentType },
    maxParts,
    maxFieldSize: maxFieldBytes,
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
      isDone = true
    }
  })
  const unblanked = makeFilter(boundaryOf(contentType))
  const write = (pieces: ReadonlyArray<Uint8Array>) => pieces.forEach((piece) => parser.write(piece))
  const taken = (): ReadonlyArray<Event> => {
    const batch = events
    events = []
    return batch
  }
  return {
    /** Whether the closing boundary has come. */
    isDone: () => isDone,
    feed: (chunk: Uint8Array): ReadonlyArray<Event> => {
      write(unblanked(chunk))
      return taken()
    },
    end: (): ReadonlyArray<Event> => {
      write(unblanked())
      parser.end()
      return taken()
    }
  }
}

/** What is done with the file while it is read. */
export interface Sink {
  /** Called before the first byte of the file. */
  readonly check: (filename: string | undefined, contentType: string | undefined) => Effect.Effect<void, ApiError>
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, StoreFailed | ApiError>
}

interface FilePart {
  readonly part: number
  readonly filename: string | undefined
  readonly contentType: string | undefined
  size: number
  head: Uint8Array
}

/** Takes the events of a body: fields are kept, and the bytes of the file go to the sink. */
const makeReader = ({ limits, notes }: RequestContext["Service"], sink: Sink) => {
  const fields = new Map<string, string>()
  const recorded: Array<RecordedPart> = []
  let file: FilePart | undefined
  let ignoredBytes = 0

  const note = () => {
    notes.parts = file === undefined ? recorded : [...recorded, {
      name: "file",
      ...(file.filename === undefined ? {} : { filename: file.filename }),
      ...(file.contentType === undefined ? {} : { contentType: file.contentType }),
      size: file.size
    }]
  }

  const onFile = ({ info, part }: Event & { readonly _tag: "File" }): Effect.Effect<void, ApiError> => {
    if (info.name !== "file") return Effect.void
    if (file !== undefined) return Effect.fail(invalidRequest("file: Expected exactly one file"))
    const { filename } = info
    const contentType = header(info, "content-type")
    file = { part, filename, contentType, size: 0, head: new Uint8Array(0) }
    note()
    return sink.check(filename, contentType)
  }

  const onChunk = (
    { chunk, part }: Event & { readonly _tag: "Chunk" }
  ): Effect.Effect<void, ApiError | StoreFailed> => {
    // A part with an unknown name is ignored, as unknown fields are.
    if (file === undefined || part !== file.part) {
      ignoredBytes += chunk.byteLength
      return ignoredBytes > maxOverheadBytes ? Effect.fail(tooLarge("Request exceeds the maximum size")) : Effect.void
    }
    file.size += chunk.byteLength
    if (file.size > limits.maxFileBytes) {
      note()
      const megabytes = limits.maxFileBytes / 1_000_000
      return Effect.fail(tooLarge(`File exceeds the maximum size of ${limits.maxFileBytes} bytes (${megabytes} MB)`))
    }
    const missing = headBytes - file.head.byteLength
    if (missing > 0) file.head = Bytes.concat([file.head, chunk.subarray(0, missing)])
    return sink.write(chunk)
  }

  const onEvent = (event: Event): Effect.Effect<void, ApiError | StoreFailed> => {
    switch (event._tag) {
      case "Field": {
        const value = MultipartParser.decodeField(event.info, event.value)
        fields.set(event.info.name, value)
        recorded.push({ name: event.info.name, value })
        return Effect.void
      }
      case "File":
        return onFile(event)
      case "Chunk":
        return onChunk(event)
      case "Error":
        return Effect.fail(describe(event.error))
    }
  }

  return {
    take: (events: ReadonlyArray<Event>) => Effect.forEach(events, onEvent, { discard: true }),
    form: (): UploadForm => {
      note()
      return { fields, file }
    }
  }
}

/**
 * Reads the whole body, one chunk at a time, and passes the bytes of the part named `file` to `sink`. Stops reading
 * as soon as the file is larger than the limit.
 */
export const read = Effect.fnUntraced(function*(
  context: RequestContext["Service"],
  sink: Sink
): Effect.fn.Return<UploadForm, BodyError | StoreFailed, Scope.Scope> {
  const { contentType } = context
  if (contentType === undefined || !contentType.toLowerCase().startsWith("multipart/form-data")) {
    return yield* invalidRequest("Expected a multipart/form-data request body")
  }
  const parser = makeParser(contentType, context.limits)
  const reader = makeReader(context, sink)
  let epilogue = 0
  const takeChunk = Effect.fnUntraced(function*(chunk: Uint8Array): Effect.fn.Return<void, ApiError | StoreFailed> {
    if (!parser.isDone()) return yield* reader.take(parser.feed(chunk))
    // Read on to the end: a client that is cut off while it sends its last bytes would lose the answer.
    epilogue += chunk.byteLength
    if (epilogue > maxEpilogueBytes) return yield* invalidRequest("Data after the end of the multipart body")
  })
  yield* Stream.runForEach(context.body, takeChunk)
  if (!parser.isDone()) yield* reader.take(parser.end())
  return reader.form()
})
