/** Options stand in one object: anything else in their place would be ignored in silence, and is refused. */
import { ValueError } from "./errors.js";

/** Throws unless the options of an op or a layer are an object, or undefined. @internal */
export function checkOptions(what: string, options: unknown): void {
  if (options === undefined || (typeof options === "object" && !Array.isArray(options))) return;
  throw new ValueError(
    `[${what}] got ${Array.isArray(options) ? "a list" : String(options)} where its options stand, expected one object; ` +
      "try { name: value } with the name of the option",
  );
}
