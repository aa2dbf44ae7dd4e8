/** Testing without Effect: the official SDK against an emulator in the same process. */
import Anthropic, { InternalServerError } from "@anthropic-ai/sdk"
import { startEmulator } from "effect-anthropic-files/emulator/StartEmulator"
import * as assert from "node:assert/strict"

const emulator = await startEmulator()
const client = new Anthropic({ apiKey: emulator.apiKey, baseURL: emulator.url, maxRetries: 0 })

const file = await client.files.upload({ file: new File(["hello"], "hello.txt"), expires_in_seconds: 3600 })
const made = await emulator.seed({ filename: "made.csv", content: "a,b\n", downloadable: true })
assert.equal(await (await client.files.download(made.id)).text(), "a,b\n")

await emulator.setFaults([{ _tag: "Answer", status: 529, type: "overloaded_error", match: { operation: "metadata" } }])
await assert.rejects(() => client.files.retrieveMetadata(file.id), InternalServerError)

await emulator.advance("2 hours")
const [, expired] = await emulator.files()
assert.ok(expired?.expired)

console.log((await emulator.requests()).map((request) => `${request.operation} ${request.status}`).join(", "))
await emulator.stop()
