/** What the examples about messages have in common. */
import { Files, FileSource } from "effect-anthropic-files"

/** The model that is asked. */
export const model = process.env["ANTHROPIC_MODEL"] ?? "claude-sonnet-5-5"

/** Uploads a file of `assets`, and deletes it when the scope closes. */
export const uploaded = (name: string) =>
  Files.uploadScoped(FileSource.path(`${import.meta.dirname}/../assets/${name}`))
