// The pointwise part of recurrent cells, forward and backward, on rows b0..b1-1 of a step. The matrix products are
// done before (gates arrive as sums) and after. H is the hidden size; rows are contiguous. Each cell function does
// one vector of k elements; FULL says that k is a whole vector, so that nothing branches.
import { lanes } from "./lanes";
import { expNormal32, tanh32 } from "./math32";
import { sigmoid64, tanh64 } from "./math64";
import { loadSome, storeSome } from "./wide";

type P = usize;
type I = i32;

// @ts-ignore: decorator
@inline
function sigmoid<T>(x: v128): v128 {
  if (sizeof<T>() == 8) return sigmoid64(x);
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, expNormal32(f32x4.neg(x))));
}

// @ts-ignore: decorator
@inline
export function tanh<T>(x: v128): v128 {
  return sizeof<T>() == 8 ? tanh64(x) : tanh32(x);
}

// @ts-ignore: decorator
@inline
function one<T>(): v128 {
  return v128.splat<T>(1);
}

/** s (1 - s): the slope of a sigmoid. */
// @ts-ignore: decorator
@inline
function slope<T>(s: v128): v128 {
  return v128.mul<T>(s, v128.sub<T>(one<T>(), s));
}

/** 1 - t^2: the slope of a tanh. */
// @ts-ignore: decorator
@inline
export function slopeTanh<T>(t: v128): v128 {
  return v128.sub<T>(one<T>(), v128.mul<T>(t, t));
}

// @ts-ignore: decorator
@inline
export function get<T>(FULL: bool, p: P, k: I): v128 {
  return FULL ? v128.load(p) : loadSome<T>(p, k);
}

// @ts-ignore: decorator
@inline
export function put<T>(FULL: bool, p: P, v: v128, k: I): void {
  if (FULL) v128.store(p, v);
  else storeSome<T>(p, v, k);
}

/** to[i] = sigmoid or tanh of from[i] for n elements; four vectors at a time, since one is a chain of dependent steps. */
// @ts-ignore: decorator
@inline
function rowOf<T>(TANH: bool, from: P, to: P, n: I): void {
  const L = lanes<T>();
  for (; n >= 4 * L; n -= 4 * L) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, 16);
    const x2 = v128.load(from, 32);
    const x3 = v128.load(from, 48);
    const y0 = TANH ? tanh<T>(x0) : sigmoid<T>(x0);
    const y1 = TANH ? tanh<T>(x1) : sigmoid<T>(x1);
    const y2 = TANH ? tanh<T>(x2) : sigmoid<T>(x2);
    const y3 = TANH ? tanh<T>(x3) : sigmoid<T>(x3);
    v128.store(to, y0);
    v128.store(to, y1, 16);
    v128.store(to, y2, 32);
    v128.store(to, y3, 48);
    from += 64;
    to += 64;
  }
  for (; n > 0; n -= L) {
    const k = min(L, n);
    const x = loadSome<T>(from, k);
    storeSome<T>(to, TANH ? tanh<T>(x) : sigmoid<T>(x), k);
    from += 16;
    to += 16;
  }
}

function sigmoidRow<T>(from: P, to: P, n: I): void {
  rowOf<T>(false, from, to, n);
}

function tanhRow<T>(from: P, to: P, n: I): void {
  rowOf<T>(true, from, to, n);
}

// @ts-ignore: decorator
@inline
function stateOf<T>(FULL: bool, i: P, f: P, g: P, cPrev: P, c: P, k: I): void {
  const kept = v128.mul<T>(get<T>(FULL, f, k), get<T>(FULL, cPrev, k));
  put<T>(FULL, c, v128.add<T>(kept, v128.mul<T>(get<T>(FULL, i, k), get<T>(FULL, g, k))), k);
}

/** c = f cPrev + i g. */
// @ts-ignore: decorator
@inline
function stateRow<T>(i: P, f: P, g: P, cPrev: P, c: P, n: I): void {
  const L = lanes<T>();
  for (; n >= L; n -= L) {
    stateOf<T>(true, i, f, g, cPrev, c, L);
    i += 16;
    f += 16;
    g += 16;
    cPrev += 16;
    c += 16;
  }
  if (n > 0) stateOf<T>(false, i, f, g, cPrev, c, n);
}

