/**
 * `batch`: asks many questions about files, at half the price, within a day.
 */
import * as Argument from "effect/cli/Argument"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ContentBlock from "../../ContentBlock.ts"
import { printable } from "../../internal/text.ts"
import * as MessageBatches from "../../MessageBatches.ts"
import * as Messages from "../../Messages.ts"
import * as Attached from "../attached.ts"
import * as Client from "../client.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import { UsageError } from "../failure.ts"
import * as Flags from "../flags.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"
import { modelFlags, paramsOf, printableLines } from "./ask.ts"

const Line = Schema.fromJsonString(Schema.Union([Schema.String, Schema.Struct({ question: Schema.String })]))

const decodeLine = Schema.decodeEffect(Line)

/** A request of the batch that ended without an answer. */
class Unanswered extends Data.TaggedError("Unanswered")<{ readonly message: string; readonly isRetryable: boolean }> {}

const unanswered = (title: string, type: string) =>
  new Unanswered({ message: `${title} has no answer: ${printable(type)}.`, isRetryable: type === "expired" })

const readQuestions = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(path),
    (error) => new UsageError({ message: `${printable(path)} can't be read (${error.reason._tag}).` })
  )
  const lines = text.split(/\r?\n/).map((line, i) => [line.trim(), i + 1] as const).filter(([line]) => line !== "")
  const questions = yield* Effect.forEach(lines, ([line, number]) =>
    Effect.mapBoth(decodeLine(line), {
      onFailure: () =>
        new UsageError({
          message: `${
            printable(path)
          }, line ${number}: expected a question as JSON, for example {"question":"What is this about?"}.`
        }),
      onSuccess: (found) => typeof found === "string" ? found : found.question
    }))
  if (questions.length === 0) return yield* new UsageError({ message: `${printable(path)} holds no question.` })
  return questions
})

export const batch = define({
  name: "batch",
  description: "Ask many questions about files in one batch, and wait for the answers",
  examples: [
    {
      command: `${program} batch questions.jsonl --file report.pdf --file notes.txt --jsonl`,
      description: "Ask every question about every file"
    }
  ],
  flags: {
    questions: Argument.String("questions.jsonl").pipe(
      Argument.withDescription("One question per line, as a JSON string or {\"question\":…}")
    ),
    file: Flags.list(
      "file",
      "FILE",
      "File to ask about, by id or path; one by path is uploaded and expires after two days"
    ),
    ...modelFlags,
    dryRun: Confirm.flags.dryRun
  },
  run: Effect.fnUntraced(function*({ dryRun, file: names, questions: path, ...chosen }) {
    const output = yield* Output
    if (names.length === 0) {
      return yield* new UsageError({ message: "Name the files that the questions are about with --file." })
    }
    if ((yield* Settings).platform === "foundry") {
      return yield* new UsageError({ message: "Microsoft Foundry has no message batches: ask one by one, with ask." })
    }
    const questions = yield* readQuestions(path)
    if (dryRun) {
      yield* Effect.forEach(names, Attached.look, { concurrency: 4, discard: true })
      const requests = questions.length * names.length
      return yield* output.item(
        { action: "planned", would: "ask", data: { requests } },
        `would send ${Format.requests(requests)}`
      )
    }
    const files = yield* output.watch(Effect.forEach(names, Attached.kept, { concurrency: 4 }))
    const blocks = yield* Effect.forEach(files, (file) => ContentBlock.forFile(file))
    const plan = yield* MessageBatches.plan({ files, questions, params: paramsOf(files, blocks, chosen) })
    const created = yield* MessageBatches.create(plan.requests)
    yield* output.note(
      `Batch ${printable(created.id)} has ${Format.requests(plan.requests.length)}; waiting for the answers.`
    )
    yield* output.watch(MessageBatches.wait(created.id))
    yield* Stream.runForEach(MessageBatches.answers(created.id, plan), ({ custom_id, file, question, result }) => {
      const answer = result.type === "succeeded" ? Messages.text(result.message) : null
      const title = `${printable(file.filename)}: ${printable(question)}`
      const text = answer === null ? `no answer: ${printable(result.type)}` : printableLines(answer)
      const item = output.item({
        action: "answered",
        id: file.id,
        data: { batch: created.id, custom_id, filename: file.filename, question, result: result.type, text: answer }
      }, `${output.style.bold(title)}\n${text}\n`)
      return answer === null
        ? Effect.andThen(item, output.problem(unanswered(title, result.type), { id: file.id }))
        : item
    })
  }, Effect.provide(Client.layer))
})
