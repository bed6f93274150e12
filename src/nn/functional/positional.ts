/** Options of which the first may also be given by position, as `leakyRelu(x, 0.2, { inplace: true })`. */

/** The options, with the first one under its name where it was given by position. @internal */
export function named<K extends string, O extends { [P in K]?: number }>(
  key: K,
  first: number | O | undefined,
  options?: Omit<O, K>,
): O | undefined {
  return typeof first === "number" ? ({ ...options, [key]: first } as O) : first;
}
