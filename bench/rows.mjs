/**
 * What is measured. `must` and `target` are ratios to raw; a job is what a contender gets as its argument, a check what
 * the server must have seen of it.
 */
const MB = 1_000_000

const size = (megabytes) => ({ bytes: megabytes * MB, path: `${megabytes}mb` })

const uploads = (count) => (seen) => seen.uploads === count

/** @type {ReadonlyArray<any>} */
export const rows = [
  {
    id: "upload-500",
    title: "upload 500 MB from disk",
    must: 1,
    target: 0.7,
    job: { task: "upload", ...size(500) },
    saw: uploads(1)
  },
  {
    id: "download-500",
    title: "download 500 MB to disk, length-checked, synced, renamed",
    must: 1.35,
    target: 1.1,
    job: { task: "download", bytes: 500 * MB },
    saw: (seen) => seen.contentBytes === 500 * MB
  },
  {
    id: "download-500-ram",
    title: "the same to a RAM disk, where only the client costs",
    needs: "ramDisk",
    job: { task: "download", bytes: 500 * MB },
    saw: (seen) => seen.contentBytes === 500 * MB
  },
  {
    id: "small",
    title: "upload 1 KB × 2000, one after another",
    must: 1.9,
    target: 1.5,
    small: true,
    job: { task: "small", path: "1kb", count: 2000, concurrency: 1 },
    saw: uploads(2000)
  },
  {
    id: "small-16",
    title: "upload 1 KB × 2000, 16 at once",
    must: 2.1,
    target: 1.6,
    small: true,
    job: { task: "small", path: "1kb", count: 2000, concurrency: 16 },
    saw: uploads(2000)
  },
  {
    id: "metadata",
    title: "3000 metadata lookups",
    must: 2.3,
    mustUntraced: 1.9,
    target: 1.6,
    small: true,
    job: { task: "metadata", count: 3000, concurrency: 1 },
    saw: (seen) => seen.requests === 3000
  },
  {
    id: "list-1000",
    title: "list 100,000 at 1000 a page, decoded",
    must: 1.8,
    target: 1.4,
    job: { task: "list", total: 100_000, limit: 1000 },
    saw: (seen) => seen.requests === 100
  },
  {
    id: "list-20",
    title: "list 10,000 at 20 a page",
    must: 2.5,
    target: 1.9,
    small: true,
    job: { task: "list", total: 10_000, limit: 20 },
    saw: (seen) => seen.requests === 500
  },
  {
    id: "mixed",
    title: "200 files of 1 KB to 20 MB, 8 at once",
    must: 1.4,
    target: 1.1,
    job: { task: "mixed", concurrency: 8 },
    saw: uploads(200)
  },
  {
    id: "batched",
    title: "3000 lookups at once, through `ids[]`, to 3000 single ones",
    must: 0.15,
    target: 0.08,
    job: { task: "metadata", count: 3000, concurrency: 1 },
    ours: { task: "batched" },
    only: ["raw", "ours"],
    saw: (seen) => seen.requests === 3000 || seen.requests === 30
  },
  {
    id: "memory-50",
    title: "upload 50 MB",
    memory: true,
    job: { task: "upload", ...size(50) },
    saw: uploads(1)
  },
  {
    id: "memory-50-slow",
    title: "upload 50 MB into a server that takes 100 MB/s",
    memory: true,
    slow: true,
    job: { task: "upload", ...size(50) },
    saw: uploads(1)
  },
  {
    id: "memory-500-slow",
    title: "upload 500 MB into a server that takes 100 MB/s",
    memory: true,
    slow: true,
    job: { task: "upload", ...size(500) },
    saw: uploads(1)
  },
  {
    id: "memory-list",
    title: "list 600,000 at 1000 a page, decoded",
    memory: true,
    job: { task: "list", total: 600_000, limit: 1000 },
    saw: (seen) => seen.requests === 600
  }
]

const uploading = ["upload", "small", "mixed"]
const reading = ["download", "list"]

/**
 * Who is measured. `node` is a script under contenders/, `variant` is told to it, `runtime` runs it instead of this Node.
 * With `tasks` a contender takes part in those alone.
 */
export const contenders = [
  { id: "raw", title: "raw `node:http`", node: "raw" },
  { id: "c", title: "C" },
  { id: "curl", title: "curl" },
  { id: "sdk-blob", title: "official SDK, blob", node: "sdk", variant: "blob" },
  { id: "sdk-stream", title: "official SDK, stream", node: "sdk", variant: "stream", tasks: uploading },
  { id: "ours-bare", title: "ours, bare", node: "ours", variant: "" },
  { id: "ours-bare-traced", title: "ours, bare, traced", node: "ours", variant: "traced" },
  { id: "ours-standard", title: "ours, `Policy.standard()`", node: "ours", variant: "standard" },
  { id: "ours-standard-traced", title: "ours, `Policy.standard()`, traced", node: "ours", variant: "standard traced" },
  {
    id: "bun",
    title: "ours, `Policy.standard()`, traced, on Bun",
    node: "ours",
    variant: "standard traced",
    runtime: "bun",
    tasks: reading
  },
  {
    id: "deno",
    title: "ours, `Policy.standard()`, traced, on Deno",
    node: "ours",
    variant: "standard traced",
    runtime: "deno",
    tasks: reading
  }
]
