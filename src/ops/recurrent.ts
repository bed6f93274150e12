/**
 * One direction of one recurrent layer over a whole (packed) sequence as a single op: the input's matrix product for
 * all steps at once, then one small product and one pointwise kernel a step; backward through time by hand.
 */
import { composedBackward } from "../autograd/composed.js";
import { mode } from "../autograd/mode.js";
import { defineMultiOp, type Node, runMulti } from "../autograd/node.js";
import { SIZES } from "../tensor/dtype.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelFor, kernelTable } from "../tensor/launch.js";
import { addInto, contiguous, copyInto, copyOf, empty, full, ptr, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { relu } from "./activation.js";
import { add, mul, sub } from "./arithmetic.js";
import { sigmoid, tanh } from "./exponential.js";
import { gemmInto } from "./gemm.js";
import { cat } from "./join.js";
import { linear } from "./linear.js";
import { chunk } from "./split.js";
import { reduceBlocks } from "./sum.js";
import { narrow } from "./view.js";

/** The kinds of cell. */
export type RecurrentMode = "LSTM" | "GRU" | "RNN_TANH" | "RNN_RELU";

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

const LSTM_FORWARD = kernelTable("lstmForward");
const LSTM_BACKWARD = kernelTable("lstmBackward");
const GRU_FORWARD = kernelTable("gruForward");
const GRU_BACKWARD = kernelTable("gruBackward");
const ADD = kernelTable("add");
const TANH = kernelTable("tanh");
const RELU = kernelTable("relu");
const TANH_BACKWARD = kernelTable("tanhBackward");
const RELU_BACKWARD = kernelTable("reluBackward");
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

interface Step {
  /** First row of the step in packed data. */
  readonly offset: number;
  readonly rows: number;
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

function rowsOf(t: Tensor, first: number, count: number): Tensor {
  const width = t.shape[1] as number;
  return viewOf(t, [count, width], null, t.storageOffset + first * width);
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

/** Calls a cell kernel on the rows of a step, shared among threads when the step is large. */
function cell(
  table: typeof ADD,
  code: number,
  size: number,
  rows: number,
  ptrs: readonly number[],
  hidden: number,
): void {
  const work = rows * size;
  if (work < GRAIN / 2) {
    kernelFor(table, code)(...ptrs, hidden, 0, rows);
    return;
  }
  inPieces(rows, Math.ceil((GRAIN / 4 / size) | 0) || 1, (first, count) => {
    enqueue(table, code, ...ptrs, hidden, first, first + count);
  });
}

const recurrentOp = defineMultiOp<RecurrentAttrs>({
  name: "Recurrent",
  saves: true,
  forward: (list, a, ctx) => {
    const i = named(list, a);
    const x = contiguous(i.x);
    const { code } = x;
    const bytes = SIZES[code] as number;
    const hidden = (i.wIh.shape[0] as number) / gatesOf(a.mode);
    const total = x.shape[0] as number;
    const width = i.h0.shape[1] as number;
    const gru = a.mode === "GRU";
    const wHh = contiguous(transposed(i.wHh));
    const gates = empty([total, i.wIh.shape[0] as number], code);
    const bias = i.bIh === undefined ? null : gru ? contiguous(i.bIh) : vectorSum(i.bIh, i.bHh as Tensor);
    gemmInto(gates, x, transposed(i.wIh), false, bias, bias === null ? 0 : 1);
    const gh = gru ? empty(gates.shape, code) : null;
    const y = empty([total, width], code);
    const raw = i.wHr === undefined ? y : empty([total, hidden], code);
    const hPrev = empty([total, width], code);
    const cPrev = i.c0 === undefined ? null : empty([total, hidden], code);
    const tc = i.c0 === undefined ? null : empty([total, hidden], code);
    const h = copyOf(i.h0);
    const c = i.c0 === undefined ? null : copyOf(i.c0);
    for (const { offset, rows } of stepsOf(a)) {
      const before = rowsOf(hPrev, offset, rows);
      copyInto(before, rowsOf(h, 0, rows));
      const sums = rowsOf(gates, offset, rows);
      const out = rowsOf(raw, offset, rows);
      const at = (t: Tensor) => ptr(t) + offset * (t.shape[1] as number) * bytes;
      if (gh !== null) {
        const inner = rowsOf(gh, offset, rows);
        gemmInto(
          inner,
          before,
          wHh,
          false,
          i.bHh === undefined ? null : contiguous(i.bHh),
          i.bHh === undefined ? 0 : 1,
        );
        cell(GRU_FORWARD, code, 3 * hidden, rows, [at(gates), at(gh), at(hPrev), at(y)], hidden);
      } else {
        gemmInto(sums, before, wHh, true);
        if (c !== null && cPrev !== null && tc !== null) {
          copyInto(rowsOf(cPrev, offset, rows), rowsOf(c, 0, rows));
          cell(
            LSTM_FORWARD,
            code,
            4 * hidden,
            rows,
            [at(gates), at(cPrev), ptr(c), at(tc), ptr(out)],
            hidden,
          );
          if (i.wHr !== undefined) gemmInto(rowsOf(y, offset, rows), out, transposed(i.wHr));
        } else {
          kernelFor(a.mode === "RNN_TANH" ? TANH : RELU, code)(ptr(sums), ptr(sums), rows * hidden);
          copyInto(out, sums);
        }
      }
      copyInto(rowsOf(h, 0, rows), rowsOf(y, offset, rows));
    }
    const scraps = [wHh, ...(gru || bias === null ? [] : [bias])];
    for (const t of scraps) if (!list.some((x) => x.storage === t.storage)) release(t.storage);
    const kept = [gates, hPrev, gh ?? viewOf(gates, gates.shape, null, 0), cPrev, tc, raw === y ? null : raw];
    ctx.keep(...kept.filter((t): t is Tensor => t !== null));
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
  const [gates, hPrev, gh] = node.extra as [Tensor, Tensor, Tensor];
  const { code } = gates;
  const bytes = SIZES[code] as number;
  const hidden = (i.wIh.shape[0] as number) / gatesOf(a.mode);
  const [batch, width] = i.h0.shape as [number, number];
  const total = gates.shape[0] as number;
  const [gy, gh0, gc0] = grads;
  const lstm = a.mode === "LSTM";
  const [cPrev, tc] = lstm ? [node.extra[3] as Tensor, node.extra[4] as Tensor] : [gates, gates];
  const raw = a.projection ? (node.extra[5] as Tensor) : null;
  const dh = gh0 === null || gh0 === undefined ? full([batch, width], 0, code) : copyOf(gh0);
  const dc = lstm ? (gc0 === null || gc0 === undefined ? full([batch, hidden], 0, code) : copyOf(gc0)) : null;
  const dgates = empty(gates.shape, code);
  const dgh = a.mode === "GRU" ? empty(gates.shape, code) : dgates;
  const dy = raw === null ? null : empty([total, width], code);
  const dRaw = raw === null ? null : empty([batch, hidden], code);
  const gyRows = gy === null || gy === undefined ? null : contiguous(gy);
  const wHh = contiguous(i.wHh);
  const at = (t: Tensor, offset: number) => ptr(t) + offset * (t.shape[1] as number) * bytes;
  for (const { offset, rows } of stepsOf(a).reverse()) {
    const d = rowsOf(dh, 0, rows);
    if (gyRows !== null) addInto(d, rowsOf(gyRows, offset, rows));
    if (lstm) {
      let out = d;
      if (dy !== null && dRaw !== null) {
        copyInto(rowsOf(dy, offset, rows), d);
        out = rowsOf(dRaw, 0, rows);
        gemmInto(out, d, i.wHr as Tensor);
      }
      cell(
        LSTM_BACKWARD,
        code,
        4 * hidden,
        rows,
        [
          at(gates, offset),
          at(cPrev, offset),
          at(tc, offset),
          ptr(out),
          ptr(dc as Tensor),
          at(dgates, offset),
        ],
        hidden,
      );
      gemmInto(d, rowsOf(dgates, offset, rows), wHh);
    } else if (a.mode === "GRU") {
      cell(
        GRU_BACKWARD,
        code,
        3 * hidden,
        rows,
        [at(gates, offset), at(gh, offset), at(hPrev, offset), ptr(d), at(dgates, offset), at(dgh, offset)],
        hidden,
      );
      gemmInto(d, rowsOf(dgh, offset, rows), wHh, true);
    } else {
      // The sums were replaced by their activations: tanh' and relu' are read off those.
      const slope = kernelFor(a.mode === "RNN_TANH" ? TANH_BACKWARD : RELU_BACKWARD, code);
      slope(ptr(d), at(gates, offset), at(dgates, offset), rows * hidden);
      gemmInto(d, rowsOf(dgates, offset, rows), wHh);
    }
  }
  const weights: Inputs<Tensor | null> = {
    x: node.needs(0) ? product(dgates, i.wIh) : null,
    h0: dh,
    c0: dc ?? undefined,
    wIh: product(transposed(dgates), contiguous(i.x)),
    wHh: product(transposed(dgh), hPrev),
    bIh: a.bias ? reduceBlocks(SUM, dgates, [0], false, code) : undefined,
    bHh: a.bias ? reduceBlocks(SUM, dgh, [0], false, code) : undefined,
    wHr: dy === null ? undefined : product(transposed(dy), raw as Tensor),
  };
  const { x, h0, c0, wIh, wHh: gwHh, bIh, bHh, wHr } = weights;
  return [
    x,
    h0,
    ...(lstm ? [c0 ?? null] : []),
    wIh,
    gwHh,
    ...(a.bias ? [bIh ?? null, bHh ?? null] : []),
    ...(wHr === undefined ? [] : [wHr]),
  ];
}

function gatesOf(m: RecurrentMode): number {
  return m === "LSTM" ? 4 : m === "GRU" ? 3 : 1;
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
