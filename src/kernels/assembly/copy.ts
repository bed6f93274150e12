/** Data movement by element size: strided copy, fill, where, masked fill; and arange. */

type P = usize;
type I = i32;

// Desc of a copy: ndim, shape[ndim], srcStride[ndim], dstStride[ndim], strides in elements.
// @ts-ignore: decorator
@inline
function shapeOf(desc: usize, dim: i32): i32 {
  return load<i32>(desc + 4 + (<usize>dim << 2));
}

// @ts-ignore: decorator
@inline
function srcStride(desc: usize, dim: i32): usize {
  return load<i32>(desc + 4 + (<usize>(load<i32>(desc) + dim) << 2));
}

// @ts-ignore: decorator
@inline
function dstStride(desc: usize, dim: i32): usize {
  return load<i32>(desc + 4 + (<usize>(2 * load<i32>(desc) + dim) << 2));
}

// @ts-ignore: decorator
@inline
function copyRow<T>(src: usize, dst: usize, n: i32): void {
  const bytes = <usize>n * sizeof<T>();
  if (bytes >= 512) {
    memory.copy(dst, src, bytes);
    return;
  }
  let left = bytes;
  for (; left >= 16; left -= 16) {
    v128.store(dst, v128.load(src));
    src += 16;
    dst += 16;
  }
  for (; left > 0; left -= sizeof<T>()) {
    store<T>(dst, load<T>(src));
    src += sizeof<T>();
    dst += sizeof<T>();
  }
}

// @ts-ignore: decorator
@inline
function fillRow<T>(dst: usize, n: i32, value: T): void {
  const v = v128.splat<T>(value);
  let left = <usize>n * sizeof<T>();
  for (; left >= 64; left -= 64) {
    v128.store(dst, v);
    v128.store(dst, v, 16);
    v128.store(dst, v, 32);
    v128.store(dst, v, 48);
    dst += 64;
  }
  for (; left > 0; left -= sizeof<T>()) {
    store<T>(dst, value);
    dst += sizeof<T>();
  }
}

// @ts-ignore: decorator
@inline
function transpose4x4(src: usize, ss: usize, dst: usize, ds: usize): void {
  const a = v128.load(src);
  const b = v128.load(src + ss);
  const c = v128.load(src + 2 * ss);
  const d = v128.load(src + 3 * ss);
  const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(ab0, cd0, 0, 2));
  v128.store(dst + ds, v128.shuffle<i64>(ab0, cd0, 1, 3));
  v128.store(dst + 2 * ds, v128.shuffle<i64>(ab1, cd1, 0, 2));
  v128.store(dst + 3 * ds, v128.shuffle<i64>(ab1, cd1, 1, 3));
}

/**
 * dst[i*ds + j] = src[i + j*ss] for i < m, j < n (strides in bytes): tiles of 32 x 32 elements, so that
 * the lines of both sides stay in the first cache while a tile is worked on.
 */
// @ts-ignore: decorator
@inline
function transpose<T>(src: usize, dst: usize, m: i32, n: i32, ss: usize, ds: usize): void {
  const step = sizeof<T>() == 4 ? 4 : sizeof<T>() == 8 ? 2 : 1;
  for (let i0 = 0; i0 < m; i0 += 32) {
    const iEnd = min(i0 + 32, m);
    const iVec = step > 1 ? iEnd - ((iEnd - i0) & (step - 1)) : i0;
    for (let j0 = 0; j0 < n; j0 += 32) {
      const jEnd = min(j0 + 32, n);
      const jVec = step > 1 ? jEnd - ((jEnd - j0) & (step - 1)) : j0;
      if (step > 1) {
        for (let i = i0; i < iVec; i += step) {
          for (let j = j0; j < jVec; j += step) {
            const s = src + <usize>i * sizeof<T>() + <usize>j * ss;
            const d = dst + <usize>i * ds + <usize>j * sizeof<T>();
            if (step == 4) {
              transpose4x4(s, ss, d, ds);
            } else {
              const a = v128.load(s);
              const b = v128.load(s + ss);
              v128.store(d, v128.shuffle<i64>(a, b, 0, 2));
              v128.store(d + ds, v128.shuffle<i64>(a, b, 1, 3));
            }
          }
        }
      }
      for (let i = i0; i < iEnd; ++i) {
        for (let j = i < iVec ? jVec : j0; j < jEnd; ++j) {
          const d = dst + <usize>i * ds + <usize>j * sizeof<T>();
          store<T>(d, load<T>(src + <usize>i * sizeof<T>() + <usize>j * ss));
        }
      }
    }
  }
}

