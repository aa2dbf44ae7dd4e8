/**
 * Tells whether a process is alive, on Node: by its number, its start and the place where it runs.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as NodeFs from "node:fs"
import * as NodeProcess from "node:process"
import { ProcessProbe } from "./lock.ts"

const readFile = Option.liftThrowable((path: string) => NodeFs.readFileSync(path, "utf8"))

const readLink = Option.liftThrowable((path: string) => NodeFs.readlinkSync(path))

/** The fields of `/proc/<pid>/stat` from the third on. The second is the name of the program, and may hold anything. */
const statOf = (pid: number): ReadonlyArray<string> =>
  Option.match(readFile(`/proc/${pid}/stat`), {
    onNone: () => [],
    onSome: (stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  })

/** When a process started, in clock ticks since boot. Empty where that is not known, outside Linux. */
const startOf = (pid: number): string => statOf(pid)[19] ?? ""

/** A zombie has ended, and waits for its parent to notice. */
const isZombie = (pid: number): boolean => ["Z", "X"].includes(statOf(pid)[0] ?? "")

/**
 * The machine, its boot and the process namespace. Within one place, number and start identify a process for good.
 * Containers that share a folder are different places. Empty outside Linux.
 */
const place: string = [
  Option.getOrElse(readFile("/proc/sys/kernel/random/boot_id"), () => "").trim(),
  Option.getOrElse(readLink("/proc/self/ns/pid"), () => "").replaceAll(" ", "")
].filter((part) => part !== "").join("/")

const signalZero = (pid: number): Effect.Effect<boolean> =>
  Effect.try({
    try: () => NodeProcess.kill(pid, 0),
    // A process of another user can't be signalled, but it is alive.
    catch: (error) => error instanceof Error && "code" in error && error.code === "EPERM"
  }).pipe(Effect.catch(Effect.succeed))

/** How a process is named in a lock file. */
export const nameOf = (pid: number, start = startOf(pid)): string => `${pid} ${start} ${place}`.trimEnd()

export const layer: Layer.Layer<ProcessProbe> = Layer.succeed(ProcessProbe, {
  self: nameOf(NodeProcess.pid),
  isAlive: Effect.fnUntraced(function*(process) {
    const [number = "", start = "", where = ""] = process.split(" ")
    if (where !== place) return undefined
    const pid = Number(number)
    if (!Number.isInteger(pid) || pid <= 0 || !(yield* signalZero(pid)) || isZombie(pid)) return false
    const now = startOf(pid)
    return start === "" || now === "" || start === now
  })
})
