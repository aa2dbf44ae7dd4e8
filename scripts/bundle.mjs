/**
 * Bundles the command line into dist/cli with all its dependencies, effect included, so that `npx effect-anthropic-files`
 * works from an empty folder. Each command is a chunk that is loaded on demand.
 */
import * as esbuild from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"

const outdir = "dist/cli"

fs.rmSync(outdir, { recursive: true, force: true })

/** Providers of credentials. They are large and rarely needed, so they are not bundled, and loaded if they are installed. */
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
  // Names of classes and functions appear in messages for developers.
  keepNames: false,
  legalComments: "none",
  plugins: [{
    // Only its client, without the modules of Redis Stack.
    name: "redis-client",
    setup: (build) => {
      build.onResolve(
        { filter: /^redis$/ },
        ({ kind, resolveDir }) => build.resolve("@redis/client", { kind, resolveDir })
      )
    }
  }, {
    // The other HTTP client of platform-node (700 KB), which nothing here loads.
    name: "no-undici",
    setup: (build) => {
      build.onResolve({ filter: /^undici$/ }, () => ({ path: "undici", namespace: "none" }))
      build.onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "export default undefined" }))
    }
  }],
  metafile: true,
  logLevel: "warning",
  // CommonJS dependencies need `require` at run time.
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

/** Packages under the MIT licence whose text is only in their repository. */
const copyrights = { "@redis/client": "Copyright (c) 2022-2025, Redis, inc." }

/** The text of the MIT licence, from this package. */
const mit = (copyright) => fs.readFileSync("LICENSE", "utf8").replace(/^Copyright .*$/m, copyright)

const licence = (name) => {
  const folder = path.join("node_modules", name)
  const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry))
  const { license, version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"))
  const copyright = license === "MIT" ? copyrights[name] : undefined
  if (file === undefined && copyright === undefined) throw new Error(`${name} is bundled, but has no licence file`)
  const text = file === undefined ? mit(copyright) : fs.readFileSync(path.join(folder, file), "utf8")
  return `${name} ${version}\n\n${text.trim()}\n`
}

fs.writeFileSync(
  path.join(outdir, "LICENSES.txt"),
  `The command line holds code of these packages.\n\n${
    Array.from(used).sort().map(licence).join(`\n${"-".repeat(80)}\n\n`)
  }`
)

// The files that `demo` uses.
fs.cpSync("examples/assets", path.join(outdir, "assets"), { recursive: true })
