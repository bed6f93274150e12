/**
 * A step over many parameters as one pass: a kernel walks a table of addresses with a row for each parameter, so that
 * a thousand small parameters cost about what their concatenation does.
 */
import { mem, runAll, split } from "../kernels/index.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { address, allocate, nextOp, release } from "../tensor/heap.js";
import { enqueue, GRAIN, type KernelTable, kernelFor, kernelTable } from "../tensor/launch.js";
import { contiguous, copyInto, describe, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

/** Elements of a piece: an update costs several times an addition. */
const PIECE = GRAIN / 4;
/** Pieces are whole multiples of this, so that those of a large parameter start where vectors do. */
const ALIGNED = 1024;
/** Bytes of parameters that are updated together: all of them stay in the heap meanwhile. */
export const TOGETHER = 16 * 1024 * 1024;

// Words of a row, as assembly/optimRows.ts reads it: parameter, gradient, state arrays, number of elements.
const ROW = 6;
const GRAD = 1;
const STATE = 2;
const SIZE = 5;

/** The scalars of a kernel call. Parameters that follow each other share them while what they depend on agrees. */
class Scalars {
  /** In the kernel's order. */
  values: readonly number[] = [];
  private x = Number.NaN;
  private y = Number.NaN;
  private z = Number.NaN;

  /** Whether what the scalars depend on beside the options is not what it was for the parameter before. */
  depend(x: number, y = 0, z = 0): boolean {
    if (x === this.x && y === this.y && z === this.z) return false;
    this.x = x;
    this.y = y;
    this.z = z;
    return true;
  }

  /** Sets the scalars of this parameter, and of those to come. */
  set(...values: number[]): void {
    this.values = values;
  }
}

/** The state arrays of a parameter in the kernel's order, of its dtype and size; null where the options need none. */
class StateArrays {
  first: Tensor | null = null;
  second: Tensor | null = null;
  third: Tensor | null = null;
}

/** What a kernel takes of the state of a parameter. */
interface KernelState<O, S> {
  /** Names of the state arrays in the kernel's order. */
  readonly names: readonly string[];
  /** Sets the state arrays of a parameter: one call for all of them, as it costs about what an update of 20 elements does. */
  readonly arrays: (state: S, arrays: StateArrays, options: O, param: Tensor) => void;
  /** Counts the step in `state`, and sets the scalars where `scalars.depend(...)` says that they change. */
  readonly advance: (state: S, options: O, scalars: Scalars) => void;
}

/** Parameters from `from` up to `to`, and their states. */
interface Block<O, S> {
  readonly params: readonly Tensor[];
  readonly states: readonly S[];
  readonly options: O;
  readonly from: number;
  readonly to: number;
}

/** Parameters in a row whose updates are one call of a kernel, or several where it is cut. */
interface Run {
  readonly row: number;
  /** Elements of all of them. */
  size: number;
  readonly code: number;
  readonly scalars: readonly number[];
}

/** An update of many parameters at once. */
export interface FusedUpdate<O, S> {
  /** Updates parameters that have gradients, given their states. */
  step(params: readonly Tensor[], states: readonly S[], options: O): void;
}

/** An update of many parameters by a kernel `(rows, skip, left, ...scalars)`, one element after the other. */
export class FusedKernel<O, S> implements FusedUpdate<O, S> {
  private readonly table: KernelTable;
  private readonly state: KernelState<O, S>;
  private readonly arrays = new StateArrays();

  constructor(op: string, state: KernelState<O, S>) {
    this.table = kernelTable(op, ["none", "none", "none", "none", "f32", "f64"]);
    this.state = state;
  }

  step(params: readonly Tensor[], states: readonly S[], options: O): void {
    let total = 0;
    for (let i = 0; i < params.length; i++) total += (params[i] as Tensor).numel;
    // How work is cut depends on its size alone.
    const piece =
      total < 2 * GRAIN
        ? Number.POSITIVE_INFINITY
        : Math.ceil(total / split(total, PIECE) / ALIGNED) * ALIGNED;
    nextOp();
    const table = allocate(4 * ROW * params.length);
    const copies: Tensor[] = [];
    try {
      for (let from = 0, to = 0; from < params.length; from = to) {
        for (let bytes = 0; to < params.length && bytes < TOGETHER; to++) {
          bytes += (params[to] as Tensor).nbytes;
        }
        if (from > 0) nextOp();
        this.queue(address(table), { params, states, options, from, to }, piece, copies);
        finish(copies);
      }
    } finally {
      finish(copies);
      release(table);
    }
  }

  /** Queues the updates of a block. Nothing of it is changed before all of it was checked. */
  private queue(at: number, block: Block<O, S>, piece: number, copies: Tensor[]): void {
    this.writeParams(at, block, copies);
    this.writeStates(at, block, copies);
    for (const run of this.runs(block)) this.queueRun(at, run, piece);
  }

  /** Writes addresses of parameters and gradients, and sizes. */
  private writeParams(at: number, { params, from, to }: Block<O, S>, copies: Tensor[]): void {
    for (let i = from; i < to; i++) {
      const param = params[i] as Tensor;
      const grad = param.ownGrad as Tensor;
      if (grad.code !== param.code || grad.numel !== param.numel)
        throw mismatch(this.table.op, param, grad, "gradient");
      const toParam = ptr(copied(param, copies));
      const toGrad = ptr(contiguous(grad));
      const row = (at >>> 2) + ROW * i;
      const { i32 } = mem;
      i32[row] = toParam;
      i32[row + GRAD] = toGrad;
      i32[row + SIZE] = param.numel;
    }
  }

  /** Writes addresses of state arrays. */
  private writeStates(
    at: number,
    { params, states, options, from, to }: Block<O, S>,
    copies: Tensor[],
  ): void {
    const { arrays, state } = this;
    for (let i = from; i < to; i++) {
      const param = params[i] as Tensor;
      state.arrays(states[i] as S, arrays, options, param);
      const { first, second, third } = arrays;
      const toFirst = first === null ? 0 : this.place(first, param, 0, copies);
      const toSecond = second === null ? 0 : this.place(second, param, 1, copies);
      const toThird = third === null ? 0 : this.place(third, param, 2, copies);
      const row = (at >>> 2) + ROW * i + STATE;
      const { i32 } = mem;
      i32[row] = toFirst;
      i32[row + 1] = toSecond;
      i32[row + 2] = toThird;
    }
  }

  /** Address of state array `k`, or of a copy of it. */
  private place(t: Tensor, param: Tensor, k: number, copies: Tensor[]): number {
    if (t.code !== param.code || t.numel !== param.numel)
      throw mismatch(this.table.op, param, t, this.state.names[k] as string);
    return ptr(copied(t, copies));
  }

  /** Counts the step in all states; the runs of parameters that share a kernel and its scalars. */
  private runs({ params, states, options, from, to }: Block<O, S>): readonly Run[] {
    const scalars = new Scalars();
    const { advance } = this.state;
    const runs: Run[] = [];
    let run: Run | null = null;
    for (let i = from; i < to; i++) {
      const { code, numel, storage } = params[i] as Tensor;
      storage.version++;
      advance(states[i] as S, options, scalars);
      if (run === null || run.scalars !== scalars.values || run.code !== code) {
        run = { row: i, size: 0, code, scalars: scalars.values };
        runs.push(run);
      }
      run.size += numel;
    }
    return runs;
  }

  /** Queues the kernel for a run, cut as the concatenation of its parameters would be. */
  private queueRun(at: number, run: Run, piece: number): void {
    const { code, scalars } = run;
    const fn = kernelFor(this.table, code);
    let { row, size: left } = run;
    if (piece === Number.POSITIVE_INFINITY) {
      if (left > 0) fn(at + 4 * ROW * row, 0, left, ...scalars);
      return;
    }
    const { i32 } = mem;
    for (let skip = 0; left > 0; ) {
      const n = left < 2 * piece ? left : piece;
      enqueue(this.table, code, at + 4 * ROW * row, skip, n, ...scalars);
      left -= n;
      skip += n;
      for (; left > 0; row++) {
        const size = i32[(at >>> 2) + ROW * row + SIZE] as number;
        if (skip < size) break;
        skip -= size;
      }
    }
  }
}

/** The error of a gradient or state array `t` that does not fit its parameter. */
export function mismatch(op: string, param: Tensor, t: Tensor, name: string): Error {
  const what = `[${op}] the ${name} of a parameter is ${describe(t)}, expected ${describe(param)}`;
  if (t.code === param.code)
    return new ShapeError(`${what}: shapes ${show(t.shape)} and ${show(param.shape)}`);
  return new DTypeError(
    `${what}; try to convert the model before the optimizer is made, or load its state again`,
  );
}

/** `t` where it is contiguous, else a copy; both go to `copies`, since what a kernel does to the copy is to reach `t`. */
export function copied(t: Tensor, copies: Tensor[]): Tensor {
  if (t.contig) return t;
  const copy = contiguous(t);
  copies.push(t, copy);
  return copy;
}

/** Runs what is queued, and copies back what was not contiguous. */
export function finish(copies: Tensor[]): void {
  runAll();
  for (let i = 0; i < copies.length; i += 2) copyInto(copies[i] as Tensor, copies[i + 1] as Tensor);
  copies.length = 0;
}
