import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import {
  ContentBlock,
  Credentials,
  FileMetadata,
  Files,
  FilesError,
  FileSource,
  Messages,
  Policy,
  Transfer,
  UploadCache,
  UploadStore
} from "effect-anthropic-files"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import * as NodeIngest from "effect-anthropic-files/fleet/NodeIngest"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { RateLimiter } from "effect/persistence"
import * as fs from "node:fs"

const page = "docs/errors.md"

const id = FileMetadata.FileId.make("file_011CNha8iCJcU1wXNR6q4V8w")
const report = FileSource.text("The lamp was lit on 359 nights.", "report.txt")
const upload = Files.upload(report)
const disk = Layer.merge(NodeFileSystem.layer, NodePath.layer)

/** A program over the client, and the answers that it gets. */
const answered = <A, E>(
  program: Effect.Effect<A, E, Files.Files | Messages.Messages>,
  answer: HttpMock.Answer,
  policy?: Policy.Policy
): Effect.Effect<A, unknown> => {
  const mock = HttpMock.layer(HttpMock.stub({}, answer))
  const transport = policy === undefined ? mock : Layer.provide(policy, mock)
  return Effect.provide(program, Layer.provide(FilesTest.layerClient({ idleTimeout: "30 seconds" }), transport))
}

const message = (content: ReadonlyArray<Messages.BlockParam>) =>
  Messages.create({ model: "claude-sonnet-5-5", max_tokens: 16, messages: [{ role: "user", content }] })

const inDirectory = <A, E, R>(program: (directory: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    return yield* Effect.mapError(
      program(directory),
      (error) => Object.assign(error as Error, { message: (error as Error).message.replaceAll(directory, "reports") })
    )
  }).pipe(Effect.scoped)

const chart = FilesTest.generated("chart.png", new Uint8Array(1000), { id })

const brokenStore = Layer.effect(RateLimiter.RateLimiterStore, Effect.fail("connect ECONNREFUSED" as const))

/** A program that fails with each tag. */
const failures: Record<string, Effect.Effect<unknown, unknown>> = {
  FileNotFound: Effect.provide(Files.metadata(id), FilesTest.layer()),
  FileExpired: Stream.runDrain(Files.download(id)).pipe(
    Effect.provide(FilesTest.layer({ files: [FilesTest.expired(chart)] }))
  ),
  FileNotDownloadable: Stream.runDrain(Files.download(id)).pipe(
    Effect.provide(FilesTest.layer({ files: [FilesTest.uploaded("report.pdf", "%PDF-1.4", { id })] }))
  ),
  InvalidFileType: Effect.flatMap(Files.metadata(id), (file) => ContentBlock.document(file)).pipe(
    Effect.provide(FilesTest.layer({ files: [FilesTest.uploaded("table.csv", "a,b\n", { id })] }))
  ),
  InvalidFilename: Effect.provide(Files.upload(report, { filename: "nights: lit?.txt" }), FilesTest.layer()),
  FileTooLarge: Files.upload(FileSource.stream(Stream.empty, { filename: "scan.pdf", size: 612_000_000 })).pipe(
    Effect.provide(FilesTest.layer())
  ),
  StorageLimitExceeded: Effect.provide(upload, FilesTest.layer({ storageQuotaBytes: 10 })),
  RateLimited: answered(upload, HttpMock.error.rateLimited({ retryAfter: "30 seconds" })),
  ContextWindowExceeded: Effect.flatMap(
    upload,
    (file) => Effect.flatMap(ContentBlock.document(file), (block) => message([block]))
  ).pipe(
    Effect.provide(FilesTest.layer({ contextWindow: 10 }))
  ),
  TransferInterrupted: Stream.runDrain(Files.download(id)).pipe(
    Effect.provide(
      FilesTest.layer({
        files: [chart],
        faults: [Fault.reset({ at: "response", after: 400, match: { operation: "content" } })]
      })
    )
  ),
  SourceFailed: Effect.provide(Files.upload(FileSource.path("missing.pdf")), Layer.merge(FilesTest.layer(), disk)),
  Unauthorized: answered(upload, HttpMock.error.unauthorized()),
  PermissionDenied: answered(upload, HttpMock.error.permissionDenied()),
  BillingBlocked: answered(upload, HttpMock.error.billingBlocked()),
  InvalidRequest: Effect.provide(Files.upload(report, { expiresIn: "5 minutes" }), FilesTest.layer()),
  Overloaded: answered(upload, HttpMock.error.overloaded()),
  ServerFailed: answered(upload, HttpMock.error.serverFailed({ status: 503 })),
  Unreachable: answered(upload, HttpMock.error.unreachable("ECONNREFUSED")),
  TimedOut: FilesTest.fastForward(answered(Files.metadata(id), HttpMock.silence)),
  CircuitOpen: answered(
    Effect.andThen(Effect.forEach([1, 2, 3, 4, 5], () => Effect.exit(upload)), upload),
    HttpMock.error.overloaded(),
    Policy.circuitBreaker()
  ),
  CredentialsFailed: Files.metadata(id).pipe(
    Effect.provide(
      Files.layerCredentials().pipe(
        Layer.provide(Credentials.fromEffect(Effect.fail({ message: "The vault is sealed." }))),
        Layer.provide(HttpMock.layer(HttpMock.stub({}, HttpMock.file())))
      )
    )
  ),
  UnexpectedResponse: answered(upload, HttpMock.error.unexpectedResponse()),
  InvalidConfig: Effect.provide(
    upload,
    Files.layer({ apiKey: Redacted.make("sk-ant-key"), baseUrl: "http://example.com" }).pipe(
      Layer.provide(HttpMock.layer(HttpMock.stub({}, HttpMock.file())))
    )
  ),
  PolicyFailed: answered(upload, HttpMock.file(), Policy.withStore(Policy.rateLimit(), brokenStore)),
  SaveFailed: inDirectory((directory) =>
    Effect.gen(function*() {
      yield* (yield* FileSystem.FileSystem).writeFileString(`${directory}/chart.png`, "an older one")
      yield* Transfer.downloadToDirectory(id, directory)
    })
  ).pipe(Effect.provide(Layer.merge(FilesTest.layer({ files: [chart] }), disk))),
  SyncFailed: Stream.runDrain(UploadCache.sync("missing")).pipe(
    Effect.provide(
      Layer.provide(UploadCache.layer(), UploadStore.layerMemory).pipe(
        Layer.provideMerge(Layer.merge(FilesTest.layer(), disk))
      )
    )
  ),
  UploadStoreFailed: inDirectory((directory) =>
    Effect.gen(function*() {
      yield* (yield* FileSystem.FileSystem).writeFileString(`${directory}/uploads`, "not a directory")
      yield* Layer.build(UploadStore.layerDirectory(`${directory}/uploads`))
    })
  ).pipe(Effect.provide(disk)),
  // Nothing accepts connections at that port.
  IngestFailed: Effect.scoped(Layer.build(
    NodeIngest.layer(
      { databaseUrl: Redacted.make("postgres://nobody@127.0.0.1:1/none") },
      (policy) => NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test") }, policy)
    )
  ))
}

