/**
 * Makes a release: `npm run release`, on an up-to-date `main` without uncommitted changes.
 *
 * It turns the pending changesets into the next version and its CHANGELOG, checks and tests everything, commits, tags, and
 * pushes the tag. The workflow `release.yml` then builds the tag from the lockfile, and stages it on npm with provenance.
 * Nobody can install it before a maintainer has looked at it and runs `npm stage approve <id>`.
 *
 * `--dry-run` stops before the commit, and restores everything.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"

const isDryRun = process.argv.includes("--dry-run")

const fail = (message) => {
  console.error(`Not released: ${message}`)
  process.exit(1)
}

const run = (command, args, { quiet = false } = {}) => {
  if (!quiet) console.log(`$ ${command} ${args.join(" ")}`)
  const { status, stdout } = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", quiet ? "pipe" : "inherit", "inherit"],
    shell: process.platform === "win32" && command.startsWith("np")
  })
  if (status !== 0) fail(`${command} ${args.join(" ")} ended with ${status}`)
  return (stdout ?? "").trim()
}

const git = (...args) => run("git", args, { quiet: true })
const manifest = () => JSON.parse(fs.readFileSync("package.json", "utf8"))

if (git("status", "--porcelain") !== "") fail("there are uncommitted changes.")
if (git("rev-parse", "--abbrev-ref", "HEAD") !== "main") fail("releases are made on main.")
git("fetch", "--tags", "origin", "main")
if (git("rev-parse", "HEAD") !== git("rev-parse", "FETCH_HEAD")) {
  fail("main differs from origin: pull or push first.")
}

const pending = fs.readdirSync(".changeset").filter((name) => name.endsWith(".md") && name !== "README.md")
if (pending.length > 0) {
  run("npm", ["run", "version-packages"])
  const { version } = manifest()
  fs.writeFileSync(
    "src/internal/version.ts",
    `/** The package's version; a test compares it with package.json. */\nexport const version = "${version}"\n`
  )
}

const { version } = manifest()
const tag = `v${version}`
if (git("tag", "--list", tag) !== "") fail(`${tag} exists already: describe the changes with \`npx changeset\`.`)
if (!fs.readFileSync("CHANGELOG.md", "utf8").includes(`\n## ${version}\n`)) fail(`CHANGELOG.md has no "## ${version}".`)

if (!process.argv.includes("--skip-checks")) {
  run("npm", ["run", "check"])
  run("npm", ["test"])
}

if (isDryRun) {
  git("checkout", "--", ".")
  console.log(`${tag} could be released. Nothing was committed.`)
  process.exit(0)
}

if (git("status", "--porcelain") !== "") {
  git("add", "--all")
  git("commit", "--message", `Release ${version}`)
}
git("tag", "--annotate", tag, "--message", tag)
git("push", "--atomic", "origin", "main", tag)
console.log(`${tag} is on its way: the workflow stages it, and \`npm stage approve <id>\` publishes it.`)