/** Walks the dims except `skip` and `last`; the innermost call does row `last`, or the plane (skip, last). */
function walk<T>(desc: usize, dim: i32, skip: i32, src: usize, dst: usize): void {
  const last = load<i32>(desc) - 1;
  if (dim == skip) {
    walk<T>(desc, dim + 1, skip, src, dst);
    return;
  }
  const n = shapeOf(desc, dim);
  const ss = srcStride(desc, dim) * sizeof<T>();
  const ds = dstStride(desc, dim) * sizeof<T>();
  if (dim < last) {
    for (let i = 0; i < n; ++i) {
      walk<T>(desc, dim + 1, skip, src, dst);
      src += ss;
      dst += ds;
    }
    return;
  }
  if (skip >= 0) {
    const m = shapeOf(desc, skip);
    if (ds == sizeof<T>()) transpose<T>(src, dst, m, n, ss, dstStride(desc, skip) * sizeof<T>());
    else transpose<T>(src, dst, n, m, srcStride(desc, skip) * sizeof<T>(), ds);
    return;
  }
  if (ds == sizeof<T>() && ss == sizeof<T>()) {
    copyRow<T>(src, dst, n);
  } else if (ds == sizeof<T>() && ss == 0) {
    fillRow<T>(dst, n, load<T>(src));
  } else {
    for (let i = 0; i < n; ++i) {
      store<T>(dst, load<T>(src));
      src += ss;
      dst += ds;
    }
  }
}

// A dim other than the last that, with the last, makes a transpose: unit source stride on one of the
// two and unit destination stride on the other. Small planes gain nothing.
// @ts-ignore: decorator
@inline
function transposedDim(desc: usize): i32 {
  const last = load<i32>(desc) - 1;
  if (last < 1 || shapeOf(desc, last) < 4) return -1;
  const lastSource = srcStride(desc, last) == 1;
  const lastTarget = dstStride(desc, last) == 1;
  if (lastSource == lastTarget) return -1;
  for (let dim = 0; dim < last; ++dim) {
    if (shapeOf(desc, dim) < 4) continue;
    if (lastTarget ? srcStride(desc, dim) == 1 : dstStride(desc, dim) == 1) return dim;
  }
  return -1;
}

// @ts-ignore: decorator
@inline
function copy<T>(src: usize, dst: usize, desc: usize): void {
  if (load<i32>(desc) == 0) store<T>(dst, load<T>(src));
  else walk<T>(desc, 0, transposedDim(desc), src, dst);
}

export function copy_1(src: P, dst: P, desc: P): void {
  copy<u8>(src, dst, desc);
}
export function copy_4(src: P, dst: P, desc: P): void {
  copy<i32>(src, dst, desc);
}
export function copy_8(src: P, dst: P, desc: P): void {
  copy<i64>(src, dst, desc);
}

export function fill_1(out: P, n: I, bits: P): void {
  memory.fill(out, load<u8>(bits), n);
}
export function fill_4(out: P, n: I, bits: P): void {
  fillRow<i32>(out, n, load<i32>(bits));
}
export function fill_8(out: P, n: I, bits: P): void {
  fillRow<i64>(out, n, load<i64>(bits));
}

// Lane masks of the four (or two) condition bytes at p.
// @ts-ignore: decorator
@inline
function condition<T>(p: usize): v128 {
  if (sizeof<T>() == 1) return i8x16.ne(v128.load(p), i8x16.splat(0));
  const bytes = sizeof<T>() == 4 ? v128.load32_zero(p) : v128.load16_splat(p);
  const set = i8x16.ne(bytes, i8x16.splat(0));
  const wide = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(set));
  return sizeof<T>() == 4 ? wide : i64x2.extend_low_i32x4_s(wide);
}

// @ts-ignore: decorator
@inline
function where<T>(
  c: P, a: P, b: P, out: P, outer: I, inner: I, co: I, ci: I, ao: I, ai: I, bo: I, bi: I,
): void {
  const lanes = 16 / sizeof<T>();
  const sc = <usize>ci;
  const sa = <usize>ai * sizeof<T>();
  const sb = <usize>bi * sizeof<T>();
  let po = out;
  for (let i = 0; i < outer; ++i) {
    let pc = c + <usize>i * <usize>co;
    let pa = a + <usize>i * <usize>ao * sizeof<T>();
    let pb = b + <usize>i * <usize>bo * sizeof<T>();
    let n = inner;
    if (ci == 1 && (ai == 1 || ai == 0) && (bi == 1 || bi == 0)) {
      const va = v128.load_splat<T>(pa);
      const vb = v128.load_splat<T>(pb);
      for (; n >= lanes; n -= lanes) {
        const x = ai == 1 ? v128.load(pa) : va;
        const y = bi == 1 ? v128.load(pb) : vb;
        v128.store(po, v128.bitselect(x, y, condition<T>(pc)));
        pc += <usize>lanes;
        pa += <usize>lanes * sa;
        pb += <usize>lanes * sb;
        po += 16;
      }
    }
    for (; n > 0; --n) {
      store<T>(po, load<u8>(pc) != 0 ? load<T>(pa) : load<T>(pb));
      pc += sc;
      pa += sa;
      pb += sb;
      po += sizeof<T>();
    }
  }
}

