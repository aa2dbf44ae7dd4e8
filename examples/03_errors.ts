import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const upload = Files.upload(FileSource.path("does-not-exist.pdf"), { expiresIn: "1 day" }).pipe(
  Effect.map((file) => file.id as string),
  Effect.catchTags({
    SourceFailed: (error) => Console.log(error.message).pipe(Effect.as("pick another file")),
    FileTooLarge: (error) => Effect.succeed(`${error.size} bytes are more than ${error.limit}`),
    StorageLimitExceeded: () => Effect.succeed("delete something first"),
    RateLimited: (error) => Effect.succeed(`wait ${Duration.format(error.retryAfter ?? Duration.zero)}`)
  }),
  Effect.catchReason("RequestFailed", "Unauthorized", (reason) => Effect.succeed(reason.message))
)

upload.pipe(Effect.flatMap(Console.log), Effect.provide(NodeFiles.layerConfig()), NodeRuntime.runMain)
