/**
 * Records the requests of a program and the answers of the service, and replays them without the service.
 *
 * A recording is a readable JSON file, kept beside the tests. It never holds a key. Ids, and the contents of files and
 * messages, are replaced by names such as `file_redacted_1`, the same name for the same text, so that a recording stays
 * consistent. At a replay, a name stands for whatever the program sends in its place.
 */
import * as Bytes from "effect/Bytes"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import { identity } from "effect/Function"
import type * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { operationOf } from "../emulator/internal/http/endpoints.ts"
import { codeOf } from "../internal/request/evidence.ts"
import * as Cassette from "./internal/cassette.ts"
import { compare, difference, distance } from "./internal/compare.ts"
import * as Redaction from "./internal/redaction.ts"
import { refuse } from "./internal/refuse.ts"
import {
  connectionFailed,
  connectionReset,
  isSecretHeader,
  readWire,
  through,
  toSentRequest,
  transportError,
  urlOf,
  type Wire,
  withBody
} from "./internal/request.ts"
import { respond } from "./internal/response.ts"
import * as Times from "./internal/times.ts"
import type { SentRequest } from "./SentRequest.ts"

/**
 * A recording can't be written, can't be read, or does not match the program.
 *
 * - `Secret`: an exchange holds what looks like a key. Nothing is written.
 * - `Unreadable`: there is no recording at the path, or it can't be read.
 * - `Unmatched`: the recording has no answer for a request.
 * - `Unused`: the program did not send a recorded request.
 */
export class RecorderFailed extends Schema.TaggedError<RecorderFailed>("effect-anthropic-files/testing/RecorderFailed")(
  "RecorderFailed",
  { reason: Schema.Literals(["Secret", "Unreadable", "Unmatched", "Unused"]), message: Schema.String }
) {}

/** What is redacted in a recording. */
export interface RecordOptions {
  /**
   * Whether ids (of files, requests, batches, workspaces …) are replaced.
   *
   * @default true
   */
  readonly redactIds?: boolean | undefined
  /**
   * Whether names and contents of files, questions and answers are replaced, and all of a tool's input and schema. Sizes,
   * types, times and counts of the API stay, and so do the messages of errors, without what was replaced elsewhere.
   *
   * @default true
   */
  readonly redactBodies?: boolean | undefined
}

/** How a recording is replayed. */
export interface ReplayOptions {
  /**
   * - `strict`: the program sends all recorded requests, in their order.
   * - `any`: each request gets the first recorded answer to it that was not given yet; some may be left over.
   *
   * @default "strict"
   */
  readonly order?: "strict" | "any" | undefined
}

type Request = HttpClientRequest.HttpClientRequest

type Response = HttpClientResponse.HttpClientResponse

/** The headers that a recording keeps. All others are left out, above all those with a key. */
const kept = {
  request: /^(accept|content-type|range|anthropic-version|anthropic-beta)$/,
  response:
    /^(content-type|content-length|content-range|date|request-id|retry-after(-ms)?|x-should-retry|anthropic-ratelimit-.*)$/
}

const keep = (
  of: keyof typeof kept,
  headers: Headers.Headers,
  redaction: Redaction.Redaction
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => kept[of].test(name))
      .map(([name, value]) => [name, redaction.header(name, name === "content-type" ? withoutBoundary(value) : value)])
  )

const withoutBoundary = (contentType: string): string => contentType.replace(/;\s*boundary=.*$/, "")

const content = (bytes: Uint8Array, redactBodies: boolean) => ({
  size: bytes.length,
  ...(redactBodies || bytes.length === 0 ? undefined : Cassette.textOrBase64(bytes))
})

/** A request as it is recorded. */
const toRecorded = (sent: SentRequest, redaction: Redaction.Redaction, redactBodies: boolean): Cassette.Request => {
  const contentType = sent.headers["content-type"] ?? ""
  const parts = sent.parts.map((part) => ({
    name: part.name,
    ...(part.filename === undefined
      ? undefined
      : { filename: redaction.text(part.filename, "filename", "") }),
    ...(part.contentType === undefined ? undefined : { contentType: part.contentType }),
    // The value of a field is a number or a word of the API; only the content of a file is redacted.
    ...(part.filename === undefined ? content(part.bytes, false) : content(part.bytes, redactBodies))
  }))
  const bodyOf = (): Cassette.Body => {
    if (parts.length > 0) return { parts }
    const known = Cassette.parseBody(contentType, sent.bytes)
    return known === undefined ? content(sent.bytes, redactBodies) : redaction.body(known)
  }
  return {
    method: sent.method,
    path: redaction.path(sent.path),
    query: Cassette.mapTexts(
      sent.query,
      (text, name) => name === "limit" ? text : redaction.text(text, name, "")
    ) as Cassette.Request["query"],
    headers: keep("request", sent.headers, redaction),
    ...(sent.bytes.length === 0 ? undefined : { body: bodyOf() })
  }
}

