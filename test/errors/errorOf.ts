/** What the tests of messages share: every error is one of Kindling's, and has the form of all of them. */
import { KindlingError, type Tensor, tensor } from "../../src/index.js";

/** A tensor of indices. */
export const index = (values: number[] | number[][] | number[][][][]): Tensor =>
  tensor(values, { dtype: "int64" });

/** The error of a mistake as `Class: message`. Throws when there is none, or one of another form. */
export function errorOf(mistake: () => unknown): string {
  try {
    mistake();
  } catch (error) {
    if (!(error instanceof KindlingError)) throw error;
    const text = `${error.name}: ${error.message}`;
    if (!/^\w+Error: \[[\w.]+\] \S/.test(text)) throw new Error(`no [op] in front: ${text}`);
    // It says what was given, what was expected, or what to do.
    if (!/\b([Gg]ot|[Ee]xpected|must|try|return it)\b/.test(text))
      throw new Error(`neither got, expected nor try: ${text}`);
    if (/\[object|\bNaN\b(?!.*(expected|gradient))/.test(text))
      throw new Error(`a value that is not shown: ${text}`);
    return text;
  }
  throw new Error("no error was thrown");
}

/** The first line of the error: what follows depends on where the code stands. */
export function firstLine(mistake: () => unknown): string | undefined {
  return errorOf(mistake).split("\n")[0];
}
