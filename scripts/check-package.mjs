/**
 * Checks the package as a user gets it: the packed tarball, installed into an empty project.
 *
 * Run `npm run build` first. Only npm uses the network, for packages that are not in its cache.
 */
import * as assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { linksOf } from "./pages.mjs"

const root = process.cwd()
const temp = fs.mkdtempSync(path.join(os.tmpdir(), "effect-anthropic-files-"))
const project = path.join(temp, "project")
const readJson = (file) => JSON.parse(fs.readFileSync(file, "utf8"))
const manifest = readJson("package.json")
const heading = (text) => console.log(`\n# ${text}`)

const run = (command, args, options = {}) => {
  const result = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    // On Windows npm and npx are .cmd files, which only a shell can start.
    shell: process.platform === "win32" && command.startsWith("np"),
    ...options
  })
  if (result.status !== 0) {
    throw new Error(
      `${command} ${args.join(" ")}: ${result.error ?? `exit ${result.status ?? result.signal}`}\n${result.stdout}`
    )
  }
  return result.stdout
}

const filesIn = (folder) =>
  fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .toSorted()

/** Packs the package. Gives the tarball and the folder that it is unpacked to. */
const pack = () => {
  heading("Pack")
  const [info] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", temp]))
  console.log(`${info.filename}: ${info.entryCount} files, ${info.size} bytes packed, ${info.unpackedSize} unpacked`)
  // A relative path, since GNU tar on Windows takes "C:" for a host.
  run("tar", ["-xf", info.filename], { cwd: temp })
  return { tarball: path.join(temp, info.filename), unpacked: path.join(temp, "package") }
}

const checkContents = (unpacked) => {
  heading("Contents")
  const files = filesIn(unpacked)
  const allowed = [
    /^dist\/.+\.(js|d\.ts)(\.map)?$/,
    /^dist\/cli\/(LICENSES\.txt|assets\/lighthouse\.(pdf|csv)|assets\/visitors\.png)$/,
    /^src\/.+\.ts$/,
    /^docs\/.+\.(md|svg|json)$/,
    /^examples\/.+\.(md|ts|mts|html|yaml|json|pdf|csv|png)$/,
    /^examples\/contracts\/assets\/[a-z]+\.(txt|jsonl)$/,
    /^examples\/docker\/Dockerfile$/,
    /^(README|AGENTS|CHANGELOG|INVARIANTS)\.md$/,
    /^(LICENSE|package\.json)$/
  ]
  const isAllowed = (file) => allowed.some((pattern) => pattern.test(file))
  const isTest = (file) => !file.startsWith("examples/") && /\.(test|spec)\./.test(file)
  assert.deepEqual(files.filter((file) => !isAllowed(file) || isTest(file)), [], "unexpected files")
  for (
    const needed of [
      "LICENSE",
      "README.md",
      "AGENTS.md",
      "CHANGELOG.md",
      "docs/errors.md",
      "examples/README.md",
      "dist/index.js",
      "dist/index.d.ts",
      "src/index.ts",
      "dist/cli/bin.js",
      "dist/cli/LICENSES.txt"
    ]
  ) {
    assert.ok(files.includes(needed), `${needed} is missing`)
  }

  for (const file of files) {
    const text = fs.readFileSync(path.join(unpacked, file), "utf8")
    assert.doesNotMatch(text, /sk-ant-[\w-]{24,}/, `${file} holds what looks like an API key`)
    assert.ok(!text.includes(root), `${file} contains a path of the machine it was built on`)
    if (file.endsWith(".map")) {
      const map = JSON.parse(text)
      for (const source of map.sources) {
        const target = path.posix.join(path.posix.dirname(file), map.sourceRoot ?? "", source)
        assert.ok(files.includes(target), `${file} points to ${target}, which is not in the package`)
      }
    }
  }

  const packed = readJson(path.join(unpacked, "package.json"))
  for (const script of ["preinstall", "install", "postinstall", "prepare"]) {
    assert.equal(packed.scripts?.[script], undefined, `users would run our ${script} script`)
  }
  for (const [entry, target] of Object.entries(packed.exports)) {
    const patterns = typeof target === "string" ? [target] : Object.values(target ?? {})
    for (const pattern of patterns) {
      const [before, after = ""] = pattern.slice("./".length).split("*")
      const found = pattern.includes("*")
        ? files.some((file) => file.startsWith(before) && file.endsWith(after))
        : files.includes(before)
      assert.ok(found, `exports["${entry}"] leads to ${pattern}, which is not in the package`)
    }
  }
  // The command line is bundled, and can't be imported.
  const isModule = (file) => /^dist\/.+\.js$/.test(file) && !file.startsWith("dist/cli/")
  for (const file of files.filter(isModule)) {
    assert.ok(files.includes(file.replace(/\.js$/, ".d.ts")), `${file} has no declarations`)
  }
  checkLinks(unpacked, files)
  console.log("no unexpected files, no keys; maps, exports and links lead to files")

  const modules = files
    .filter(isModule)
    .map((file) => file.slice("dist/".length, -".js".length))
    .map((name) => name === "index" ? "." : `./${name}`)
  const isInternal = (name) => name.includes("/internal/") || name.startsWith("./node/")
  return { entries: modules.filter((name) => !isInternal(name)), internals: modules.filter(isInternal) }
}

