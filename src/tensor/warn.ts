/** Warnings about what is allowed, but rarely meant. */

const told = new Set<string>();

/** Writes `[kindling] op: text` to the console, the first time for this op. */
export function warnOnce(op: string, text: string): void {
  if (told.has(op)) return;
  told.add(op);
  console.warn(`[kindling] ${op}: ${text}`);
}
