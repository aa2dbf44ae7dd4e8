/** Begins every text that the emulator makes up. */
export const marker = "[emulator]"
