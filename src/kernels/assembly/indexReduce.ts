// Reducing writes along one dimension of contiguous blocks: scatter and put that add, multiply or keep an
// extreme, index add, the embedding gradient. Always in index order; threads split `outer` (or columns) only.

type P = usize;
type I = i32;

const ADD = 1;
const MULTIPLY = 2;
const LARGER = 3;
const SMALLER = 4;

// @ts-ignore: decorator
@inline
function at(index: P, i: P): P {
  return <P>load<i64>(index + (i << 3));
}

/** NaN wins, as in PyTorch. */
// @ts-ignore: decorator
@inline
function join<T>(op: i32, a: T, b: T): T {
  if (op == ADD) return <T>(a + b);
  if (op == MULTIPLY) return <T>(a * b);
  if (op == LARGER) return isFloat<T>() ? max<T>(a, b) : select<T>(a, b, a > b);
  return isFloat<T>() ? min<T>(a, b) : select<T>(a, b, a < b);
}

/** out[o, index[o, i, j], j] joined with src[o, i, j]. */
// @ts-ignore: decorator
@inline
function scatter<T>(op: i32, out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  const size = sizeof<T>();
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < dimI; i++) {
      for (let j: P = 0; j < <P>inner; j++) {
        const to = out + (at(index, j) * <P>inner + j) * size;
        store<T>(to, join<T>(op, load<T>(to), load<T>(src + j * size)));
      }
      index += <P>inner << 3;
      src += <P>inner * size;
    }
    out += <P>dimOut * <P>inner * size;
  }
}

/** to[:] += alpha * from[:]. */
// @ts-ignore: decorator
@inline
function addRow<T>(to: P, from: P, n: I, alpha: T): void {
  let j = 0;
  if (isFloat<T>()) {
    const k = v128.splat<T>(alpha);
    const lanes: i32 = 16 / sizeof<T>();
    for (; j + lanes <= n; j += lanes, to += 16, from += 16) {
      v128.store(to, v128.add<T>(v128.load(to), v128.mul<T>(v128.load(from), k)));
    }
  }
  for (; j < n; j++, to += sizeof<T>(), from += sizeof<T>()) {
    store<T>(to, <T>(load<T>(to) + <T>(load<T>(from) * alpha)));
  }
}

/** out[o, index[i], :] += alpha * src[o, i, :]. */
// @ts-ignore: decorator
@inline
function addRows<T>(out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I, alpha: T): void {
  const row = <P>inner * sizeof<T>();
  for (let o = 0; o < outer; o++) {
    for (let i: P = 0; i < <P>n; i++, src += row) addRow<T>(out + at(index, i) * row, src, inner, alpha);
    out += <P>dim * row;
  }
}

/** gw[index[i], d0:d1] += g[i, d0:d1], rows of `padding` (-1: none) left out; gw starts at zero. */
// @ts-ignore: decorator
@inline
function embeddingBackward<T>(g: P, index: P, gw: P, n: I, D: I, padding: I, d0: I, d1: I): void {
  const row = <P>D * sizeof<T>();
  const from = <P>d0 * sizeof<T>();
  for (let i: P = 0; i < <P>n; i++) {
    const k = at(index, i);
    if (<i32>k == padding) continue;
    addRow<T>(gw + k * row + from, g + i * row + from, d1 - d0, <T>1);
  }
}

// @ts-ignore: decorator
@inline
function put<T>(op: i32, out: P, index: P, src: P, n: I): void {
  for (let i: P = 0; i < <P>n; i++) {
    const to = out + at(index, i) * sizeof<T>();
    store<T>(to, join<T>(op, load<T>(to), load<T>(src + i * sizeof<T>())));
  }
}

export function scatterAdd_f32(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<f32>(ADD, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMul_f32(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<f32>(MULTIPLY, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMax_f32(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<f32>(LARGER, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMin_f32(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<f32>(SMALLER, out, index, src, outer, dimOut, dimI, inner);
}
export function indexAdd_f32(
  out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I, alpha: f64,
): void {
  addRows<f32>(out, index, src, outer, dim, n, inner, <f32>alpha);
}
export function putAdd_f32(out: P, index: P, src: P, n: I): void {
  put<f32>(ADD, out, index, src, n);
}
export function embeddingBackward_f32(g: P, index: P, gw: P, n: I, D: I, padding: I, d0: I, d1: I): void {
  embeddingBackward<f32>(g, index, gw, n, D, padding, d0, d1);
}

export function scatterAdd_f64(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<f64>(ADD, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMul_f64(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<f64>(MULTIPLY, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMax_f64(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<f64>(LARGER, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMin_f64(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<f64>(SMALLER, out, index, src, outer, dimOut, dimI, inner);
}
export function indexAdd_f64(
  out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I, alpha: f64,
): void {
  addRows<f64>(out, index, src, outer, dim, n, inner, <f64>alpha);
}
export function putAdd_f64(out: P, index: P, src: P, n: I): void {
  put<f64>(ADD, out, index, src, n);
}
export function embeddingBackward_f64(g: P, index: P, gw: P, n: I, D: I, padding: I, d0: I, d1: I): void {
  embeddingBackward<f64>(g, index, gw, n, D, padding, d0, d1);
}

export function scatterAdd_i32(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<i32>(ADD, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMul_i32(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<i32>(MULTIPLY, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMax_i32(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<i32>(LARGER, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMin_i32(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<i32>(SMALLER, out, index, src, outer, dimOut, dimI, inner);
}
export function indexAdd_i32(
  out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I, alpha: f64,
): void {
  addRows<i32>(out, index, src, outer, dim, n, inner, <i32>alpha);
}
export function putAdd_i32(out: P, index: P, src: P, n: I): void {
  put<i32>(ADD, out, index, src, n);
}

export function scatterAdd_i64(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<i64>(ADD, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMul_i64(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<i64>(MULTIPLY, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMax_i64(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<i64>(LARGER, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMin_i64(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<i64>(SMALLER, out, index, src, outer, dimOut, dimI, inner);
}
export function indexAdd_i64(
  out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I, alpha: f64,
): void {
  addRows<i64>(out, index, src, outer, dim, n, inner, <i64>alpha);
}
export function putAdd_i64(out: P, index: P, src: P, n: I): void {
  put<i64>(ADD, out, index, src, n);
}

export function scatterAdd_u8(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<u8>(ADD, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMul_u8(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<u8>(MULTIPLY, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMax_u8(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<u8>(LARGER, out, index, src, outer, dimOut, dimI, inner);
}
export function scatterMin_u8(out: P, index: P, src: P, outer: I, dimOut: I, dimI: I, inner: I): void {
  scatter<u8>(SMALLER, out, index, src, outer, dimOut, dimI, inner);
}
export function indexAdd_u8(
  out: P, index: P, src: P, outer: I, dim: I, n: I, inner: I, alpha: f64,
): void {
  addRows<u8>(out, index, src, outer, dim, n, inner, <u8>alpha);
}
export function putAdd_u8(out: P, index: P, src: P, n: I): void {
  put<u8>(ADD, out, index, src, n);
}
