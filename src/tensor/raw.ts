/** Raw tensors: allocation, copies between any strides, casts, reads and writes. Nothing here is recorded. */
import { type ElementType, mem, putInts, putScalar } from "../kernels/index.js";
import {
  BOOL,
  type DTypeCode,
  FLOAT32,
  FLOAT64,
  INT32,
  INT64,
  nameOf,
  SIZES,
  SUFFIXES,
  sizeOf,
  type TypedArray,
} from "./dtype.js";
import { ShapeError, show } from "./errors.js";
import { address, allocate } from "./heap.js";
import { enqueue, flatUnary, GRAIN, inPieces, kernelFor, kernelTable, overUnits } from "./launch.js";
import { broadcastStrides, collapse, numelOf, type Shape, sameShape } from "./shape.js";
import { Tensor } from "./tensor.js";

const COPY = kernelTable("copy", ["1", "1", "4", "8", "4", "8"]);
const FILL = kernelTable("fill", ["1", "1", "4", "8", "4", "8"]);
const ADD = kernelTable("add");
const CASTS = (["b8", "u8", "i32", "i64", "f32", "f64"] as const).map((from) =>
  kernelTable(`cast_${from}`, ["b8", "u8", "i32", "i64", "f32", "f64"]),
);

/** An uninitialised contiguous tensor. */
export function empty(shape: Shape, code: DTypeCode): Tensor {
  return new Tensor(allocate(numelOf(shape) * sizeOf(code)), code, shape, null, 0);
}

/** Address of the first element, valid until the next op starts. */
export function ptr(t: Tensor): number {
  return address(t.storage) + t.storageOffset * (SIZES[t.code] as number);
}

/** Another view of the same storage, unknown to autograd. */
export function viewOf(t: Tensor, shape: Shape, strides: readonly number[] | null, offset: number): Tensor {
  return new Tensor(t.storage, t.code, shape, strides, offset);
}

/** The same data without a graph. */
export function detached(t: Tensor): Tensor {
  return new Tensor(t.storage, t.code, t.shape, t.contig ? null : t.strides, t.storageOffset);
}

/** A view with a larger, broadcast shape. */
export function expandTo(t: Tensor, shape: Shape): Tensor {
  if (sameShape(t.shape, shape)) return t;
  return viewOf(t, shape, broadcastStrides(t.shape, t.strides, shape), t.storageOffset);
}

/** Element type of the kernels for a code. */
function elementType(code: number): ElementType {
  return SUFFIXES[code] as ElementType;
}

/** Writes a number as an element of dtype `code` where kernels can read it; returns its address. */
export function scalarPtr(value: number | bigint | boolean, code: number): number {
  if (code === BOOL) return putScalar(Number(value) !== 0 ? 1 : 0, "u8"); // NaN is true
  return putScalar(typeof value === "boolean" ? Number(value) : value, elementType(code));
}

/** Sets every element of a tensor of any strides. */
export function fillWith(t: Tensor, value: number | bigint | boolean): void {
  if (t.numel === 0) return;
  if (!t.contig) {
    const one = full([], value, t.code);
    copyInto(t, one);
    return;
  }
  kernelFor(FILL, t.code)(ptr(t), t.numel, scalarPtr(value, t.code));
}

/** A contiguous tensor of one value. */
export function full(shape: Shape, value: number | bigint | boolean, code: DTypeCode): Tensor {
  const t = empty(shape, code);
  fillWith(t, value);
  return t;
}

function copySame(dst: Tensor, src: Tensor): void {
  const size = SIZES[dst.code] as number;
  const from = ptr(src);
  const to = ptr(dst);
  if (src.contig && dst.contig) {
    if (dst.nbytes <= 4 * GRAIN * 4) mem.u8.copyWithin(to, from, from + dst.nbytes);
    else {
      const desc = (n: number) => putInts([1, n, 1, 1]);
      inPieces(dst.numel, GRAIN, (first, count) =>
        enqueue(COPY, dst.code, from + first * size, to + first * size, desc(count)),
      );
    }
    return;
  }
  const { shape, strides } = collapse(dst.shape, [src.strides, dst.strides]);
  const s = strides[0] as number[];
  const d = strides[1] as number[];
  if (shape.length === 0) {
    kernelFor(COPY, dst.code)(from, to, putInts([1, 1, 1, 1]));
    return;
  }
  const lead = shape[0] as number;
  const rows = dst.numel / lead;
  inPieces(lead, Math.ceil(GRAIN / rows), (first, count) => {
    const desc = putInts([shape.length, count, ...shape.slice(1), ...s, ...d]);
    enqueue(
      COPY,
      dst.code,
      from + first * (s[0] as number) * size,
      to + first * (d[0] as number) * size,
      desc,
    );
  });
}

/** Copies `src` into `dst`, broadcasting and casting; strides may be anything. */
export function copyInto(dst: Tensor, src: Tensor): void {
  if (dst.numel === 0) return;
  if (src.code !== dst.code) {
    const cast = castTo(src, dst.code);
    copySame(dst, expandTo(cast, dst.shape));
    return;
  }
  copySame(dst, expandTo(src, dst.shape));
}

/** The tensor itself when contiguous, else a contiguous copy. */
export function contiguous(t: Tensor): Tensor {
  return t.contig ? t : copyOf(t);
}

