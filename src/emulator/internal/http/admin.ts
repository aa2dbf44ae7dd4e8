/**
 * The admin route: controls an emulator over HTTP. It is off by default, and always needs a key.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Schema from "effect/Schema"
import type { InvalidConfig } from "../../../FilesError.ts"
import * as Fault from "../../Fault.ts"
import * as Rule from "../../Rule.ts"
import type { FileRecord } from "../../Store.ts"
import type { Armed } from "../faults.ts"
import { timestamp, toWire } from "../files/operations.ts"
import type { Counted } from "../model/rules.ts"
import * as Strict from "../strict.ts"
import { Advance, Issue, Mount, Seed, Which } from "./adminSchemas.ts"
import { fileNotFound, invalidRequest } from "./apiError.ts"
import { readJson } from "./body.ts"
import type * as Control from "./control.ts"
import type { OperationWith } from "./endpoints.ts"
import type { Handlers } from "./handler.ts"
import { openApi } from "./openApi.ts"
import type { IssuedToken } from "./tokens.ts"

/** Enough to seed a file of 48 MB in Base64. */
const maxBodyBytes = 64 * 1024 * 1024

const invalid = (error: InvalidConfig) => invalidRequest(error.message)

const bodyOf = <A>(name: string, schema: Schema.Codec<A, unknown>) => {
  const decode = Strict.decode(name, schema)
  return Effect.flatMap(readJson(maxBodyBytes, {}), (body) => Effect.mapError(decode(body), invalid))
}

const seedBody = bodyOf("file", Seed)
const advanceBody = bodyOf("clock", Advance)
const issueBody = bodyOf("token", Issue)
const whichBody = bodyOf("tokens", Which)
const mountBody = bodyOf("file", Mount)
const faultsBody = Effect.flatMap(readJson(maxBodyBytes), (body) => Effect.mapError(Fault.decode(body), invalid))

const attachment = { "content-disposition": "attachment", "x-content-type-options": "nosniff" }

const rulesBody = Effect.flatMap(readJson(maxBodyBytes), (body) => Effect.mapError(Rule.decode(body), invalid))

const json = (body: unknown) => HttpServerResponse.jsonUnsafe(body)

const done = json({})

const clockJson = (now: number) => json({ now: timestamp(now) })

const armedJson = ({ fault, hits }: Armed) => ({ ...fault, hits })

const countedJson = ({ hits, rule }: Counted) => ({ ...rule, hits })

const tokenJson = ({ accessToken, expiresAt, issuedAt, refreshToken, revoked, workspaces }: IssuedToken) => ({
  access_token: accessToken,
  refresh_token: refreshToken ?? null,
  workspaces,
  issued_at: timestamp(issuedAt),
  expires_at: expiresAt === null ? null : timestamp(expiresAt),
  revoked
})

const fileJson = (file: FileRecord) => ({
  ...toWire(file, "ga"),
  workspace: file.workspace,
  expired: file.expired
})

export const make = (control: Control.Control): Pick<Handlers, OperationWith<"admin">> => ({
  openApi: () => Effect.sync(() => json(openApi())),
  adminFiles: () => Effect.map(control.files, (files) => json({ data: files.map(fileJson) })),
  adminSeed: () =>
    Effect.gen(function*() {
      const { content, content_base64: bytes, created_at, expires_in_seconds, mime_type, ...rest } = yield* seedBody
      if (content !== undefined && bytes !== undefined) {
        return yield* invalidRequest("file: content and content_base64 exclude each other.")
      }
      const seeded = yield* control.seed({
        ...rest,
        content: bytes ?? content,
        mimeType: mime_type,
        createdAt: created_at,
        expiresIn: expires_in_seconds === undefined ? undefined : Duration.seconds(expires_in_seconds)
      })
      return json(fileJson(seeded))
    }),
  adminContent: ({ params }) =>
    Effect.gen(function*() {
      const content = yield* control.content(params.file_id)
      if (content === undefined) return yield* fileNotFound(params.file_id)
      return HttpServerResponse.uint8Array(content, { contentType: "application/octet-stream", headers: attachment })
    }),
  adminMount: ({ params }) =>
    Effect.gen(function*() {
      const { file_id: id } = yield* mountBody
      const copy = yield* control.mount(id, params.session_id).pipe(
        Effect.catchTag("MountFailed", ({ message, reason }) =>
          reason === "SessionFull" ? invalidRequest(message) : fileNotFound(id))
      )
      return json(fileJson(copy))
    }),
  adminRequests: () => Effect.map(control.requests, (requests) => json({ data: requests })),
  adminFaults: () => Effect.map(control.armedFaults, (armed) => json({ data: armed.map(armedJson) })),
  adminSetFaults: () => Effect.as(Effect.flatMap(faultsBody, control.setFaults), done),
  adminAddFaults: () =>
    Effect.as(
      Effect.flatMap(faultsBody, (faults) => Effect.forEach(faults, control.addFault, { discard: true })),
      done
    ),
  adminClearFaults: () => Effect.as(control.setFaults([]), done),
  adminRules: () => Effect.map(control.countedRules, (counted) => json({ data: counted.map(countedJson) })),
  adminSetRules: () => Effect.as(Effect.flatMap(rulesBody, control.setRules), done),
  adminAddRules: () =>
    Effect.as(
      Effect.flatMap(rulesBody, (rules) => Effect.forEach(rules, control.addRule, { discard: true })),
      done
    ),
  adminClearRules: () => Effect.as(control.setRules([]), done),
  adminClock: () => Effect.map(control.now, clockJson),
  adminAdvance: () =>
    Effect.gen(function*() {
      const { advance } = yield* advanceBody
      yield* control.advance(advance)
      return clockJson(yield* control.now)
    }),
  adminTokens: () => Effect.map(control.tokens, (tokens) => json({ data: tokens.map(tokenJson) })),
  adminIssueToken: () => Effect.map(Effect.flatMap(issueBody, control.issueToken), (token) => json(tokenJson(token))),
  adminExpireTokens: () => Effect.as(Effect.flatMap(whichBody, ({ token }) => control.expireTokens(token)), done),
  adminRevokeTokens: () => Effect.as(Effect.flatMap(whichBody, ({ token }) => control.revokeTokens(token)), done),
  adminReset: () => Effect.as(control.reset, done)
})
