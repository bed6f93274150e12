/** Adafactor's update of all parameters of a group: small ones by a kernel that walks a table with a row for each. */
import { mem } from "../kernels/index.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { address, allocate, nextOp, release, type Storage } from "../tensor/heap.js";
import { enqueue, GRAIN, kernelTable } from "../tensor/launch.js";
import { contiguous, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import type { AdafactorOptions, AdafactorState } from "./adafactor.js";
import { type AdafactorStep, stepMatrices, stepVector } from "./adafactorPasses.js";
import { copied, type FusedUpdate, finish, mismatch, TOGETHER } from "./fused.js";

const TABLE = kernelTable("adafactorTable", ["none", "none", "none", "none", "f32", "f64"]);

/** Elements of a piece: a step costs about four additions. */
const PIECE = GRAIN / 4;
/** Words of a row, as assembly/adafactor.ts reads it. */
const ROW = 7;
const DOUBLE = 8;

/** eps1: the least root of a second moment. */
export function leastRoot(param: Tensor, o: AdafactorOptions): number {
  return o.eps[0] ?? (param.code === FLOAT32 ? 2 ** -23 : 2 ** -52);
}

/** The scalars of step t. */
function stepOf(t: number, param: Tensor, o: AdafactorOptions): AdafactorStep {
  return {
    decay: t ** o.beta2Decay,
    eps1: leastRoot(param, o),
    eps2: o.eps[1],
    // The squares do not see the sign of a gradient: ascending is a negative rate.
    rate: (o.maximize ? -1 : 1) * Math.min(o.lr, 1 / Math.sqrt(t)),
    d: o.d,
    keep: 1 - o.lr * o.weightDecay,
  };
}

/** Throws unless gradient and state are of the parameter's dtype, and sized for it. */
function check(param: Tensor, { rowVar, colVar, variance }: AdafactorState): void {
  const { shape, numel } = param;
  if (numel === 0) return;
  checkSize(param, param.ownGrad, numel, "gradient");
  const columns = shape[shape.length - 1];
  const height = shape[shape.length - 2];
  if (columns === undefined || height === undefined) checkSize(param, variance, numel, "variance");
  else {
    checkSize(param, rowVar, numel / columns, "rowVar");
    checkSize(param, colVar, numel / height, "colVar");
  }
}

function checkSize(param: Tensor, t: Tensor | null, size: number, name: string): void {
  if (t === null || t.code !== param.code || t.numel !== size)
    throw mismatch("adafactor", param, t ?? param, name);
}

/** Small parameters of one step and dtype, which one call of the kernel updates. */
interface Call {
  readonly row: number;
  count: number;
  elements: number;
  /** Doubles of scratch for the largest of them. */
  room: number;
  readonly t: number;
  readonly first: Tensor;
}

/** A step of Adafactor: one call updates many small parameters, several share a large one. */
export class AdafactorUpdate implements FusedUpdate<AdafactorOptions, AdafactorState> {
  step(params: readonly Tensor[], states: readonly AdafactorState[], o: AdafactorOptions): void {
    for (let i = 0; i < params.length; i++) check(params[i] as Tensor, states[i] as AdafactorState);
    for (let from = 0, to = 0; from < params.length; from = to) {
      for (let bytes = 0; to < params.length && bytes < TOGETHER; to++)
        bytes += (params[to] as Tensor).nbytes;
      const large = this.stepSmall(params, states, o, from, to);
      for (const i of large) this.stepLarge(params[i] as Tensor, states[i] as AdafactorState, o);
    }
  }

  /** Counts the step of all parameters and updates the small ones; returns which are large. */
  private stepSmall(
    params: readonly Tensor[],
    states: readonly AdafactorState[],
    o: AdafactorOptions,
    from: number,
    to: number,
  ): number[] {
    nextOp();
    const table = allocate(4 * ROW * (to - from));
    const at = address(table);
    const copies: Tensor[] = [];
    const scratch: Storage[] = [];
    const large: number[] = [];
    let call: Call | null = null;
    let rows = 0;
    for (let i = from; i < to; i++) {
      const param = params[i] as Tensor;
      const { numel, shape, code } = param;
      const state = states[i] as AdafactorState;
      const t = ++state.step;
      param.storage.version++;
      if (numel >= 2 * PIECE) large.push(i);
      if (numel === 0 || numel >= 2 * PIECE) continue;
      if (call === null || call.t !== t || call.first.code !== code || call.elements >= PIECE) {
        if (call !== null) scratch.push(queue(at, call, o));
        call = { row: rows, count: 0, elements: 0, room: 0, t, first: param };
      }
      const { colVar } = state;
      const columns = colVar === null ? 1 : (shape[shape.length - 1] as number);
      const height = colVar === null ? 1 : (shape[shape.length - 2] as number);
      const toParam = ptr(copied(param, copies));
      const toGrad = ptr(contiguous(param.ownGrad as Tensor));
      const toFirst = ptr(copied((state.rowVar ?? state.variance) as Tensor, copies));
      const toSecond = colVar === null ? 0 : ptr(copied(colVar, copies));
      const row = (at >>> 2) + ROW * rows++;
      const { i32 } = mem;
      i32[row] = toParam;
      i32[row + 1] = toGrad;
      i32[row + 2] = toFirst;
      i32[row + 3] = toSecond;
      i32[row + 4] = numel;
      i32[row + 5] = height;
      i32[row + 6] = columns;
      call.count++;
      call.elements += numel;
      call.room = Math.max(call.room, 2 + columns + numel / (height * columns));
    }
    if (call !== null) scratch.push(queue(at, call, o));
    finish(copies);
    for (const storage of [table, ...scratch]) release(storage);
    return large;
  }

  private stepLarge(param: Tensor, state: AdafactorState, o: AdafactorOptions): void {
    nextOp();
    const copies: Tensor[] = [];
    const [target, grad] = [copied(param, copies), contiguous(param.ownGrad as Tensor)];
    const { rowVar, colVar, variance } = state;
    const step = stepOf(state.step, param, o);
    if (rowVar === null || colVar === null)
      stepVector(target, grad, copied(variance as Tensor, copies), step);
    else stepMatrices(target, grad, copied(rowVar, copies), copied(colVar, copies), step);
    finish(copies);
  }
}

/** Queues a call; returns its scratch. */
function queue(at: number, { row, count, room, t, first }: Call, o: AdafactorOptions): Storage {
  const scratch = allocate(DOUBLE * room);
  const { decay, eps1, eps2, rate, d, keep } = stepOf(t, first, o);
  const rows = at + 4 * ROW * row;
  enqueue(TABLE, first.code, rows, count, address(scratch), decay, eps1, eps2, rate, d, keep);
  return scratch;
}
