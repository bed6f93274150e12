/** What the linear algebra files share: checks, batches of matrices as float64 numbers, identity matrices. */
import { mem } from "../../kernels/index.js";
import { type DTypeCode, FLOAT32, FLOAT64, isFloat, nameOf } from "../../tensor/dtype.js";
import { DTypeError, LinAlgError, ShapeError, show } from "../../tensor/errors.js";
import { release } from "../../tensor/heap.js";
import { inPieces } from "../../tensor/launch.js";
import { castTo, contiguous, copyOf, empty, fillWith, full, ptr, toTyped, viewOf } from "../../tensor/raw.js";
import { freeSlots, takeSlots } from "../../tensor/scratch.js";
import { broadcastShapes, numelOf, type Shape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { gemmInto } from "../gemm.js";
import { expand } from "../view.js";

/** Throws unless `x` is floating. */
export function checkFloat(op: string, x: Tensor): void {
  if (!isFloat(x.code)) {
    throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(x.code)}; try x.to("float32")`);
  }
}

/** Throws unless `x` is a floating matrix (or one of any dtype) or a batch of them. */
export function checkMatrices(op: string, x: Tensor, anyDtype = false): void {
  if (!anyDtype) checkFloat(op, x);
  if (x.shape.length < 2)
    throw new ShapeError(`[${op}] expected matrices in the last two dimensions, got shape ${show(x.shape)}`);
}

/** Throws unless `x` is a floating square matrix (or one of any dtype) or a batch of them. */
export function checkSquare(op: string, x: Tensor, anyDtype = false): void {
  checkMatrices(op, x, anyDtype);
  if (x.shape.at(-1) !== x.shape.at(-2)) {
    throw new ShapeError(
      `[${op}] expected square matrices, got shape ${show(x.shape)}; try linalg.pinv or linalg.lstsq for others`,
    );
  }
}

/** Throws unless both have one dtype. */
export function checkSameDtype(op: string, a: Tensor, b: Tensor): void {
  if (a.code !== b.code) {
    throw new DTypeError(
      `[${op}] expected operands of one dtype, got ${nameOf(a.code)} and ${nameOf(b.code)}`,
    );
  }
}

/** Rows and columns of the matrices. */
export function matrixSize(x: Tensor): [rows: number, cols: number] {
  return [x.shape.at(-2) as number, x.shape.at(-1) as number];
}

/** The dimensions before the matrices. */
export function batchShape(x: Tensor): Shape {
  return x.shape.slice(0, -2);
}

/** The matrices transposed, a view unknown to autograd. */
export function flipped(x: Tensor): Tensor {
  const swap = <T>(list: readonly T[]): T[] => [...list.slice(0, -2), list.at(-1) as T, list.at(-2) as T];
  return viewOf(x, swap(x.shape), swap(x.strides), x.storageOffset);
}

/** The matrices in one batch dimension; a view, of what is contiguous. */
export function batched(t: Tensor): Tensor {
  return viewOf(t, [batchSize(t), ...matrixSize(t)], null, t.storageOffset);
}

/** Both operands with their batch dimensions expanded to a common shape. */
export function expandBatches(op: string, a: Tensor, b: Tensor): [Tensor, Tensor] {
  const batch = broadcastShapes(op, batchShape(a), batchShape(b));
  return [expand(a, [...batch, ...matrixSize(a)]), expand(b, [...batch, ...matrixSize(b)])];
}

/** The elements in row-major order as float64 numbers, a copy. */
export function read(x: Tensor): Float64Array {
  if (x.code === FLOAT64 || x.numel === 0)
    return x.numel === 0 ? new Float64Array(0) : (toTyped(x) as Float64Array);
  const src = contiguous(x);
  const at = ptr(src);
  return src.code === FLOAT32
    ? new Float64Array(mem.f32.subarray(at / 4, at / 4 + src.numel))
    : Float64Array.from(toTyped(src), Number);
}

/** A tensor of float64 numbers, rounded to the dtype. */
export function write(values: Float64Array, shape: Shape, code: DTypeCode): Tensor {
  const out = empty(shape, code);
  if (out.numel === 0) return out;
  const at = ptr(out);
  if (code === FLOAT64) mem.f64.set(values, at / 8);
  else mem.f32.set(values, at / 4);
  return out;
}

/** The elements as float64 numbers in the heap, in a tensor of their own that kernels may overwrite. */
export function working(x: Tensor): Tensor {
  return x.code === FLOAT64 ? copyOf(x) : castTo(x, FLOAT64);
}

/** What kernels made of a {@link working} tensor, rounded to the dtype; that one is gone then. */
export function rounded(work: Tensor, code: DTypeCode): Tensor {
  if (code === FLOAT64) return work;
  const out = castTo(work, code);
  release(work.storage);
  return out;
}

/** Multiply-adds of factorizations that are worth a piece of their own. */
const GRAIN_FACTOR = 65536;

/**
 * Cuts a batch of `count` matrices, of `flops` multiply-adds each, into pieces: `queue(first, count, slots)` enqueues a
 * kernel whose last arguments are the slots, with scratch for products whose sums have `longest` terms and `more` bytes.
 */
export function overBatch(
  count: number,
  flops: number,
  longest: number,
  queue: (first: number, count: number, slots: readonly [at: number, count: number, bytes: number]) => void,
  more = 0,
): void {
  if (count === 0) return;
  const grain = Math.ceil(GRAIN_FACTOR / (flops + 1));
  // gemm.ts asks for a tile, and in blocks of the sum for 80 packed rows and up to 256 packed columns.
  const bytes = 256 + 8 * Math.min(longest, 384) * 336 + more;
  const slots = takeSlots(bytes, Math.ceil(count / grain));
  inPieces(count, grain, (first, n) => queue(first, n, [slots.at, slots.count, slots.bytes]));
  freeSlots(slots);
}

/** Calls `visit(index of the matrix, its elements)` for each matrix of `size` elements. */
export function eachMatrix(
  data: Float64Array,
  size: number,
  count: number,
  visit: (matrix: Float64Array, i: number) => void,
): void {
  for (let i = 0; i < count; i++) visit(data.subarray(i * size, (i + 1) * size), i);
}

/** Number of matrices. */
export function batchSize(x: Tensor): number {
  return numelOf(batchShape(x));
}

/** Identity matrices [n, n], broadcast over a batch. */
export function identity(n: number, code: DTypeCode, batch: Shape = []): Tensor {
  const eye = full([n, n], 0, code);
  if (n > 0) fillWith(viewOf(eye, [n], [n + 1], 0), 1);
  return expand(eye, [...batch, n, n]);
}

/** The error for the matrix of a batch on which an algorithm failed; `info` is its position in the batch. */
export function failure(op: string, x: Tensor, i: number, what: string): LinAlgError {
  const which = x.shape.length > 2 ? ` (matrix ${i} of the batch)` : "";
  return new LinAlgError(`[${op}]${which} ${what}: got shape ${show(x.shape)}`);
}

/** Multiply-adds from which the copies into the heap for the product kernel pay. */
const LARGE_PRODUCT = 20000;

/** out[m, n] = a[m, k] b[k, n] on plain numbers; `at`: a is [k, m] and taken transposed. */
export function multiply(
  a: Float64Array,
  b: Float64Array,
  m: number,
  k: number,
  n: number,
  at = false,
): Float64Array {
  if (m * k * n >= LARGE_PRODUCT) {
    const left = write(a, at ? [k, m] : [m, k], FLOAT64);
    const right = write(b, [k, n], FLOAT64);
    const product = empty([m, n], FLOAT64);
    gemmInto(product, at ? viewOf(left, [m, k], [1, m], 0) : left, right);
    const values = read(product);
    for (const t of [left, right, product]) release(t.storage);
    return values;
  }
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const v = (at ? a[p * m + i] : a[i * k + p]) as number;
      if (v === 0) continue;
      for (let j = 0; j < n; j++) out[i * n + j] = (out[i * n + j] as number) + v * (b[p * n + j] as number);
    }
  }
  return out;
}

/** The transpose of a[m, n] on plain numbers. */
export function transposed(a: Float64Array, m: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j * m + i] = a[i * n + j] as number;
  return out;
}
