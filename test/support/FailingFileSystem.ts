import { Effect, FileSystem, Layer, PlatformError } from "effect"

export interface Failing {
  /** Operations so far. */
  count: number
  /** The number of the operation that fails, counted from 1; 0 for none. */
  failAt: number
  /** Which one that was. */
  failed: string | undefined
  /** All of them, in their order. */
  readonly names?: Array<string>
}

const isEffect = (u: unknown): u is Effect.Effect<unknown, PlatformError.PlatformError> => Effect.isEffect(u)

/**
 * The file system in the context, with one operation failing as a full disk would. Streams and scoped helpers are left
 * as they are.
 */
export const layer = (failing: Failing): Layer.Layer<FileSystem.FileSystem, never, FileSystem.FileSystem> => {
  const counted = (name: string, effect: Effect.Effect<unknown, PlatformError.PlatformError>) =>
    Effect.suspend(() => {
      failing.count++
      failing.names?.push(name)
      if (failing.count !== failing.failAt) return effect
      failing.failed = name
      return Effect.fail(PlatformError.systemError({
        _tag: "Unknown",
        module: "FileSystem",
        method: name,
        description: "ENOSPC: no space left on device"
      }))
    })
  const watch = <A extends object>(target: A, prefix: string): A =>
    new Proxy(target, {
      get(object, property) {
        const value: unknown = Reflect.get(object, property, object)
        const name = `${prefix}${String(property)}`
        if (isEffect(value)) return counted(name, value)
        if (typeof value !== "function") return value
        return (...args: ReadonlyArray<unknown>) => {
          const result: unknown = Reflect.apply(value, object, args)
          if (!isEffect(result)) return result
          return counted(
            name,
            name === "open" ? Effect.map(result, (file) => watch(file as FileSystem.File, "file.")) : result
          )
        }
      }
    })
  return Layer.effect(FileSystem.FileSystem, Effect.map(FileSystem.FileSystem, (fs) => watch(fs, "")))
}
