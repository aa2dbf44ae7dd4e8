/**
 * The page's program: uploads with progress, lists, downloads and deletes. It holds no key: the server that it comes from
 * forwards its requests and adds one.
 */
import { Effect, ManagedRuntime, Stream } from "effect"
import { Credentials, type FileMetadata, Files, FileSource, Policy, Progress, Transfer } from "effect-anthropic-files"
import * as BrowserFiles from "effect-anthropic-files/BrowserFiles"

const runtime = ManagedRuntime.make(
  BrowserFiles.layerCredentials(Credentials.none, { baseUrl: location.origin }, Policy.standard())
)

const element = <E extends HTMLElement>(id: string): E => document.querySelector(`#${id}`) as E
const input = element<HTMLInputElement>("file")
const bar = element<HTMLProgressElement>("progress")
const list = element<HTMLUListElement>("files")
const status = element("status")

const say = (text: string) =>
  Effect.sync(() => {
    status.textContent = text
  })

const show = (progress: Progress.Progress) =>
  Stream.runForEach(progress.changes("50 millis"), ({ bytes, total }) =>
    Effect.sync(() => {
      bar.max = total ?? 1
      bar.value = bytes
    }))

const upload = Effect.fn(function*(files: ReadonlyArray<File>) {
  const progress = yield* Progress.make
  yield* Effect.forkScoped(show(progress))
  const inputs = files.map((file) => ({ source: FileSource.blob(file), file }))
  yield* Stream.runForEach(
    Transfer.uploadAll(Stream.fromIterable(inputs), { progress }),
    (result) => say(result._tag === "Success" ? `${result.value.filename} is uploaded.` : result.error.message)
  )
  yield* refresh
}, Effect.scoped)

const save = Effect.fn(function*({ filename, id, mime_type }: FileMetadata.FileMetadata) {
  const parts = yield* Stream.runCollect(Files.download(id))
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob(parts as Array<BlobPart>, { type: mime_type }))
  link.download = filename
  link.click()
  URL.revokeObjectURL(link.href)
  yield* say(`${filename} is saved.`)
})

const button = (text: string, program: Effect.Effect<void, { readonly message: string }, BrowserFiles.Services>) => {
  const made = document.createElement("button")
  made.textContent = text
  made.addEventListener("click", () => run(program))
  return made
}

const row = (file: FileMetadata.FileMetadata) => {
  const item = document.createElement("li")
  item.append(`${file.filename}, ${file.size_bytes} bytes`)
  if (file.downloadable === true) item.append(button("Save", save(file)))
  item.append(button("Delete", Effect.andThen(Files.delete(file.id), refresh)))
  return item
}

const refresh = Effect.map(Stream.runCollect(Stream.take(Files.list({ limit: 100 }), 100)), (files) => {
  list.replaceChildren(...files.map(row))
})

const run = (program: Effect.Effect<void, { readonly message: string }, BrowserFiles.Services>) =>
  runtime.runFork(Effect.catch(program, (error) => say(error.message)))

input.addEventListener("change", () => run(upload(Array.from(input.files ?? []))))
run(refresh)
