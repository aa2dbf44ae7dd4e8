import { describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, type FileSystem, type Layer, type Path, type Scope, type Stream, type Types } from "effect"
import {
  type ContentBlock,
  type FileMetadata,
  Files,
  type FilesError,
  FileSource,
  type Messages
} from "effect-anthropic-files"
import type * as NodeFiles from "effect-anthropic-files/NodeFiles"
import type { HttpClient } from "effect/http"

// Checked by `tsc`; running them shows only that they load.

type Service = Files.Files["Service"]

interface ErrorsOf {
  readonly upload: Effect.Error<ReturnType<Service["upload"]>>
  readonly list: Stream.Error<ReturnType<Service["list"]>>
  readonly listPage: Effect.Error<ReturnType<Service["listPage"]>>
  readonly metadata: Effect.Error<ReturnType<Service["metadata"]>>
  readonly download: Stream.Error<ReturnType<Service["download"]>>
  readonly delete: Effect.Error<ReturnType<Service["delete"]>>
}

/** The tags that `Effect.catchTag` accepts for an operation. Any other one does not compile. */
type Catchable<Operation extends keyof ErrorsOf> = Types.Tags<ErrorsOf[Operation]>

/** What `catchTag` of the operation refuses. */
type Uncatchable<Operation extends keyof ErrorsOf> = Exclude<FilesError.FilesError["_tag"], Catchable<Operation>>

type OptionalKeys<A> = { [K in keyof A]-?: Record<never, never> extends Pick<A, K> ? K : never }[keyof A]

declare const id: FileMetadata.FileId

describe("each operation fails with its own errors only", () => {
  it("upload", () => {
    expectTypeOf<ErrorsOf["upload"]>().toEqualTypeOf<FilesError.UploadError>()
    expectTypeOf<Catchable<"upload">>().toEqualTypeOf<
      | "InvalidFilename"
      | "InvalidFileType"
      | "FileTooLarge"
      | "SourceFailed"
      | "StorageLimitExceeded"
      | "RateLimited"
      | "TransferInterrupted"
      | "RequestFailed"
    >()
    expectTypeOf<Uncatchable<"upload">>().toEqualTypeOf<
      "FileNotFound" | "FileExpired" | "FileNotDownloadable" | "ContextWindowExceeded"
    >()
  })

  it("list and listPage", () => {
    expectTypeOf<ErrorsOf["list"]>().toEqualTypeOf<FilesError.ListError>()
    expectTypeOf<ErrorsOf["listPage"]>().toEqualTypeOf<FilesError.ListError>()
    expectTypeOf<Catchable<"list">>().toEqualTypeOf<"RateLimited" | "RequestFailed">()
    expectTypeOf<"FileNotFound">().toExtend<Uncatchable<"list">>()
    expectTypeOf<"FileNotFound">().toExtend<Uncatchable<"listPage">>()
  })

  it("metadata", () => {
    expectTypeOf<ErrorsOf["metadata"]>().toEqualTypeOf<FilesError.MetadataError>()
    expectTypeOf<Catchable<"metadata">>().toEqualTypeOf<"FileNotFound" | "RateLimited" | "RequestFailed">()
    expectTypeOf<"FileTooLarge" | "FileExpired" | "StorageLimitExceeded">().toExtend<Uncatchable<"metadata">>()
  })

  it("download", () => {
    expectTypeOf<ErrorsOf["download"]>().toEqualTypeOf<FilesError.DownloadError>()
    expectTypeOf<Catchable<"download">>().toEqualTypeOf<
      "FileNotFound" | "FileExpired" | "FileNotDownloadable" | "RateLimited" | "TransferInterrupted" | "RequestFailed"
    >()
    expectTypeOf<"FileTooLarge" | "SourceFailed" | "InvalidFilename">().toExtend<Uncatchable<"download">>()
  })

  it("delete", () => {
    expectTypeOf<ErrorsOf["delete"]>().toEqualTypeOf<FilesError.DeleteError>()
    expectTypeOf<Catchable<"delete">>().toEqualTypeOf<"FileNotFound" | "RateLimited" | "RequestFailed">()
    expectTypeOf<"FileExpired" | "FileNotDownloadable">().toExtend<Uncatchable<"delete">>()
  })

  it("FilesError is the union of what the operations raise", () => {
    expectTypeOf<ErrorsOf[keyof ErrorsOf]>().toExtend<FilesError.FilesError>()
    expectTypeOf<FilesError.ErrorOf["upload"]>().toEqualTypeOf<FilesError.UploadError>()
    expectTypeOf<FilesError.ErrorOf[FilesError.Operation]>().toExtend<FilesError.FilesError>()
    expectTypeOf<keyof FilesError.ErrorOf>().toEqualTypeOf<FilesError.Operation>()
  })

  it("catching all tags of an operation leaves no error", () => {
    const caught = () =>
      Files.metadata(id).pipe(
        Effect.catchTags({
          FileNotFound: () => Effect.succeed("gone"),
          RateLimited: () => Effect.succeed("later"),
          RequestFailed: () => Effect.succeed("failed")
        })
      )
    expectTypeOf(caught).returns.toEqualTypeOf<Effect.Effect<FileMetadata.FileMetadata | string, never, Files.Files>>()
  })

  it("catching one tag leaves the others", () => {
    const caught = () => Files.metadata(id).pipe(Effect.catchTag("FileNotFound", () => Effect.succeed("gone" as const)))
    expectTypeOf(caught).returns.toEqualTypeOf<
      Effect.Effect<
        FileMetadata.FileMetadata | "gone",
        FilesError.RateLimited | FilesError.RequestFailed,
        Files.Files
      >
    >()
  })

  it("a reason is one of eleven", () => {
    expectTypeOf<FilesError.RequestFailed["reason"]["_tag"]>().toEqualTypeOf<
      | "Unauthorized"
      | "PermissionDenied"
      | "BillingBlocked"
      | "InvalidRequest"
      | "Overloaded"
      | "ServerFailed"
      | "Unreachable"
      | "TimedOut"
      | "CircuitOpen"
      | "CredentialsFailed"
      | "UnexpectedResponse"
    >()
    const unwrapped = () => Effect.unwrapReason(Files.metadata(id), "RequestFailed")
    expectTypeOf<Effect.Error<ReturnType<typeof unwrapped>>>().toEqualTypeOf<
      FilesError.FileNotFound | FilesError.RateLimited | FilesError.Reason
    >()
  })

  it("every error says whether a retry helps and whether the outcome is known", () => {
    expectTypeOf<FilesError.FilesError["isRetryable"]>().toEqualTypeOf<boolean>()
    expectTypeOf<FilesError.FilesError["isOutcomeUnknown"]>().toEqualTypeOf<boolean>()
    expectTypeOf<FilesError.FilesError["requestId"]>().toEqualTypeOf<string | undefined>()
    expectTypeOf<FilesError.FilesError["status"]>().toEqualTypeOf<number | undefined>()
    expectTypeOf<FilesError.FilesError["operation"]>().toEqualTypeOf<FilesError.Operation>()
  })
})

