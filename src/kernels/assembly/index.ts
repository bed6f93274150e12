// Moves along one dimension of contiguous blocks: gather, scatter, select, copy, take, put. int64 indices,
// already checked and made non-negative; writes happen in index order. Reads may be split anywhere, writes
// over `outer` only.

type P = usize;
type I = i32;

// @ts-ignore: decorator
@inline
function at(index: P, i: P): P {
  return <P>load<i64>(index + (i << 3));
}

/** Position of the first index outside [low, high), or -1. */
export function checkIndex(index: P, n: I, low: I, high: I): I {
  const least = i64x2.splat(low);
  const most = i64x2.splat(high - 1);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const a = v128.load(index + (<P>i << 3));
    const b = v128.load(index + (<P>i << 3), 16);
    const below = v128.or(i64x2.lt_s(a, least), i64x2.lt_s(b, least));
    if (v128.any_true(v128.or(below, v128.or(i64x2.gt_s(a, most), i64x2.gt_s(b, most))))) break;
  }
  for (; i < n; i++) {
    const k = load<i64>(index + (<P>i << 3));
    if (k < <i64>low || k >= <i64>high) return i;
  }
  return -1;
}

/** out[i] = index[i] < 0 ? index[i] + size : index[i]. */
export function wrapIndex(index: P, out: P, n: I, size: I): void {
  for (let i: P = 0; i < <P>n; i++) {
    const k = load<i64>(index + (i << 3));
    store<i64>(out + (i << 3), k < 0 ? k + <i64>size : k);
  }
}

/** out[o, i, j] = x[o, index[o, i, j], j]. */
// @ts-ignore: decorator
@inline
function gather<T>(x: P, index: P, out: P, outer: I, dimX: I, dimI: I, inner: I): void {
  const size = sizeof<T>();
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      for (let i: P = 0; i < <P>dimI; i++) store<T>(out + i * size, load<T>(x + at(index, i) * size));
      index += <P>dimI << 3;
      out += <P>dimI * size;
      x += <P>dimX * size;
      continue;
    }
    for (let i = 0; i < dimI; i++) {
      for (let j: P = 0; j < <P>inner; j++) {
        store<T>(out + j * size, load<T>(x + (at(index, j) * <P>inner + j) * size));
      }
      index += <P>inner << 3;
      out += <P>inner * size;
    }
    x += <P>dimX * <P>inner * size;
  }
}

/** out[o, index[o, i, j], j] = src[o, i, j]. */
// @ts-ignore: decorator
@inline
function scatter<T>(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  const size = sizeof<T>();
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < dimI; i++) {
      for (let j: P = 0; j < <P>inner; j++) {
        const to = out + (at(index, j) * <P>inner + j) * size;
        store<T>(to, load<T>(src + j * size));
      }
      index += <P>inner << 3;
      src += <P>inner * size;
    }
    out += <P>dimOut * <P>inner * size;
  }
}

/** out[o, i, :] = x[o, index[i], :]. */
// @ts-ignore: decorator
@inline
function select_<T>(x: P, index: P, out: P, outer: I, dim: I, n: I, inner: I): void {
  const row = <P>inner * sizeof<T>();
  for (let o = 0; o < outer; o++) {
    for (let i: P = 0; i < <P>n; i++, out += row) {
      if (inner == 1) store<T>(out, load<T>(x + at(index, i) * sizeof<T>()));
      else memory.copy(out, x + at(index, i) * row, row);
    }
    x += <P>dim * row;
  }
}

/** out[o, index[i], :] = src[o, i, :]. */
// @ts-ignore: decorator
@inline
function copyRows<T>(out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I): void {
  const row = <P>inner * sizeof<T>();
  for (let o = 0; o < outer; o++) {
    for (let i: P = 0; i < <P>n; i++, src += row) {
      if (inner == 1) store<T>(out + at(index, i) * sizeof<T>(), load<T>(src));
      else memory.copy(out + at(index, i) * row, src, row);
    }
    out += <P>dim * row;
  }
}

// @ts-ignore: decorator
@inline
function put<T>(out: P, index: P, src: P, n: I): void {
  for (let i: P = 0; i < <P>n; i++) {
    store<T>(out + at(index, i) * sizeof<T>(), load<T>(src + i * sizeof<T>()));
  }
}

/** out[n, classes] = 0 but 1 at index[i], int64. */
export function oneHot(index: P, out: P, n: I, classes: I): void {
  memory.fill(out, 0, ((<P>n * <P>classes) << 3));
  for (let i: P = 0; i < <P>n; i++) store<i64>(out + ((i * <P>classes + at(index, i)) << 3), 1);
}

export function gather_1(x: P, index: P, out: P, outer: I, dimX: I, dimI: I, inner: I): void {
  gather<u8>(x, index, out, outer, dimX, dimI, inner);
}
export function scatter_1(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<u8>(out, index, src, outer, dimOut, dimI, inner);
}
export function indexSelect_1(x: P, index: P, out: P, outer: I, dim: I, n: I, inner: I): void {
  select_<u8>(x, index, out, outer, dim, n, inner);
}
export function indexCopy_1(out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I): void {
  copyRows<u8>(out, index, src, outer, dim, n, inner);
}
export function take_1(x: P, index: P, out: P, n: I): void {
  select_<u8>(x, index, out, 1, 0, n, 1);
}
export function put_1(out: P, index: P, src: P, n: I): void {
  put<u8>(out, index, src, n);
}

export function gather_4(x: P, index: P, out: P, outer: I, dimX: I, dimI: I, inner: I): void {
  gather<u32>(x, index, out, outer, dimX, dimI, inner);
}
export function scatter_4(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<u32>(out, index, src, outer, dimOut, dimI, inner);
}
export function indexSelect_4(x: P, index: P, out: P, outer: I, dim: I, n: I, inner: I): void {
  select_<u32>(x, index, out, outer, dim, n, inner);
}
export function indexCopy_4(out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I): void {
  copyRows<u32>(out, index, src, outer, dim, n, inner);
}
export function take_4(x: P, index: P, out: P, n: I): void {
  select_<u32>(x, index, out, 1, 0, n, 1);
}
export function put_4(out: P, index: P, src: P, n: I): void {
  put<u32>(out, index, src, n);
}

export function gather_8(x: P, index: P, out: P, outer: I, dimX: I, dimI: I, inner: I): void {
  gather<u64>(x, index, out, outer, dimX, dimI, inner);
}
export function scatter_8(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<u64>(out, index, src, outer, dimOut, dimI, inner);
}
export function indexSelect_8(x: P, index: P, out: P, outer: I, dim: I, n: I, inner: I): void {
  select_<u64>(x, index, out, outer, dim, n, inner);
}
export function indexCopy_8(out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I): void {
  copyRows<u64>(out, index, src, outer, dim, n, inner);
}
export function take_8(x: P, index: P, out: P, n: I): void {
  select_<u64>(x, index, out, 1, 0, n, 1);
}
export function put_8(out: P, index: P, src: P, n: I): void {
  put<u64>(out, index, src, n);
}
