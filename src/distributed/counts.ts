/** Who gives and gets how many elements, and whether what the ranks say of that fits. */
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { allSameShape } from "./checks.js";
import type { Table } from "./exchange.js";

/** Row r of the table is [elements of rank r's own tensor, elements of each tensor of its list]: all lists are to be equal. */
export function sameLists(table: Table): string | null {
  const [, ...list] = table[0] as readonly number[];
  for (const [r, [own, ...other]] of table.entries()) {
    if (other.some((n, i) => n !== list[i]))
      return `the list of rank 0 has [${list.join(", ")}] elements, that of rank ${r} [${other.join(", ")}]`;
    if (own !== list[r]) return `rank ${r} has ${own} elements, the lists say ${list[r]}`;
  }
  return null;
}

/** As {@link sameLists}, where the list of `root` alone counts. */
export function rootList(table: Table, root: number): string | null {
  const [, ...list] = table[root] as readonly number[];
  for (const [r, row] of table.entries()) {
    if (row[0] !== list[r])
      return `rank ${r} has ${row[0]} elements, the list of rank ${root} says ${list[r]}`;
  }
  return null;
}

/** Row r is [elements that rank r sends to each, elements that it expects from each]. */
export function pairs(table: Table): string | null {
  const size = table.length;
  for (const [i, from] of table.entries()) {
    for (const [j, to] of table.entries()) {
      const [sent, expected] = [from[j], to[size + i]];
      if (sent !== expected)
        return `rank ${i} sends ${sent} elements to rank ${j}, which expects ${expected}`;
    }
  }
  return null;
}

/** What a collective with a list on one rank announces besides its tensor. */
export function rootedCounts(tensor: Tensor, list: readonly Tensor[] | null, root: number, size: number) {
  return {
    root,
    uneven: list !== null && !allSameShape([tensor, ...list]),
    counts: [tensor.numel, ...(list?.map((t) => t.numel) ?? new Array<number>(size).fill(0))],
    verdict: (table: Table) => rootList(table, root),
  };
}

/** Elements of each rank's tensor: as the table says, or as many as this rank's. */
export function ownCounts(table: Table | null, tensor: Tensor, size: number): number[] {
  return table === null ? new Array<number>(size).fill(tensor.numel) : table.map((row) => row[0] as number);
}

/** Elements of the parts into which dimension 0 is cut: equal ones, or as `sizes` says. */
export function splitCounts(
  op: string,
  what: string,
  t: Tensor,
  sizes: readonly number[] | undefined,
  size: number,
): number[] {
  const rows = t.shape[0];
  if (rows === undefined) throw new ShapeError(`[${op}] ${what}: got a 0-d tensor, expected one with rows`);
  if (sizes === undefined) {
    if (rows % size === 0) return new Array<number>(size).fill(t.numel / size);
    throw new ShapeError(
      `[${op}] ${what}: got ${rows} rows, expected a multiple of ${size}; try ${what}SplitSizes for unequal parts`,
    );
  }
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (sizes.length !== size || sizes.some((n) => !Number.isInteger(n) || n < 0) || sum !== rows) {
    throw new ValueError(
      `[${op}] ${what}SplitSizes: got ${show(sizes)}, expected ${size} whole numbers >= 0 that sum to ${rows}`,
    );
  }
  const row = rows === 0 ? 0 : t.numel / rows;
  return sizes.map((n) => n * row);
}
