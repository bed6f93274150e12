/** Reductions of elements that lie in the heap: the one place where ranks' elements become one, for every backend. */
import { type DTypeCode, isFloat, sizeOf } from "../tensor/dtype.js";
import { type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { scalarPtr } from "../tensor/raw.js";
import type { BasicOp, Reduction } from "./communicator.js";

const TABLES: Readonly<Record<BasicOp, KernelTable>> = {
  sum: kernelTable("add"),
  product: kernelTable("mul"),
  min: kernelTable("minimum"),
  max: kernelTable("maximum"),
  band: kernelTable("bitwiseAnd"),
  bor: kernelTable("bitwiseOr"),
  bxor: kernelTable("bitwiseXor"),
};
const DIVIDE = kernelTable("div");
const TRUNC_DIVIDE = kernelTable("truncDivide");

/** Bytes that are reduced over all ranks before the next ones are: they stay in the core's own cache. */
const BLOCK_BYTES = 32 * 1024;

/**
 * `out` = sources[0] op sources[1] op ..., in this order, then divided. All are addresses of `n` elements; `out` may be
 * the first or the second source, but no later one.
 */
export function reduceInto(
  code: DTypeCode,
  { op, divisor }: Reduction,
  out: number,
  sources: readonly number[],
  n: number,
): void {
  const size = sizeOf(code);
  const fn = kernelFor(TABLES[op], code);
  const block = BLOCK_BYTES / size;
  const divide = divisor === 1 ? null : kernelFor(isFloat(code) ? DIVIDE : TRUNC_DIVIDE, code);
  const by = divide === null ? 0 : scalarPtr(divisor, code);
  for (let first = 0; first < n; first += block) {
    const count = Math.min(block, n - first);
    const at = first * size;
    let left = (sources[0] as number) + at;
    for (let k = 1; k < sources.length; k++) {
      fn(left, (sources[k] as number) + at, out + at, 1, count, 0, 1, 0, 1);
      left = out + at;
    }
    divide?.(left, by, out + at, 1, count, 0, 1, 0, 0);
  }
}
