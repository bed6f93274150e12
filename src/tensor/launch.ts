/** How raw ops call kernels: tables by dtype, and cutting large calls into pieces for the worker pool. */
import { type KernelName, kernels, push, runAll, runSeries, split, splitStart } from "../kernels/index.js";
import { nameOf, SUFFIXES } from "./dtype.js";
import { DTypeError } from "./errors.js";

/** A kernel as a plain function of numbers. */
export type KernelFn = (...args: number[]) => number;

const all = kernels as unknown as Readonly<Record<string, KernelFn>>;

/** The kernels of one op, by dtype code. */
export interface KernelTable {
  readonly op: string;
  readonly fns: readonly (KernelFn | undefined)[];
  readonly names: readonly KernelName[];
}

/** Collects `name_f32`, `name_f64`, ... into a table by dtype code (bool uses the uint8 kernel). */
export function kernelTable(name: string, suffixes: readonly string[] = SUFFIXES): KernelTable {
  const names = suffixes.map((s) => `${name}_${s}` as KernelName);
  return { op: name, names, fns: names.map((n) => all[n]) };
}

/** The kernel for a dtype, or an error that names the op. */
export function kernelFor(table: KernelTable, code: number): KernelFn {
  const fn = table.fns[code];
  if (fn === undefined) {
    const known = table.fns.flatMap((f, c) => (f === undefined ? [] : [nameOf(c)]));
    throw new DTypeError(
      `[${table.op}] not defined for ${nameOf(code)}: expected one of ${known.join(", ")}; try .to("float32")`,
    );
  }
  return fn;
}

/**
 * Elements of a cheap elementwise op below which the pool does not pay: handing work over costs a few
 * microseconds, and one core passes over this many floats in about ten.
 */
export const GRAIN = 32768;

/** Units from which on pieces start at multiples of PAGE units: vectors that straddle cache lines and pages are slow. */
const LONG = 16384;
const PAGE = 1024;

/** First of `total` units of piece `i` of `pieces`. */
function pieceStart(i: number, pieces: number, total: number): number {
  const start = splitStart(i, pieces, total);
  return i < pieces && total >= pieces * LONG ? start - (start % PAGE) : start;
}

/** Queues a call by table; with {@link runAll} the queued calls run side by side. */
export function enqueue(table: KernelTable, code: number, ...args: number[]): void {
  (push as (name: KernelName, ...args: number[]) => void)(table.names[code] as KernelName, ...args);
}

/** Calls `kernel(x, out, n, ...params)` over contiguous data, in pieces when large. `cost` is relative to an add. */
export function flatUnary(
  table: KernelTable,
  code: number,
  x: number,
  out: number,
  n: number,
  inSize: number,
  outSize: number,
  cost = 1,
  p0 = 0,
  p1 = 0,
  p2 = 0,
): void {
  const fn = kernelFor(table, code);
  if (n * cost < 2 * GRAIN) fn(x, out, n, p0, p1, p2);
  else overUnits(table, code, n, GRAIN / cost, [x, out, n, p0, p1, p2], [inSize, outSize, 0, 0, 0, 0], 2);
}

/**
 * Calls `kernel(...args)` over `total` units of work, in pieces of at least `grain`. `args` are those of a call over all of
 * it: `args[counted]` is the number of units, and the others rise by `perUnit` from one unit to the next.
 */
export function overUnits(
  table: KernelTable,
  code: number,
  total: number,
  grain: number,
  args: number[],
  perUnit: readonly number[],
  counted: number,
): void {
  const even = Math.ceil(total / split(total, Math.max(1, grain)));
  const size = even >= LONG ? Math.ceil(even / PAGE) * PAGE : even;
  const steps = perUnit.map((step) => step * size);
  const count = Math.ceil(total / size);
  const last = args.map((arg, k) => arg + (count - 1) * (steps[k] as number));
  args[counted] = size;
  last[counted] = total - (count - 1) * size;
  runSeries(table.names[code] as KernelName, count, args, steps, last);
}

/**
 * Cuts `total` units of work into pieces of at least `grain` and calls `queue(first, count)` for each, then runs
 * what was queued. How the work is cut depends on its size alone, so results do not depend on the threads.
 */
export function inPieces(total: number, grain: number, queue: (first: number, count: number) => void): void {
  const pieces = split(total, Math.max(1, grain));
  for (let i = 0; i < pieces; i++) {
    const start = pieceStart(i, pieces, total);
    queue(start, pieceStart(i + 1, pieces, total) - start);
  }
  runAll();
}
