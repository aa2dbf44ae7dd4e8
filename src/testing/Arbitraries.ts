/**
 * Random values of this package's Schemas, as the service could have sent them: for `it.effect.prop`,
 * `Arbitrary.checkEffect` and `Arbitrary.sampleEffect`.
 *
 * What `Arbitrary.schema` derives is valid too, but a status is then -5 and an expiry lies in the year 275760.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import { FileId, FileMetadata } from "../FileMetadata.ts"
import { FilesError } from "../FilesError.ts"
import { maxFileBytes } from "../internal/wire/constants.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const pattern = (regExp: RegExp) => Schema.String.check(Schema.isPattern(regExp))

const fileId = pattern(/^file_[a-zA-Z0-9]{24}$/)

/** By the field's name, and only where the field is of that kind. */
const strings: Readonly<Record<string, Schema.Constraint>> = {
  fileId,
  requestId: pattern(/^req_[a-zA-Z0-9]{24}$/),
  filename: pattern(/^[a-z0-9_-]{1,20}\.(pdf|txt|csv|png|docx)$/),
  mime_type: Schema.Literals(["application/pdf", "text/plain", "text/csv", "image/png", "application/octet-stream"]),
  errorCode: pattern(/^[a-z_]{4,30}$/),
  custom_id: pattern(/^[a-zA-Z0-9_-]{1,64}$/)
}

const numbers: Readonly<Record<string, Schema.Constraint>> = {
  status: between(400, 599),
  size_bytes: between(0, maxFileBytes),
  size: between(0, maxFileBytes),
  transferred: between(0, maxFileBytes),
  expected: between(0, maxFileBytes)
}

const forbidden = SchemaGetter.forbidden<number, unknown>(() => "A generated value is not encoded")

/** Whole seconds of ten years, as the service gives them. */
const time = Schema.declare<DateTime.Utc>((u) => DateTime.isDateTime(u) && DateTime.isUtc(u), {
  toCodecArbitrary: () =>
    Schema.link<DateTime.Utc>()(between(Date.UTC(2025, 0) / 1000, Date.UTC(2035, 0) / 1000 - 1), {
      decode: SchemaGetter.transform((seconds) => DateTime.makeUnsafe(seconds * 1000)),
      encode: forbidden
    })
})

/** Up to an hour. */
const wait = Schema.declare<Duration.Duration>(Duration.isDuration, {
  toCodecArbitrary: () =>
    Schema.link<Duration.Duration>()(between(0, 3_600_000), {
      decode: SchemaGetter.transform((millis) => Duration.millis(millis)),
      encode: forbidden
    })
})

/** What stands for one of effect's own declarations. */
const declarations: Readonly<Record<string, Schema.Constraint>> = {
  "effect/schema/DateTimeUtc": time,
  "effect/schema/Duration": wait
}

const replacement = (ast: SchemaAST.AST, name: string): Schema.Constraint | undefined => {
  switch (ast._tag) {
    case "String":
      // A brand leaves no other trace.
      return ast.checks !== undefined && ast.checks === FileId.ast.checks ? fileId : strings[name]
    case "Number":
      return numbers[name]
    case "Declaration": {
      const { annotations } = ast
      const representation = annotations?.["representation"]
      const id = Predicate.hasProperty(representation, "id") ? representation.id : undefined
      if (Predicate.isString(id)) return declarations[id]
      // A name that the API may add to: nothing but its own test tells which ones it takes.
      return ast.typeParameters.length === 0 && !("toCodec" in (annotations ?? {}))
        ? Schema.String.check(Schema.makeFilter((value) => Schema.is(Schema.make(ast))(value)))
        : undefined
    }
    default:
      return undefined
  }
}

/** The same Schema, its leaves as the service fills them, and without the fields that nobody knows yet. */
const lifelike = (ast: SchemaAST.AST, name = ""): SchemaAST.AST => {
  const schema = replacement(ast, name)
  if (schema !== undefined) return SchemaAST.isOptional(ast) ? Schema.optionalKey(schema).ast : schema.ast
  const { annotations, checks, context, encoding } = ast
  switch (ast._tag) {
    case "Objects":
      return new SchemaAST.Objects(
        ast.propertySignatures.map(({ name, type }) =>
          new SchemaAST.PropertySignature(name, lifelike(type, String(name)))
        ),
        ast.propertySignatures.length === 0 ? ast.indexSignatures : [],
        annotations,
        checks,
        encoding,
        context
      )
    case "Arrays":
      return new SchemaAST.Arrays(
        ast.isMutable,
        ast.elements.map((element) => lifelike(element, name)),
        ast.rest.map((element) => lifelike(element, name)),
        annotations,
        checks,
        encoding,
        context
      )
    case "Union":
      return new SchemaAST.Union(
        ast.types.map((type) => lifelike(type, name)),
        ast.options,
        annotations,
        checks,
        encoding,
        context
      )
    case "Declaration":
      return new SchemaAST.Declaration(
        ast.typeParameters.map((parameter) => lifelike(parameter, name)),
        ast.run,
        annotations,
        checks,
        encoding,
        context
      )
    default:
      return ast
  }
}

/**
 * Values of a Schema of this package: of its files, errors, messages, batches and faults.
 */
export const of = <S extends Schema.Constraint>(schema: S): Arbitrary.Arbitrary<S["Type"]> =>
  Arbitrary.schema(Schema.make<S>(lifelike(SchemaAST.toType(schema.ast))))

/** Stored files. */
export const file: Arbitrary.Arbitrary<FileMetadata> = of(FileMetadata)

/** Everything that an operation can fail with. */
export const filesError: Arbitrary.Arbitrary<FilesError> = of(FilesError)
