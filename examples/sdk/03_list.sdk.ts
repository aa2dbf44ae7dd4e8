/** Lists the newest files: one page. */
import Anthropic from "@anthropic-ai/sdk"

const client = new Anthropic()
const page = await client.files.list()
for (const file of page.data) console.log(file.id, file.filename)
if (page.hasNextPage()) console.log("There are more.")
