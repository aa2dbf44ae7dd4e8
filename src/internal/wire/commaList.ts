/** The values of a comma-separated header, trimmed and without empty ones. */
export const commaList = (header: string | undefined): ReadonlyArray<string> =>
  (header ?? "").split(",").map((value) => value.trim()).filter((value) => value !== "")
