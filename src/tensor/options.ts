/** Options stand in one object, by name: what is none of them would be ignored in silence, and is refused. */
import { ValueError } from "./errors.js";

/** The names of the options of an interface: to leave one out, or to add one, does not compile. @internal */
export type OptionNames<O> = { readonly [K in keyof O]-?: 1 };

/** The names of some options. @internal */
export type Names = Readonly<Record<string, 1>>;

/** Throws unless the options of an op or a layer are an object with no other names than these, or undefined. @internal */
export function checkOptions(what: string, options: unknown, names: Names): void {
  if (options === undefined) return;
  if (typeof options !== "object" || Array.isArray(options)) throw misplaced(what, options);
  for (const key in options) {
    if (names[key] !== 1) throw unknownOption(what, options, key, Object.keys(names));
  }
}

/** The same where something else than options may stand in their place, as `sum(x, 1)` or `sum(x, { dim: 1 })`. @internal */
export function checkNames(what: string, given: unknown, names: Names): void {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return;
  for (const key in given) {
    if (names[key] === 1) continue;
    if (!isPlain(given)) return;
    throw unknownOption(what, given, key, Object.keys(names));
  }
}

const isPlain = (x: object): boolean => x.constructor === Object || x.constructor === undefined;

function misplaced(what: string, got: unknown): ValueError {
  const shown = Array.isArray(got) ? "a list" : typeof got === "object" ? "a tensor" : String(got);
  return new ValueError(
    `[${what}] got ${shown} where its options stand, expected one object; ` +
      "try { name: value } with the name of the option",
  );
}

/** What says that an option is unknown, and which one may be meant. @internal */
export function unknownOption(
  what: string,
  options: object,
  key: string,
  names: readonly string[],
): ValueError {
  if (!isPlain(options)) return misplaced(what, options);
  const meant = closest(key, names);
  return new ValueError(
    `[${what}] unknown option "${key}": expected one of ${names.join(", ")}` +
      (meant === undefined ? "" : `; try ${meant}`),
  );
}

/** The name with the fewest edits from a word, if they are fewer than half of its letters (or two). */
function closest(word: string, names: readonly string[]): string | undefined {
  let found: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 2)) + 1;
  for (const name of names) {
    const edits = editDistance(word.toLowerCase(), name.toLowerCase());
    if (edits < least) [found, least] = [name, edits];
  }
  return found;
}

/** How many letters to insert, delete or replace between two words (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
