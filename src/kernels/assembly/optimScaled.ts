// Adagrad, Adadelta, RMSprop, Rprop and ASGD, one pass over `left` elements of rows, as in PyTorch.
// p parameter, g gradient; state arrays follow. Scalars are rounded to the element type once.
// flags: 1 maximize, then per optimizer. Elementwise, so threads may split anywhere.
import { lanes } from "./lanes";
import { grad, param, ROW, size, state } from "./optimRows";
import { addDiv, gradient, mix, mixSquare, splat } from "./optimTerms";
import { loadSome, storeSome } from "./wide";

type P = usize;
type I = i32;

/** rate = lr / (1 + (t - 1) lrDecay). */
// @ts-ignore: decorator
@inline
function adagradStep<T>(p: P, g: P, sum: P, k: I, rate: f64, eps: f64, decay: f64, flags: I): void {
  const w = loadSome<T>(p, k);
  const d = gradient<T>(g, w, k, decay, flags);
  const s = v128.add<T>(loadSome<T>(sum, k), v128.mul<T>(d, d));
  storeSome<T>(sum, s, k);
  storeSome<T>(p, addDiv<T>(w, -rate, d, v128.add<T>(v128.sqrt<T>(s), splat<T>(eps))), k);
}

// @ts-ignore: decorator
@inline
function adagrad<T>(rows: P, skip: I, left: I, rate: f64, eps: f64, decay: f64, flags: I): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    let o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    const p = param(rows);
    const g = grad(rows);
    const sum = state(rows, 0);
    for (; n >= lanes<T>(); n -= lanes<T>(), o += 16) {
      adagradStep<T>(p + o, g + o, sum + o, lanes<T>(), rate, eps, decay, flags);
    }
    if (n > 0) adagradStep<T>(p + o, g + o, sum + o, n, rate, eps, decay, flags);
  }
}
export function adagrad_f32(rows: P, skip: I, left: I, rate: f64, eps: f64, decay: f64, flags: I): void {
  adagrad<f32>(rows, skip, left, rate, eps, decay, flags);
}
export function adagrad_f64(rows: P, skip: I, left: I, rate: f64, eps: f64, decay: f64, flags: I): void {
  adagrad<f64>(rows, skip, left, rate, eps, decay, flags);
}

/** v: mean of g^2, u: mean of step^2. */
// @ts-ignore: decorator
@inline
function adadeltaStep<T>(
  p: P, g: P, v: P, u: P, k: I, lr: f64, rho: f64, eps: f64, decay: f64, flags: I,
): void {
  const w = loadSome<T>(p, k);
  const d = gradient<T>(g, w, k, decay, flags);
  const square = mixSquare<T>(rho, loadSome<T>(v, k), 1 - rho, d);
  const past = loadSome<T>(u, k);
  const std = v128.sqrt<T>(v128.add<T>(square, splat<T>(eps)));
  const step = v128.mul<T>(v128.div<T>(v128.sqrt<T>(v128.add<T>(past, splat<T>(eps))), std), d);
  storeSome<T>(v, square, k);
  storeSome<T>(u, mixSquare<T>(rho, past, 1 - rho, step), k);
  storeSome<T>(p, v128.add<T>(w, v128.mul<T>(splat<T>(-lr), step)), k);
}

// @ts-ignore: decorator
@inline
function adadelta<T>(rows: P, skip: I, left: I, lr: f64, rho: f64, eps: f64, decay: f64, flags: I): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    let o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    const p = param(rows);
    const g = grad(rows);
    const v = state(rows, 0);
    const u = state(rows, 1);
    for (; n >= lanes<T>(); n -= lanes<T>(), o += 16) {
      adadeltaStep<T>(p + o, g + o, v + o, u + o, lanes<T>(), lr, rho, eps, decay, flags);
    }
    if (n > 0) adadeltaStep<T>(p + o, g + o, v + o, u + o, n, lr, rho, eps, decay, flags);
  }
}
export function adadelta_f32(
  rows: P, skip: I, left: I, lr: f64, rho: f64, eps: f64, decay: f64, flags: I,
): void {
  adadelta<f32>(rows, skip, left, lr, rho, eps, decay, flags);
}
export function adadelta_f64(
  rows: P, skip: I, left: I, lr: f64, rho: f64, eps: f64, decay: f64, flags: I,
): void {
  adadelta<f64>(rows, skip, left, lr, rho, eps, decay, flags);
}

