export declare class Screen {
  constructor(columns: number)
  columns: number
  readonly cursorShown: boolean
  readonly lines: ReadonlyArray<ReadonlyArray<{ readonly text: string; readonly style: Style } | undefined>>
  readonly text: string
  write(data: string): void
}

export interface Style {
  readonly color?: number
  readonly bold?: boolean
  readonly dim?: boolean
}
