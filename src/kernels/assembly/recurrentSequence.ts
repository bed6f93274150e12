// A recurrent layer's walk over a whole (packed) sequence for sequences b0..b1-1 of the batch, forward and backward
// through time. Sequences do not depend on each other, so threads share the batch and never wait for one another
// between steps; the recurrent weights are packed once and stay in the thread's cache.
import { packedBytes, packWeights } from "./gemm";
import { gruBackward, gruForward, lstmBackward, lstmForward, plainBackward, plainForward } from "./recurrent";
import { multiplyRows } from "./recurrentProduct";
import { giveSlot, slotScratch, takeSlot } from "./slots";

type P = usize;
type I = i32;

const LSTM: I = 0;
const GRU: I = 1;
const RELU: I = 3;

// Words of a descriptor.
const MODE: I = 0; // LSTM, GRU, tanh, relu
const HIDDEN: I = 1; // H
const WIDTH: I = 2; // W of the state h: H, or the size of the projection
const STEPS: I = 3;
const TABLE: I = 4; // first row and number of rows of each step, in the order of the forward
const GATES: I = 5; // [rows, G H]: sums of the input's product, then values
const INNER: I = 6; // [rows, 3H] of a GRU: the hidden state's product
const H_PREV: I = 7; // [rows, W]
const C_PREV: I = 8; // [rows, H]
const TANH_C: I = 9; // [rows, H]
const RAW: I = 10; // [rows, H]: before the projection; y where there is none
const OUT: I = 11; // y [rows, W]
const H: I = 12; // [B, W], the running state
const C: I = 13; // [B, H]
const W_HH: I = 14; // [G H, W]
const B_HH: I = 15; // of a GRU
const W_HR: I = 16; // [W, H]
const SLOTS: I = 17;
const SLOT_BYTES: I = 18;
const GY: I = 19; // [rows, W] or none
const DH: I = 20; // [B, W]
const DC: I = 21; // [B, H]
const D_GATES: I = 22;
const D_INNER: I = 23; // of a GRU, else the same
const DY: I = 24; // [rows, W]: what the projection gets
const D_RAW: I = 25; // [B, H]
const X: I = 26; // [rows, I]: the inputs, or 0 where their product is in the gates already
const INPUT: I = 27; // I
const W_IH: I = 28; // [G H, I]
const BIAS: I = 29; // [G H] or 0
const SUMS: I = 30; // the sums of each distinct input, or 0 where they are in the gates already
const IDS: I = 31; // [rows]: which of them, int64
const D_FIRST: I = 32; // whether the gradient of the first hidden state is asked for

// @ts-ignore: decorator
@inline
function word(desc: P, i: I): I {
  return load<i32>(desc + (<P>i << 2));
}

// @ts-ignore: decorator
@inline
function at(desc: P, i: I): P {
  return <P>word(desc, i);
}

/** Number of gates. */
// @ts-ignore: decorator
@inline
function gatesOf(mode: I): I {
  return mode == LSTM ? 4 : mode == GRU ? 3 : 1;
}

// @ts-ignore: decorator
@inline
function scratchBytes<T>(desc: P): P {
  const hidden = word(desc, HIDDEN);
  const width = word(desc, WIDTH);
  const sums = gatesOf(word(desc, MODE)) * hidden;
  const inputs = at(desc, X) ? packedBytes<T>(word(desc, INPUT), sums) : 0;
  const forward = packedBytes<T>(width, sums) + packedBytes<T>(hidden, width) + inputs;
  const backward = packedBytes<T>(sums, width) + packedBytes<T>(width, hidden);
  return 256 + max(forward, backward);
}
/** Bytes of a scratch slot. */
export function recurrentScratch_f32(desc: P): P {
  return scratchBytes<f32>(desc);
}
export function recurrentScratch_f64(desc: P): P {
  return scratchBytes<f64>(desc);
}

