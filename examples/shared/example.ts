/** What the examples about messages have in common. */
import { Files, FileSource } from "effect-anthropic-files"

/** The model that is asked. */
export const model = process.env["ANTHROPIC_MODEL"] ?? "claude-sonnet-5-5"

/** A file of `assets`, uploaded now and deleted when the scope closes. */
export const uploaded = (name: string) =>
  Files.uploadScoped(FileSource.path(`${import.meta.dirname}/../assets/${name}`))