/**
 * A relative link of the README leads into the repository on npm, and into the package on a disk, so its target has to be in
 * both. Links to the repository by URL are checked with the working tree.
 */
const checkLinks = (unpacked, files) => {
  const repository = `${manifest.homepage.replace(/#.*$/, "")}/blob/main/`
  for (const page of files.filter((file) => file.endsWith(".md"))) {
    for (const target of linksOf(fs.readFileSync(path.join(unpacked, page), "utf8"))) {
      if (target.startsWith(repository)) {
        assert.ok(fs.existsSync(target.slice(repository.length)), `${page} links to ${target}, which does not exist`)
      } else if (!/^\w+:/.test(target)) {
        const file = path.posix.join(path.posix.dirname(page), target)
        assert.ok(
          files.some((name) => name === file || name.startsWith(`${file.replace(/\/$/, "")}/`)),
          `${page} links to ${target}, which is not in the package`
        )
      }
    }
  }
}

const install = (tarball) => {
  heading("Install into an empty project")
  fs.mkdirSync(project)
  const installed = (name) => readJson(path.join("node_modules", name, "package.json")).version
  const pinned = ["effect", "@effect/platform-node", "typescript", "@types/node"].map((name) => [name, installed(name)])
  fs.writeFileSync(
    path.join(project, "package.json"),
    JSON.stringify({
      private: true,
      type: "module",
      dependencies: { [manifest.name]: `file:${tarball}`, ...Object.fromEntries(pinned) }
    })
  )
  run("npm", ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"], { cwd: project })
  fs.writeFileSync(
    path.join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2022",
        module: "NodeNext",
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        // Checks our declarations with a user's compiler.
        skipLibCheck: false
      },
      include: ["*.ts"]
    })
  )
}

/**
 * Runs the commands from an empty folder, without peers and without a key. `npx` finds them by the name of the package.
 */
const checkCommands = async (tarball) => {
  heading("Commands from an empty folder")
  const empty = path.join(temp, "empty")
  fs.mkdirSync(empty)
  // npm would install peers, but the commands have to work without them.
  run("npm", [
    "install",
    tarball,
    "--legacy-peer-deps",
    "--ignore-scripts",
    "--prefer-offline",
    "--no-audit",
    "--no-fund"
  ], {
    cwd: empty
  })
  assert.ok(
    !fs.existsSync(path.join(empty, "node_modules/effect")),
    "effect was installed, so this check would prove nothing"
  )
  const { ANTHROPIC_API_KEY: _, ANTHROPIC_AUTH_TOKEN: __, ANTHROPIC_BASE_URL: ___, ...env } = process.env
  const options = { cwd: empty, env }
  for (const name of Object.keys(manifest.bin)) {
    assert.equal(run("npx", ["--no-install", name, "--version"], options), `anthropic-files ${manifest.version}\n`)
  }
  assert.match(run("npx", ["--no-install", manifest.name, "--help"], options), /SUBCOMMANDS/)

  const emulator = spawn("npx", ["--no-install", manifest.name, "emulator", "--json"], {
    ...options,
    stdio: ["ignore", "pipe", "inherit"],
    shell: process.platform === "win32"
  })
  const ended = new Promise((resolve) => emulator.once("close", resolve))
  try {
    const { apiKey, url } = await new Promise((resolve, reject) => {
      emulator.stdout.once("data", (line) => resolve(JSON.parse(line)))
      emulator.once("close", () => reject(new Error("the emulator ended before it listened")))
    })
    const client = { ...options, env: { ...env, ANTHROPIC_API_KEY: apiKey, ANTHROPIC_BASE_URL: url } }
    assert.equal(run("npx", ["--no-install", manifest.name, "ls"], client), "")
    for (const [platform, name, variables] of platforms) {
      const asked = spawnSync("npx", ["--no-install", manifest.name, "ls", "--platform", platform], {
        ...options,
        env: { ...env, ...variables, HOME: empty },
        encoding: "utf8",
        shell: process.platform === "win32"
      })
      assert.equal(asked.status, 3, asked.stderr)
      assert.match(
        asked.stderr,
        new RegExp(`${name} is not installed: run npm install ${name}, or npx with -p ${name}`),
        asked.stderr
      )
    }
    await checkIngest(client)
    emulator.kill("SIGTERM")
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10_000))])
    const isServing = await fetch(url).then(() => true, () => false)
    assert.ok(!isServing, "the emulator is still running after the npx that started it")
    console.log("version, help, emulator and ls run without other packages, and SIGTERM to npx ends them")
    console.log("a platform without its package names the package to add with -p")
  } finally {
    emulator.kill("SIGKILL")
  }
}

