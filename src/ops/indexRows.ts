/** Picking and writing rows of a tensor by a linear index: what index tensors come down to, and the derivatives. */
import { defineOp, run } from "../autograd/op.js";
import { kernels } from "../kernels/index.js";
import { BOOL, SIZES } from "../tensor/dtype.js";
import { enqueue, GRAIN, inPieces, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { contiguous, copyOf, empty, full, ptr } from "../tensor/raw.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

const BY_SIZE = ["1", "1", "4", "8", "4", "8"];
const SELECT = kernelTable("indexSelect", BY_SIZE);
/** Copies between any strides, by element size. */
export const COPY = kernelTable("indexCopy", BY_SIZE);
/** Elementwise sums, by dtype. */
export const ADD = kernelTable("indexAdd");

/** Rows of a tensor seen as [outer, dim, inner]; the result has `shape`. */
export interface Rows {
  readonly outer: number;
  readonly dim: number;
  readonly inner: number;
  readonly shape: Shape;
}

/** Calls `kernel(.., outer, dim, n, inner)` on parts of the outer range, so that no two parts write to one place. */
function overOuter(
  table: KernelTable,
  code: number,
  n: number,
  { outer, dim, inner }: Rows,
  args: (first: number) => readonly number[],
): void {
  const kernel = kernelFor(table, code);
  if (outer === 1 || outer * n * inner < 2 * GRAIN) {
    kernel(...args(0), outer, dim, n, inner, 1);
    return;
  }
  inPieces(outer, Math.ceil(GRAIN / (n * inner)), (first, count) => {
    enqueue(table, code, ...args(first), count, dim, n, inner, 1);
  });
}

/** out[o, i, :] = x[o, at[i], :]. */
function pickRows(x: Tensor, at: Tensor, rows: Rows): Tensor {
  const { outer, dim, inner, shape } = rows;
  const src = contiguous(x);
  const out = empty(shape, src.code);
  if (out.numel === 0) return out;
  const n = at.numel;
  const size = inner * (SIZES[src.code] as number);
  const [from, index, to] = [ptr(src), ptr(at), ptr(out)];
  if (outer === 1 && n * inner >= 2 * GRAIN) {
    inPieces(n, Math.ceil(GRAIN / inner), (first, count) => {
      enqueue(SELECT, src.code, from, index + first * 8, to + first * size, 1, dim, count, inner);
    });
    return out;
  }
  overOuter(SELECT, src.code, n, rows, (first) => [from + first * dim * size, index, to + first * n * size]);
  return out;
}

/** out[o, at[i], :] = values[o, i, :], or += with the adding kernel; `out` is contiguous. */
export function writeRows(table: KernelTable, out: Tensor, values: Tensor, at: Tensor, rows: Rows): Tensor {
  const src = contiguous(values);
  if (src.numel === 0) return out;
  const { dim, inner } = rows;
  const n = at.numel;
  const size = inner * (SIZES[out.code] as number);
  const [to, index, from] = [ptr(out), ptr(at), ptr(src)];
  overOuter(table, out.code, n, rows, (first) => [to + first * dim * size, index, from + first * n * size]);
  if (table === ADD && out.code === BOOL) kernels.cast_u8_b8(to, to, out.numel);
  return out;
}

/** The rows at an index. */
export const pickOp = defineOp<Rows>({
  name: "Index",
  saves: [1],
  forward: ([x, at], rows) => pickRows(x as Tensor, at as Tensor, rows),
  backward: (g, n) => [run(spreadOp, [g, n.input(1)], { ...n.attrs, into: n.shape(0) })],
});

/** Zeros with rows added at an index. */
const spreadOp = defineOp<Rows & { readonly into: Shape }>({
  name: "IndexBackward",
  saves: [1],
  forward: ([g, at], rows) =>
    writeRows(ADD, full(rows.into, 0, (g as Tensor).code), g as Tensor, at as Tensor, rows),
  backward: (g, n): Tensor[] => [run(pickOp, [g, n.input(1)], n.attrs)],
});

/** A copy of the first input with the rows of the second written, or added, at an index. */
export const putOp = defineOp<Rows & { readonly accumulate: boolean }>({
  name: "IndexPut",
  saves: [2],
  forward: ([x, values, at], rows) =>
    writeRows(rows.accumulate ? ADD : COPY, copyOf(x as Tensor), values as Tensor, at as Tensor, rows),
  backward: (g, n): (Tensor | null)[] => {
    const at = n.input(2);
    const zero = () => full(n.shape(1), 0, g.code); // what was overwritten gets no gradient
    const kept = n.attrs.accumulate ? g : n.needs(0) ? run(putOp, [g, zero(), at], n.attrs) : null;
    return [kept, n.needs(1) ? run(pickOp, [g, at], n.attrs) : null];
  },
});
