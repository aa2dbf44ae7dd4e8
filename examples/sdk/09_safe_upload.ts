/** An upload that says what is wrong. Its type lists what can go wrong. */
import { Console, Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const safeUpload = (path: string) =>
  Files.upload(FileSource.path(path)).pipe(
    Effect.flatMap(({ id }) => Effect.as(Files.delete(id), "stored")),
    Effect.catchTags({
      SourceFailed: ({ reason }) =>
        Effect.succeed(reason === "NotFound" ? "there is no such file" : "it is not a file"),
      FileTooLarge: ({ size }) => Effect.succeed(`it is too large: ${size} bytes`),
      StorageLimitExceeded: () => Effect.succeed("there is no room"),
      RateLimited: () => Effect.succeed("too many requests: try later")
    }),
    Effect.catchReason("RequestFailed", "Unreachable", () => Effect.succeed("the service can't be reached")),
    Effect.catch(({ message }) => Effect.succeed(`refused: ${message}`))
  )

const program = Effect.forEach(process.argv.slice(2), (path) => Effect.flatMap(safeUpload(path), Console.log))
await Effect.runPromise(Effect.provide(program, NodeFiles.layerConfig({}, Policy.standard())))