/** out = a b. */
// @ts-ignore: decorator
@inline
function mulRow<T>(a: P, b: P, out: P, n: I): void {
  const L = lanes<T>();
  for (; n >= L; n -= L) {
    v128.store(out, v128.mul<T>(v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
    out += 16;
  }
  if (n > 0) storeSome<T>(out, v128.mul<T>(loadSome<T>(a, n), loadSome<T>(b, n)), n);
}

/** gates[B, 4H] = sums of i f g o, replaced by their values; c = f cPrev + i g; tc = tanh c; h = o tc. */
export function lstmForward<T>(gates: P, cPrev: P, c: P, tc: P, h: P, H: I, b0: I, b1: I): void {
  const row = <P>H * sizeof<T>();
  for (let b = b0; b < b1; b++) {
    const g = gates + <P>b * 4 * row;
    const r = <P>b * row;
    sigmoidRow<T>(g, g, 2 * H);
    tanhRow<T>(g + 2 * row, g + 2 * row, H);
    sigmoidRow<T>(g + 3 * row, g + 3 * row, H);
    stateRow<T>(g, g + row, g + 2 * row, cPrev + r, c + r, H);
    tanhRow<T>(c + r, tc + r, H);
    mulRow<T>(g + 3 * row, tc + r, h + r, H);
  }
}

// @ts-ignore: decorator
@inline
function lstmSlopes<T>(FULL: bool, g: P, cPrev: P, tc: P, dh: P, dc: P, d: P, row: P, k: I): void {
  const i = get<T>(FULL, g, k);
  const f = get<T>(FULL, g + row, k);
  const n = get<T>(FULL, g + 2 * row, k);
  const o = get<T>(FULL, g + 3 * row, k);
  const t = get<T>(FULL, tc, k);
  const before = get<T>(FULL, cPrev, k);
  const dhv = get<T>(FULL, dh, k);
  const total = v128.add<T>(get<T>(FULL, dc, k), v128.mul<T>(v128.mul<T>(dhv, o), slopeTanh<T>(t)));
  put<T>(FULL, d, v128.mul<T>(v128.mul<T>(total, n), slope<T>(i)), k);
  put<T>(FULL, d + row, v128.mul<T>(v128.mul<T>(total, before), slope<T>(f)), k);
  put<T>(FULL, d + 2 * row, v128.mul<T>(v128.mul<T>(total, i), slopeTanh<T>(n)), k);
  put<T>(FULL, d + 3 * row, v128.mul<T>(v128.mul<T>(dhv, t), slope<T>(o)), k);
  put<T>(FULL, dc, v128.mul<T>(total, f), k);
}

/** From dh and dc (in: of c, out: of cPrev) the gradients of the gate sums. */
export function lstmBackward<T>(gates: P, cPrev: P, tc: P, dh: P, dc: P, dgates: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const row = <P>H * S;
  for (let b = b0; b < b1; b++) {
    const g = <P>b * 4 * row;
    const r = <P>b * row;
    let j: I = 0;
    for (; j + L <= H; j += L) {
      const at = r + <P>j * S;
      const to = g + <P>j * S;
      lstmSlopes<T>(true, gates + to, cPrev + at, tc + at, dh + at, dc + at, dgates + to, row, L);
    }
    if (j < H) {
      const at = r + <P>j * S;
      const to = g + <P>j * S;
      lstmSlopes<T>(false, gates + to, cPrev + at, tc + at, dh + at, dc + at, dgates + to, row, H - j);
    }
  }
}

// @ts-ignore: decorator
@inline
function gruCell<T>(FULL: bool, x: P, y: P, hPrev: P, h: P, row: P, k: I): void {
  const xr = get<T>(FULL, x, k);
  const yr = get<T>(FULL, y, k);
  const xz = get<T>(FULL, x + row, k);
  const yz = get<T>(FULL, y + row, k);
  const xn = get<T>(FULL, x + 2 * row, k);
  const yn = get<T>(FULL, y + 2 * row, k);
  const before = get<T>(FULL, hPrev, k);
  const r = sigmoid<T>(v128.add<T>(xr, yr));
  const z = sigmoid<T>(v128.add<T>(xz, yz));
  const n = tanh<T>(v128.add<T>(xn, v128.mul<T>(r, yn)));
  put<T>(FULL, x, r, k);
  put<T>(FULL, x + row, z, k);
  put<T>(FULL, x + 2 * row, n, k);
  put<T>(FULL, h, v128.add<T>(n, v128.mul<T>(z, v128.sub<T>(before, n))), k);
}

/**
 * gi, gh [B, 3H] = sums of r z n from the input and from the hidden state; gi is replaced by the values of r z n,
 * gh keeps its last third. n = tanh(gi_n + r gh_n); h = (1 - z) n + z hPrev.
 */
export function gruForward<T>(gi: P, gh: P, hPrev: P, h: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const row = <P>H * S;
  for (let b = b0; b < b1; b++) {
    const g = <P>b * 3 * row;
    const r = <P>b * row;
    let j: I = 0;
    for (; j + L <= H; j += L) {
      const o = <P>j * S;
      gruCell<T>(true, gi + g + o, gh + g + o, hPrev + r + o, h + r + o, row, L);
    }
    if (j < H) {
      const o = <P>j * S;
      gruCell<T>(false, gi + g + o, gh + g + o, hPrev + r + o, h + r + o, row, H - j);
    }
  }
}

// @ts-ignore: decorator
@inline
function gruSlopes<T>(FULL: bool, g: P, gh: P, hPrev: P, dh: P, dgi: P, dgh: P, row: P, k: I): void {
  const r = get<T>(FULL, g, k);
  const z = get<T>(FULL, g + row, k);
  const n = get<T>(FULL, g + 2 * row, k);
  const d = get<T>(FULL, dh, k);
  const before = get<T>(FULL, hPrev, k);
  const dz = v128.mul<T>(v128.mul<T>(d, v128.sub<T>(before, n)), slope<T>(z));
  const dn = v128.mul<T>(v128.mul<T>(d, v128.sub<T>(one<T>(), z)), slopeTanh<T>(n));
  const dr = v128.mul<T>(v128.mul<T>(dn, get<T>(FULL, gh + 2 * row, k)), slope<T>(r));
  put<T>(FULL, dgi, dr, k);
  put<T>(FULL, dgi + row, dz, k);
  put<T>(FULL, dgi + 2 * row, dn, k);
  put<T>(FULL, dgh, dr, k);
  put<T>(FULL, dgh + row, dz, k);
  put<T>(FULL, dgh + 2 * row, v128.mul<T>(dn, r), k);
  put<T>(FULL, dh, v128.mul<T>(d, z), k);
}

/** From dh (in: of h, out: its direct part to hPrev) the gradients of both sums. */
export function gruBackward<T>(gates: P, gh: P, hPrev: P, dh: P, dgi: P, dgh: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const row = <P>H * S;
  for (let b = b0; b < b1; b++) {
    const g = <P>b * 3 * row;
    const r = <P>b * row;
    let j: I = 0;
    for (; j + L <= H; j += L) {
      const a = g + <P>j * S;
      const o = r + <P>j * S;
      gruSlopes<T>(true, gates + a, gh + a, hPrev + o, dh + o, dgi + a, dgh + a, row, L);
    }
    if (j < H) {
      const a = g + <P>j * S;
      const o = r + <P>j * S;
      gruSlopes<T>(false, gates + a, gh + a, hPrev + o, dh + o, dgi + a, dgh + a, row, H - j);
    }
  }
}

/** sums[B, H] replaced by tanh or max(0, .), and copied to h. */
export function plainForward<T>(relu: bool, sums: P, h: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const start = <P>(b0 * H) * S;
  let n = (b1 - b0) * H;
  if (relu) {
    for (let at = sums + start; n > 0; n -= L, at += 16) {
      const k = min(L, n);
      const x = loadSome<T>(at, k);
      storeSome<T>(at, v128.bitselect(v128.splat<T>(0), x, v128.lt<T>(x, v128.splat<T>(0))), k);
    }
  } else tanhRow<T>(sums + start, sums + start, n);
  memory.copy(h + start, sums + start, <P>((b1 - b0) * H) * S);
}

/** From dh the gradients of the sums, the slope read off the activations y. */
export function plainBackward<T>(relu: bool, y: P, dh: P, dsums: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const zero = v128.splat<T>(0);
  let n = (b1 - b0) * H;
  let at = <P>(b0 * H) * S;
  for (; n >= L; n -= L, at += 16) {
    const v = v128.load(y + at);
    const d = v128.load(dh + at);
    v128.store(dsums + at, relu ? v128.andnot(d, v128.le<T>(v, zero)) : v128.mul<T>(d, slopeTanh<T>(v)));
  }
  if (n > 0) {
    const v = loadSome<T>(y + at, n);
    const d = loadSome<T>(dh + at, n);
    storeSome<T>(dsums + at, relu ? v128.andnot(d, v128.le<T>(v, zero)) : v128.mul<T>(d, slopeTanh<T>(v)), n);
  }
}
