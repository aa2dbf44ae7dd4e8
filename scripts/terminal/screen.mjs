/**
 * The parts of a terminal that the command line uses: text, line ends, cursor up, erasing, colour, and whether the cursor is
 * shown. Unknown sequences are errors.
 */
import { displayWidth } from "effect/cli/CliOutput"

/**
 * @typedef {{ text: string, style: Readonly<Style> }} Cell
 * @typedef {{ color?: number, bold?: boolean, dim?: boolean }} Style
 */

const blank = { text: " ", style: {} }

const segments = new Intl.Segmenter(undefined, { granularity: "grapheme" })

export class Screen {
  /** @type {Array<Array<Cell>>} */
  lines = [[]]
  row = 0
  column = 0
  cursorShown = true
  /** @type {Style} */
  style = {}
  pending = ""

  /**
   * @param {number} columns
   */
  constructor(columns) {
    this.columns = columns
  }

  /**
   * @param {string} data
   */
  write(data) {
    const text = this.pending + data
    // A sequence may be split between two chunks.
    // oxlint-disable-next-line no-control-regex
    const cut = /\u001b(\[[0-9;?]*)?$/.exec(text)
    this.pending = cut === null ? "" : cut[0]
    const whole = cut === null ? text : text.slice(0, cut.index)
    // oxlint-disable-next-line no-control-regex
    for (const part of whole.split(/(\u001b\[[0-9;?]*[A-Za-z]|\r\n|[\r\n\b\u0007])/)) {
      if (part !== "") this.#part(part)
    }
  }

  /** @param {string} part */
  #part(part) {
    if (part === "\r\n" || part === "\n") {
      this.row++
      this.column = 0
      this.#line()
    } else if (part === "\r") this.column = 0
    else if (part === "\b") this.column = Math.max(0, this.column - 1)
    else if (part === "\u0007") return
    else if (part.startsWith("\u001b")) this.#sequence(part)
    else for (const { segment } of segments.segment(part)) this.#put(segment)
  }

  #line() {
    while (this.lines.length <= this.row) this.lines.push([])
    return this.lines[this.row]
  }

  /** @param {string} character */
  #put(character) {
    const width = displayWidth(character)
    if (this.column + width > this.columns) {
      this.row++
      this.column = 0
    }
    const line = this.#line()
    while (line.length < this.column) line.push(blank)
    line[this.column] = { text: character, style: this.style }
    for (let i = 1; i < width; i++) line[this.column + i] = { text: "", style: this.style }
    this.column += width
  }

  /** @param {string} sequence */
  #sequence(sequence) {
    const kind = sequence.at(-1)
    const parameters = sequence.slice(2, -1)
    const count = Number(parameters || 1)
    const line = this.#line()
    if (kind === "A") this.row = Math.max(0, this.row - count)
    else if (kind === "B") this.row += count
    else if (kind === "C") this.column += count
    else if (kind === "D") this.column = Math.max(0, this.column - count)
    else if (kind === "G") this.column = count - 1
    else if (kind === "J") {
      line.length = Math.min(line.length, this.column)
      this.lines.length = this.row + 1
    } else if (kind === "K") line.length = parameters === "2" ? 0 : Math.min(line.length, this.column)
    else if (kind === "m") this.#paint(parameters)
    else if (parameters === "?25" && kind === "l") this.cursorShown = false
    else if (parameters === "?25" && kind === "h") this.cursorShown = true
    else throw new Error(`Unknown sequence: ${JSON.stringify(sequence)}`)
  }

  /** @param {string} parameters */
  #paint(parameters) {
    for (const code of (parameters || "0").split(";").map(Number)) {
      if (code === 0) this.style = {}
      else if (code === 1) this.style = { ...this.style, bold: true }
      else if (code === 2) this.style = { ...this.style, dim: true }
      else if (code === 22) this.style = { ...this.style, bold: false, dim: false }
      else if (code === 39) {
        const { color: _, ...rest } = this.style
        this.style = rest
      } else this.style = { ...this.style, color: code }
    }
  }

  /** The screen as text, without blanks at the end. */
  get text() {
    return this.lines.map((line) => line.map((cell) => (cell ?? blank).text).join("").trimEnd()).join("\n").trimEnd()
  }
}
