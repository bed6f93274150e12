/** Options of which the first may also be given by position, as `leakyRelu(x, 0.2, { inplace: true })`. */

import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";

/** The options, with the first one under its name where it was given by position. @internal */
export function named<K extends string, O extends { [P in K]?: number }>(
  what: string,
  key: K,
  first: number | O | undefined,
  options: Omit<O, K> | undefined,
  names: OptionNames<O>,
): O | undefined {
  checkNames(what, first, names);
  checkOptions(what, options, names);
  return typeof first === "number" ? ({ ...options, [key]: first } as O) : first;
}
