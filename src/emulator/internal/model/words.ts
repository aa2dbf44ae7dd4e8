/** `1,234,567`. */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ",")

/** `1 row`, `2 rows`. */
export const plural = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`