/** mean (centred only) and buf (momentum only) may be null. */
// @ts-ignore: decorator
@inline
function rmspropStep<T>(
  p: P, g: P, v: P, mean: P, buf: P, k: I, lr: f64, alpha: f64, eps: f64, decay: f64, momentum: f64,
  flags: I,
): void {
  const w = loadSome<T>(p, k);
  const d = gradient<T>(g, w, k, decay, flags);
  let square = mixSquare<T>(alpha, loadSome<T>(v, k), 1 - alpha, d);
  storeSome<T>(v, square, k);
  if (mean != 0) {
    const average = mix<T>(alpha, loadSome<T>(mean, k), 1 - alpha, d);
    storeSome<T>(mean, average, k);
    square = v128.sub<T>(square, v128.mul<T>(average, average));
  }
  const below = v128.add<T>(v128.sqrt<T>(square), splat<T>(eps));
  if (buf == 0) {
    storeSome<T>(p, addDiv<T>(w, -lr, d, below), k);
    return;
  }
  const b = v128.add<T>(v128.mul<T>(loadSome<T>(buf, k), splat<T>(momentum)), v128.div<T>(d, below));
  storeSome<T>(buf, b, k);
  storeSome<T>(p, v128.add<T>(w, v128.mul<T>(splat<T>(-lr), b)), k);
}

// @ts-ignore: decorator
@inline
function rmsprop<T>(
  rows: P, skip: I, left: I, lr: f64, alpha: f64, eps: f64, decay: f64, momentum: f64, flags: I,
): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    let o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    const p = param(rows);
    const g = grad(rows);
    const v = state(rows, 0);
    const mean = state(rows, 1);
    const buf = state(rows, 2);
    for (; n >= lanes<T>(); n -= lanes<T>(), o += 16) {
      rmspropStep<T>(
        p + o, g + o, v + o, mean == 0 ? 0 : mean + o, buf == 0 ? 0 : buf + o, lanes<T>(), lr, alpha, eps,
        decay, momentum, flags,
      );
    }
    if (n > 0) {
      rmspropStep<T>(
        p + o, g + o, v + o, mean == 0 ? 0 : mean + o, buf == 0 ? 0 : buf + o, n, lr, alpha, eps, decay,
        momentum, flags,
      );
    }
  }
}
export function rmsprop_f32(
  rows: P, skip: I, left: I, lr: f64, alpha: f64, eps: f64, decay: f64, momentum: f64, flags: I,
): void {
  rmsprop<f32>(rows, skip, left, lr, alpha, eps, decay, momentum, flags);
}
export function rmsprop_f64(
  rows: P, skip: I, left: I, lr: f64, alpha: f64, eps: f64, decay: f64, momentum: f64, flags: I,
): void {
  rmsprop<f64>(rows, skip, left, lr, alpha, eps, decay, momentum, flags);
}

/** prev: the last gradient, step: the step sizes. */
// @ts-ignore: decorator
@inline
function rpropStep<T>(
  p: P, g: P, prev: P, step: P, k: I, etaMinus: f64, etaPlus: f64, low: f64, high: f64, flags: I,
): void {
  const w = loadSome<T>(p, k);
  let d = gradient<T>(g, w, k, 0, flags);
  const zero = splat<T>(0);
  const agree = v128.mul<T>(d, loadSome<T>(prev, k));
  const turned = v128.lt<T>(agree, zero);
  let factor = v128.bitselect(splat<T>(etaPlus), splat<T>(1), v128.gt<T>(agree, zero));
  factor = v128.bitselect(splat<T>(etaMinus), factor, turned);
  let size = v128.mul<T>(loadSome<T>(step, k), factor);
  size = v128.min<T>(v128.max<T>(size, splat<T>(low)), splat<T>(high));
  d = v128.andnot(d, turned);
  storeSome<T>(step, size, k);
  storeSome<T>(prev, d, k);
  const down = v128.bitselect(size, zero, v128.gt<T>(d, zero));
  const up = v128.bitselect(size, zero, v128.lt<T>(d, zero));
  storeSome<T>(p, v128.add<T>(v128.sub<T>(w, down), up), k);
}