describe("an upload asks for what its source needs", () => {
  type Needs<A> = A extends (...args: ReadonlyArray<never>) => Effect.Effect<unknown, unknown, infer R> ? R
    : "no Effect"

  class Letters {
    readonly _ = "letters"
  }

  it("a path needs the file system, a URL an HttpClient, and nothing else needs anything", () => {
    const path = () => Files.upload(FileSource.path("a.txt"))
    expectTypeOf<Needs<typeof path>>().toEqualTypeOf<Files.Files | FileSystem.FileSystem>()
    const url = () => Files.upload(FileSource.url("https://example.com/a.txt"))
    expectTypeOf<Needs<typeof url>>().toEqualTypeOf<Files.Files | HttpClient.HttpClient>()
    const bytes = () => Files.upload(FileSource.bytes(new Uint8Array(), "a"))
    expectTypeOf<Needs<typeof bytes>>().toEqualTypeOf<Files.Files>()
    const text = () => Files.upload(FileSource.text("a", "a"))
    expectTypeOf<Needs<typeof text>>().toEqualTypeOf<Files.Files>()
    const blob = () => Files.upload(FileSource.blob(new Blob()))
    expectTypeOf<Needs<typeof blob>>().toEqualTypeOf<Files.Files>()
    const readable = (stream: ReadableStream<Uint8Array>) =>
      Files.upload(FileSource.readableStream(stream, { filename: "a" }))
    expectTypeOf<Needs<typeof readable>>().toEqualTypeOf<Files.Files>()
  })

  it("a stream's own needs are the upload's; its failure is not", () => {
    const stream = (content: Stream.Stream<Uint8Array, "broken", Letters>) =>
      Files.upload(FileSource.stream(content, { filename: "a" }))
    expectTypeOf<Needs<typeof stream>>().toEqualTypeOf<Files.Files | Letters>()
    expectTypeOf<Effect.Error<ReturnType<typeof stream>>>().toEqualTypeOf<FilesError.UploadError>()
  })

  it("the service's own upload needs what its source needs, and no more", () => {
    const upload = (files: Service) => files.upload(FileSource.path("a.txt"))
    expectTypeOf<Needs<typeof upload>>().toEqualTypeOf<FileSystem.FileSystem>()
    const bytes = (files: Service) => files.upload(FileSource.bytes(new Uint8Array(), "a"))
    expectTypeOf<Needs<typeof bytes>>().toBeNever()
  })

  it("FileSource.tap adds what its effect needs", () => {
    const tapped = (effect: Effect.Effect<void, never, Letters>) =>
      FileSource.tap(FileSource.path("a.txt"), () => effect)
    expectTypeOf(tapped).returns.toEqualTypeOf<FileSource.FileSource<FileSystem.FileSystem | Letters>>()
  })

  it("a source that needs more does not pass for one that needs nothing", () => {
    expectTypeOf<FileSource.FileSource>().toExtend<FileSource.FileSource<FileSystem.FileSystem>>()
    expectTypeOf<FileSource.FileSource<FileSystem.FileSystem>>().not.toExtend<FileSource.FileSource>()
    expectTypeOf<Effect.Services<FileSource.FileSource["open"]>>().toEqualTypeOf<Scope.Scope>()
  })
})

