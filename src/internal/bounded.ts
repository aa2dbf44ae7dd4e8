/** Keeps a Map or a Set within a limit by dropping its oldest entries. */
export const dropOldest = (entries: Map<unknown, unknown> | Set<unknown>, limit: number): void => {
  for (const key of entries.keys()) {
    if (entries.size <= limit) return
    entries.delete(key)
  }
}