/** Durable ingest: the clients of Postgres and Redis are in the bundle. */
const checkIngest = async (client) => {
  const [Effect, Postgres, Redis] = await Promise.all([
    import("effect/Effect"),
    import("../test/support/postgres.ts"),
    import("../test/support/redis.ts")
  ])
  if (!Postgres.available || !Redis.available) {
    const missing = "ingest needs a Postgres and a Redis: apt-get install postgresql redis-server"
    if (process.env.CI === "true") throw new Error(missing)
    return console.log(`skipped: ${missing}`)
  }
  const check = Effect.gen(function*() {
    const { url } = yield* Postgres.server
    const socket = yield* Redis.redis
    const env = { ...client.env, DATABASE_URL: url, REDIS_URL: `unix://${socket}` }
    const ingest = (...args) => run("npx", ["--no-install", manifest.name, "ingest", ...args], { ...client, env })
    fs.writeFileSync(path.join(client.cwd, "report.txt"), "a report")
    assert.equal(ingest("add", "corpus", ".", "--include", "/*.txt"), "added 1 item to corpus\n")
    assert.match(ingest("run", "corpus"), /^file_\w+\treport\.txt\n$/)
    assert.equal(JSON.parse(ingest("status", "corpus", "--json")).items[0].data.counts.done, 1)
  })
  await Effect.runPromise(Effect.scoped(check))
  console.log("ingest add, run and status run with Postgres and Redis, and without other packages")
}

/** Modules that need an optional peer. */
const peers = { "./fleet/NodeIngest": "@effect/sql-pg" }

/** Platforms, with the package that their credentials need, and variables that make them use it. */
const platforms = [
  ["aws", "@aws-sdk/credential-provider-node", { AWS_REGION: "us-east-1", ANTHROPIC_AWS_WORKSPACE_ID: "wrkspc_1" }],
  [
    "google-cloud",
    "google-auth-library",
    { ANTHROPIC_GOOGLE_CLOUD_PROJECT: "p", ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID: "wrkspc_1" }
  ],
  ["foundry", "@azure/identity", { ANTHROPIC_FOUNDRY_RESOURCE: "r" }]
]

/** Imports every public module, as types and at run time. Internal modules must not be importable. */
const checkImports = (entries, internals) => {
  heading("Import")
  const specifierOf = (entry) => entry.replace(/^\./, manifest.name)
  const specifiers = entries.map(specifierOf)
  const write = (file, specifiers) => {
    const lines = specifiers.map((specifier, i) => `import * as m${i} from ${JSON.stringify(specifier)}`)
    const names = specifiers.map((_, i) => `m${i}`).join(", ")
    fs.writeFileSync(path.join(project, file), `${lines.join("\n")}\nconsole.log([${names}].length)\n`)
  }
  write("imports.ts", entries.filter((entry) => !(entry in peers)).map(specifierOf))
  write("peers.ts", Object.keys(peers).map(specifierOf))
  run("npx", ["--no-install", "tsc", "-p", "."], { cwd: project })
  run(process.execPath, ["imports.js"], { cwd: project })
  for (const [entry, peer] of Object.entries(peers)) {
    assert.ok(entries.includes(entry), `${entry} is no longer there`)
    const { status, stderr } = spawnSync(
      process.execPath,
      ["-e", `import(${JSON.stringify(specifierOf(entry))})`],
      { cwd: project, encoding: "utf8" }
    )
    assert.ok(status !== 0 && stderr.includes(`'${peer}'`), `${entry} has to ask for ${peer}, and nothing else`)
  }
  // The oldest supported TypeScript, and the last one before 7. They check declarations, and write nothing.
  for (const folder of ["scripts/typescript-5.7", "scripts/typedoc"]) {
    const tsc = path.join(root, folder, "node_modules/typescript/bin/tsc")
    for (const resolution of [["--module", "nodenext"], ["--module", "esnext", "--moduleResolution", "bundler"]]) {
      run(process.execPath, [tsc, "-p", ".", "--noEmit", ...resolution], { cwd: project })
    }
    console.log(
      `TypeScript ${run(process.execPath, [tsc, "--version"]).trim().replace("Version ", "")} compiles them too`
    )
  }

  const probe = `
    const reachable = []
    for (const name of ${JSON.stringify(internals.map((name) => name.replace(/^\./, manifest.name)))}) {
      const code = await import(name).then(() => "none", (error) => error.code)
      if (code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") reachable.push(name)
    }
    console.log(JSON.stringify(reachable))`
  const reachable = JSON.parse(run(process.execPath, ["--input-type=module", "-e", probe], { cwd: project }))
  assert.deepEqual(reachable, [], "internal modules can be imported: set their folder to null in exports")
  console.log(`${specifiers.length} modules compile and load, ${internals.length} internal ones can't be imported`)
}

