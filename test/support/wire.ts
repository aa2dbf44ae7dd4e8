/** A file as the wire has it. */
export const wire = (more: Readonly<Record<string, unknown>> = {}) => ({
  id: "file_1",
  type: "file",
  filename: "a.txt",
  mime_type: "text/plain",
  size_bytes: 1,
  created_at: "1970-01-01T00:00:00Z",
  downloadable: false,
  expires_at: null,
  ...more
})
