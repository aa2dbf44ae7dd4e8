/**
 * What the emulator's tests share: every way of reaching one, and requests written down byte by byte, so that no client
 * of ours stands between a test and the wire.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, FileSystem, Layer, Option, Redacted, Schema, Stream } from "effect"
import { Emulator, layer as layerInProcess, type Options } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import type { NewFile } from "effect-anthropic-files/emulator/Store"
import { FileId } from "effect-anthropic-files/FileMetadata"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest } from "effect/http"

/** A fresh folder, gone with its scope. */
export const temporaryDirectory = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.makeTempDirectoryScoped({ prefix: "emulator-" })
}).pipe(Effect.provide(NodeFileSystem.layer))

/** A file that a store is to take in. */
export const newFile = (id: string, overrides: Partial<NewFile> = {}): NewFile => ({
  id: FileId.make(id),
  workspace: "w",
  filename: `${id}.txt`,
  mimeType: "text/plain",
  createdAt: 1,
  expiresAt: null,
  downloadable: true,
  scope: null,
  countsForQuota: true,
  purpose: null,
  ...overrides
})

const inFolder = (make: (directory: string) => Layer.Layer<Emulator | HttpClient.HttpClient, unknown>) =>
  Layer.unwrap(Effect.map(temporaryDirectory, make)).pipe(Layer.orDie)

export type Reach = (options?: NodeEmulator.ServerOptions) => Layer.Layer<Emulator | HttpClient.HttpClient>

export const inProcess: Reach = (options?: Options) => layerInProcess(options)

export const socket: Reach = (options) =>
  Layer.merge(NodeEmulator.layerServer(options), NodeHttpClient.layerNodeHttp).pipe(Layer.orDie)

/** Every way of serving and reaching an emulator. */
export const ways: ReadonlyArray<readonly [name: string, reach: Reach]> = [
  ["in process, in memory", inProcess],
  ["in process, in a folder", (options) => inFolder((directory) => NodeEmulator.layer({ ...options, directory }))],
  ["on a socket, in memory, node:http", socket],
  [
    "on a socket, in a folder, fetch",
    (options) =>
      inFolder((directory) => Layer.merge(NodeEmulator.layerServer({ ...options, directory }), FetchHttpClient.layer))
  ]
]

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
  /** The parsed body, if it is JSON. */
  readonly json: Body
}

/** Everything that an answer may hold, so that a test can name what it looks for. */
export interface Body {
  readonly id: string
  readonly type: string
  readonly filename: string
  readonly mime_type: string
  readonly size_bytes: number
  readonly created_at: string
  readonly downloadable: boolean
  readonly expires_at: string | null
  readonly scope: unknown
  readonly purpose: string
  readonly data: ReadonlyArray<Body>
  readonly next_page: string | null
  readonly has_more: boolean
  readonly first_id: string | null
  readonly last_id: string | null
  readonly request_id: string
  readonly error: {
    readonly type: string
    readonly message: string
    readonly details?: { readonly error_code: string }
  }
  readonly content: ReadonlyArray<Block>
  readonly container: { readonly id: string; readonly expires_at: string } | null
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number }
  readonly stop_reason: string
  readonly input_tokens: number
  readonly processing_status: string
  readonly request_counts: Readonly<Record<string, number>>
  readonly results_url: string | null
  readonly ended_at: string | null
}

/** A block of a message. */
export interface Block {
  readonly type: string
  readonly text: string
  readonly citations: ReadonlyArray<Readonly<Record<string, unknown>>> | null
  readonly id: string
  readonly name: string
  readonly tool_use_id: string
  readonly content: {
    readonly type: string
    readonly stdout: string
    readonly return_code: number
    readonly content: ReadonlyArray<{ readonly type: string; readonly file_id: string }>
  }
}

const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Any))

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: HttpBody.HttpBody
  /** `null` sends none. */
  readonly key?: string | null
}

export const beta = { "anthropic-beta": "files-api-2025-04-14" }

