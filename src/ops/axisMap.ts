/**
 * Linear maps along axes. Picking takes each output position from one input position along up to three axes at
 * once; a banded sum weighs several positions along one axis. The derivative of either is its transpose.
 */

import { defineOp, type Op, run } from "../autograd/op.js";
import { putInts } from "../kernels/index.js";
import { FLOAT64, INT32, SIZES } from "../tensor/dtype.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "../tensor/launch.js";
import { contiguous, empty, fromTyped, ptr } from "../tensor/raw.js";
import { numelOf } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { planesOf, volume, withSizes } from "./poolRaw.js";

const PICK = kernelTable("pickAxes", ["1", "1", "4", "8", "4", "8"]);
const PICK_BACKWARD = kernelTable("pickAxesBackward");
const SUM = kernelTable("axisSum");

interface Pick {
  /** Sizes of the last dimensions of the input. */
  readonly input: readonly number[];
  /** For each of those dimensions, the input position of each output position. */
  readonly maps: readonly Int32Array[];
}

/** The longest range of outputs whose inputs follow one another. */
function longestRun(map: Int32Array): [number, number] {
  let best: [number, number] = [0, 0];
  for (let start = 0, i = 1; i <= map.length; i++) {
    if (i < map.length && map[i] === (map[i - 1] as number) + 1) continue;
    if (i - start > best[1] - best[0]) best = [start, i];
    start = i;
  }
  return best;
}

function pick(t: Tensor, { input, maps }: Pick, back: boolean): Tensor {
  const src = contiguous(t);
  const sizes = maps.map((m) => m.length);
  const out = empty(withSizes(t.shape, back ? input : sizes), t.code);
  if (out.numel === 0) return out;
  const lead = new Array<number>(3 - maps.length).fill(1);
  const all = [...lead.map(() => new Int32Array(1)), ...maps];
  const table = new Int32Array(all.reduce((n, m) => n + m.length, 0));
  all.reduce((at, m) => {
    table.set(m, at);
    return at + m.length;
  }, 0);
  const where = fromTyped(table, [table.length], INT32);
  const [from, to] = longestRun(maps[maps.length - 1] as Int32Array);
  const desc = putInts([...lead, ...input, ...lead, ...sizes, from, to]);
  const work = volume(sizes) + (back ? volume(input) : 0);
  inPieces(planesOf(t.shape, maps.length), Math.ceil(GRAIN / work), (first, count) => {
    enqueue(back ? PICK_BACKWARD : PICK, t.code, ptr(src), ptr(out), desc, ptr(where), first, first + count);
  });
  release(where.storage);
  return out;
}

const pickOp: Op<Pick> = defineOp<Pick>({
  name: "PickAxes",
  forward: ([x], attrs) => pick(x as Tensor, attrs, false),
  backward: (g, n) => [run(pickBackwardOp, [g], n.attrs)],
});

const pickBackwardOp: Op<Pick> = defineOp<Pick>({
  name: "PickAxesBackward",
  forward: ([g], attrs) => pick(g as Tensor, attrs, true),
  backward: (g, n) => [run(pickOp, [g], n.attrs)],
});

/** y[..., i, j, k] = x[..., a[i], b[j], c[k]] for maps [a, b, c] of the last dimensions, three at most. @internal */
export function pickAxes(x: Tensor, maps: readonly Int32Array[]): Tensor {
  return run(pickOp, [x], { input: x.shape.slice(-maps.length), maps });
}

/** A sparse matrix by rows: row j holds `weights[e]` at `cols[e]` for rows[j] <= e < rows[j + 1]. */
export interface Banded {
  readonly size: number;
  readonly rows: Int32Array;
  readonly cols: Int32Array;
  readonly weights: Float64Array;
}

/** A sparse matrix from its rows, as lists of columns and weights. */
export function banded(
  size: number,
  rows: readonly (readonly (readonly [col: number, weight: number])[])[],
): Banded {
  const ends = new Int32Array(rows.length + 1);
  rows.forEach((row, j) => {
    ends[j + 1] = (ends[j] as number) + row.length;
  });
  const flat = rows.flat();
  return {
    size,
    rows: ends,
    cols: Int32Array.from(flat, ([col]) => col),
    weights: Float64Array.from(flat, ([, weight]) => weight),
  };
}

function transposed({ size, rows, cols, weights }: Banded): Banded {
  const m = rows.length - 1;
  const lists = Array.from({ length: size }, () => [] as [number, number][]);
  for (let j = 0; j < m; j++) {
    for (let e = rows[j] as number; e < (rows[j + 1] as number); e++) {
      (lists[cols[e] as number] as [number, number][]).push([j, weights[e] as number]);
    }
  }
  return banded(m, lists);
}

interface AxisSum {
  readonly dim: number;
  readonly matrix: Banded;
}

const axisSumOp: Op<AxisSum> = defineOp<AxisSum>({
  name: "AxisSum",
  forward: ([x], { dim, matrix }) => {
    const src = contiguous(x as Tensor);
    const [n, m] = [matrix.size, matrix.rows.length - 1];
    const out = empty(
      src.shape.map((size, d) => (d === dim ? m : size)),
      src.code,
    );
    if (out.numel === 0) return out;
    const inner = numelOf(src.shape.slice(dim + 1));
    const rows = fromTyped(matrix.rows, [m + 1], INT32);
    const cols = fromTyped(matrix.cols, [matrix.cols.length], INT32);
    const weights = fromTyped(
      src.code === FLOAT64 ? matrix.weights : Float32Array.from(matrix.weights),
      [matrix.cols.length],
      src.code,
    );
    const tables = [rows, cols, weights].map(ptr);
    const [from, to, size] = [ptr(src), ptr(out), SIZES[src.code] as number];
    const outer = numelOf(src.shape.slice(0, dim));
    const work = 2 * (matrix.cols.length + m) * inner;
    if (outer > 1 || work < GRAIN) {
      inPieces(outer, Math.ceil(GRAIN / work), (first, count) =>
        enqueue(
          SUM,
          src.code,
          from,
          to,
          ...(tables as [number, number, number]),
          n,
          m,
          inner,
          first,
          first + count,
        ),
      );
    } else {
      // One plane: rows of the matrix are shared, all with the same inputs.
      inPieces(m, Math.ceil((GRAIN * m) / work), (first, count) => {
        const at = to + first * inner * size;
        enqueue(
          SUM,
          src.code,
          from,
          at,
          (tables[0] as number) + 4 * first,
          tables[1] as number,
          tables[2] as number,
          n,
          count,
          inner,
          0,
          1,
        );
      });
    }
    for (const t of [rows, cols, weights]) release(t.storage);
    return out;
  },
  // y = M x along the axis, so gx = M^T gy
  backward: (g, n) => [run(axisSumOp, [g], { dim: n.attrs.dim, matrix: transposed(n.attrs.matrix) })],
});

/** M x along a dimension, for a sparse matrix M. @internal */
export function axisSum(x: Tensor, dim: number, matrix: Banded): Tensor {
  return run(axisSumOp, [x], { dim, matrix });
}
