// The pointwise part of recurrent cells, forward and backward, rows b0..b1 of a step. The matrix products are
// done before (gates arrive as sums) and after. H is the hidden size; rows are contiguous.
import { lanes } from "./lanes";
import { exp32, tanh32 } from "./math32";
import { sigmoid64, tanh64 } from "./math64";
import { loadSome, storeSome } from "./wide";

type P = usize;
type I = i32;

// @ts-ignore: decorator
@inline
function sigmoid<T>(x: v128): v128 {
  if (sizeof<T>() == 8) return sigmoid64(x);
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp32(f32x4.neg(x))));
}

// @ts-ignore: decorator
@inline
function tanh<T>(x: v128): v128 {
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
function slopeTanh<T>(t: v128): v128 {
  return v128.sub<T>(one<T>(), v128.mul<T>(t, t));
}

/** gates[B, 4H] = sums of i f g o, replaced by their values; c = f cPrev + i g; tc = tanh c; h = o tc. */
// @ts-ignore: decorator
@inline
function lstmForward<T>(gates: P, cPrev: P, c: P, tc: P, h: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const row = <P>H * S;
  for (let b = b0; b < b1; b++) {
    const g = gates + <P>b * 4 * row;
    const r = <P>b * row;
    for (let j: I = 0; j < H; j += L) {
      const k = min(L, H - j);
      const at = <P>j * S;
      const i = sigmoid<T>(loadSome<T>(g + at, k));
      const f = sigmoid<T>(loadSome<T>(g + row + at, k));
      const n = tanh<T>(loadSome<T>(g + 2 * row + at, k));
      const o = sigmoid<T>(loadSome<T>(g + 3 * row + at, k));
      const state = v128.add<T>(v128.mul<T>(f, loadSome<T>(cPrev + r + at, k)), v128.mul<T>(i, n));
      const t = tanh<T>(state);
      storeSome<T>(g + at, i, k);
      storeSome<T>(g + row + at, f, k);
      storeSome<T>(g + 2 * row + at, n, k);
      storeSome<T>(g + 3 * row + at, o, k);
      storeSome<T>(c + r + at, state, k);
      storeSome<T>(tc + r + at, t, k);
      storeSome<T>(h + r + at, v128.mul<T>(o, t), k);
    }
  }
}
export function lstmForward_f32(gates: P, cPrev: P, c: P, tc: P, h: P, H: I, b0: I, b1: I): void {
  lstmForward<f32>(gates, cPrev, c, tc, h, H, b0, b1);
}
export function lstmForward_f64(gates: P, cPrev: P, c: P, tc: P, h: P, H: I, b0: I, b1: I): void {
  lstmForward<f64>(gates, cPrev, c, tc, h, H, b0, b1);
}

/** From dh and dc (in: of c, out: of cPrev) the gradients of the gate sums. */
// @ts-ignore: decorator
@inline
function lstmBackward<T>(gates: P, cPrev: P, tc: P, dh: P, dc: P, dgates: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const row = <P>H * S;
  for (let b = b0; b < b1; b++) {
    const g = gates + <P>b * 4 * row;
    const d = dgates + <P>b * 4 * row;
    const r = <P>b * row;
    for (let j: I = 0; j < H; j += L) {
      const k = min(L, H - j);
      const at = <P>j * S;
      const i = loadSome<T>(g + at, k);
      const f = loadSome<T>(g + row + at, k);
      const n = loadSome<T>(g + 2 * row + at, k);
      const o = loadSome<T>(g + 3 * row + at, k);
      const t = loadSome<T>(tc + r + at, k);
      const dhv = loadSome<T>(dh + r + at, k);
      const total = v128.add<T>(
        loadSome<T>(dc + r + at, k), v128.mul<T>(v128.mul<T>(dhv, o), slopeTanh<T>(t)),
      );
      storeSome<T>(d + at, v128.mul<T>(v128.mul<T>(total, n), slope<T>(i)), k);
      storeSome<T>(d + row + at, v128.mul<T>(v128.mul<T>(total, loadSome<T>(cPrev + r + at, k)), slope<T>(f)), k);
      storeSome<T>(d + 2 * row + at, v128.mul<T>(v128.mul<T>(total, i), slopeTanh<T>(n)), k);
      storeSome<T>(d + 3 * row + at, v128.mul<T>(v128.mul<T>(dhv, t), slope<T>(o)), k);
      storeSome<T>(dc + r + at, v128.mul<T>(total, f), k);
    }
  }
}
export function lstmBackward_f32(gates: P, cPrev: P, tc: P, dh: P, dc: P, dgates: P, H: I, b0: I, b1: I): void {
  lstmBackward<f32>(gates, cPrev, tc, dh, dc, dgates, H, b0, b1);
}
export function lstmBackward_f64(gates: P, cPrev: P, tc: P, dh: P, dc: P, dgates: P, H: I, b0: I, b1: I): void {
  lstmBackward<f64>(gates, cPrev, tc, dh, dc, dgates, H, b0, b1);
}

/**
 * gi, gh [B, 3H] = sums of r z n from the input and from the hidden state; gi is replaced by the values of r z n,
 * gh keeps its last third. n = tanh(gi_n + r gh_n); h = (1 - z) n + z hPrev.
 */
// @ts-ignore: decorator
@inline
function gruForward<T>(gi: P, gh: P, hPrev: P, h: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const row = <P>H * S;
  for (let b = b0; b < b1; b++) {
    const x = gi + <P>b * 3 * row;
    const y = gh + <P>b * 3 * row;
    const at0 = <P>b * row;
    for (let j: I = 0; j < H; j += L) {
      const k = min(L, H - j);
      const at = <P>j * S;
      const r = sigmoid<T>(v128.add<T>(loadSome<T>(x + at, k), loadSome<T>(y + at, k)));
      const z = sigmoid<T>(v128.add<T>(loadSome<T>(x + row + at, k), loadSome<T>(y + row + at, k)));
      const inner = v128.mul<T>(r, loadSome<T>(y + 2 * row + at, k));
      const n = tanh<T>(v128.add<T>(loadSome<T>(x + 2 * row + at, k), inner));
      storeSome<T>(x + at, r, k);
      storeSome<T>(x + row + at, z, k);
      storeSome<T>(x + 2 * row + at, n, k);
      const keep = v128.mul<T>(z, v128.sub<T>(loadSome<T>(hPrev + at0 + at, k), n));
      storeSome<T>(h + at0 + at, v128.add<T>(n, keep), k);
    }
  }
}
export function gruForward_f32(gi: P, gh: P, hPrev: P, h: P, H: I, b0: I, b1: I): void {
  gruForward<f32>(gi, gh, hPrev, h, H, b0, b1);
}
export function gruForward_f64(gi: P, gh: P, hPrev: P, h: P, H: I, b0: I, b1: I): void {
  gruForward<f64>(gi, gh, hPrev, h, H, b0, b1);
}

/** From dh (in: of h, out: its direct part to hPrev) the gradients of both sums. */
// @ts-ignore: decorator
@inline
function gruBackward<T>(gates: P, gh: P, hPrev: P, dh: P, dgi: P, dgh: P, H: I, b0: I, b1: I): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const row = <P>H * S;
  for (let b = b0; b < b1; b++) {
    const at3 = <P>b * 3 * row;
    const g = gates + at3;
    const at0 = <P>b * row;
    for (let j: I = 0; j < H; j += L) {
      const k = min(L, H - j);
      const at = <P>j * S;
      const r = loadSome<T>(g + at, k);
      const z = loadSome<T>(g + row + at, k);
      const n = loadSome<T>(g + 2 * row + at, k);
      const d = loadSome<T>(dh + at0 + at, k);
      const dz = v128.mul<T>(
        v128.mul<T>(d, v128.sub<T>(loadSome<T>(hPrev + at0 + at, k), n)), slope<T>(z),
      );
      const dn = v128.mul<T>(v128.mul<T>(d, v128.sub<T>(one<T>(), z)), slopeTanh<T>(n));
      const dr = v128.mul<T>(v128.mul<T>(dn, loadSome<T>(gh + at3 + 2 * row + at, k)), slope<T>(r));
      storeSome<T>(dgi + at3 + at, dr, k);
      storeSome<T>(dgi + at3 + row + at, dz, k);
      storeSome<T>(dgi + at3 + 2 * row + at, dn, k);
      storeSome<T>(dgh + at3 + at, dr, k);
      storeSome<T>(dgh + at3 + row + at, dz, k);
      storeSome<T>(dgh + at3 + 2 * row + at, v128.mul<T>(dn, r), k);
      storeSome<T>(dh + at0 + at, v128.mul<T>(d, z), k);
    }
  }
}
export function gruBackward_f32(gates: P, gh: P, hPrev: P, dh: P, dgi: P, dgh: P, H: I, b0: I, b1: I): void {
  gruBackward<f32>(gates, gh, hPrev, dh, dgi, dgh, H, b0, b1);
}
export function gruBackward_f64(gates: P, gh: P, hPrev: P, dh: P, dgi: P, dgh: P, H: I, b0: I, b1: I): void {
  gruBackward<f64>(gates, gh, hPrev, dh, dgi, dgh, H, b0, b1);
}