describe("requests of messages", () => {
  it("have no field but the documented ones, so that a misspelt one does not compile", () => {
    expectTypeOf<string>().not.toExtend<keyof Messages.Request>()
    expectTypeOf<string>().not.toExtend<keyof Messages.Params>()
    expectTypeOf<string>().not.toExtend<keyof Messages.MessageParam>()
    // The names that any member of a union has.
    type Fields<A> = A extends unknown ? keyof A : never
    expectTypeOf<string>().not.toExtend<Fields<Messages.BlockParam>>()
    expectTypeOf<string>().not.toExtend<Fields<Messages.DocumentParam["source"]>>()
    expectTypeOf<"temprature">().not.toExtend<keyof Messages.Request>()
    expectTypeOf<"temperature">().toExtend<keyof Messages.Request>()
  })

  it("refuse a type that does not exist and a source without its file", () => {
    type Block<Type, Source> = { readonly type: Type; readonly source: Source; readonly text: string }
    type File = { readonly type: "file"; readonly file_id: string }
    expectTypeOf<Block<"document", File>>().toExtend<Messages.BlockParam>()
    expectTypeOf<Block<"document", { readonly type: "file"; readonly fileid: string }>>().not.toExtend<
      Messages.BlockParam
    >()
    expectTypeOf<Block<"tekst", File>>().not.toExtend<Messages.BlockParam>()
    expectTypeOf<Block<string, File>>().not.toExtend<Messages.BlockParam>()
  })

  it("take undefined for every optional field", () => {
    type Undefined<A> = { readonly [K in OptionalKeys<A>]: undefined }
    expectTypeOf<Undefined<Messages.Params>>().toExtend<Partial<Messages.Params>>()
    expectTypeOf<Undefined<Messages.DocumentParam>>().toExtend<Partial<Messages.DocumentParam>>()
    expectTypeOf<Undefined<Messages.ToolResultParam>>().toExtend<Partial<Messages.ToolResultParam>>()
  })

  it("take blocks of ContentBlock and of an answer", () => {
    expectTypeOf<ContentBlock.ContentBlock>().toExtend<Messages.BlockParam>()
    expectTypeOf<Messages.Block>().toExtend<Messages.BlockParam>()
  })
})

describe("layers", () => {
  it("the portable ones need an HttpClient, Node's need nothing", () => {
    expectTypeOf(Files.layer).returns.toEqualTypeOf<
      Layer.Layer<Files.Files, FilesError.InvalidConfig, HttpClient.HttpClient>
    >()
    expectTypeOf(Files.layerConfig).returns.toEqualTypeOf<
      Layer.Layer<Files.Files, FilesError.InvalidConfig, HttpClient.HttpClient>
    >()
    expectTypeOf<Layer.Services<ReturnType<typeof NodeFiles.layer>>>().toBeNever()
    expectTypeOf<Layer.Services<ReturnType<typeof NodeFiles.layerConfig>>>().toBeNever()
    expectTypeOf<Files.Files | HttpClient.HttpClient | FileSystem.FileSystem | Path.Path>().toExtend<
      Layer.Success<ReturnType<typeof NodeFiles.layer>>
    >()
  })
})

describe("values", () => {
  it("a plain string does not pass for a file id", () => {
    expectTypeOf<string>().not.toExtend<FileMetadata.FileId>()
    expectTypeOf<FileMetadata.FileId>().toExtend<string>()
    expectTypeOf(Files.metadata).parameter(0).toEqualTypeOf<FileMetadata.FileId>()
    expectTypeOf(Files.download).parameter(0).toEqualTypeOf<FileMetadata.FileId>()
    expectTypeOf(Files.delete).parameter(0).toEqualTypeOf<FileMetadata.FileId>()
  })

  it("both dialects give one type of metadata, in which only purpose may be absent, and no field is undefined", () => {
    expectTypeOf<FileMetadata.FileMetadata["downloadable"]>().toEqualTypeOf<boolean>()
    expectTypeOf<undefined>().not.toExtend<FileMetadata.FileMetadata["expires_at"]>()
    expectTypeOf<OptionalKeys<FileMetadata.FileMetadata>>().toEqualTypeOf<"purpose">()
    expectTypeOf<{ readonly purpose: undefined }>().not.toExtend<Pick<FileMetadata.FileMetadata, "purpose">>()
  })

  it("a key is given as Redacted, and a string does not compile", () => {
    expectTypeOf<string>().not.toExtend<Files.Options["apiKey"]>()
    expectTypeOf<string>().not.toExtend<Files.Options["authToken"]>()
  })
})
