import Anthropic from "@anthropic-ai/sdk"
import { beforeEach, expect, inject, it } from "vitest"

const { apiKey, url } = inject("emulator")
const client = new Anthropic({ apiKey, baseURL: url })

/** Tests run in other processes than the emulator, so they reach it over its admin route. */
const admin = (method: string, path: string, body?: unknown) =>
  fetch(`${url}/_emulator${path}`, {
    method,
    headers: { "x-api-key": apiKey },
    ...(body === undefined ? undefined : { body: JSON.stringify(body) })
  })

beforeEach(async () => {
  await admin("POST", "/reset")
})

it("uploads and lists", async () => {
  const file = await client.files.upload({ file: new File(["hello"], "hello.txt") })
  expect((await client.files.list()).data.map(({ id }) => id)).toEqual([file.id])
})

it("tries again when the service is overloaded", async () => {
  await admin("PUT", "/faults", [{ _tag: "Answer", status: 529, type: "overloaded_error" }])
  expect((await client.files.list()).data).toEqual([])
})