/** A contiguous copy. */
export function copyOf(t: Tensor): Tensor {
  const out = empty(t.shape, t.code);
  if (t.numel > 0) copySame(out, t);
  return out;
}

/** The tensor itself when of that dtype, else a contiguous cast. */
export function castTo(t: Tensor, code: DTypeCode): Tensor {
  if (t.code === code) return t;
  const src = contiguous(t);
  const out = empty(t.shape, code);
  const table = CASTS[src.code] as (typeof CASTS)[number];
  if (t.numel > 0)
    flatUnary(table, code, ptr(src), ptr(out), t.numel, SIZES[src.code] as number, SIZES[code] as number);
  return out;
}

/** dst += src, elementwise, where `dst` is contiguous and of the same shape. */
export function addInto(dst: Tensor, src: Tensor): void {
  if (!sameShape(dst.shape, src.shape)) {
    throw new ShapeError(`[add] got ${show(src.shape)}, expected ${show(dst.shape)}`);
  }
  const b = contiguous(castTo(src, dst.code));
  const n = dst.numel;
  if (n === 0) return;
  const size = SIZES[dst.code] as number;
  const to = ptr(dst);
  const from = ptr(b);
  const fn = kernelFor(ADD, dst.code);
  if (n < 2 * GRAIN) fn(to, from, to, 1, n, 0, 1, 0, 1);
  else {
    const args = [to, from, to, 1, n, 0, 1, 0, 1];
    overUnits(ADD, dst.code, n, GRAIN, args, [size, size, size, 0, 0, 0, 0, 0, 0], 4);
  }
}

/** The elements in row-major order, copied out of the heap. */
export function toTyped(t: Tensor): TypedArray {
  const src = contiguous(t);
  const n = t.numel;
  const at = n === 0 ? 0 : ptr(src);
  switch (t.code) {
    case FLOAT32:
      return mem.f32.slice(at / 4, at / 4 + n);
    case FLOAT64:
      return mem.f64.slice(at / 8, at / 8 + n);
    case INT32:
      return mem.i32.slice(at / 4, at / 4 + n);
    case INT64:
      return mem.i64.slice(at / 8, at / 8 + n);
    default:
      return mem.u8.slice(at, at + n);
  }
}

/** Writes numbers into a contiguous tensor. */
export function writeNumbers(t: Tensor, values: ArrayLike<number | bigint | boolean>): void {
  const n = t.numel;
  if (n === 0) return;
  const at = ptr(t);
  if (t.code === INT64) {
    const base = at / 8;
    for (let i = 0; i < n; i++) {
      const v = values[i] as number | bigint | boolean;
      mem.i64[base + i] = typeof v === "bigint" ? v : BigInt(Math.trunc(Number(v)));
    }
    return;
  }
  if (t.code === BOOL) {
    for (let i = 0; i < n; i++) mem.u8[at + i] = values[i] ? 1 : 0;
    return;
  }
  const view =
    t.code === FLOAT32 ? mem.f32 : t.code === FLOAT64 ? mem.f64 : t.code === INT32 ? mem.i32 : mem.u8;
  const base = at / (SIZES[t.code] as number);
  for (let i = 0; i < n; i++) view[base + i] = Number(values[i]);
}

/** A tensor with the contents of a typed array of the matching type. */
export function fromTyped(values: TypedArray, shape: Shape, code: DTypeCode): Tensor {
  const t = empty(shape, code);
  if (t.numel === 0) return t;
  const at = ptr(t);
  if (values instanceof Float32Array && code === FLOAT32) mem.f32.set(values, at / 4);
  else if (values instanceof Float64Array && code === FLOAT64) mem.f64.set(values, at / 8);
  else if (values instanceof Int32Array && code === INT32) mem.i32.set(values, at / 4);
  else if (values instanceof BigInt64Array && code === INT64) mem.i64.set(values, at / 8);
  else if (values instanceof Uint8Array && code <= 1) mem.u8.set(values, at);
  else writeNumbers(t, values as ArrayLike<number | bigint>);
  return t;
}

/** The element at a storage index, as a number (int64 beyond 2^53 loses digits; use toTypedArray for those). */
export function readAt(t: Tensor, index: number): number {
  const at = address(t.storage) + index * (SIZES[t.code] as number);
  switch (t.code) {
    case FLOAT32:
      return mem.f32[at / 4] as number;
    case FLOAT64:
      return mem.f64[at / 8] as number;
    case INT32:
      return mem.i32[at / 4] as number;
    case INT64:
      return Number(mem.i64[at / 8] as bigint);
    default:
      return mem.u8[at] as number;
  }
}

/** Whether a floating tensor holds a NaN. */
export function anyNaN(t: Tensor): boolean {
  const values = toTyped(t) as Float32Array | Float64Array;
  for (const v of values) if (Number.isNaN(v)) return true;
  return false;
}

/** Reads the elements as numbers, in row-major order. */
export function toNumbers(t: Tensor): number[] {
  return Array.from(toTyped(t) as ArrayLike<number | bigint>, Number);
}

/** The dtype name of a tensor, for messages. */
export function describe(t: Tensor): string {
  return `${nameOf(t.code)}${show(t.shape)}`;
}
