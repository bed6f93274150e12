/**
 * One direction of one recurrent layer over a whole (packed) sequence as a single op: the input's matrix product for
 * all steps at once, then the walk over the steps; backward through time by hand.
 */
import { composedBackward } from "../autograd/composed.js";
import { mode } from "../autograd/mode.js";
import type { Node } from "../autograd/node.js";
import { defineMultiOp, runMulti } from "../autograd/op.js";
import { release } from "../tensor/heap.js";
import { kernelTable } from "../tensor/launch.js";
import { addInto, contiguous, copyOf, empty, full, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { relu } from "./activation.js";
import { add, mul, sub } from "./arithmetic.js";
import { sigmoid, tanh } from "./exponential.js";
import { gemmInto } from "./gemm.js";
import { cat } from "./join.js";
import { linear } from "./linear.js";
import {
  gatesOf,
  type RecurrentMode,
  type Step,
  takesInputs,
  walkBackward,
  walkForward,
} from "./recurrentWalk.js";
import { repeatedRows, rowsAt, sumsOfRows } from "./repeatedRows.js";
import { chunk } from "./split.js";
import { reduceBlocks } from "./sum.js";
import { narrow } from "./view.js";

/** What a recurrent op must know beside its tensors. */
export interface RecurrentAttrs {
  readonly mode: RecurrentMode;
  /** How many sequences are still running at each step, never growing. */
  readonly batchSizes: readonly number[];
  /** Walk from the last step to the first. */
  readonly reverse: boolean;
  readonly bias: boolean;
  /** The hidden state is projected (LSTM only). */
  readonly projection: boolean;
}

const SUM = kernelTable("sum");

/** The inputs of the op by name; positions depend on the attributes. */
interface Inputs<T> {
  x: T;
  h0: T;
  c0: T | undefined;
  wIh: T;
  wHh: T;
  bIh: T | undefined;
  bHh: T | undefined;
  wHr: T | undefined;
}

function named<T>(list: readonly T[], a: RecurrentAttrs): Inputs<T> {
  let next = 0;
  const take = (present: boolean) => (present ? list[next++] : undefined);
  const must = () => list[next++] as T;
  return {
    x: must(),
    h0: must(),
    c0: take(a.mode === "LSTM"),
    wIh: must(),
    wHh: must(),
    bIh: take(a.bias),
    bHh: take(a.bias),
    wHr: take(a.projection),
  };
}

/** The steps in the order in which they are computed. */
function stepsOf(a: RecurrentAttrs): Step[] {
  let offset = 0;
  const steps = a.batchSizes.map((rows) => {
    const step = { offset, rows };
    offset += rows;
    return step;
  });
  return a.reverse ? steps.reverse() : steps;
}

function transposed(t: Tensor): Tensor {
  const [r, c] = t.shape as [number, number];
  const [sr, sc] = t.strides as [number, number];
  return viewOf(t, [c, r], [sc, sr], t.storageOffset);
}

function product(a: Tensor, b: Tensor): Tensor {
  const out = empty([a.shape[0] as number, b.shape[1] as number], a.code);
  if (a.shape[1] === 0) return full(out.shape, 0, out.code);
  gemmInto(out, a, b);
  return out;
}

function vectorSum(a: Tensor, b: Tensor): Tensor {
  const out = copyOf(a);
  addInto(out, b);
  return out;
}

const recurrentOp = defineMultiOp<RecurrentAttrs>({
  name: "Recurrent",
  saves: true,
  forward: (list, a, ctx) => {
    const i = named(list, a);
    const x = contiguous(i.x);
    const { code } = x;
    const hidden = (i.wIh.shape[0] as number) / gatesOf(a.mode);
    const total = x.shape[0] as number;
    const width = i.h0.shape[1] as number;
    const gru = a.mode === "GRU";
    const lstm = a.mode === "LSTM";
    const gates = empty([total, i.wIh.shape[0] as number], code);
    const bias = i.bIh === undefined ? null : gru ? contiguous(i.bIh) : vectorSum(i.bIh, i.bHh as Tensor);
    const wIh = contiguous(i.wIh);
    const wHh = contiguous(i.wHh);
    const repeated = repeatedRows(x, (x.shape[1] as number) * (i.wIh.shape[0] as number));
    const sums = repeated === null ? null : empty([repeated.first.numel, i.wIh.shape[0] as number], code);
    if (sums !== null) {
      const distinct = rowsAt(x, repeated?.first as Tensor);
      gemmInto(sums, distinct, transposed(wIh), false, bias, bias === null ? 0 : 1);
      release(distinct.storage);
    }
    const fused = sums === null && takesInputs(a.batchSizes.at(-1) as number, wIh.nbytes + wHh.nbytes);
    if (sums === null && !fused) gemmInto(gates, x, transposed(wIh), false, bias, bias === null ? 0 : 1);
    const y = empty([total, width], code);
    const raw = i.wHr === undefined ? y : empty([total, hidden], code);
    const h = copyOf(i.h0);
    const c = i.c0 === undefined ? null : copyOf(i.c0);
    const wHr = i.wHr === undefined ? null : contiguous(i.wHr);
    const bHh = gru && i.bHh !== undefined ? contiguous(i.bHh) : null;
    const inner = gru ? empty(gates.shape, code) : null;
    const hPrev = empty([total, width], code);
    const cPrev = lstm ? empty([total, hidden], code) : null;
    const tanhC = lstm ? empty([total, hidden], code) : null;
    const steps = stepsOf(a);
    const { mode } = a;
    const weights = { wHh, bHh, wHr, x: fused ? x : null, wIh, bias, sums, ids: repeated?.ids ?? null };
    walkForward({ mode, hidden, steps, gates, inner, hPrev, cPrev, tanhC, raw, y, h, c, ...weights });
    const scraps = [x, wIh, wHh, wHr, sums, gru ? null : bias];
    for (const t of scraps) if (t !== null && !list.some((u) => u.storage === t.storage)) release(t.storage);
    const kept = [gates, hPrev, inner ?? viewOf(gates, gates.shape, null, 0), cPrev, tanhC];
    const rows = repeated === null ? [] : [repeated.ids, repeated.first];
    ctx.keep(...[...kept, raw === y ? null : raw, ...rows].filter((t): t is Tensor => t !== null));
    return c === null ? [y, h] : [y, h, c];
  },
  backward: (grads, node) => {
    if (mode.grad)
      return composedBackward(node as Node<never>, grads, (inputs) => recurrentComposed(inputs, node.attrs));
    return throughTime(grads, node);
  },
});

function throughTime(grads: readonly (Tensor | null)[], node: Node<RecurrentAttrs>): (Tensor | null)[] {
  const a = node.attrs;
  const i = named(
    node.shapes.map((_, k) => node.input(k)),
    a,
  );
  const [gates, hPrev, inner] = node.extra as [Tensor, Tensor, Tensor];
  const { code } = gates;
  const hidden = (i.wIh.shape[0] as number) / gatesOf(a.mode);
  const [batch, width] = i.h0.shape as [number, number];
  const total = gates.shape[0] as number;
  const lstm = a.mode === "LSTM";
  const [cPrev, tanhC] = lstm ? [node.extra[3] as Tensor, node.extra[4] as Tensor] : [null, null];
  const raw = a.projection ? (node.extra[5] as Tensor) : null;
  const start = (g: Tensor | null | undefined, size: number): Tensor =>
    g === null || g === undefined ? full([batch, size], 0, code) : copyOf(g);
  const gy = grads[0] === null || grads[0] === undefined ? null : contiguous(grads[0]);
  const dh = start(grads[1], width);
  const dc = lstm ? start(grads[2], hidden) : null;
  const dgates = empty(gates.shape, code);
  const dinner = a.mode === "GRU" ? empty(gates.shape, code) : dgates;
  const dy = raw === null ? null : empty([total, width], code);
  const dRaw = raw === null ? null : empty([batch, hidden], code);
  const wHh = contiguous(i.wHh);
  const wHr = i.wHr === undefined ? null : contiguous(i.wHr);
  const none = {
    y: null,
    h: null,
    c: null,
    bHh: null,
    x: null,
    wIh: null,
    bias: null,
    sums: null,
    ids: null,
  };
  walkBackward(
    { ...none, mode: a.mode, hidden, steps: stepsOf(a), gates, inner, hPrev, cPrev, tanhC, raw, wHh, wHr },
    { gy, dh, dc, dgates, dinner, dy, dRaw, first: node.needs(1) },
  );
  const [ids, first] = node.extra.slice(3 + (lstm ? 2 : 0) + (a.projection ? 1 : 0));
  // Of each distinct input: the gradients of its sums.
  const parts = ids === undefined ? dgates : sumsOfRows(dgates, ids, (first as Tensor).numel);
  const x = contiguous(i.x);
  const sums = a.bias ? reduceBlocks(SUM, parts, [0], false, code) : null;
  const innerSums = !a.bias || dinner === dgates ? sums : reduceBlocks(SUM, dinner, [0], false, code);
  return [
    node.needs(0) ? product(dgates, i.wIh) : null,
    node.needs(1) ? dh : null,
    ...(lstm ? [dc] : []),
    product(transposed(parts), first === undefined ? x : rowsAt(x, first)),
    product(transposed(dinner), hPrev),
    ...(a.bias ? [sums, innerSums] : []),
    ...(dy === null ? [] : [product(transposed(dy), raw as Tensor)]),
  ];
}

/** One step of a cell out of plain ops. @internal */
export function cellComposed(
  m: RecurrentMode,
  x: Tensor,
  h: Tensor,
  c: Tensor | undefined,
  w: Inputs<Tensor>,
): { h: Tensor; c: Tensor | undefined } {
  const gi = linear(x, w.wIh, w.bIh ?? null);
  const gh = linear(h, w.wHh, w.bHh ?? null);
  if (m === "LSTM") {
    const [i, f, g, o] = chunk(add(gi, gh), 4, 1) as [Tensor, Tensor, Tensor, Tensor];
    const next = add(mul(sigmoid(f), c as Tensor), mul(sigmoid(i), tanh(g)));
    const out = mul(sigmoid(o), tanh(next));
    return { h: w.wHr === undefined ? out : linear(out, w.wHr), c: next };
  }
  if (m === "GRU") {
    const [ir, iz, inn] = chunk(gi, 3, 1) as [Tensor, Tensor, Tensor];
    const [hr, hz, hn] = chunk(gh, 3, 1) as [Tensor, Tensor, Tensor];
    const n = tanh(add(inn, mul(sigmoid(add(ir, hr)), hn)));
    return { h: add(n, mul(sigmoid(add(iz, hz)), sub(h, n))), c: undefined };
  }
  return { h: (m === "RNN_TANH" ? tanh : relu)(add(gi, gh)), c: undefined };
}

/** The recurrent op out of plain ops: the oracle in tests, and the source of higher derivatives. */
export function recurrentComposed(inputs: readonly Tensor[], a: RecurrentAttrs): Tensor[] {
  const i = named(inputs, a);
  let { h0: h, c0: c } = i;
  const put = (whole: Tensor, top: Tensor) => {
    const rows = top.shape[0] as number;
    const rest = (whole.shape[0] as number) - rows;
    return rest === 0 ? top : cat([top, narrow(whole, 0, rows, rest)], 0);
  };
  const outs = new Map<number, Tensor>();
  for (const { offset, rows } of stepsOf(a)) {
    const before = narrow(h, 0, 0, rows);
    const state = cellComposed(
      a.mode,
      narrow(i.x, 0, offset, rows),
      before,
      c === undefined ? undefined : narrow(c, 0, 0, rows),
      i,
    );
    outs.set(offset, state.h);
    h = put(h, state.h);
    if (c !== undefined) c = put(c, state.c as Tensor);
  }
  const y = cat(
    [...outs.entries()].sort((p, q) => p[0] - q[0]).map(([, t]) => t),
    0,
  );
  return c === undefined ? [y, h] : [y, h, c];
}

/** Runs one direction of one layer: [outputs of all steps, last hidden state, last cell state of an LSTM]. @internal */
export function recurrent(inputs: readonly Tensor[], attrs: RecurrentAttrs): Tensor[] {
  return runMulti(recurrentOp, inputs, attrs);
}
