import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const hasKey = (process.env["ANTHROPIC_API_KEY"] ?? "").trim() !== ""

if (!hasKey) console.log("test/live.test.ts: skipped, there is no ANTHROPIC_API_KEY")

/** Uploads two files of a few bytes, makes eleven requests, and leaves nothing behind. */
for (const dialect of ["ga", "beta"] as const) {
  it.live.skipIf(!hasKey)(`the real service, ${dialect}: a file's life`, () =>
    Effect.gen(function*() {
      const file = yield* Effect.acquireRelease(
        Files.upload(FileSource.text("effect-anthropic-files", "live test.txt")),
        (file) => Effect.ignore(Files.delete(file.id))
      )
      assert.deepStrictEqual([file.filename, file.size_bytes], ["live test.txt", 22])
      assert.deepStrictEqual((yield* Files.metadata(file.id)).id, file.id)
      const newest = yield* Stream.runCollect(Stream.take(Files.list({ limit: 5 }), 5))
      assert.isTrue(newest.some((other) => other.id === file.id))
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(Files.download(file.id))))._tag, "FileNotDownloadable")
      assert.strictEqual((yield* Files.delete(file.id)).id, file.id)
      assert.strictEqual((yield* Effect.flip(Files.metadata(file.id)))._tag, "FileNotFound")
    }).pipe(Effect.provide(NodeFiles.layerConfig({ dialect }))), 60_000)
}