// @ts-ignore: decorator
@inline
function rprop<T>(
  rows: P, skip: I, left: I, etaMinus: f64, etaPlus: f64, low: f64, high: f64, flags: I,
): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    let o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    const p = param(rows);
    const g = grad(rows);
    const prev = state(rows, 0);
    const step = state(rows, 1);
    for (; n >= lanes<T>(); n -= lanes<T>(), o += 16) {
      rpropStep<T>(p + o, g + o, prev + o, step + o, lanes<T>(), etaMinus, etaPlus, low, high, flags);
    }
    if (n > 0) rpropStep<T>(p + o, g + o, prev + o, step + o, n, etaMinus, etaPlus, low, high, flags);
  }
}
export function rprop_f32(
  rows: P, skip: I, left: I, etaMinus: f64, etaPlus: f64, low: f64, high: f64, flags: I,
): void {
  rprop<f32>(rows, skip, left, etaMinus, etaPlus, low, high, flags);
}
export function rprop_f64(
  rows: P, skip: I, left: I, etaMinus: f64, etaPlus: f64, low: f64, high: f64, flags: I,
): void {
  rprop<f64>(rows, skip, left, etaMinus, etaPlus, low, high, flags);
}

/** `last`: mu is 1, so that the average is the parameter. */
// @ts-ignore: decorator
@inline
function asgdStep<T>(
  p: P, g: P, ax: P, k: I, keep: v128, minusEta: v128, mu: v128, decay: f64, flags: I, last: bool,
): void {
  let w = loadSome<T>(p, k);
  const d = gradient<T>(g, w, k, decay, flags);
  w = v128.add<T>(v128.mul<T>(w, keep), v128.mul<T>(minusEta, d));
  storeSome<T>(p, w, k);
  if (last) storeSome<T>(ax, w, k);
  else {
    const a = loadSome<T>(ax, k);
    storeSome<T>(ax, v128.add<T>(a, v128.mul<T>(v128.sub<T>(w, a), mu)), k);
  }
}

/** Four vectors in a turn, as in SGD. */
// @ts-ignore: decorator
@inline
function asgdLoop<T>(
  rows: P, skip: I, left: I, keep: v128, minusEta: v128, mu: v128, decay: f64, flags: I, last: bool,
): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    const o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    let p = param(rows) + o;
    let g = grad(rows) + o;
    let ax = state(rows, 0) + o;
    for (; n >= 4 * lanes<T>(); n -= 4 * lanes<T>(), p += 64, g += 64, ax += 64) {
      asgdStep<T>(p, g, ax, lanes<T>(), keep, minusEta, mu, decay, flags, last);
      asgdStep<T>(p + 16, g + 16, ax + 16, lanes<T>(), keep, minusEta, mu, decay, flags, last);
      asgdStep<T>(p + 32, g + 32, ax + 32, lanes<T>(), keep, minusEta, mu, decay, flags, last);
      asgdStep<T>(p + 48, g + 48, ax + 48, lanes<T>(), keep, minusEta, mu, decay, flags, last);
    }
    for (; n > 0; n -= lanes<T>(), p += 16, g += 16, ax += 16) {
      asgdStep<T>(p, g, ax, n < lanes<T>() ? n : lanes<T>(), keep, minusEta, mu, decay, flags, last);
    }
  }
}

/** ax: the averaged parameter, eta and mu of this step. */
// @ts-ignore: decorator
@inline
function asgd<T>(rows: P, skip: I, left: I, lambd: f64, eta: f64, mu: f64, decay: f64, flags: I): void {
  const keep = splat<T>(1 - lambd * eta);
  const minusEta = splat<T>(-eta);
  const weight = splat<T>(mu);
  if (mu == 1 && decay == 0 && flags == 0) asgdLoop<T>(rows, skip, left, keep, minusEta, weight, 0, 0, true);
  else if (mu == 1) asgdLoop<T>(rows, skip, left, keep, minusEta, weight, decay, flags, true);
  else asgdLoop<T>(rows, skip, left, keep, minusEta, weight, decay, flags, false);
}
export function asgd_f32(
  rows: P, skip: I, left: I, lambd: f64, eta: f64, mu: f64, decay: f64, flags: I,
): void {
  asgd<f32>(rows, skip, left, lambd, eta, mu, decay, flags);
}
export function asgd_f64(
  rows: P, skip: I, left: I, lambd: f64, eta: f64, mu: f64, decay: f64, flags: I,
): void {
  asgd<f64>(rows, skip, left, lambd, eta, mu, decay, flags);
}
