/**
 * Medians, and figures as text.
 */
const median = (sorted) => {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** @param {ReadonlyArray<number>} values */
export const summary = (values) => {
  const sorted = values.toSorted((a, b) => a - b)
  const round = (value) => Number(value.toPrecision(4))
  return { median: round(median(sorted)), min: round(sorted[0]), max: round(sorted.at(-1)) }
}

export const ratio = (value) => value >= 9.95 ? value.toFixed(0) : value >= 0.995 ? value.toFixed(1) : value.toFixed(2)

/** Two digits where it is held against a bound. */
const fine = (value) => value >= 9.95 ? value.toFixed(0) : value.toFixed(2)

export const spread = ({ max, median, min }, show = fine) => `${show(median)} (${show(min)}–${show(max)})`
