// Binary cross entropy on probabilities a against targets b; kernels shaped like those of lossPairs.ts.
import { log, log1p } from "./real";

type P = usize;
type I = i32;

/** (b - 1) log(1 - a) - b log(a), the logarithms at least -100 as in PyTorch. */
// @ts-ignore: decorator
@inline
function loss(a: f64, b: f64): f64 {
  return (b - 1) * max<f64>(log1p(-a), -100) - b * max<f64>(log(a), -100);
}

/** (a - b) / (a (1 - a)), the divisor at least 1e-12. */
// @ts-ignore: decorator
@inline
function slope(a: f64, b: f64): f64 {
  return (a - b) / max<f64>((1 - a) * a, 1e-12);
}

// @ts-ignore: decorator
@inline
function elements<T>(a: P, b: P, out: P, n: I): void {
  for (let i: P = 0; i < <P>n; i++) {
    const o = i * sizeof<T>();
    store<T>(out + o, <T>loss(<f64>load<T>(a + o), <f64>load<T>(b + o)));
  }
}

// @ts-ignore: decorator
@inline
function chunks<T>(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  for (let k = first; k < first + count; k++) {
    let sum: f64 = 0;
    for (let i = k * chunk; i < min(n, (k + 1) * chunk); i++) {
      const o = <P>i * sizeof<T>();
      sum += loss(<f64>load<T>(a + o), <f64>load<T>(b + o));
    }
    store<f64>(partials + (<P>k << 3), sum);
  }
}

// @ts-ignore: decorator
@inline
function slopes<T>(a: P, b: P, ga: P, n: I, scale: f64): void {
  for (let i: P = 0; i < <P>n; i++) {
    const o = i * sizeof<T>();
    store<T>(ga + o, <T>(scale * slope(<f64>load<T>(a + o), <f64>load<T>(b + o))));
  }
}

/** Position of the first element outside [0, 1], NaN included, or -1. */
// @ts-ignore: decorator
@inline
function outside<T>(x: P, n: I): I {
  for (let i = 0; i < n; i++) {
    const v = load<T>(x + <P>i * sizeof<T>());
    if (!(v >= 0 && v <= 1)) return i;
  }
  return -1;
}

export function bce_f32(a: P, b: P, out: P, n: I): void {
  elements<f32>(a, b, out, n);
}
export function bceChunks_f32(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  chunks<f32>(a, b, partials, n, chunk, first, count);
}
export function bceBackward_f32(a: P, b: P, ga: P, n: I, scale: f64): void {
  slopes<f32>(a, b, ga, n, scale);
}
export function outsideUnit_f32(x: P, n: I): I {
  return outside<f32>(x, n);
}
export function bce_f64(a: P, b: P, out: P, n: I): void {
  elements<f64>(a, b, out, n);
}
export function bceChunks_f64(a: P, b: P, partials: P, n: I, chunk: I, first: I, count: I): void {
  chunks<f64>(a, b, partials, n, chunk, first, count);
}
export function bceBackward_f64(a: P, b: P, ga: P, n: I, scale: f64): void {
  slopes<f64>(a, b, ga, n, scale);
}
export function outsideUnit_f64(x: P, n: I): I {
  return outside<f64>(x, n);
}