export const request = Effect.fnUntraced(
  function*(method: "GET" | "POST" | "DELETE" | "PUT" | "PATCH", path: string, options: CallOptions = {}) {
    const emulator = yield* Emulator
    const key = options.key === undefined ? Redacted.value(emulator.apiKey) : options.key
    return HttpClientRequest.make(method)(`${emulator.url}${path}`, {
      headers: {
        "anthropic-version": "2023-06-01",
        ...(key === null ? {} : { "x-api-key": key }),
        ...options.headers
      },
      ...(options.body === undefined ? {} : { body: options.body })
    })
  }
)

/** One request, its answer read to the end. */
export const call = Effect.fnUntraced(
  function*(method: "GET" | "POST" | "DELETE" | "PUT" | "PATCH", path: string, options: CallOptions = {}) {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(yield* request(method, path, options))
    const text = yield* response.text
    const answer: Answer = {
      status: response.status,
      headers: response.headers,
      text,
      json: Option.getOrUndefined(parse(text)) as Body
    }
    return answer
  }
)

export const get = (path: string, options?: CallOptions) => call("GET", path, options)

export interface Part {
  readonly name: string
  readonly content: string | Uint8Array
  readonly filename?: string
  /** `null` leaves it out. @default "application/octet-stream" for a part with a filename */
  readonly type?: string | null
}

const encoder = new TextEncoder()

export const boundary = "----test-boundary-7b1f"

/** A multipart body, byte by byte. */
export const multipartBytes = (parts: ReadonlyArray<Part>): Uint8Array<ArrayBuffer> => {
  const chunks: Array<Uint8Array> = []
  for (const part of parts) {
    const type = part.type === undefined && part.filename !== undefined ? "application/octet-stream" : part.type
    chunks.push(
      encoder.encode(
        `--${boundary}\r\ncontent-disposition: form-data; name="${part.name}"`
          + (part.filename === undefined ? "" : `; filename="${part.filename}"`)
          + (type === undefined || type === null ? "" : `\r\ncontent-type: ${type}`)
          + "\r\n\r\n"
      ),
      typeof part.content === "string" ? encoder.encode(part.content) : part.content,
      encoder.encode("\r\n")
    )
  }
  chunks.push(encoder.encode(`--${boundary}--\r\n`))
  return new Uint8Array(Buffer.concat(chunks))
}

export const multipart = (parts: ReadonlyArray<Part>): HttpBody.HttpBody =>
  HttpBody.uint8Array(multipartBytes(parts), `multipart/form-data; boundary=${boundary}`)

/** The same body as a stream of pieces of `size` bytes, with no length announced. */
export const multipartStream = (parts: ReadonlyArray<Part>, size: number): HttpBody.HttpBody => {
  const bytes = multipartBytes(parts)
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < bytes.byteLength; at += size) pieces.push(bytes.slice(at, at + size))
  return HttpBody.stream(Stream.fromIterable(pieces, { chunkSize: 1 }), `multipart/form-data; boundary=${boundary}`)
}

export const upload = (
  file: Partial<Part> = {},
  options: CallOptions & { readonly fields?: Record<string, string> } = {}
) =>
  call("POST", "/v1/files", {
    ...options,
    body: multipart([
      ...Object.entries(options.fields ?? {}).map(([name, content]) => ({ name, content })),
      { name: "file", content: "hello", filename: "a.txt", type: "text/plain", ...file }
    ])
  })

export const json = (body: unknown): HttpBody.HttpBody => HttpBody.jsonUnsafe(body)

export const post = (path: string, body: unknown, options: CallOptions = {}) =>
  call("POST", path, { ...options, body: json(body) })

/** `{ status, type, code }` of an answer that has to be an error envelope with everything in it. */
export const errorOf = (answer: Answer) => {
  const { error, request_id: requestId, type } = answer.json
  if (
    type !== "error" || typeof error?.type !== "string" || typeof error.message !== "string"
    || requestId !== answer.headers["request-id"] || !String(requestId).startsWith("req_")
    || answer.headers["content-type"]?.startsWith("application/json") !== true
  ) {
    throw new Error(`Not an error envelope: ${answer.status} ${answer.text}`)
  }
  return {
    status: answer.status,
    type: String(error.type),
    ...(error.details === undefined ? {} : { code: String(error.details.error_code) })
  }
}
