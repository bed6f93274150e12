/** Muon's update of all matrices of a group: small ones of one shape go through its iterations as a batch. */
import { noGrad } from "../autograd/mode.js";
import { mem, runAll, split, splitStart } from "../kernels/index.js";
import { itemOf } from "../ops/read.js";
import { norm } from "../ops/statistics.js";
import { nextOp } from "../tensor/heap.js";
import { enqueue, GRAIN, kernelTable } from "../tensor/launch.js";
import { contiguous, empty, fromTyped, ptr, viewOf } from "../tensor/raw.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { copied, type FusedUpdate, finish, mismatch } from "./fused.js";
import type { MuonOptions, MuonState } from "./muon.js";

const AXPBY = kernelTable("axpby", ["none", "none", "none", "none", "f32", "f64"]);

/** Elements from which on a matrix goes by itself: then threads share its products. */
const LARGE = GRAIN / 4;
/** Most elements of a batch, so that its few copies stay in the cache. */
const BATCH = 1 << 18;

/** The factor by which the shape of a matrix changes the rate. */
export function ratioOf(param: Tensor, o: MuonOptions): number {
  const [rows, columns] = param.shape as [number, number];
  if (o.adjustLrFn === "match_rms_adamw") return 0.2 * Math.sqrt(Math.max(rows, columns));
  return Math.sqrt(Math.max(1, rows / columns));
}

/** Matrices of one shape and dtype. */
interface Batch {
  readonly params: Tensor[];
  readonly states: MuonState[];
}

/** Queues out = a x + b y over `n` elements at these addresses. */
function queue(
  code: number,
  size: number,
  n: number,
  a: number,
  x: number,
  b: number,
  y: number,
  out: number,
): void {
  const pieces = split(n, GRAIN);
  for (let i = 0; i < pieces; i++) {
    const start = splitStart(i, pieces, n);
    const o = start * size;
    enqueue(AXPBY, code, x + o, y + o, out + o, splitStart(i + 1, pieces, n) - start, a, b);
  }
}

/** out = a x + b y of contiguous tensors of one shape, in one pass. */
function combine(a: number, x: Tensor, b: number, y: Tensor, out: Tensor): Tensor {
  nextOp();
  queue(x.code, x.itemsize, x.numel, a, ptr(x), b, ptr(y), ptr(out));
  runAll();
  return out;
}

/** Batches of matrices, in the order in which their shapes come up. */
function batchesOf(params: readonly Tensor[], states: readonly MuonState[]): Batch[] {
  const open = new Map<string, Batch>();
  const all: Batch[] = [];
  params.forEach((param, i) => {
    const { numel, code, shape } = param;
    if (numel === 0) return;
    const key = `${code} ${shape[0]} ${shape[1]}`;
    let batch = numel < LARGE ? open.get(key) : undefined;
    if (batch === undefined || (batch.params.length + 1) * numel > BATCH) {
      batch = { params: [], states: [] };
      all.push(batch);
      open.set(key, batch);
    }
    batch.params.push(param);
    batch.states.push(states[i] as MuonState);
  });
  return all;
}

/** The matrices, over norms of at least eps. */
function normalized(x: Tensor, { eps }: MuonOptions): Tensor {
  const { shape, code, numel } = x;
  if (shape.length === 2) return contiguous(x.div(Math.max(itemOf(norm(x)), eps)));
  const [count, rows, columns] = shape as [number, number, number];
  const strides = x.contig ? null : x.strides.slice(1);
  const norms = Array.from({ length: count }, (_, i) =>
    Math.max(itemOf(norm(viewOf(x, [rows, columns], strides, (i * numel) / count))), eps),
  );
  nextOp();
  return contiguous(x.div(fromTyped(Float64Array.from(norms), [count, 1, 1], code)));
}

/** Newton-Schulz iterations of matrices in the last two dims, in their order of rows and columns. */
function orthogonal(target: Tensor, o: MuonOptions): Tensor {
  const [rows, columns] = target.shape.slice(-2) as [number, number];
  const [one, two, three] = o.nsCoefficients;
  let x = normalized(rows > columns ? target.transpose(-2, -1) : target, o);
  for (let i = 0; i < o.nsSteps; i++) {
    const gram = x.matmul(x.transpose(-2, -1));
    const square = gram.matmul(gram);
    const product = combine(two, gram, three, square, square).matmul(x);
    x = combine(one, x, 1, product, product);
  }
  return contiguous(rows > columns ? x.transpose(-2, -1) : x);
}

/** A step of Muon with every sum of two matrices as one pass; what is left are the products of the iterations. */
export class MuonUpdate implements FusedUpdate<MuonOptions, MuonState> {
  step(params: readonly Tensor[], states: readonly MuonState[], o: MuonOptions): void {
    params.forEach((param, i) => {
      const { momentumBuffer } = states[i] as MuonState;
      for (const [name, t] of [
        ["gradient", param.ownGrad as Tensor],
        ["momentumBuffer", momentumBuffer],
      ] as const) {
        if (t.code !== param.code || t.numel !== param.numel) throw mismatch("muon", param, t, name);
      }
    });
    for (const batch of batchesOf(params, states)) noGrad(() => scope(() => this.stepBatch(batch, o)));
  }

  private stepBatch({ params, states }: Batch, o: MuonOptions): void {
    const { shape, code, itemsize, numel: n } = params[0] as Tensor;
    const targets = empty(params.length === 1 ? shape : [params.length, ...shape], code);
    this.moveMomenta(params, states, o, targets);
    const steps = orthogonal(targets, o);
    nextOp();
    const copies: Tensor[] = [];
    const [rate, keep] = [-o.lr * ratioOf(params[0] as Tensor, o), 1 - o.lr * o.weightDecay];
    let at = ptr(steps);
    for (const param of params) {
      const p = ptr(copied(param, copies));
      queue(code, itemsize, n, rate, at, keep, p, p);
      at += n * itemsize;
      param.storage.version++;
    }
    finish(copies);
  }

  /** Brings the momenta up to date, and writes what is to be made orthogonal. */
  private moveMomenta(
    params: readonly Tensor[],
    states: readonly MuonState[],
    o: MuonOptions,
    targets: Tensor,
  ): void {
    nextOp();
    const { code, itemsize, numel: n } = params[0] as Tensor;
    const [fresh, kept] = [1 - o.momentum, o.momentum];
    const copies: Tensor[] = [];
    const grads = params.map((p) => ptr(contiguous(p.ownGrad as Tensor)));
    const momenta = states.map((s) => ptr(copied(s.momentumBuffer, copies)));
    const at = ptr(targets);
    for (const [i, b] of momenta.entries()) queue(code, itemsize, n, fresh, grads[i] as number, kept, b, b);
    runAll();
    for (const [i, b] of momenta.entries()) {
      const out = at + i * n * itemsize;
      if (o.nesterov) queue(code, itemsize, n, fresh, grads[i] as number, kept, b, out);
      else mem.u8.copyWithin(out, b, b + n * itemsize);
    }
    finish(copies);
  }
}
