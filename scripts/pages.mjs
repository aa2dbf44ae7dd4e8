/**
 * Reads the pages of the documentation, for the checks of links and snippets.
 */
import * as fs from "node:fs"

/** Links in code are not links. */
const withoutCode = (text) => text.replaceAll(/^```[^]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "")

/** The targets of links, pictures and `src` attributes of a page, except those within the page. */
export const linksOf = (text) =>
  Array.from(
    withoutCode(text).matchAll(/\]\(([^)\s]+)[^)]*\)|(?:src|href|srcset)="([^"]+)"/g),
    ([, link, attribute]) => (link ?? attribute).replace(/#.*$/, "")
  ).filter((target) => target !== "")

/** Links with an anchor: `[page, anchor]`, where the page may be empty. */
export const anchorsOf = (text) =>
  Array.from(
    withoutCode(text).matchAll(/\]\(([^)#\s]*)#([^)\s]+)\)/g),
    ([, page, anchor]) => [page, anchor]
  ).filter(([page]) => !/^\w+:/.test(page))

/** The anchor of a heading, as GitHub and npm make it. */
export const headingsOf = (text) =>
  Array.from(
    text.replaceAll(/^```[^]*?^```/gm, "").matchAll(/^#+ +(.*)$/gm),
    ([, heading]) =>
      heading.toLowerCase().replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(
        " ",
        "-"
      )
  )

/** Every page for readers. */
export const pages = () =>
  [
    ...fs.readdirSync(".").filter((name) => name.endsWith(".md")),
    ...["docs", "examples", ".github"].flatMap((folder) =>
      fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
        .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    )
  ].sort()
