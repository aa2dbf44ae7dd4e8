import { Effect, FileSystem, Layer, PlatformError } from "effect"

/** What an operation gives instead of running; `undefined` lets it run. */
export type Script = (
  /** The operation, `rename` or `file.sync` for example. */
  name: string,
  /** How often it has been called, this time included. */
  call: number
) => Effect.Effect<never, PlatformError.PlatformError> | undefined

/** A failure as Node words it. */
export const errno = (code: string, words: string, tag: PlatformError.SystemErrorTag = "Unknown") =>
  Effect.fail(PlatformError.systemError({
    _tag: tag,
    module: "FileSystem",
    method: "test",
    cause: Object.assign(new Error(`${code}: ${words}, test`), { code })
  }))

const isOperation = (u: unknown): u is Effect.Effect<unknown, PlatformError.PlatformError> => Effect.isEffect(u)

/**
 * The file system in the context, whose operations follow a script. Those of an open file, and its close as
 * `file.close`, are part of it.
 */
export const layer = (script: Script): Layer.Layer<FileSystem.FileSystem, never, FileSystem.FileSystem> => {
  const calls = new Map<string, number>()
  const run = (name: string, effect: Effect.Effect<unknown, PlatformError.PlatformError>) =>
    Effect.suspend(() => {
      const call = (calls.get(name) ?? 0) + 1
      calls.set(name, call)
      return script(name, call) ?? effect
    })
  const opened = (effect: Effect.Effect<unknown, PlatformError.PlatformError>) =>
    Effect.gen(function*() {
      const file = yield* effect
      // The platform's own close dies when it fails.
      yield* Effect.addFinalizer(() => Effect.orDie(run("file.close", Effect.void)))
      return watch(file as FileSystem.File, "file.")
    })
  const watch = <A extends object>(target: A, prefix: string): A =>
    new Proxy(target, {
      get(object, property) {
        const value: unknown = Reflect.get(object, property, object)
        const name = `${prefix}${String(property)}`
        if (isOperation(value)) return run(name, value)
        if (typeof value !== "function") return value
        return (...args: ReadonlyArray<unknown>) => {
          const result: unknown = Reflect.apply(value, object, args)
          if (!isOperation(result)) return result
          return name === "open" ? opened(run(name, result)) : run(name, result)
        }
      }
    })
  return Layer.effect(FileSystem.FileSystem, Effect.map(FileSystem.FileSystem, (fs) => watch(fs, "")))
}
