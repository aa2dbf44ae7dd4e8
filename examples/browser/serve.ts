/**
 * Serves the page, with an emulator behind it: `node examples/browser/serve.ts`. It forwards requests to `/v1/` and
 * adds the key, which the page never sees. A real server would first check who the user is.
 */
import { startEmulator } from "effect-anthropic-files/emulator/StartEmulator"
import * as esbuild from "esbuild"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { pipeline } from "node:stream"

/** The headers of the page that the service needs. */
const forwarded = ["accept", "anthropic-beta", "anthropic-version", "content-length", "content-type"]

const forward = (
  { apiKey, url }: { readonly apiKey: string; readonly url: string },
  request: http.IncomingMessage,
  response: http.ServerResponse
) => {
  const headers: http.OutgoingHttpHeaders = { "x-api-key": apiKey }
  for (const name of forwarded) if (request.headers[name] !== undefined) headers[name] = request.headers[name]
  const upstream = http.request(`${url}${request.url}`, { method: request.method ?? "GET", headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    pipeline(answer, response, () => {})
  })
  upstream.on("error", () => response.headersSent ? response.destroy() : response.writeHead(502).end())
  pipeline(request, upstream, () => {})
}

export const serve = async (port = 0) => {
  const emulator = await startEmulator()
  await emulator.seed({ filename: "made.csv", content: "night,lit\n1,yes\n", downloadable: true })
  const { outputFiles: [page] } = await esbuild.build({
    entryPoints: [`${import.meta.dirname}/page.ts`],
    bundle: true,
    format: "esm",
    minify: true,
    write: false
  })
  const server = http.createServer((request, response) => {
    const own = `http://${request.headers.host}`
    // Refuse other pages in the same browser.
    if ((request.headers.origin ?? own) !== own) return response.writeHead(403).end()
    if (request.url?.startsWith("/v1/") === true) return forward(emulator, request, response)
    if (request.url === "/page.js") {
      return response.setHeader("content-type", "text/javascript").end(page?.contents)
    }
    return response.setHeader("content-type", "text/html").end(fs.readFileSync(`${import.meta.dirname}/index.html`))
  })
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    emulator,
    stop: () => {
      server.closeAllConnections()
      server.close()
      return emulator.stop()
    }
  }
}

if (process.argv[1] === import.meta.filename) console.log(`Open ${(await serve(8080)).url}`)
