/**
 * `node bench/sync.mjs [files]`: a folder of small files, synchronised into the embedded emulator in a process of its
 * own, three times: all new, all unchanged, and with another store over the same files.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"

const count = Number(process.argv[2] ?? 10_000)

if (process.argv[3] === undefined) {
  const root = fs.mkdtempSync(`${os.tmpdir()}/sync-`)
  for (let n = 0; n < count; n++) {
    const folder = `${root}/files/${n % 100}`
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(`${folder}/${n}.txt`, `content ${n}`)
    fs.utimesSync(`${folder}/${n}.txt`, 1_700_000_000, 1_700_000_000)
  }
  const server = spawn(process.execPath, ["dist/cli/bin.js", "emulator", "--port", "0", "--json"])
  const { apiKey, url } = JSON.parse(await new Promise((resolve) => server.stdout.once("data", resolve)))
  for (const store of ["first", "first", "second"]) {
    const worker = spawn(process.execPath, [
      "--no-warnings",
      "bench/sync.mjs",
      String(count),
      `${root}/files`,
      `${root}/${store}`,
      url
    ], { stdio: "inherit", env: { ...process.env, ANTHROPIC_API_KEY: apiKey } })
    await new Promise((resolve) => worker.once("exit", resolve))
  }
  server.kill()
  fs.rmSync(root, { recursive: true })
} else {
  const [, , , directory, store, baseUrl] = process.argv
  const [Effect, Layer, Stream, NodeFiles, UploadCache, UploadStore] = await Promise.all([
    import("effect/Effect"),
    import("effect/Layer"),
    import("effect/Stream"),
    import("effect-anthropic-files/NodeFiles"),
    import("effect-anthropic-files/UploadCache"),
    import("effect-anthropic-files/UploadStore")
  ])
  const layer = UploadCache.layer().pipe(
    Layer.provide(UploadStore.layerDirectory(store)),
    Layer.provideMerge(NodeFiles.layerConfig({ baseUrl }))
  )
  const started = performance.now()
  const kinds = {}
  await Effect.runPromise(Effect.provide(
    Stream.runForEach(UploadCache.sync(directory, { concurrency: 16 }), (result) =>
      Effect.sync(() => {
        const kind = result.uploaded ? `${result._tag}, uploaded` : result._tag
        kinds[kind] = (kinds[kind] ?? 0) + 1
      })),
    layer
  ))
  console.log(JSON.stringify({
    seconds: Math.round(performance.now() - started) / 1000,
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    ...kinds
  }))
}
