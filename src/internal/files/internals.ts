/**
 * What the upload cache needs from a client beyond its public operations. It is attached to the `Files` service itself,
 * and to copies such as `{ ...files, delete: … }`, so that other implementations of `Files` don't have to provide it.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import type { ListError } from "../../FilesError.ts"

/** An upload that may have been stored. */
export interface SoughtUpload {
  readonly filename: string
  /** Bytes. */
  readonly size: number
  /** If absent, any type matches. */
  readonly mimeType?: string | undefined
  readonly expiresIn?: Duration.Input | undefined
  /** When it began, epoch milliseconds by the clock of this machine. */
  readonly since: number
  /** Until when it can have been under way, by the same clock. */
  readonly until: number
}

export interface Internals {
  /**
   * The files that an upload with an unknown outcome may have left: those with its name, size, type and expiry that were
   * created while it can have been under way. `None` if that can't be determined, for example because there are too many new files.
   */
  readonly findUploads: (
    sought: SoughtUpload
  ) => Effect.Effect<Option.Option<ReadonlyArray<FileMetadata>>, ListError>
  /**
   * Identifies the files that the client reaches: a SHA-256 in hex of the base URL and the caller's identity, neither of
   * which can be read from it. The same in every process.
   */
  readonly identity: string
  /** Whether `null` for `expires_at` means that a file does not expire; the beta dialect never says. */
  readonly tellsExpiry: boolean
  /** Takes out of a text what must not be shown, should a server repeat it. */
  readonly scrub: (text: string) => string
  /** Each is called with every file that this client deletes, or finds gone on deletion. They can't fail the deletion. */
  readonly deletionListeners: Set<(id: FileId) => Effect.Effect<void>>
}

const key = Symbol("effect-anthropic-files/internal/files/Internals")

export const withInternals = <A extends object>(files: A, internals: Internals): A =>
  Object.assign(files, { [key]: internals })

/** `undefined` for a `Files` that this package did not make. */
export const internalsOf = (files: object): Internals | undefined =>
  key in files ? (files as { readonly [key]: Internals })[key] : undefined
