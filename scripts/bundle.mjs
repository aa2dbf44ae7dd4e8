/**
 * Bundles the command line into dist/cli with all that it needs, effect included, so that `npx effect-anthropic-files`
 * works from an empty folder. Each command is a chunk that is loaded on demand.
 */
import * as esbuild from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"

const outdir = "dist/cli"

fs.rmSync(outdir, { recursive: true, force: true })

/** Providers of credentials, which are large and mostly not needed: loaded where they are installed. */
const { peerDependencies, peerDependenciesMeta } = JSON.parse(fs.readFileSync("package.json", "utf8"))
const bundled = ["aws4fetch", "redis"]
const external = Object.keys(peerDependencies).filter((name) =>
  peerDependenciesMeta[name]?.optional === true && !name.startsWith("@effect/") && !bundled.includes(name)
)

const { metafile } = await esbuild.build({
  entryPoints: ["src/cli/bin.ts"],
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node22.21",
  external,
  minify: true,
  // Names of classes and functions stand in messages for those who develop this.
  keepNames: false,
  legalComments: "none",
  plugins: [{
    // Platform-node's other HTTP client, loaded by nothing here: 700 KB.
    name: "no-undici",
    setup: (build) => {
      build.onResolve({ filter: /^undici$/ }, () => ({ path: "undici", namespace: "none" }))
      build.onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "export default undefined" }))
    }
  }],
  metafile: true,
  logLevel: "warning",
  // What CommonJS dependencies ask for at run time.
  banner: {
    js:
      "import { createRequire as $createRequire } from \"node:module\"; const require = $createRequire(import.meta.url);"
  }
})

/** `node_modules/@scope/name/…` */
const packageOf = (file) => /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]

const used = new Set()
for (const { inputs } of Object.values(metafile.outputs)) {
  for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
    const name = packageOf(file)
    if (name !== undefined && bytesInOutput > 0) used.add(name)
  }
}

const licence = (name) => {
  const folder = path.join("node_modules", name)
  const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry))
  if (file === undefined) throw new Error(`${name} is bundled, and has no licence file`)
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"))
  return `${name} ${version}\n\n${fs.readFileSync(path.join(folder, file), "utf8").trim()}\n`
}

fs.writeFileSync(
  path.join(outdir, "LICENSES.txt"),
  `The command line holds code of these packages.\n\n${
    Array.from(used).sort().map(licence).join(`\n${"-".repeat(80)}\n\n`)
  }`
)

// What `demo` works with.
fs.cpSync("examples/assets", path.join(outdir, "assets"), { recursive: true })
