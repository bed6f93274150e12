/**
 * Runs fused update kernels, one pass over parameter, gradient and state. Many small parameters are queued together,
 * so that a step over them is shared among threads as one over their concatenation would be.
 */
import { runAll, split, splitStart } from "../kernels/index.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { enqueue, GRAIN, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { contiguous, copyInto, describe, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

/** Elements of a piece: an update costs several times an addition. */
const PIECE = GRAIN / 4;
/** Bytes of parameters whose updates are queued before they run: all of them stay in the heap until then. */
const QUEUED_BYTES = 16 * 1024 * 1024;

let queueing = false;
let bytes = 0;

/** A step over many parameters. */
export interface Batch {
  /** Called before each parameter. */
  next(param: Tensor): void;
  /** Runs what is still queued. */
  end(): void;
}

const current: Batch = {
  next(param: Tensor): void {
    if (!queueing) {
      nextOp();
      return;
    }
    bytes += param.nbytes;
    if (bytes < QUEUED_BYTES) return;
    runAll();
    nextOp();
    bytes = param.nbytes;
  },
  end(): void {
    queueing = false;
    runAll();
  },
};

/** Starts a step: when the parameters are large together, updates are queued for the pool until `end()`. */
export function batch(params: readonly Tensor[]): Batch {
  let total = 0;
  for (let i = 0; i < params.length; i++) total += (params[i] as Tensor).numel;
  queueing = total >= 2 * GRAIN;
  bytes = 0;
  nextOp();
  return current;
}

/** A kernel `(param, grad, ...arrays, n, ...scalars)` with state arrays of the parameter's dtype and size. */
export class FusedKernel {
  private readonly table: KernelTable;
  private readonly arrays: readonly string[];

  /** @param arrays names of the state arrays, at most three. */
  constructor(op: string, ...arrays: string[]) {
    this.table = kernelTable(op, ["none", "none", "none", "none", "f32", "f64"]);
    this.arrays = arrays;
  }

  private check(param: Tensor, t: Tensor | null, name: string): void {
    if (t === null || (t.code === param.code && t.numel === param.numel)) return;
    const what = `[${this.table.op}] the ${name} of a parameter is ${describe(t)}, expected ${describe(param)}`;
    if (t.code !== param.code) {
      throw new DTypeError(
        `${what}; try to convert the model before the optimizer is made, or load its state again`,
      );
    }
    throw new ShapeError(`${what}: shapes ${show(t.shape)} and ${show(param.shape)}`);
  }

  /** Calls the kernel; a null array passes a null pointer. What is not contiguous is updated through a copy. */
  run(
    param: Tensor,
    grad: Tensor,
    a: Tensor | null,
    b: Tensor | null,
    c: Tensor | null,
    p0 = 0,
    p1 = 0,
    p2 = 0,
    p3 = 0,
    p4 = 0,
    p5 = 0,
    p6 = 0,
    p7 = 0,
    p8 = 0,
  ): void {
    const { arrays, table } = this;
    const { code, numel } = param;
    this.check(param, grad, "gradient");
    this.check(param, a, arrays[0] as string);
    this.check(param, b, arrays[1] as string);
    this.check(param, c, arrays[2] as string);
    if (numel === 0) return;
    const target = contiguous(param);
    const source = contiguous(grad);
    const p = ptr(target);
    const g = ptr(source);
    const pa = a === null ? 0 : ptr(a);
    const pb = b === null ? 0 : ptr(b);
    const pc = c === null ? 0 : ptr(c);
    const fn = kernelFor(table, code);
    const count = arrays.length;
    if (!queueing || target !== param) {
      if (count === 1) fn(p, g, pa, numel, p0, p1, p2, p3, p4, p5, p6, p7, p8);
      else if (count === 2) fn(p, g, pa, pb, numel, p0, p1, p2, p3, p4, p5, p6, p7, p8);
      else fn(p, g, pa, pb, pc, numel, p0, p1, p2, p3, p4, p5, p6, p7, p8);
      if (target !== param) copyInto(param, target);
      return;
    }
    const size = param.itemsize;
    const pieces = split(numel, PIECE);
    for (let i = 0; i < pieces; i++) {
      const start = splitStart(i, pieces, numel);
      const n = splitStart(i + 1, pieces, numel) - start;
      const o = start * size;
      const oa = a === null ? 0 : pa + o;
      const ob = b === null ? 0 : pb + o;
      const oc = c === null ? 0 : pc + o;
      if (count === 1) enqueue(table, code, p + o, g + o, oa, n, p0, p1, p2, p3, p4, p5, p6, p7, p8);
      else if (count === 2) enqueue(table, code, p + o, g + o, oa, ob, n, p0, p1, p2, p3, p4, p5, p6, p7, p8);
      else enqueue(table, code, p + o, g + o, oa, ob, oc, n, p0, p1, p2, p3, p4, p5, p6, p7, p8);
    }
  }
}
