/**
 * Two rules of this project that oxlint does not have, as a plugin (see .oxlintrc.json).
 *
 * `house/imports` keeps src/ in layers: cli -> fleet, emulator, testing -> core -> internal, and the core free of Node.
 * The built-in no-restricted-imports checks neither `import("…")` nor the folder of a file.
 */
import * as path from "node:path"

const folders = ["emulator", "testing", "fleet", "cli"]

/** The layers that each layer of src/ may not import. */
const forbidden = {
  core: ["emulator", "testing", "fleet", "cli", "node"],
  node: folders,
  emulator: ["cli"],
  testing: ["cli"],
  fleet: ["cli"],
  cli: []
}

const isNode = (specifier) =>
  specifier.startsWith("node:")
  || specifier === "@effect/platform-node"
  || specifier.startsWith("@effect/platform-node/")
  || specifier.startsWith("@effect/platform-node-shared")

/** `internal/wire/constants.ts` is core, `NodeFiles.ts` is node (core for Node only), `emulator/Store.ts` is emulator. */
const layerOf = (file) => {
  const [first, ...rest] = file.split("/")
  if (first === "node") return "node"
  if (rest.length === 0) return /^Node[A-Z]/.test(first) ? "node" : "core"
  return folders.includes(first) ? first : "core"
}

const complaint = (file, specifier) => {
  const layer = layerOf(file)
  if (specifier === "effect-anthropic-files" || specifier.startsWith("effect-anthropic-files/")) {
    return "within src/, import by relative path, not by the name of the package"
  }
  if (specifier === "effect" || specifier === "@effect/platform-node" || /^effect\/[a-z][\w-]*$/.test(specifier)) {
    return `"${specifier}" is a barrel: import by subpath ("effect/Effect"), which starts faster and bundles smaller`
  }
  if (isNode(specifier)) {
    return forbidden[layer].includes("node")
      ? `the core runs in every runtime: "${specifier}" belongs in src/Node*.ts, emulator, testing, fleet or cli`
      : undefined
  }
  if (!specifier.startsWith(".")) return undefined
  if (!specifier.endsWith(".ts")) return `relative imports name a file: "${specifier}" should end in .ts`
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier))
  if (target.startsWith("../")) return `"${specifier}" is outside src/ and would be missing from the package`
  const targetLayer = layerOf(target)
  return forbidden[layer].includes(targetLayer)
    ? `src/${file} (${layer}) must not import from ${targetLayer}: dependencies point cli -> fleet, emulator, testing -> core -> internal`
    : undefined
}

const imports = {
  create(context) {
    const file = path.relative(path.join(context.cwd, "src"), context.filename).split(path.sep).join("/")
    const check = (node) => {
      const source = node.source ?? node.argument
      const specifier = source?.value ?? source?.literal?.value
      if (typeof specifier !== "string") return
      const message = complaint(file, specifier)
      if (message !== undefined) context.report({ node: source, message })
    }
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check
    }
  }
}

const noTry = {
  create: (context) => ({
    TryStatement: (node) =>
      context.report({ node, message: "no `try` in src/: use Effect.try or Effect.tryPromise and a typed error" })
  })
}

export default { meta: { name: "house" }, rules: { imports, "no-try": noTry } }