/** Every tag that a program may see, according to the schemas. */
const tags = [
  ...FilesError.FilesError.members.map((member) => member.fields._tag.schema.literal),
  ...FilesError.Reason.members.map((member) => member.fields._tag.schema.literal),
  ...[FilesError.InvalidConfig, FilesError.PolicyFailed, Transfer.SaveFailed, UploadCache.SyncFailed].map((schema) =>
    schema.fields._tag.schema.literal
  ),
  UploadStore.UploadStoreFailed.fields._tag.schema.literal,
  Ingest.IngestFailed.fields._tag.schema.literal
]

/** A section, from its heading to the next one. */
const section = (text: string, tag: string): string | undefined =>
  text.split(/^(?=##)/m).find((part) => part.startsWith(`### ${tag}\n`))

const isReason = (tag: string) => FilesError.Reason.members.some((member) => member.fields._tag.schema.literal === tag)

describe(`${page}`, () => {
  for (const tag of tags) {
    // What each program of a section fails with; the blocks of the page are written anew with UPDATE_PAGES=1.
    if (tag === "RequestFailed") continue
    it.effect(`${tag} has a section with the message as it is printed`, () =>
      Effect.gen(function*() {
        const program = failures[tag]
        assert.isDefined(program, `there is no program that fails with ${tag}`)
        const error = (yield* Effect.flip(Effect.scoped(program))) as Error & { readonly _tag: string }
        const found = isReason(tag) ? (error as FilesError.RequestFailed).reason : error
        assert.strictEqual(found._tag, tag)
        const printed = String(error)
        const text = fs.readFileSync(page, "utf8")
        const shown = section(text, tag)
        assert.isDefined(shown, `there is no section ### ${tag}`)
        const [block, before = ""] = /```text\n([^]*?)\n```/.exec(shown) ?? []
        if (process.env["UPDATE_PAGES"] === "1" && block !== undefined) {
          fs.writeFileSync(page, text.replace(shown, shown.replace(block, () => `\`\`\`text\n${printed}\n\`\`\``)))
          return
        }
        assert.strictEqual(before, printed)
      }))
  }
})
