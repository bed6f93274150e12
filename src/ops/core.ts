/** What op files share: operands, promotion, elementwise maps over tensors of any strides. */
import {
  BOOL,
  category,
  type DTypeCode,
  defaultFloatCode,
  INT64,
  isFloat,
  SIZES,
} from "../tensor/dtype.js";
import { enqueue, flatUnary, GRAIN, inPieces, type KernelTable, kernelFor } from "../tensor/launch.js";
import { castTo, contiguous, copyOf, empty, expandTo, full, ptr } from "../tensor/raw.js";
import { broadcastShapes, collapse, sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";

/** A number, a boolean or a bigint where an op takes a tensor. */
export type Scalar = number | boolean | bigint;
/** What binary ops take. */
export type Operand = Tensor | Scalar;

/** The dtype code that a bare number has: whole numbers are int64, others the default floating type. */
export function scalarCode(value: Scalar): DTypeCode {
  if (typeof value === "boolean") return BOOL;
  if (typeof value === "bigint") return INT64;
  return Number.isInteger(value) ? INT64 : defaultFloatCode();
}

/**
 * PyTorch's promotion: tensors with dimensions decide; 0-d tensors and then bare numbers count only when their
 * category (bool, integer, floating) is higher.
 */
export function promote(a: Operand, b: Operand): DTypeCode {
  if (a instanceof Tensor && b instanceof Tensor) {
    if (a.code === b.code) return a.code;
    const da = a.shape.length > 0;
    const db = b.shape.length > 0;
    if (da === db) return Math.max(a.code, b.code) as DTypeCode;
    const strong = da ? a : b;
    const weak = da ? b : a;
    return category(weak.code) > category(strong.code) ? weak.code : strong.code;
  }
  if (a instanceof Tensor) return withScalar(a.code, b as Scalar);
  if (b instanceof Tensor) return withScalar(b.code, a);
  return Math.max(scalarCode(a as Scalar), scalarCode(b as Scalar)) as DTypeCode;
}

function withScalar(code: DTypeCode, s: Scalar): DTypeCode {
  const other = scalarCode(s);
  if (category(other) <= category(code)) return code;
  return isFloat(other) ? defaultFloatCode() : other;
}

/** The operand as a tensor; numbers become 0-d tensors of dtype `code`. */
export function operand(x: Operand, code: DTypeCode): Tensor {
  return x instanceof Tensor ? x : full([], x, code);
}

/** The dtype of a function with fractional results, such as exp: floats keep theirs, others get the default. */
export function floatCode(code: DTypeCode): DTypeCode {
  return isFloat(code) ? code : defaultFloatCode();
}

/** out = kernel(x) elementwise; `cost` is the time per element relative to an addition. */
export function mapUnary(table: KernelTable, x: Tensor, cost = 1, outCode = x.code, p0 = 0, p1 = 0, p2 = 0): Tensor {
  const src = contiguous(x);
  const out = empty(x.shape, outCode);
  const n = x.numel;
  if (n > 0) {
    const size = SIZES[src.code] as number;
    flatUnary(table, src.code, ptr(src), ptr(out), n, size, SIZES[outCode] as number, cost, p0, p1, p2);
  } else kernelFor(table, src.code);
  return out;
}

/** out = kernel(a, b) elementwise with broadcasting; both operands are cast to `code` first. */
export function mapBinary(
  table: KernelTable,
  op: string,
  left: Tensor,
  right: Tensor,
  code: DTypeCode,
  outCode: DTypeCode = code,
  cost = 1,
): Tensor {
  const a = castTo(left, code);
  const b = castTo(right, code);
  const fn = kernelFor(table, code);
  const shape = broadcastShapes(op, a.shape, b.shape);
  const out = empty(shape, outCode);
  const n = out.numel;
  if (n === 0) return out;
  const whole = (t: Tensor) => t.contig && sameShape(t.shape, shape);
  if (a.numel === 1 || b.numel === 1 || (whole(a) && whole(b))) {
    if ((a.numel === 1 || whole(a)) && (b.numel === 1 || whole(b))) {
      const sa = a.numel === 1 && n > 1 ? 0 : 1;
      const sb = b.numel === 1 && n > 1 ? 0 : 1;
      rows(table, fn, a, b, out, 1, n, 0, sa, 0, sb, cost);
      return out;
    }
  }
  const ea = expandTo(a, shape);
  const eb = expandTo(b, shape);
  const flat = collapse(shape, [ea.strides, eb.strides]);
  const rank = flat.shape.length;
  if (rank > 3 || (rank === 3 && (flat.shape[0] as number) > 4096)) {
    const ca = copyOf(ea);
    const cb = copyOf(eb);
    rows(table, fn, ca, cb, out, 1, n, 0, 1, 0, 1, cost);
    return out;
  }
  const sa = flat.strides[0] as number[];
  const sb = flat.strides[1] as number[];
  if (rank <= 1) {
    rows(table, fn, a, b, out, 1, n, 0, sa[0] ?? 0, 0, sb[0] ?? 0, cost);
  } else if (rank === 2) {
    const [outer, inner] = flat.shape as [number, number];
    rows(table, fn, a, b, out, outer, inner, sa[0] as number, sa[1] as number, sb[0] as number, sb[1] as number, cost);
  } else {
    const [lead, outer, inner] = flat.shape as [number, number, number];
    const size = SIZES[code] as number;
    const outSize = SIZES[outCode] as number;
    const [pa, pb, po] = [ptr(a), ptr(b), ptr(out)];
    inPieces(lead, Math.ceil(GRAIN / (outer * inner * cost)), (first, count) => {
      for (let i = first; i < first + count; i++) {
        enqueue(
          table,
          code,
          pa + i * (sa[0] as number) * size,
          pb + i * (sb[0] as number) * size,
          po + i * outer * inner * outSize,
          outer,
          inner,
          sa[1] as number,
          sa[2] as number,
          sb[1] as number,
          sb[2] as number,
        );
      }
    });
  }
  return out;
}

function rows(
  table: KernelTable,
  fn: (...args: number[]) => number,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  outer: number,
  inner: number,
  ao: number,
  ai: number,
  bo: number,
  bi: number,
  cost: number,
): void {
  const pa = ptr(a);
  const pb = ptr(b);
  const po = ptr(out);
  if (outer * inner * cost < 2 * GRAIN) {
    fn(pa, pb, po, outer, inner, ao, ai, bo, bi);
    return;
  }
  const size = SIZES[a.code] as number;
  const outSize = SIZES[out.code] as number;
  if (outer === 1) {
    inPieces(inner, Math.ceil(GRAIN / cost), (first, count) => {
      enqueue(table, a.code, pa + first * ai * size, pb + first * bi * size, po + first * outSize, 1, count, 0, ai, 0, bi);
    });
  } else {
    inPieces(outer, Math.ceil(GRAIN / (cost * inner)), (first, count) => {
      const [x, y, z] = [pa + first * ao * size, pb + first * bo * size, po + first * inner * outSize];
      enqueue(table, a.code, x, y, z, count, inner, ao, ai, bo, bi);
    });
  }
}