export function where_1(
  c: P,
  a: P,
  b: P,
  out: P,
  outer: I,
  inner: I,
  co: I,
  ci: I,
  ao: I,
  ai: I,
  bo: I,
  bi: I,
): void {
  where<u8>(c, a, b, out, outer, inner, co, ci, ao, ai, bo, bi);
}
export function where_4(
  c: P,
  a: P,
  b: P,
  out: P,
  outer: I,
  inner: I,
  co: I,
  ci: I,
  ao: I,
  ai: I,
  bo: I,
  bi: I,
): void {
  where<i32>(c, a, b, out, outer, inner, co, ci, ao, ai, bo, bi);
}
export function where_8(
  c: P,
  a: P,
  b: P,
  out: P,
  outer: I,
  inner: I,
  co: I,
  ci: I,
  ao: I,
  ai: I,
  bo: I,
  bi: I,
): void {
  where<i64>(c, a, b, out, outer, inner, co, ci, ao, ai, bo, bi);
}

// out = mask ? value : x
// @ts-ignore: decorator
@inline
function maskedFill<T>(x: usize, mask: usize, out: usize, n: i32, bits: usize): void {
  where<T>(mask, bits, x, out, 1, n, 0, 1, 0, 0, 0, 1);
}

export function maskedFill_1(x: P, mask: P, out: P, n: I, bits: P): void {
  maskedFill<u8>(x, mask, out, n, bits);
}
export function maskedFill_4(x: P, mask: P, out: P, n: I, bits: P): void {
  maskedFill<i32>(x, mask, out, n, bits);
}
export function maskedFill_8(x: P, mask: P, out: P, n: I, bits: P): void {
  maskedFill<i64>(x, mask, out, n, bits);
}

// start + step*i, each element computed alone so that no rounding error grows
// @ts-ignore: decorator
@inline
function arange<T>(out: usize, n: i32, start: f64, step: f64): void {
  if (isFloat<T>()) {
    for (let i = 0; i < n; ++i, out += sizeof<T>()) store<T>(out, <T>(start + step * <f64>i));
    return;
  }
  const by = <i64>step;
  let value = <i64>start;
  for (let i = 0; i < n; ++i, out += sizeof<T>(), value += by) store<T>(out, <T>value);
}

/** Values first..first+n-1 of `steps`, counted from the nearer end, as PyTorch does, so that both ends are exact. */
// @ts-ignore: decorator
@inline
function linspace<T>(out: usize, first: i32, n: i32, steps: i32, start: f64, end: f64, step: f64): void {
  for (let i = first; i < first + n; ++i, out += sizeof<T>()) {
    const value = i < steps - i ? start + step * <f64>i : end - step * <f64>(steps - 1 - i);
    store<T>(out, sizeof<T>() == 1 ? <T>(<i64>value) : <T>value);
  }
}

export function arange_f32(out: P, n: I, start: f64, step: f64): void {
  arange<f32>(out, n, start, step);
}
export function arange_f64(out: P, n: I, start: f64, step: f64): void {
  arange<f64>(out, n, start, step);
}
export function arange_i32(out: P, n: I, start: f64, step: f64): void {
  arange<i32>(out, n, start, step);
}
export function arange_i64(out: P, n: I, start: f64, step: f64): void {
  arange<i64>(out, n, start, step);
}
export function arange_u8(out: P, n: I, start: f64, step: f64): void {
  arange<u8>(out, n, start, step);
}

export function linspace_f32(out: P, first: I, n: I, steps: I, start: f64, end: f64, step: f64): void {
  linspace<f32>(out, first, n, steps, start, end, step);
}
export function linspace_f64(out: P, first: I, n: I, steps: I, start: f64, end: f64, step: f64): void {
  linspace<f64>(out, first, n, steps, start, end, step);
}
export function linspace_i32(out: P, first: I, n: I, steps: I, start: f64, end: f64, step: f64): void {
  linspace<i32>(out, first, n, steps, start, end, step);
}
export function linspace_i64(out: P, first: I, n: I, steps: I, start: f64, end: f64, step: f64): void {
  linspace<i64>(out, first, n, steps, start, end, step);
}
export function linspace_u8(out: P, first: I, n: I, steps: I, start: f64, end: f64, step: f64): void {
  linspace<u8>(out, first, n, steps, start, end, step);
}