/** Links packages that are installed here into the project, for the other imports of the examples. */
const linkOthers = (folder = "node_modules") => {
  for (const name of fs.readdirSync(folder)) {
    if (name.startsWith(".") || name === manifest.name) continue
    const [from, to] = [path.join(root, folder, name), path.join(project, folder, name)]
    if (name.startsWith("@") && fs.existsSync(to)) linkOthers(path.join(folder, name))
    else if (!fs.existsSync(to)) fs.symlinkSync(from, to, "junction")
  }
}

/** Compiles the examples of the tarball, and the snippets of its pages, with the installed package. */
const checkExamples = (unpacked) => {
  heading("Examples")
  fs.cpSync(path.join(unpacked, "examples"), path.join(project, "examples"), { recursive: true })
  linkOthers()
  fs.writeFileSync(
    path.join(project, "tsconfig.examples.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2022",
        lib: ["ES2023", "DOM"],
        module: "NodeNext",
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        allowImportingTsExtensions: true,
        // Linked packages use the effect of the project.
        preserveSymlinks: true,
        skipLibCheck: true
      },
      include: ["examples"]
    })
  )
  run("npx", ["--no-install", "tsc", "-p", "tsconfig.examples.json"], { cwd: project })
  console.log(`${filesIn(path.join(project, "examples")).filter((file) => /\.m?ts$/.test(file)).length} files compile`)
}

/** Compiles and runs the first TypeScript block of the README, as a user would paste it. */
const checkReadme = () => {
  heading("README")
  if (!fs.existsSync("README.md")) return console.log("skipped: there is no README.md yet")
  const block = /^```ts\b.*\n([\s\S]*?)^```/m.exec(fs.readFileSync("README.md", "utf8").replaceAll("\r\n", "\n"))
  assert.ok(block, "README.md has no ```ts block")
  fs.writeFileSync(path.join(project, "readme.ts"), block[1])
  run("npx", ["--no-install", "tsc", "-p", "."], { cwd: project })
  console.log("the first block compiles")

  const runner = "test/package/run-readme.mjs"
  if (!fs.existsSync(runner)) return console.log(`not run: there is no ${runner} yet`)
  fs.copyFileSync(runner, path.join(project, "run-readme.mjs"))
  // The runner starts the emulator and sets these itself, so that no real key is used.
  const { ANTHROPIC_API_KEY: _, ANTHROPIC_AUTH_TOKEN: __, ANTHROPIC_BASE_URL: ___, ...env } = process.env
  console.log(run(process.execPath, ["run-readme.mjs"], { cwd: project, env, timeout: 60_000 }).trim())
  console.log("the first block runs against the emulator of the installed package")
}

try {
  const { tarball, unpacked } = pack()
  const { entries, internals } = checkContents(unpacked)
  heading("publint")
  console.log(run("npx", ["--no-install", "publint", "run", tarball, "--strict"]).trim())
  heading("attw")
  // attw does not expand "./*", so it gets every module.
  run("npx", [
    "--no-install",
    "attw",
    tarball,
    "--profile",
    "esm-only",
    "--format",
    "ascii",
    "--entrypoints",
    ...entries
  ])
  console.log(`${entries.length} entry points resolve`)
  await checkCommands(tarball)
  install(tarball)
  checkImports(entries, internals)
  checkReadme()
  checkExamples(unpacked)
  console.log("\nThe package is fine.")
} catch (error) {
  console.error(`\nThe package is broken: ${error.message}`)
  process.exitCode = 1
} finally {
  fs.rmSync(temp, { recursive: true, force: true })
}
