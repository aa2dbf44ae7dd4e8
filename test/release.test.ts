import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const script = path.resolve("scripts/release.mjs")

/** A repository with a remote of its own, whose package needs no changeset. */
const repository = (directory: string, changelog: string): string => {
  const origin = path.join(directory, "origin.git")
  const work = path.join(directory, "work")
  fs.mkdirSync(path.join(work, ".changeset"), { recursive: true })
  fs.writeFileSync(path.join(work, ".changeset/config.json"), "{}")
  fs.writeFileSync(path.join(work, "package.json"), JSON.stringify({ name: "some", version: "1.2.3" }))
  fs.writeFileSync(path.join(work, "CHANGELOG.md"), changelog)
  const commands = [
    ["init", "--quiet", "--bare", "--initial-branch=main", origin],
    ["init", "--quiet", "--initial-branch=main", work],
    ["-C", work, "config", "user.name", "Some One"],
    ["-C", work, "config", "user.email", "some@example.com"],
    ["-C", work, "remote", "add", "origin", origin],
    ["-C", work, "add", "--all"],
    ["-C", work, "commit", "--quiet", "--message", "Some"],
    ["-C", work, "push", "--quiet", "origin", "main"]
  ]
  for (const args of commands) assert.strictEqual(spawnSync("git", args).status, 0, args.join(" "))
  return work
}

const release = (cwd: string, ...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [script, "--skip-checks", ...args], {
    cwd,
    encoding: "utf8"
  })
  return { status, output: stdout + stderr }
}

const tags = (work: string) =>
  spawnSync("git", ["-C", path.join(work, "../origin.git"), "tag"], { encoding: "utf8" }).stdout.trim()

const withFolder = (test: (directory: string) => void) => () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "release-"))
  try {
    test(directory)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

it(
  "a release tags what is on main and pushes the tag, once",
  withFolder((directory) => {
    const work = repository(directory, "# some\n\n## 1.2.3\n\nNew.\n")
    const dry = release(work, "--dry-run")
    assert.strictEqual(dry.status, 0, dry.output)
    assert.strictEqual(tags(work), "")
    const done = release(work)
    assert.strictEqual(done.status, 0, done.output)
    assert.strictEqual(tags(work), "v1.2.3")
    const again = release(work)
    assert.strictEqual(again.status, 1)
    assert.include(again.output, "v1.2.3 exists already")
  })
)

it(
  "nothing is released that is not committed, not on main, not pushed or not in the CHANGELOG",
  withFolder((directory) => {
    const work = repository(directory, "# some\n")
    const git = (...args: ReadonlyArray<string>) => spawnSync("git", ["-C", work, ...args])
    assert.include(release(work).output, "CHANGELOG.md has no \"## 1.2.3\"")
    fs.writeFileSync(path.join(work, "more.txt"), "more")
    assert.include(release(work).output, "uncommitted")
    git("add", "--all")
    git("commit", "--quiet", "--message", "More")
    assert.include(release(work).output, "differs from origin")
    git("checkout", "--quiet", "-b", "other")
    assert.include(release(work).output, "on main")
    assert.strictEqual(tags(work), "")
  })
)

it("workflows pin each action by its commit, name its version, and run scripts that there are", () => {
  const { scripts } = JSON.parse(fs.readFileSync("package.json", "utf8")) as {
    readonly scripts: Record<string, string>
  }
  for (const name of fs.readdirSync(".github/workflows")) {
    const text = fs.readFileSync(`.github/workflows/${name}`, "utf8")
    const uses = Array.from(text.matchAll(/uses: (.*)/g), ([, action = ""]) => action)
    assert.isNotEmpty(uses, name)
    for (const action of uses) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name)
    for (const [, script = ""] of text.matchAll(/npm run ([\w:-]+)/g)) {
      assert.property(scripts, script, `${name} runs ${script}`)
    }
  }
})
