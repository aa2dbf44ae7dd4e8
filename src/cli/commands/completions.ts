/**
 * `completions`: a script that makes a shell complete commands and flags.
 */
import * as Argument from "effect/cli/Argument"
import * as Completions from "effect/cli/Completions"
import * as Effect from "effect/Effect"
import { define } from "../define.ts"
import { Output } from "../output.ts"
import { program } from "../usage.ts"

const shells = ["bash", "zsh", "fish", "powershell"] as const

export const completions = define({
  name: "completions",
  description: "Print a completion script for a shell",
  examples: [
    { command: `${program} completions bash >> ~/.bashrc`, description: "For every new shell" },
    { command: `source <(${program} completions bash)`, description: "For this shell only" }
  ],
  flags: { shell: Argument.Literals("shell", shells).pipe(Argument.withDescription("bash, zsh, fish or powershell")) },
  onlyReads: true,
  run: Effect.fnUntraced(function*({ shell }) {
    const output = yield* Output
    const { complete } = yield* Effect.promise(() => import("../tree.ts"))
    yield* output.text(`${Completions.generate(program, shell, Completions.fromCommand(yield* complete))}\n`)
  })
})
