export declare const names: ReadonlyArray<"bun" | "deno">
export declare const binaryOf: (name: "bun" | "deno") => string | undefined
export declare const commandOf: (name: "node" | "bun" | "deno") => ReadonlyArray<string> | undefined
