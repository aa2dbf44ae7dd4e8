/**
 * The portable core, which runs wherever an `HttpClient` does. The ready-made Layer for Node is
 * `effect-anthropic-files/NodeFiles`.
 */
export * as ContentBlock from "./ContentBlock.ts"
export * as Conversation from "./Conversation.ts"
export * as Credentials from "./Credentials.ts"
export * as FileMetadata from "./FileMetadata.ts"
export * as Files from "./Files.ts"
export * as FilesError from "./FilesError.ts"
export * as FileSource from "./FileSource.ts"
export * as MessageBatches from "./MessageBatches.ts"
export * as Messages from "./Messages.ts"
export * as Policy from "./Policy.ts"
export * as Progress from "./Progress.ts"
export * as Telemetry from "./Telemetry.ts"
export * as Transfer from "./Transfer.ts"
export * as UploadCache from "./UploadCache.ts"
export * as UploadStore from "./UploadStore.ts"