/** Texts that look like a key. */
const secrets =
  /sk-ant-[\w-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|\bxox[abprs]-[\w-]{10,}/

/** The credentials that a request was sent with. */
const credentials = (headers: Headers.Headers): ReadonlyArray<string> =>
  Object.entries(headers)
    .filter(([name]) => isSecretHeader(name))
    .map(([, value]) => value.replace(/^Bearer /i, "").trim())
    .filter((value) => value.length >= 8)

/** Decodes every byte to a character, so that a key is found among other bytes. */
const latin1 = new TextDecoder("latin1")

const holdsSecret = (texts: ReadonlyArray<string>, keys: ReadonlyArray<string>): boolean =>
  texts.some((text) => secrets.test(text) || keys.some((key) => text.includes(key)))

const secret = (request: Request, where: string): RecorderFailed =>
  new RecorderFailed({
    reason: "Secret",
    message: `${
      operationOf(request.method, urlOf(request).pathname) ?? request.method
    }: the ${where} holds what looks like a key that would be recorded. Nothing is written: keep the key out of it, or leave the redaction on.`
  })

const parentOf = (path: string): string => path.replace(/[/\\][^/\\]*$/, "")

interface Slot {
  request: Cassette.Request
  response?: Cassette.Response
  failure?: string
}

/** Whether an answer is a file, or comes from elsewhere: JSON in it is not the API's. */
const isForeign = (request: Request, wire: Wire, { status }: Response): boolean =>
  status < 300 && request.method === "GET"
  && (wire.headers["anthropic-version"] === undefined || /\/files\/[^/]+\/content$/.test(urlOf(request).pathname))

/** The exchanges that were recorded so far. */
const makeRecording = (options: RecordOptions) => {
  const redactBodies = options.redactBodies ?? true
  const redaction = Redaction.make({ ids: options.redactIds ?? true, bodies: redactBodies })
  const exchanges: Array<Slot> = []
  let refused: RecorderFailed | undefined

  /** Whether a record, or a body whose bytes are part of it, holds a key. */
  const showsSecret = (recorded: object, bytes: Uint8Array, keys: ReadonlyArray<string>): boolean =>
    holdsSecret([JSON.stringify(recorded), ...(redactBodies ? [] : [latin1.decode(bytes)])], keys)

  return {
    exchanges,
    refused: () => refused,
    /** Begins an exchange; fails for a request that holds a key. */
    begin: (request: Request, wire: Wire): Effect.Effect<Slot, HttpClientError.HttpClientError> => {
      const recorded = toRecorded(toSentRequest(request, wire), redaction, redactBodies)
      if (showsSecret(recorded, wire.bytes, credentials(wire.headers))) {
        refused ??= secret(request, "request")
        return Effect.fail(refuse(request, refused))
      }
      const slot: Slot = { request: recorded }
      exchanges.push(slot)
      return Effect.succeed(slot)
    },
    /** @param broken whether the body ended early */
    answered: (slot: Slot, request: Request, wire: Wire, response: Response, bytes: Uint8Array, broken: boolean) => {
      const known = broken || isForeign(request, wire, response)
        ? undefined
        : Cassette.parseBody(response.headers["content-type"] ?? "", bytes)
      const body = known === undefined ? content(bytes, redactBodies) : redaction.body(known)
      const recorded: Cassette.Response = {
        status: response.status,
        headers: keep("response", response.headers, redaction),
        ...(bytes.length === 0 ? undefined : { body }),
        ...(broken ? { broken } : undefined)
      }
      if (showsSecret(recorded, bytes, credentials(wire.headers))) refused ??= secret(request, "answer")
      slot.response = recorded
    }
  }
}

/** The response, whose body is given to `onEnd` when it ends. A body that nobody reads counts as empty. */
const withRecordedBody = (
  request: Request,
  response: Response,
  onEnd: (bytes: Uint8Array, broken: boolean) => void
): Response => {
  const chunks: Array<Uint8Array> = []
  onEnd(new Uint8Array(), false)
  return respond(request, {
    status: response.status,
    headers: { ...response.headers },
    body: response.stream.pipe(
      Stream.map((chunk) => {
        chunks.push(chunk.slice())
        return chunk
      }),
      Stream.onExit((exit) => Effect.sync(() => onEnd(Bytes.concat(chunks), Exit.isFailure(exit))))
    )
  })
}

/**
 * Sends requests, and records them with their answers in a file that is written when the scope closes. A recording at the
 * path is replaced. The Layer belongs innermost, next to the network.
 *
 * A request is not sent if its recording would hold a key; an answer that holds one is passed on. In both cases nothing is
 * written, and the scope dies with {@link RecorderFailed} when it closes, unless the program failed anyway.
 */
export const layerRecord = (
  path: string,
  options: RecordOptions = {}
): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | FileSystem.FileSystem> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const client = yield* HttpClient.HttpClient
      const recording = makeRecording(options)
      const recordedAt = DateTime.formatIso(yield* DateTime.now)

      const save = Effect.suspend(() => {
        const text = `${JSON.stringify({ version: 1, recordedAt, exchanges: recording.exchanges }, null, 2)}\n`
        const parent = parentOf(path)
        return Effect.orDie(Effect.andThen(
          parent === path || parent === "" ? Effect.void : fs.makeDirectory(parent, { recursive: true }),
          fs.writeFileString(path, text)
        ))
      })
      yield* Effect.addFinalizer((exit) => {
        const refused = recording.refused()
        if (refused === undefined) return save
        return Exit.isFailure(exit) ? Effect.void : Effect.die(refused)
      })

      return through(client, (request, send) =>
        Effect.gen(function*() {
          const wire = yield* readWire(request)
          const slot = yield* recording.begin(request, wire)
          const response = yield* Effect.tapError(send(withBody(request, wire)), (error) =>
            Effect.sync(() => {
              slot.failure = codeOf("cause" in error.reason ? error.reason.cause : undefined) ?? error.reason._tag
            }))
          return withRecordedBody(
            request,
            response,
            (bytes, broken) => recording.answered(slot, request, wire, response, bytes, broken)
          )
        }))
    })
  )

