/**
 * The bodies of the admin route.
 */
import * as Schema from "effect/Schema"

const Wait = Schema.Union([Schema.DurationFromMillis, Schema.DurationFromString])

/** The body of `POST /_emulator/files`, in the words of the Files API. */
export const Seed = Schema.Struct({
  filename: Schema.String,
  content: Schema.optional(Schema.String),
  content_base64: Schema.optional(Schema.Uint8ArrayFromBase64),
  mime_type: Schema.optional(Schema.String),
  downloadable: Schema.optional(Schema.Boolean),
  expires_in_seconds: Schema.optional(Schema.Finite),
  created_at: Schema.optional(Schema.DateTimeUtcFromString),
  scope: Schema.optional(Schema.Struct({ id: Schema.String, type: Schema.String })),
  purpose: Schema.optional(Schema.String),
  workspace: Schema.optional(Schema.String),
  id: Schema.optional(Schema.String)
})

/** The body of `POST /_emulator/clock`. */
export const Advance = Schema.Struct({ advance: Wait })

/** The body of `POST /_emulator/tokens`. */
export const Issue = Schema.Struct({
  workspaces: Schema.optional(Schema.Array(Schema.String)),
  lifetime: Schema.optional(Schema.NullOr(Wait))
})

/** The body of `POST /_emulator/tokens/expire` and `/revoke`: one token, or all. */
export const Which = Schema.Struct({ token: Schema.optional(Schema.String) })

/** The body of `POST /_emulator/sessions/:session_id/files`. */
export const Mount = Schema.Struct({ file_id: Schema.String })
