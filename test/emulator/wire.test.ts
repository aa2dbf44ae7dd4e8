import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Redacted } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import { HttpBody } from "effect/http"
import { beta, call, errorOf, get, multipart, multipartStream, post, upload, ways } from "./support.ts"

const mixed = { "anthropic-beta": "managed-agents-2026-04-01" }

const twoKeys = {
  apiKeys: { "key-one": "wrkspc_one", "key-two": "wrkspc_two", "key-both": ["wrkspc_one", "wrkspc_two"] }
}

const invalid = { status: 400, type: "invalid_request_error" }

for (const [name, reach] of ways) {
  describe(`P19: the wire, ${name}`, () => {
    const on = <A, E>(
      effect: Effect.Effect<A, E, Effect.Services<ReturnType<typeof get>>>,
      options?: Parameters<typeof reach>[0]
    ) => effect.pipe(Effect.provide(reach(options)))

    describe("metadata", () => {
      it.effect("has the fields of the GA dialect", () =>
        on(Effect.gen(function*() {
          const answer = yield* upload({ content: "hello", filename: "grüße.txt", type: "text/plain; charset=utf-8" })
          assert.strictEqual(answer.status, 200)
          const { created_at: createdAt, id, ...rest } = answer.json
          assert.match(id as string, /^file_01[1-9A-HJ-NP-Za-km-z]{22}$/)
          assert.isTrue(DateTime.isDateTime(DateTime.makeUnsafe(createdAt)))
          assert.deepStrictEqual<unknown>(rest, {
            type: "file",
            filename: "grüße.txt",
            mime_type: "text/plain",
            size_bytes: 5,
            downloadable: false,
            expires_at: null
          })
          assert.deepStrictEqual((yield* get(`/v1/files/${id}`)).json, answer.json)
          assert.deepStrictEqual<unknown>((yield* get("/v1/files")).json, { data: [answer.json], next_page: null })
        })))

      it.effect("has no expires_at in the beta dialect", () =>
        on(Effect.gen(function*() {
          const answer = yield* upload({}, { headers: beta })
          assert.isFalse("expires_at" in answer.json)
          const { id } = answer.json
          assert.isFalse("expires_at" in (yield* get(`/v1/files/${id}`, { headers: beta })).json)
          assert.strictEqual((yield* get(`/v1/files/${id}`)).json.expires_at, null)
          assert.deepStrictEqual<unknown>((yield* get("/v1/files", { headers: beta })).json, {
            data: [answer.json],
            has_more: false,
            first_id: id,
            last_id: id
          })
        })))

      it.effect("lists with the fields of both dialects for a managed-agents beta", () =>
        on(Effect.gen(function*() {
          const { id } = (yield* upload()).json
          const page = (yield* get("/v1/files?limit=1", { headers: mixed })).json
          assert.deepStrictEqual(Object.keys(page).sort(), ["data", "first_id", "has_more", "last_id", "next_page"])
          assert.strictEqual(page.first_id, id)
          // The files header wins over the managed-agents one.
          const both = { "anthropic-beta": "managed-agents-2026-04-01, files-api-2025-04-14" }
          assert.isFalse("next_page" in (yield* get("/v1/files", { headers: both })).json)
        })))

      it.effect("keeps purpose and scope", () =>
        on(Effect.gen(function*() {
          const emulator = yield* Emulator
          assert.strictEqual((yield* upload({}, { fields: { purpose: "batch" } })).json.purpose, "batch")
          assert.isFalse("purpose" in (yield* upload()).json)
          const scope = { id: "sesn_1", type: "session" }
          const seeded = yield* emulator.seed({ filename: "s.txt", content: "s", scope })
          assert.deepStrictEqual((yield* get(`/v1/files/${seeded.id}`)).json.scope, scope)
          const scoped = (yield* get("/v1/files?scope_id=sesn_1", { headers: mixed })).json
          assert.deepStrictEqual(scoped.data.map((file) => file.id), [seeded.id])
          assert.deepStrictEqual((yield* get("/v1/files?scope_id=sesn_2", { headers: beta })).json.data, [])
        })))
    })

    describe("upload", () => {
      it.effect("takes a body in pieces of any size", () =>
        on(Effect.gen(function*() {
          const emulator = yield* Emulator
          const content = `--${"x".repeat(300)}\r\n--\r\n${"\r\n----test".repeat(20)}`
          for (const size of [1, 7, 64, 1000]) {
            const answer = yield* call("POST", "/v1/files", {
              body: multipartStream([
                { name: "purpose", content: "p" },
                { name: "file", filename: "a.bin", content },
                { name: "expires_in_seconds", content: "3600" },
                { name: "unknown", filename: "b.bin", content: "passed over" }
              ], size)
            })
            assert.strictEqual(answer.status, 200, answer.text)
            assert.strictEqual(answer.json.size_bytes, content.length)
            assert.strictEqual(answer.json.purpose, "p")
            assert.isNotNull(answer.json.expires_at)
            const stored = yield* emulator.content(answer.json.id)
            assert.strictEqual(new TextDecoder().decode(stored), content)
          }
        })))

      it.effect("takes an empty file", () =>
        on(Effect.gen(function*() {
          const emulator = yield* Emulator
          const { id, size_bytes: size } = (yield* upload({ content: "" })).json
          assert.strictEqual(size, 0)
          assert.strictEqual((yield* emulator.content(id))?.byteLength, 0)
        })))

      it.effect("detects the type when the part has none, in the GA dialect only", () =>
        on(Effect.gen(function*() {
          const detected = Effect.fnUntraced(function*(filename: string, content: string | Uint8Array) {
            return (yield* upload({ filename, content, type: null })).json.mime_type
          })
          assert.strictEqual(yield* detected("a.pdf", "not really"), "application/pdf")
          assert.strictEqual(yield* detected("a", "%PDF-1.7\n"), "application/pdf")
          assert.strictEqual(
            yield* detected("a.txt", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)),
            "image/png"
          )
          assert.strictEqual(yield* detected("a", "plain"), "text/plain")
          assert.strictEqual(yield* detected("a", Uint8Array.of(0, 1, 2, 255)), "application/octet-stream")
          assert.deepStrictEqual(errorOf(yield* upload({ type: null }, { headers: beta })), invalid)
        })))

      it.effect("refuses a malformed MIME type", () =>
        on(Effect.gen(function*() {
          for (const type of ["nonsense", "text/", "a b/c", `text/${"x".repeat(300)}`]) {
            assert.deepStrictEqual(errorOf(yield* upload({ type })), invalid, type)
          }
        })))

      it.effect("enforces the rules for names", () =>
        on(Effect.gen(function*() {
          for (const filename of ["<.txt", ">", "a:b", "a|b", "a?b", "a*b", "tab\tb", "x".repeat(256)]) {
            assert.deepStrictEqual(errorOf(yield* upload({ filename })), invalid, filename)
          }
          for (
            const filename of [
              "x".repeat(255),
              "ü".repeat(255),
              "a%22b.txt",
              " a ",
              "..",
              ".hidden",
              "a'b",
              "日本語.pdf"
            ]
          ) {
            assert.strictEqual((yield* upload({ filename })).json.filename, filename)
          }
        })))

      it.effect("keeps the last component of a path in the GA dialect, and refuses paths in the beta dialect", () =>
        on(Effect.gen(function*() {
          assert.strictEqual((yield* upload({ filename: "../../etc/passwd" })).json.filename, "passwd")
          assert.strictEqual((yield* upload({ filename: "C:\\temp\\a.txt" })).json.filename, "a.txt")
          assert.strictEqual((yield* upload({ filename: "", type: "application/pdf" })).json.filename, "unnamed.pdf")
          for (const filename of ["a/b.txt", "a\\b.txt", ""]) {
            assert.deepStrictEqual(errorOf(yield* upload({ filename }, { headers: beta })), invalid, filename)
          }
          const nameless = multipart([{ name: "file", content: "%PDF-1.4", type: "application/pdf" }])
          assert.strictEqual((yield* call("POST", "/v1/files", { body: nameless })).json.filename, "unnamed.pdf")
        })))

      it.effect("takes expires_in_seconds between an hour and ninety days, as decimal text", () =>
        on(Effect.gen(function*() {
          for (const seconds of ["3599", "7776001", "0", "-1", "1e5", "3600.5", "", " 3600", "abc", "99999999999"]) {
            const answer = yield* upload({}, { fields: { expires_in_seconds: seconds } })
            assert.deepStrictEqual(errorOf(answer), invalid, seconds)
          }
          for (const seconds of ["3600", "7776000"]) {
            const file = (yield* upload({}, { fields: { expires_in_seconds: seconds } })).json
            const life = DateTime.makeUnsafe(file.expires_at ?? "").epochMilliseconds
              - DateTime.makeUnsafe(file.created_at).epochMilliseconds
            assert.strictEqual(life, Number(seconds) * 1000)
          }
        })))

      it.effect("refuses what is not an upload", () =>
        on(Effect.gen(function*() {
          const type = "multipart/form-data; boundary=b"
          const raw = (body: string, contentType: string) =>
            call("POST", "/v1/files", { body: HttpBody.text(body, contentType) })
          for (
            const [body, contentType] of [
              ["{}", "application/json"],
              ["", type],
              ["garbage", type],
              ["--b\r\n", type],
              ["--b--\r\n", type],
              ["--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhello", type],
              ["--b\r\ncontent-disposition form-data\r\n\r\nhello\r\n--b--\r\n", type],
              ["--b\r\ncontent-disposition: form-data\r\n\r\nhello\r\n--b--\r\n", type],
              ["--b\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\nhello\r\n--b--\r\n", type],
              ["--b--\r\n", "multipart/form-data"]
            ] as const
          ) {
            assert.deepStrictEqual(errorOf(yield* raw(body, contentType)), invalid, `${contentType}: ${body}`)
          }
          const twice = multipart([
            { name: "file", filename: "a", content: "a" },
            { name: "file", filename: "b", content: "b" }
          ])
          assert.deepStrictEqual(errorOf(yield* call("POST", "/v1/files", { body: twice })), invalid)
          const emulator = yield* Emulator
          assert.deepStrictEqual(yield* emulator.files, [])
        })))
    })

    describe("content, deletion and expiry", () => {
      it.effect("serves only downloadable files, as attachments", () =>
        on(Effect.gen(function*() {
          const emulator = yield* Emulator
          const own = (yield* upload()).json.id
          assert.deepStrictEqual(errorOf(yield* get(`/v1/files/${own}/content`)), {
            ...invalid,
            code: "file_not_downloadable"
          })
          const { id } = yield* emulator.seed({ filename: "a \"b\" (1) ü.csv", content: "a,b\n", downloadable: true })
          const answer = yield* get(`/v1/files/${id}/content`, { headers: { accept: "application/binary" } })
          assert.strictEqual(answer.status, 200)
          assert.strictEqual(answer.text, "a,b\n")
          assert.strictEqual(answer.headers["content-type"], "text/csv")
          assert.strictEqual(answer.headers["content-length"], "4")
          assert.strictEqual(answer.headers["x-content-type-options"], "nosniff")
          assert.strictEqual(
            answer.headers["content-disposition"],
            "attachment; filename*=UTF-8''a%20%22b%22%20%281%29%20%C3%BC.csv"
          )
        })))

      it.effect("deletes a file, which then does not exist", () =>
        on(Effect.gen(function*() {
          const { id } = (yield* upload()).json
          const gone = { status: 404, type: "not_found_error" }
          assert.deepStrictEqual<unknown>((yield* call("DELETE", `/v1/files/${id}`)).json, {
            id,
            type: "file_deleted"
          })
          assert.deepStrictEqual(errorOf(yield* call("DELETE", `/v1/files/${id}`)), gone)
          assert.deepStrictEqual(errorOf(yield* get(`/v1/files/${id}`)), gone)
          assert.deepStrictEqual(errorOf(yield* get(`/v1/files/${id}/content`)), gone)
          assert.deepStrictEqual((yield* get("/v1/files")).json.data, [])
        })))

      it.effect("drops the content of an expired file, and its metadata 30 days later", () =>
        on(Effect.gen(function*() {
          const emulator = yield* Emulator
          const { id } = (yield* upload({ content: "x".repeat(100) }, { fields: { expires_in_seconds: "3600" } })).json
          const made = yield* emulator.seed({ filename: "m", content: "m", downloadable: true, expiresIn: "1 hour" })
          yield* emulator.advance("59 minutes")
          assert.strictEqual((yield* get(`/v1/files/${made.id}/content`)).text, "m")
          yield* emulator.advance("1 minute")
          for (const file of [id, made.id]) {
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files/${file}/content`)), {
              status: 404,
              type: "not_found_error",
              code: "file_expired"
            })
            assert.strictEqual((yield* get(`/v1/files/${file}`)).status, 200)
          }
          assert.strictEqual((yield* get("/v1/files")).json.data.length, 2)
          yield* emulator.advance("29 days")
          assert.strictEqual((yield* get("/v1/files")).json.data.length, 2)
          yield* emulator.advance("1 day")
          assert.deepStrictEqual((yield* get("/v1/files")).json.data, [])
          assert.deepStrictEqual(errorOf(yield* get(`/v1/files/${id}`)), { status: 404, type: "not_found_error" })
        })))
    })

    describe("errors", () => {
      it.effect("come in the envelope for unknown routes and methods", () =>
        on(Effect.gen(function*() {
          assert.deepStrictEqual(errorOf(yield* get("/")), { status: 404, type: "not_found_error" })
          assert.deepStrictEqual(errorOf(yield* get("/v1/nothing")), { status: 404, type: "not_found_error" })
          assert.deepStrictEqual(errorOf(yield* get("/v1/files/a/b/c")), { status: 404, type: "not_found_error" })
          const wrong = yield* call("PUT", "/v1/files")
          assert.deepStrictEqual(errorOf(wrong), { status: 405, type: "invalid_request_error" })
          assert.strictEqual(wrong.headers.allow, "POST, GET")
          assert.strictEqual((yield* call("PATCH", "/v1/files/x")).status, 405)
        })))

      it.effect("ignore unknown query parameters", () =>
        on(Effect.gen(function*() {
          assert.strictEqual((yield* get("/v1/files?beta=true&x=1&x=2")).status, 200)
        })))
    })

    describe("keys", () => {
      it.effect("are accepted in both headers, and required", () =>
        on(Effect.gen(function*() {
          const emulator = yield* Emulator
          const key = Redacted.value(emulator.apiKey)
          const unauthorized = { status: 401, type: "authentication_error" }
          const status = (headers: Record<string, string>) => get("/v1/files", { key: null, headers })
          assert.strictEqual((yield* status({ authorization: `Bearer ${key}` })).status, 200)
          assert.strictEqual((yield* status({ "x-api-key": key })).status, 200)
          assert.strictEqual((yield* status({ "x-api-key": key, authorization: `Bearer ${key}` })).status, 200)
          assert.strictEqual((yield* status({ "x-api-key": "", authorization: `bearer ${key}` })).status, 200)
          for (
            const headers of [
              {},
              { "x-api-key": "" },
              { "x-api-key": `${key}x` },
              { "x-api-key": key.slice(0, -1) },
              { authorization: key },
              { authorization: "Bearer " },
              { authorization: "Bearer nope" }
            ] as ReadonlyArray<Record<string, string>>
          ) {
            const answer = yield* status(headers)
            assert.deepStrictEqual(errorOf(answer), unauthorized)
            assert.notInclude(answer.text, key)
          }
          assert.isFalse(JSON.stringify(yield* emulator.requests).includes(key))
        })))

      it.effect("reach their own workspace only", () =>
        on(
          Effect.gen(function*() {
            const one = { key: "key-one" }
            const two = { key: "key-two" }
            const gone = { status: 404, type: "not_found_error" }
            const answer = yield* upload({}, one)
            const { id } = answer.json
            assert.strictEqual(answer.headers["anthropic-workspace-id"], "wrkspc_one")
            assert.isString(answer.headers["anthropic-organization-id"])
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files/${id}`, two)), gone)
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files/${id}/content`, two)), gone)
            assert.deepStrictEqual(errorOf(yield* call("DELETE", `/v1/files/${id}`, two)), gone)
            assert.deepStrictEqual((yield* get("/v1/files", two)).json.data, [])
            assert.deepStrictEqual((yield* get(`/v1/files?ids[]=${id}`, two)).json.data, [])
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files?after_id=${id}`, { ...two, headers: beta })), gone)
            const both = (workspace: string) => ({ key: "key-both", headers: { "anthropic-workspace-id": workspace } })
            assert.strictEqual((yield* get("/v1/files", both("wrkspc_one"))).json.data.length, 1)
            assert.strictEqual((yield* get("/v1/files", both("wrkspc_two"))).json.data.length, 0)
            assert.deepStrictEqual(errorOf(yield* get("/v1/files", both("wrkspc_three"))), {
              status: 403,
              type: "permission_error"
            })
          }),
          twoKeys
        ))

      it.effect("need a version, and any version is accepted", () =>
        on(Effect.gen(function*() {
          assert.strictEqual((yield* get("/v1/files", { headers: { "anthropic-version": "2026-10-21" } })).status, 200)
          assert.deepStrictEqual(errorOf(yield* get("/v1/files", { headers: { "anthropic-version": "" } })), invalid)
        })))
    })

    describe("listing", () => {
      const ids = (page: { readonly data: ReadonlyArray<{ readonly id: string }> }) => page.data.map((file) => file.id)

      const fill = Effect.fnUntraced(function*(count: number) {
        const emulator = yield* Emulator
        const made: Array<string> = []
        for (let i = 0; i < count; i++) made.unshift((yield* emulator.seed({ filename: `${i}.txt` })).id)
        return made
      })

      it.effect("pages through all files, newest first", () =>
        on(Effect.gen(function*() {
          const all = yield* fill(25)
          const first = (yield* get("/v1/files")).json
          assert.deepStrictEqual(ids(first), all.slice(0, 20))
          const second = (yield* get(`/v1/files?page=${first.next_page}`)).json
          assert.deepStrictEqual(ids(second), all.slice(20))
          assert.isNull(second.next_page)
          const exact = (yield* get("/v1/files?limit=25")).json
          assert.deepStrictEqual(ids(exact), all)
          assert.isNull(exact.next_page)
        })))

      it.effect("keeps its place while files come and go", () =>
        on(Effect.gen(function*() {
          const all = yield* fill(10)
          const first = (yield* get("/v1/files?limit=4")).json
          yield* fill(3)
          // The file that the cursor was made from, one behind it and one ahead of it.
          for (const i of [3, 1, 5]) yield* call("DELETE", `/v1/files/${all[i]}`)
          const rest = (yield* get(`/v1/files?limit=100&page=${first.next_page}`)).json
          assert.deepStrictEqual(ids(rest), [all[4], ...all.slice(6)])
        })))

      it.effect("pages both ways in the beta dialect", () =>
        on(Effect.gen(function*() {
          const all = yield* fill(7)
          const page = (query: string) =>
            Effect.map(get(`/v1/files?${query}`, { headers: beta }), (answer) => answer.json)
          const middle = yield* page(`limit=2&after_id=${all[1]}`)
          assert.deepStrictEqual<unknown>(middle, {
            data: middle.data,
            has_more: true,
            first_id: all[2],
            last_id: all[3]
          })
          const before = yield* page(`limit=2&before_id=${all[4]}`)
          assert.deepStrictEqual(ids(before), all.slice(2, 4))
          assert.isTrue(before.has_more)
          const start = yield* page(`limit=4&before_id=${all[4]}`)
          assert.deepStrictEqual(ids(start), all.slice(0, 4))
          assert.isFalse(start.has_more)
          const end = yield* page(`after_id=${all[6]}`)
          assert.deepStrictEqual<unknown>(end, { data: [], has_more: false, first_id: null, last_id: null })
          yield* call("DELETE", `/v1/files/${all[3]}`)
          assert.deepStrictEqual(ids(yield* page(`after_id=${all[3]}`)), all.slice(4))
        })))

      it.effect("takes up to 100 ids, in one page", () =>
        on(Effect.gen(function*() {
          const all = yield* fill(120)
          const query = (list: ReadonlyArray<string>) => list.map((id) => `ids%5B%5D=${id}`).join("&")
          const some =
            (yield* get(`/v1/files?${query([all[5] ?? "", all[2] ?? "", all[5] ?? "", "file_unknown"])}`)).json
          assert.deepStrictEqual(ids(some), [all[2], all[5]])
          assert.isNull(some.next_page)
          const hundred = all.slice(0, 100)
          assert.strictEqual((yield* get(`/v1/files?${query([...hundred, ...hundred])}`)).json.data.length, 100)
          assert.deepStrictEqual(errorOf(yield* get(`/v1/files?${query(all.slice(0, 101))}`)), invalid)
          assert.deepStrictEqual(errorOf(yield* get(`/v1/files?limit=5&${query(hundred)}`)), invalid)
          assert.deepStrictEqual(errorOf(yield* get(`/v1/files?page=x&${query(hundred)}`)), invalid)
        })))

      it.effect("refuses parameters of the other dialect, and values out of bounds", () =>
        on(Effect.gen(function*() {
          const [id] = yield* fill(1)
          for (const query of [`after_id=${id}`, `before_id=${id}`]) {
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files?${query}`)), invalid, query)
          }
          for (const query of ["page=x", "ids[]=x", `after_id=${id}&before_id=${id}`]) {
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files?${query}`, { headers: beta })), invalid, query)
          }
          for (const limit of ["0", "-1", "1001", "abc", "1.5", "", "NaN", "1e2", "0x10", "%205", "5&limit=6"]) {
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files?limit=${limit}`)), invalid, limit)
          }
          assert.strictEqual((yield* get("/v1/files?limit=1000")).status, 200)
          for (const page of ["", "1", "page_", "page_00000000000z", "page_zzzzzzzzzzzz", "%00"]) {
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files?page=${page}`)), invalid, page)
          }
          assert.deepStrictEqual(errorOf(yield* get("/v1/files?after_id=file_unknown", { headers: beta })), {
            status: 404,
            type: "not_found_error"
          })
        })))

      it.effect("refuses a cursor of another emulator or another workspace", () =>
        on(
          Effect.gen(function*() {
            const emulator = yield* Emulator
            for (const workspace of ["wrkspc_one", "wrkspc_two"]) {
              for (let i = 0; i < 3; i++) yield* emulator.seed({ filename: "f", workspace })
            }
            const cursor = (yield* get("/v1/files?limit=1", { key: "key-one" })).json.next_page
            const other = yield* get("/v1/files?limit=1").pipe(
              Effect.andThen(Effect.flatMap(Emulator, (emulator) => emulator.seed({ filename: "f" }))),
              Effect.andThen(Effect.flatMap(Emulator, (emulator) => emulator.seed({ filename: "f" }))),
              Effect.andThen(get("/v1/files?limit=1")),
              Effect.provide(reach())
            )
            assert.isString(other.json.next_page)
            assert.deepStrictEqual(errorOf(yield* get(`/v1/files?page=${cursor}`, { key: "key-two" })), invalid)
            assert.deepStrictEqual(
              errorOf(yield* get(`/v1/files?page=${other.json.next_page}`, { key: "key-one" })),
              invalid
            )
          }),
          twoKeys
        ))
    })

    it.effect("records requests with method, path, headers and body", () =>
      on(Effect.gen(function*() {
        const emulator = yield* Emulator
        yield* upload({ filename: "r.txt", content: "12345" }, { fields: { purpose: "p" } })
        yield* post("/v1/messages/count_tokens", { model: "m", messages: [] })
        yield* get("/v1/nothing?q=1")
        const [first, second, third] = yield* emulator.requests
        assert.strictEqual(first?.operation, "upload")
        assert.strictEqual(first?.method, "POST")
        assert.strictEqual(first?.path, "/v1/files")
        assert.strictEqual(first?.status, 200)
        assert.strictEqual(first?.headers["x-api-key"], "<redacted>")
        assert.strictEqual(first?.headers["anthropic-version"], "2023-06-01")
        assert.deepStrictEqual(first?.body, {
          parts: [
            { name: "purpose", value: "p" },
            { name: "file", filename: "r.txt", contentType: "text/plain", size: 5 }
          ]
        })
        assert.deepStrictEqual(second?.body, { json: { model: "m", messages: [] } })
        assert.strictEqual(third?.url, "/v1/nothing?q=1")
        assert.strictEqual(third?.status, 404)
        assert.isUndefined(third?.operation)
        yield* emulator.reset
        assert.deepStrictEqual(yield* emulator.requests, [])
        assert.deepStrictEqual(yield* emulator.files, [])
      })))
  })
}