interface Tape {
  readonly exchange: Cassette.Exchange
  used: boolean
}

/** A request as it is compared. */
const comparable = (request: Cassette.Request, f: (text: string) => unknown = identity): Cassette.Request =>
  Cassette.mapTexts(request, f, (value) => Redaction.comparable(value, f)) as Cassette.Request

/** Compares a request with a recorded one. */
const compareRequest = (recorded: Cassette.Request, sent: SentRequest, bindings: Redaction.Bindings) => {
  const live = comparable(toRecorded(sent, Redaction.none, false))
  const want = comparable({ ...recorded, headers: {} }, (text) => Redaction.pattern(text, bindings))
  return {
    live,
    // Redacted fields can't be compared.
    comparison: compare(want, { ...withoutRedacted(live, recorded), headers: {} }, true)
  }
}

const pick = <A extends object>(value: A, names: object): Partial<A> =>
  Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(names, name))) as Partial<A>

const withoutRedacted = (live: Cassette.Request, recorded: Cassette.Request): object => {
  const { body, ...rest } = live
  if (body === undefined) return rest
  const like = recorded.body
  if (like === undefined) return live
  if (body.parts !== undefined) {
    return { ...rest, body: { parts: body.parts.map((part, index) => pick(part, like.parts?.[index] ?? part)) } }
  }
  return { ...rest, body: "size" in like ? pick(body, like) : body }
}

const unreadable = (path: string, cause: unknown): RecorderFailed =>
  new RecorderFailed({
    reason: "Unreadable",
    message: `${path} is not a recording that can be read: ${cause instanceof Error ? cause.message : String(cause)}`
  })

const titleOf = ({ method, path }: { readonly method: string; readonly path: string }): string => `${method} ${path}`

/**
 * Answers requests from a recording, without a network and without a key: `FilesTest.layerClient()` makes the client. Times
 * in answers are moved, so that a time that was an hour ahead at the recording is an hour ahead at the replay.
 *
 * A request is compared by method, path, query and body, as far as they were recorded. One that does not match fails with
 * the difference, and no policy retries it. In strict order, the scope dies with {@link RecorderFailed} if recorded requests
 * are left over when it closes, unless the program failed anyway.
 */
