/**
 * The walk of a recurrent layer over a sequence on raw tensors: the kernels of assembly/recurrentSequence.ts take
 * some sequences of the batch through all steps, so threads share the batch.
 */
import { getNumThreads, kernels, mem, putInts, runAll, splitStart } from "../kernels/index.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { address, allocate, release } from "../tensor/heap.js";
import { enqueue, kernelTable } from "../tensor/launch.js";
import { ptr } from "../tensor/raw.js";
import { freeSlots, takeSlots } from "../tensor/scratch.js";
import type { Tensor } from "../tensor/tensor.js";

const FORWARD = kernelTable("recurrentForward");
const BACKWARD = kernelTable("recurrentBackward");

/** Multiply-adds that are worth a thread of their own. */
const GRAIN_PRODUCT = 262144;
/** Sequences of the smallest piece: the product of fewer rows is no faster. */
const ROWS = 4;

/** The kinds of cell. */
export type RecurrentMode = "LSTM" | "GRU" | "RNN_TANH" | "RNN_RELU";

const MODES: readonly RecurrentMode[] = ["LSTM", "GRU", "RNN_TANH", "RNN_RELU"];

/** Gates of a cell. */
export function gatesOf(mode: RecurrentMode): number {
  return mode === "LSTM" ? 4 : mode === "GRU" ? 3 : 1;
}

/** One step of a packed sequence. */
export interface Step {
  /** First row of the step in packed data. */
  readonly offset: number;
  readonly rows: number;
}

/** The contiguous tensors of a walk; null where the cell has none. */
export interface Walk {
  readonly mode: RecurrentMode;
  readonly hidden: number;
  /** In the order of the forward. */
  readonly steps: readonly Step[];
  readonly gates: Tensor;
  readonly inner: Tensor | null;
  readonly hPrev: Tensor;
  readonly cPrev: Tensor | null;
  readonly tanhC: Tensor | null;
  readonly raw: Tensor | null;
  readonly y: Tensor | null;
  readonly h: Tensor | null;
  readonly c: Tensor | null;
  readonly wHh: Tensor;
  readonly bHh: Tensor | null;
  readonly wHr: Tensor | null;
  /** The inputs (rows, I) where the walk is to multiply them too, else null. */
  readonly x: Tensor | null;
  readonly wIh: Tensor | null;
  readonly bias: Tensor | null;
  /** The sums of each distinct input, and which of them each row has (int64), where inputs occur again and again. */
  readonly sums: Tensor | null;
  readonly ids: Tensor | null;
}

/** What the walk back takes beside: gradients of the outputs (or null), of the states, and room for the others. */
export interface WalkBack {
  readonly gy: Tensor | null;
  readonly dh: Tensor;
  readonly dc: Tensor | null;
  readonly dgates: Tensor;
  readonly dinner: Tensor;
  readonly dy: Tensor | null;
  readonly dRaw: Tensor | null;
  /** Whether dh of the first states is asked for. */
  readonly first: boolean;
}

/**
 * Whether the walk multiplies the inputs too, rather than one product for all steps: when both weights stay in a
 * thread's cache, and a step has rows enough. The bits are the same.
 */
export function takesInputs(rows: number, bytes: number): boolean {
  return rows >= 8 * getNumThreads() && bytes <= 512 * 1024;
}

function walk(table: typeof FORWARD, w: Walk, back: WalkBack | null): void {
  const { code } = w.gates;
  const [total, width] = w.hPrev.shape as [number, number];
  const [first, last] = [w.steps[0] as Step, w.steps.at(-1) as Step];
  const batch = Math.max(first.rows, last.rows);
  const list = allocate(8 * w.steps.length);
  const at = (t: Tensor | null | undefined) => (t === null || t === undefined ? 0 : ptr(t));
  const words = (slots: number, bytes: number) => [
    ...[MODES.indexOf(w.mode), w.hidden, width, w.steps.length, address(list)],
    ...[w.gates, w.inner, w.hPrev, w.cPrev, w.tanhC, w.raw, w.y, w.h, w.c, w.wHh, w.bHh, w.wHr].map(at),
    ...[slots, bytes],
    ...[back?.gy, back?.dh, back?.dc, back?.dgates, back?.dinner, back?.dy, back?.dRaw, w.x].map(at),
    ...[w.x?.shape[1] ?? 0, at(w.wIh), at(w.bias), at(w.sums), at(w.ids), Number(back?.first ?? false)],
  ];
  const scratch = code === FLOAT32 ? kernels.recurrentScratch_f32 : kernels.recurrentScratch_f64;
  const bytes = scratch(putInts(words(0, 0))) >>> 0;
  // Sequences of unequal lengths are dealt out in smaller pieces.
  const even = first.rows === last.rows;
  const work = total * gatesOf(w.mode) * w.hidden * width;
  const most = Math.min(Math.ceil(batch / ROWS), Math.floor(work / GRAIN_PRODUCT));
  const threads = getNumThreads();
  const pieces = threads === 1 ? 1 : Math.max(1, Math.min(most, even ? threads : 4 * threads));
  const slots = takeSlots(bytes, pieces);
  const desc = putInts(words(slots.count, slots.bytes));
  let place = address(list) / 4;
  for (const { offset, rows } of w.steps) {
    mem.i32[place++] = offset;
    mem.i32[place++] = rows;
  }
  for (let i = 0; i < pieces; i++) {
    enqueue(table, code, desc, slots.at, splitStart(i, pieces, batch), splitStart(i + 1, pieces, batch));
  }
  runAll(true);
  freeSlots(slots);
  release(list);
}

/**
 * Fills everything from the gates' sums of the inputs: gates with their values, the states before each step, the
 * outputs, and h and c (in: the first states) with the last states.
 */
export function walkForward(w: Walk): void {
  walk(FORWARD, w, null);
}

/** Fills the gradients of the gates' sums, and dh and dc (in: of the last states) with those of the first states. */
export function walkBackward(w: Walk, back: WalkBack): void {
  walk(BACKWARD, w, back);
}