// @ts-ignore: decorator
@inline
function forward<T>(desc: P, slots: P, b0: I, b1: I): void {
  const S = sizeof<T>();
  const mode = word(desc, MODE);
  const hidden = word(desc, HIDDEN);
  const width = word(desc, WIDTH);
  const sums = gatesOf(mode) * hidden;
  const count = word(desc, SLOTS);
  const slot = takeSlot(slots, count);
  const tile = slotScratch(slots, count, at(desc, SLOT_BYTES), slot);
  const weights = tile + 256;
  const projection = weights + packedBytes<T>(width, sums);
  packWeights<T>(at(desc, W_HH), 1, width, width, sums, weights);
  if (at(desc, W_HR)) packWeights<T>(at(desc, W_HR), 1, hidden, hidden, width, projection);
  const size = word(desc, INPUT);
  const inputWeights = projection + packedBytes<T>(hidden, width);
  if (at(desc, X)) packWeights<T>(at(desc, W_IH), 1, size, size, sums, inputWeights);
  const h = at(desc, H) + <P>(b0 * width) * S;
  const c = at(desc, C);
  const bias = mode == GRU ? at(desc, B_HH) : 0;
  const steps = word(desc, STEPS);
  let table = at(desc, TABLE);
  for (let t: I = 0; t < steps; t++, table += 8) {
    const rows = min(b1, load<i32>(table, 4));
    const n = rows - b0;
    if (n <= 0) continue;
    const first = <P>load<i32>(table);
    const gates = at(desc, GATES) + first * sums * S;
    const before = at(desc, H_PREV) + first * width * S;
    const out = at(desc, RAW) + first * hidden * S;
    const y = at(desc, OUT) + (first + b0) * width * S;
    const bytes = <P>(n * width) * S;
    memory.copy(before + <P>(b0 * width) * S, h, bytes);
    if (at(desc, X)) {
      const x = at(desc, X) + (first + b0) * size * S;
      multiplyRows<T>(n, sums, size, x, inputWeights, 0, gates + <P>(b0 * sums) * S, tile, at(desc, BIAS));
    }
    if (at(desc, SUMS)) {
      const row = <P>sums * S;
      for (let b = b0; b < rows; b++) {
        const id = <P>load<i64>(at(desc, IDS) + ((first + b) << 3));
        memory.copy(gates + <P>b * row, at(desc, SUMS) + id * row, row);
      }
    }
    const target = mode == GRU ? at(desc, INNER) + first * sums * S : gates;
    multiplyRows<T>(n, sums, width, h, weights, mode == GRU ? 0 : 1, target + <P>(b0 * sums) * S, tile, bias);
    if (mode == LSTM) {
      const old = at(desc, C_PREV) + first * hidden * S;
      const part = <P>(b0 * hidden) * S;
      memory.copy(old + part, c + part, <P>(n * hidden) * S);
      lstmForward<T>(gates, old, c, at(desc, TANH_C) + first * hidden * S, out, hidden, b0, rows);
      if (at(desc, W_HR)) multiplyRows<T>(n, width, hidden, out + part, projection, 0, y, tile, 0);
    } else if (mode == GRU) gruForward<T>(gates, target, before, out, hidden, b0, rows);
    else plainForward<T>(mode == RELU, gates, out, hidden, b0, rows);
    memory.copy(h, y, bytes);
  }
  giveSlot(slots, slot);
}
export function recurrentForward_f32(desc: P, slots: P, b0: I, b1: I): void {
  forward<f32>(desc, slots, b0, b1);
}
export function recurrentForward_f64(desc: P, slots: P, b0: I, b1: I): void {
  forward<f64>(desc, slots, b0, b1);
}

/** to[i] += from[i] for n elements. */
// @ts-ignore: decorator
@inline
function addTo<T>(to: P, from: P, n: I): void {
  const end = to + (<P>n * sizeof<T>() & ~15);
  for (; to < end; to += 16, from += 16) v128.store(to, v128.add<T>(v128.load(to), v128.load(from)));
  const rest = end + (<P>n * sizeof<T>() & 15);
  for (; to < rest; to += sizeof<T>(), from += sizeof<T>()) store<T>(to, <T>(load<T>(to) + load<T>(from)));
}

// @ts-ignore: decorator
@inline
function backward<T>(desc: P, slots: P, b0: I, b1: I): void {
  const S = sizeof<T>();
  const mode = word(desc, MODE);
  const hidden = word(desc, HIDDEN);
  const width = word(desc, WIDTH);
  const sums = gatesOf(mode) * hidden;
  const count = word(desc, SLOTS);
  const slot = takeSlot(slots, count);
  const tile = slotScratch(slots, count, at(desc, SLOT_BYTES), slot);
  const weights = tile + 256;
  const projection = weights + packedBytes<T>(sums, width);
  packWeights<T>(at(desc, W_HH), width, 1, sums, width, weights);
  if (at(desc, W_HR)) packWeights<T>(at(desc, W_HR), hidden, 1, width, hidden, projection);
  const dh = at(desc, DH);
  const mine = dh + <P>(b0 * width) * S;
  const dc = at(desc, DC);
  const steps = word(desc, STEPS);
  let table = at(desc, TABLE) + <P>steps * 8;
  for (let t: I = 0; t < steps; t++) {
    table -= 8;
    const rows = min(b1, load<i32>(table, 4));
    const n = rows - b0;
    if (n <= 0) continue;
    const first = <P>load<i32>(table);
    const gates = at(desc, GATES) + first * sums * S;
    const dgates = at(desc, D_GATES) + first * sums * S;
    if (at(desc, GY)) addTo<T>(mine, at(desc, GY) + (first + b0) * width * S, n * width);
    let from = dgates;
    if (mode == LSTM) {
      let raw = dh;
      if (at(desc, W_HR)) {
        memory.copy(at(desc, DY) + (first + b0) * width * S, mine, <P>(n * width) * S);
        raw = at(desc, D_RAW);
        multiplyRows<T>(n, hidden, width, mine, projection, 0, raw + <P>(b0 * hidden) * S, tile, 0);
      }
      const old = at(desc, C_PREV) + first * hidden * S;
      lstmBackward<T>(gates, old, at(desc, TANH_C) + first * hidden * S, raw, dc, dgates, hidden, b0, rows);
    } else if (mode == GRU) {
      from = at(desc, D_INNER) + first * sums * S;
      const inner = at(desc, INNER) + first * sums * S;
      gruBackward<T>(gates, inner, at(desc, H_PREV) + first * width * S, dh, dgates, from, hidden, b0, rows);
    } else plainBackward<T>(mode == RELU, gates, dh, dgates, hidden, b0, rows);
    if (t + 1 == steps && !word(desc, D_FIRST)) break;
    multiplyRows<T>(n, width, sums, from + <P>(b0 * sums) * S, weights, mode == GRU ? 1 : 0, mine, tile, 0);
  }
  giveSlot(slots, slot);
}
export function recurrentBackward_f32(desc: P, slots: P, b0: I, b1: I): void {
  backward<f32>(desc, slots, b0, b1);
}
export function recurrentBackward_f64(desc: P, slots: P, b0: I, b1: I): void {
  backward<f64>(desc, slots, b0, b1);
}