export const layerReplay = (
  path: string,
  options: ReplayOptions = {}
): Layer.Layer<HttpClient.HttpClient, RecorderFailed, FileSystem.FileSystem> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const text = yield* Effect.mapError(fs.readFileString(path), (cause) => unreadable(path, cause))
      const { exchanges, recordedAt } = yield* Effect.mapError(Cassette.decodeCassette(text), (cause) =>
        unreadable(path, cause))
      const sinceRecorded = recordedAt === undefined
        ? Duration.zero
        : DateTime.distance(recordedAt, yield* DateTime.now)
      const strict = options.order !== "any"
      const tapes: ReadonlyArray<Tape> = exchanges.map((exchange) => ({ exchange, used: false }))
      const bindings: Redaction.Bindings = new Map()

      const complain = (request: Request, sent: SentRequest, candidates: ReadonlyArray<Tape>) => {
        const [nearest] = candidates
          .map(({ exchange }) =>
            compareRequest(exchange.request, sent, bindings).comparison
          )
          .sort((a, b) => distance(a) - distance(b))
        return refuse(
          request,
          new RecorderFailed({
            reason: "Unmatched",
            message: nearest === undefined
              ? `${titleOf(sent)} is not in the recording ${path}, or was answered already.`
              : `${titleOf(sent)} does not match the recording ${path} (- recorded, + sent):\n${difference(nearest)}`
          })
        )
      }

      if (strict) {
        yield* Effect.addFinalizer((exit) => {
          const left = tapes.filter((tape) => !tape.used).map(({ exchange }) => `  ${titleOf(exchange.request)}`)
          return left.length === 0 || Exit.isFailure(exit) ? Effect.void : Effect.die(
            new RecorderFailed({
              reason: "Unused",
              message: `The recording ${path} has requests that were not sent:\n${left.join("\n")}`
            })
          )
        })
      }

      return HttpClient.make((request) =>
        Effect.flatMap(readWire(request), (wire) => {
          const sent = toSentRequest(request, wire)
          const left = tapes.filter((tape) => !tape.used)
          const candidates = strict ? left.slice(0, 1) : left
          const tape = candidates.find(({ exchange }) =>
            compareRequest(exchange.request, sent, bindings).comparison.met
          )
          if (tape === undefined) return Effect.fail(complain(request, sent, candidates))
          tape.used = true
          const { exchange } = tape
          Redaction.bind(comparable(exchange.request), compareRequest(exchange.request, sent, bindings).live, bindings)
          return play(request, exchange, bindings, sinceRecorded)
        })
      )
    })
  )

const play = (
  request: Request,
  { failure, response }: Cassette.Exchange,
  bindings: Redaction.Bindings,
  sinceRecorded: Duration.Duration
): Effect.Effect<Response, HttpClientError.HttpClientError> => {
  if (response === undefined) {
    const code = failure ?? "ECONNRESET"
    return Effect.fail(
      transportError(
        request,
        connectionFailed(`The connection failed when it was recorded (${code})`, code)
      )
    )
  }
  const told = Times.moved(
    Cassette.mapTexts(
      response,
      (text) => Redaction.reveal(text, bindings),
      (value) => Redaction.revealFree(value, bindings)
    ) as Cassette.Response,
    sinceRecorded
  )
  const bytes = Cassette.toBytes(told.body)
  return Effect.succeed(respond(request, {
    status: told.status,
    headers: told.broken === true || told.headers["content-length"] === undefined
      ? told.headers
      : { ...told.headers, "content-length": String(bytes.length) },
    body: told.broken === true
      ? Stream.concat(
        Stream.succeed(bytes),
        Stream.fail(connectionReset("The connection broke here when it was recorded"))
      )
      : bytes
  }))
}

/** Options of a recorder that records or replays. */
export interface Options extends RecordOptions, ReplayOptions {
  /**
   * - `record`: requests are sent and recorded.
   * - `replay`: requests are answered from the recording.
   * - `auto`: `replay` if there is a recording, else `record`.
   *
   * @default "auto"
   */
  readonly mode?: "record" | "replay" | "auto" | undefined
}

/**
 * {@link layerRecord} or {@link layerReplay}, by `mode`. To record again, delete the recording, or set the mode from an
 * environment variable.
 */
export const layer = (
  path: string,
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient, RecorderFailed, HttpClient.HttpClient | FileSystem.FileSystem> =>
  Layer.unwrap(Effect.gen(function*() {
    const { mode = "auto" } = options
    if (mode === "record") return layerRecord(path, options)
    if (mode === "replay") return layerReplay(path, options)
    const fs = yield* FileSystem.FileSystem
    const isThere = yield* Effect.mapError(fs.exists(path), (cause) => unreadable(path, cause))
    return isThere ? layerReplay(path, options) : layerRecord(path, options)
  }))
