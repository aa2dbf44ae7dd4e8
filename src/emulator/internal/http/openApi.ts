/**
 * The OpenAPI document, made from the endpoints that are served.
 */
import * as JsonSchema from "effect/JsonSchema"
import * as Schema from "effect/Schema"
import { type Access, type Content, type Endpoint, endpoints, type Form } from "./endpoints.ts"

/** The body of every error. */
export const ErrorEnvelope = Schema.Struct({
  type: Schema.Literal("error"),
  error: Schema.Struct({
    type: Schema.String,
    message: Schema.String,
    details: Schema.optionalKey(Schema.Struct({ error_code: Schema.String }))
  }),
  request_id: Schema.String
}).annotate({ identifier: "ErrorEnvelope" })

/** The OpenAPI 3.1 document of the emulator. */
export interface OpenApiDocument {
  readonly openapi: "3.1.0"
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly components: {
    readonly schemas: JsonSchema.Definitions
    readonly securitySchemes: Readonly<Record<string, JsonSchema.JsonSchema>>
  }
}

/** One operation of an {@link OpenApiDocument}. */
export interface OpenApiOperation {
  readonly operationId: string
  readonly summary: string
  readonly parameters: ReadonlyArray<JsonSchema.JsonSchema>
  readonly requestBody?: JsonSchema.JsonSchema
  readonly responses: Readonly<Record<string, JsonSchema.JsonSchema>>
  readonly security: ReadonlyArray<Readonly<Record<string, ReadonlyArray<string>>>>
}

const errorsOf: Readonly<Record<Access, ReadonlyArray<number>>> = {
  key: [400, 401, 403, 429],
  admin: [400, 401, 403],
  anyone: [400]
}

/** Collects schemas and those that they refer to. */
const makeSchemas = () => {
  let definitions: JsonSchema.Definitions = {}
  return {
    definitions: () => definitions,
    of: (schema: Schema.Top): JsonSchema.JsonSchema => {
      const document = Schema.toJsonSchemaDocument(schema)
      const converted = JsonSchema.toMultiDocumentOpenApi3_1({
        dialect: document.dialect,
        schemas: [document.schema],
        definitions: document.definitions
      })
      definitions = { ...definitions, ...converted.definitions }
      return converted.schemas[0]
    }
  }
}

const formSchema = (form: Form): JsonSchema.JsonSchema => ({
  type: "object",
  properties: Object.fromEntries(
    Object.entries(form.parts).map(([name, description]) => [
      name,
      name === "file" ? { type: "string", format: "binary", description } : { type: "string", description }
    ])
  ),
  required: ["file"]
})

/** `/v1/files/{file_id}` and its parameter, for `/v1/files/:file_id`. */
const pathOf = (path: string) => ({
  template: path.replace(/:([a-z_]+)/g, "{$1}"),
  parameters: [...path.matchAll(/:([a-z_]+)/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" }
  }))
})

/** The OpenAPI document of all endpoints, the admin route included. */
export const openApi = (): OpenApiDocument => {
  const schemas = makeSchemas()

  const contentOf = (content: Content | Form): JsonSchema.JsonSchema => {
    if ("parts" in content) return { [content.type]: { schema: formSchema(content) } }
    if (content.schema !== undefined) return { [content.type]: { schema: schemas.of(content.schema) } }
    return { [content.type]: { schema: { type: "string", format: "binary" } } }
  }

  const operationOf = (operationId: string, endpoint: Endpoint): OpenApiOperation => ({
    operationId,
    summary: endpoint.summary,
    parameters: [
      ...pathOf(endpoint.path).parameters,
      ...Object.entries(endpoint.query ?? {}).map(([name, { schema }]) => ({ name, in: "query", schema }))
    ],
    ...(endpoint.body === undefined
      ? undefined
      : { requestBody: { required: true, content: contentOf(endpoint.body) } }),
    responses: Object.fromEntries([
      ["200", { description: "Success", content: contentOf(endpoint.answer) }],
      ...[...errorsOf[endpoint.access], ...(endpoint.errors ?? [])].map((status) => [
        String(status),
        { description: "Error", content: contentOf({ type: "application/json", schema: ErrorEnvelope }) }
      ])
    ]),
    security: endpoint.access === "anyone" ? [] : [{ apiKey: [] }, { bearer: [] }]
  })

  const paths: Record<string, Record<string, OpenApiOperation>> = {}
  for (const [name, endpoint] of Object.entries<Endpoint>(endpoints)) {
    const { template } = pathOf(endpoint.path)
    paths[template] = { ...paths[template], [endpoint.method.toLowerCase()]: operationOf(name, endpoint) }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Anthropic Files API, emulated",
      version: "2023-06-01",
      description:
        "The Files API, and the parts of Messages and Message Batches that files need. Send the key as `x-api-key` or as "
        + "`Authorization: Bearer`. The `anthropic-beta: files-api-2025-04-14` header selects the beta dialect."
    },
    paths,
    components: {
      schemas: schemas.definitions(),
      securitySchemes: {
        apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
        bearer: { type: "http", scheme: "bearer" }
      }
    }
  }
}
