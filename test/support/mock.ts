import { Clock, Effect, Layer, Option, Redacted } from "effect"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClientRequest } from "effect/http"
import { Backend } from "./Backend.ts"

interface Stored {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly json: Record<string, unknown>
}

/** Where a request goes. */
export const urlOf = (request: HttpClientRequest.HttpClientRequest): URL =>
  Option.getOrThrow(HttpClientRequest.toUrl(request))

const key = "sk-ant-mock-0123456789"

/**
 * The wire in its smallest form, independent of the emulator: what the contract suite asks for and nothing else.
 */
export const layer: Layer.Layer<Backend> = Layer.effect(
  Backend,
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const files: Array<Stored> = []
    const requests: Array<string> = []
    let count = 0

    const envelope = (status: number, type: string, message: string, code?: string) =>
      Response.json({
        type: "error",
        error: { type, message, ...(code === undefined ? {} : { details: { error_code: code } }) },
        request_id: "req_mock"
      }, { status, headers: { "request-id": "req_mock" } })

    const store = (filename: string, mime_type: string, bytes: Uint8Array, downloadable: boolean, expires?: number) => {
      const now = clock.currentTimeMillisUnsafe()
      const json = {
        id: `file_mock${String(++count).padStart(6, "0")}`,
        type: "file",
        filename,
        mime_type,
        size_bytes: bytes.length,
        created_at: new Date(now).toISOString(),
        downloadable,
        expires_at: expires === undefined ? null : new Date(now + expires * 1000).toISOString()
      }
      files.unshift({ bytes: new Uint8Array(bytes), json })
      return json
    }

    const list = (url: URL, beta: boolean): Response => {
      const ids = url.searchParams.getAll("ids[]")
      if (ids.length > 0) {
        return Response.json({
          data: files.map((f) => f.json).filter((f) => ids.includes(f.id as string)),
          next_page: null
        })
      }
      const limit = Number(url.searchParams.get("limit") ?? 20)
      const all = files.map((file) => file.json)
      const indexOf = (id: string | null) => all.findIndex((file) => file.id === id)
      if (!beta) {
        const from = Number(url.searchParams.get("page")?.slice(1) ?? 0)
        const data = all.slice(from, from + limit)
        return Response.json({ data, next_page: from + limit < all.length ? `p${from + limit}` : null })
      }
      const before = url.searchParams.get("before_id")
      const from = before === null
        ? indexOf(url.searchParams.get("after_id")) + 1
        : Math.max(0, indexOf(before) - limit)
      const until = before === null ? from + limit : indexOf(before)
      const data: ReadonlyArray<Record<string, unknown>> = all.slice(from, until).map((file) => ({
        ...file,
        expires_at: undefined
      }))
      return Response.json({
        data,
        has_more: before === null ? until < all.length : from > 0,
        first_id: data.at(0)?.id ?? null,
        last_id: data.at(-1)?.id ?? null
      })
    }

    const { client } = HttpMock.answering(({ bytes: body, request }) =>
      Effect.gen(function*() {
        const url = urlOf(request)
        requests.push(`${request.method} ${url.pathname}${url.search}`)
        const beta = (request.headers["anthropic-beta"] ?? "").includes("files-api-2025-04-14")
        if (request.headers["x-api-key"] !== key) return envelope(401, "authentication_error", "invalid x-api-key")
        const [, , , id, content] = url.pathname.split("/")
        if (id === undefined) {
          if (request.method === "GET") return list(url, beta)
          const form = yield* Effect.promise(() =>
            new Response(new Uint8Array(body), { headers: { "content-type": request.headers["content-type"] ?? "" } })
              .formData()
          )
          const file = form.get("file")
          if (!(file instanceof File)) {
            return envelope(400, "invalid_request_error", "file: Field required")
          }
          const expires = form.get("expires_in_seconds")
          const bytes = new Uint8Array(
            yield* Effect.promise(() => file.arrayBuffer())
          )
          return Response.json({
            ...store(file.name, file.type, bytes, false, expires === null ? undefined : Number(expires)),
            ...(form.get("purpose") === null ? {} : { purpose: form.get("purpose") })
          })
        }
        const index = files.findIndex((file) => file.json.id === id)
        const found = files[index]
        if (found === undefined) return envelope(404, "not_found_error", `File not found: ${id}`)
        if (request.method === "DELETE") {
          files.splice(index, 1)
          return Response.json({ id, type: "file_deleted" })
        }
        if (content === undefined) return Response.json(found.json)
        if (found.json.downloadable !== true) {
          return envelope(400, "invalid_request_error", "not downloadable", "file_not_downloadable")
        }
        const expiresAt = found.json.expires_at
        return typeof expiresAt === "string" && Date.parse(expiresAt) <= clock.currentTimeMillisUnsafe()
          ? envelope(404, "not_found_error", "expired", "file_expired")
          : new Response(found.bytes, { headers: { "content-length": String(found.bytes.length) } })
      })
    )

    return Backend.of({
      baseUrl: "http://localhost",
      apiKey: Redacted.make(key),
      client,
      generate: (filename, mimeType, content) => Effect.sync(() => store(filename, mimeType, content, true).id),
      requests: Effect.sync(() => requests.slice())
    })
  })
)
