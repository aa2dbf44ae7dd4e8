export declare const linksOf: (text: string) => ReadonlyArray<string>
export declare const anchorsOf: (text: string) => ReadonlyArray<readonly [page: string, anchor: string]>
export declare const headingsOf: (text: string) => ReadonlyArray<string>
export declare const pages: () => ReadonlyArray<string>
