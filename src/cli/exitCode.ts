/**
 * The exit codes of the process, and what they mean.
 */
import * as Predicate from "effect/Predicate"

export const ExitCode = {
  done: 0,
  someFailed: 1,
  usage: 2,
  unauthorized: 3,
  notFound: 4,
  temporary: 5,
  integrity: 6,
  refused: 7,
  wouldLose: 8,
  outcomeUnknown: 9,
  differences: 10,
  hungUp: 129,
  interrupted: 130,
  terminated: 143
} as const

/** For the documentation, in the order of the codes. */
export const meanings: ReadonlyArray<readonly [code: number, meaning: string]> = [
  [ExitCode.done, "done"],
  [ExitCode.someFailed, "some items failed and others did not, or they failed for different reasons"],
  [ExitCode.usage, "the command line is wrong, or a question needs an answer and nobody is there to give it"],
  [ExitCode.unauthorized, "the key is missing, wrong, or may not do this"],
  [ExitCode.notFound, "not found, expired, or not downloadable"],
  [ExitCode.temporary, "temporary: the same command may succeed later"],
  [
    ExitCode.integrity,
    "the content that arrived is not the content that was sent, or a file changed while it was read"
  ],
  [ExitCode.refused, "refused permanently"],
  [ExitCode.wouldLose, "would overwrite a file, or delete more than allowed"],
  [ExitCode.outcomeUnknown, "the service may have done it; the outcome is unknown"],
  [ExitCode.differences, "`check` found differences"],
  [ExitCode.hungUp, "ended by SIGHUP: the terminal was closed"],
  [ExitCode.interrupted, "interrupted (SIGINT)"],
  [ExitCode.terminated, "ended by SIGTERM"]
]

const byTag: Readonly<Record<string, number>> = {
  UsageError: ExitCode.usage,
  Unauthorized: ExitCode.unauthorized,
  PermissionDenied: ExitCode.unauthorized,
  CredentialsFailed: ExitCode.unauthorized,
  /** A store that can't be reached may be reached later. */
  PolicyFailed: ExitCode.temporary,
  FileNotFound: ExitCode.notFound,
  FileExpired: ExitCode.notFound,
  FileNotDownloadable: ExitCode.notFound,
  WouldLose: ExitCode.wouldLose
}

/** By the error's own reason, where the tag alone does not tell. */
const byReason: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  SourceFailed: { NotFound: ExitCode.notFound, Changed: ExitCode.integrity, SizeMismatch: ExitCode.integrity },
  SaveFailed: { Exists: ExitCode.wouldLose, Symlink: ExitCode.wouldLose, NotAFile: ExitCode.wouldLose },
  SyncFailed: {
    Unreadable: ExitCode.notFound,
    Empty: ExitCode.wouldLose,
    TooManyDeletions: ExitCode.wouldLose
  },
  IngestFailed: { NoSuchIngest: ExitCode.notFound, TooManyDeletions: ExitCode.wouldLose },
  TransferInterrupted: {
    Truncated: ExitCode.integrity,
    Overrun: ExitCode.integrity,
    SizeMismatch: ExitCode.integrity
  }
}

const credentialOptions = /key|token|credential|profile/i

/** The error's tag, and for a request that could not be carried out that of its reason. */
export const tagOf = (error: unknown): string => {
  if (Predicate.hasProperty(error, "reason") && Predicate.hasProperty(error.reason, "_tag")) {
    return String(error.reason._tag)
  }
  return Predicate.hasProperty(error, "_tag") ? String(error._tag) : "Error"
}

/** An ingest was refused as a whole; the cause says why. */
const isRefused = (error: { readonly _tag: string }): boolean =>
  Predicate.hasProperty(error, "reason") && error.reason === "Refused"

/** An unknown outcome comes first; what is not listed by tag or reason is temporary if it may be tried again. */
export const codeOf = (error: unknown): number => {
  if (Predicate.hasProperty(error, "isOutcomeUnknown") && error.isOutcomeUnknown === true) {
    return ExitCode.outcomeUnknown
  }
  if (Predicate.isTagged(error, "InvalidConfig") && Predicate.hasProperty(error, "option")) {
    return credentialOptions.test(String(error.option)) ? ExitCode.unauthorized : ExitCode.usage
  }
  if (Predicate.isTagged(error, "IngestFailed") && Predicate.hasProperty(error, "cause") && isRefused(error)) {
    return codeOf(error.cause)
  }
  const named = byTag[tagOf(error)]
  if (named !== undefined) return named
  if (Predicate.hasProperty(error, "_tag") && Predicate.hasProperty(error, "reason")) {
    const known = byReason[String(error._tag)]?.[String(error.reason)]
    if (known !== undefined) return known
  }
  const mayPass = Predicate.hasProperty(error, "isRetryable") && error.isRetryable === true
  return mayPass ? ExitCode.temporary : ExitCode.refused
}

/** The code of a run: that of its failures if all items failed with the same code, else that some items failed. */
export const codeOfRun = (codes: ReadonlyArray<number>, successes: number): number => {
  const [first] = codes
  if (first === undefined) return ExitCode.done
  return successes === 0 && codes.every((code) => code === first) ? first : ExitCode.someFailed
}
