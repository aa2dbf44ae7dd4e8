/**
 * What the upload cache asks of a client besides its public operations. It travels with the `Files` service itself, a
 * copy such as `{ ...files, delete: … }` included, so that nobody's own `Files` has to have it.
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
  /** Where it is absent, any type counts. */
  readonly mimeType?: string | undefined
  readonly expiresIn?: Duration.Input | undefined
  /** When it began, epoch milliseconds by the clock of this machine. */
  readonly since: number
}

export interface Internals {
  /**
   * The files that an upload with an unknown outcome may have left: those of its name, size, type and expiry that were
   * created since it began. `None` when that can't be told, among too many new files for example.
   */
  readonly findUploads: (
    sought: SoughtUpload
  ) => Effect.Effect<Option.Option<ReadonlyArray<FileMetadata>>, ListError>
  /**
   * Which files the client reaches: a SHA-256 in hex of the base URL and of whoever is asking. The same in every
   * process; neither can be read from it.
   */
  readonly identity: string
  /** Each is told of every file that this client deletes, or finds to be gone when it does. They can't fail it. */
  readonly deletionListeners: Set<(id: FileId) => Effect.Effect<void>>
}

const key = Symbol("effect-anthropic-files/internal/files/Internals")

export const withInternals = <A extends object>(files: A, internals: Internals): A =>
  Object.assign(files, { [key]: internals })

/** `undefined` for a `Files` that is not this package's client. */
export const internalsOf = (files: object): Internals | undefined =>
  key in files ? (files as { readonly [key]: Internals })[key] : undefined
