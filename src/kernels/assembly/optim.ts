// SGD and the Adam family, one pass over `left` elements of rows: PyTorch's single-tensor formulas.
// p parameter, g gradient; state arrays follow. Scalars are rounded to the element type once.
// flags: 1 maximize, then per optimizer. Elementwise, so threads may split anywhere.
import { lanes } from "./lanes";
import { grad, param, ROW, size, state } from "./optimRows";
import { addDiv, gradient, MAXIMIZE, mix, mixSquare, splat } from "./optimTerms";
import { loadSome, storeSome } from "./wide";

type P = usize;
type I = i32;

/** How a step of SGD goes: the flags, and which of its parts there are. */
const NESTEROV = 2;
const FIRST = 4;
const MOMENTUM = 8;
const DECAY = 16;

/** One vector; `how` folds away where it is constant. */
// @ts-ignore: decorator
@inline
function sgdStep<T>(
  p: P, g: P, buf: P, k: I, minusRate: v128, momentum: v128, fresh: v128, decay: v128, how: I,
): void {
  const w = loadSome<T>(p, k);
  let d = loadSome<T>(g, k);
  if (how & MAXIMIZE) d = v128.neg<T>(d);
  if (how & DECAY) d = v128.add<T>(d, v128.mul<T>(decay, w));
  if (how & MOMENTUM) {
    let b = d;
    if (!(how & FIRST)) b = v128.add<T>(v128.mul<T>(loadSome<T>(buf, k), momentum), v128.mul<T>(fresh, d));
    storeSome<T>(buf, b, k);
    d = how & NESTEROV ? v128.add<T>(d, v128.mul<T>(momentum, b)) : b;
  }
  storeSome<T>(p, v128.add<T>(w, v128.mul<T>(minusRate, d)), k);
}

/** Four vectors in a turn: twice as fast as one, since the loop itself costs as much as a step. */
// @ts-ignore: decorator
@inline
function sgdLoop<T>(
  rows: P, skip: I, left: I, minusRate: v128, momentum: v128, fresh: v128, decay: v128, how: I,
): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    const o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    let p = param(rows) + o;
    let g = grad(rows) + o;
    let buf = state(rows, 0) + o;
    for (; n >= 4 * lanes<T>(); n -= 4 * lanes<T>(), p += 64, g += 64, buf += 64) {
      sgdStep<T>(p, g, buf, lanes<T>(), minusRate, momentum, fresh, decay, how);
      sgdStep<T>(p + 16, g + 16, buf + 16, lanes<T>(), minusRate, momentum, fresh, decay, how);
      sgdStep<T>(p + 32, g + 32, buf + 32, lanes<T>(), minusRate, momentum, fresh, decay, how);
      sgdStep<T>(p + 48, g + 48, buf + 48, lanes<T>(), minusRate, momentum, fresh, decay, how);
    }
    for (; n > 0; n -= lanes<T>(), p += 16, g += 16, buf += 16) {
      sgdStep<T>(p, g, buf, n < lanes<T>() ? n : lanes<T>(), minusRate, momentum, fresh, decay, how);
    }
  }
}

/** buf may be null when momentum is 0. flags: 2 nesterov, 4 first step (buf = gradient). */
// @ts-ignore: decorator
@inline
function sgd<T>(
  rows: P, skip: I, left: I, lr: f64, momentum: f64, dampening: f64, decay: f64, flags: I,
): void {
  const how = (momentum != 0 ? (flags & 7) | MOMENTUM : flags & 1) | (decay != 0 ? DECAY : 0);
  const rate = splat<T>(-lr);
  const m = splat<T>(momentum);
  const fresh = splat<T>(1 - dampening);
  const wd = splat<T>(decay);
  if (how == 0) sgdLoop<T>(rows, skip, left, rate, m, fresh, wd, 0);
  else if (how == MOMENTUM) sgdLoop<T>(rows, skip, left, rate, m, fresh, wd, MOMENTUM);
  else if (how == (MOMENTUM | DECAY)) sgdLoop<T>(rows, skip, left, rate, m, fresh, wd, MOMENTUM | DECAY);
  else sgdLoop<T>(rows, skip, left, rate, m, fresh, wd, how);
}
export function sgd_f32(
  rows: P, skip: I, left: I, lr: f64, momentum: f64, dampening: f64, decay: f64, flags: I,
): void {
  sgd<f32>(rows, skip, left, lr, momentum, dampening, decay, flags);
}
export function sgd_f64(
  rows: P, skip: I, left: I, lr: f64, momentum: f64, dampening: f64, decay: f64, flags: I,
): void {
  sgd<f64>(rows, skip, left, lr, momentum, dampening, decay, flags);
}

/**
 * m, v moments, top the maximum of v (null without amsgrad); stepSize = lr / (1 - beta1^t),
 * root2 = sqrt(1 - beta2^t).
 * flags: 2 decoupled decay (AdamW: p *= 1 - lr decay).
 */
// @ts-ignore: decorator
@inline
function adamStep<T>(
  p: P, g: P, m: P, v: P, top: P, k: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64,
  stepSize: f64, root2: f64, flags: I,
): void {
  let w = loadSome<T>(p, k);
  const d = gradient<T>(g, w, k, flags & 2 ? 0 : decay, flags);
  if (flags & 2) w = v128.mul<T>(w, splat<T>(1 - lr * decay));
  const first = mix<T>(beta1, loadSome<T>(m, k), 1 - beta1, d);
  let second = mixSquare<T>(beta2, loadSome<T>(v, k), 1 - beta2, d);
  storeSome<T>(m, first, k);
  storeSome<T>(v, second, k);
  if (top != 0) {
    second = v128.max<T>(loadSome<T>(top, k), second);
    storeSome<T>(top, second, k);
  }
  // stepSize m / (sqrt(v) / root2 + eps), both sides of the fraction times root2: divisions take the most time here.
  const below = v128.add<T>(v128.sqrt<T>(second), splat<T>(eps * root2));
  storeSome<T>(p, addDiv<T>(w, -stepSize * root2, first, below), k);
}

// @ts-ignore: decorator
@inline
function adam<T>(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, stepSize: f64,
  root2: f64, flags: I,
): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    let o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    const p = param(rows);
    const g = grad(rows);
    const m = state(rows, 0);
    const v = state(rows, 1);
    const top = state(rows, 2);
    for (; n >= lanes<T>(); n -= lanes<T>(), o += 16) {
      adamStep<T>(
        p + o, g + o, m + o, v + o, top == 0 ? 0 : top + o, lanes<T>(), lr, beta1, beta2, eps, decay,
        stepSize, root2, flags,
      );
    }
    if (n > 0) {
      adamStep<T>(
        p + o, g + o, m + o, v + o, top == 0 ? 0 : top + o, n, lr, beta1, beta2, eps, decay, stepSize,
        root2, flags,
      );
    }
  }
}
export function adam_f32(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, stepSize: f64,
  root2: f64, flags: I,
): void {
  adam<f32>(rows, skip, left, lr, beta1, beta2, eps, decay, stepSize, root2, flags);
}
export function adam_f64(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, stepSize: f64,
  root2: f64, flags: I,
): void {
  adam<f64>(rows, skip, left, lr, beta1, beta2, eps, decay, stepSize, root2, flags);
}

/** u: the weighted infinity norm; stepSize = lr / (1 - beta1^t). */
// @ts-ignore: decorator
@inline
function adamaxStep<T>(
  p: P, g: P, m: P, u: P, k: I, beta1: f64, beta2: f64, eps: f64, decay: f64, stepSize: f64, flags: I,
): void {
  const w = loadSome<T>(p, k);
  const d = gradient<T>(g, w, k, decay, flags);
  const first = mix<T>(beta1, loadSome<T>(m, k), 1 - beta1, d);
  const norm = v128.max<T>(
    v128.mul<T>(loadSome<T>(u, k), splat<T>(beta2)), v128.add<T>(v128.abs<T>(d), splat<T>(eps)),
  );
  storeSome<T>(m, first, k);
  storeSome<T>(u, norm, k);
  storeSome<T>(p, addDiv<T>(w, -stepSize, first, norm), k);
}

// @ts-ignore: decorator
@inline
function adamax<T>(
  rows: P, skip: I, left: I, beta1: f64, beta2: f64, eps: f64, decay: f64, stepSize: f64, flags: I,
): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    let o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    const p = param(rows);
    const g = grad(rows);
    const m = state(rows, 0);
    const u = state(rows, 1);
    for (; n >= lanes<T>(); n -= lanes<T>(), o += 16) {
      adamaxStep<T>(p + o, g + o, m + o, u + o, lanes<T>(), beta1, beta2, eps, decay, stepSize, flags);
    }
    if (n > 0) adamaxStep<T>(p + o, g + o, m + o, u + o, n, beta1, beta2, eps, decay, stepSize, flags);
  }
}
export function adamax_f32(
  rows: P, skip: I, left: I, beta1: f64, beta2: f64, eps: f64, decay: f64, stepSize: f64, flags: I,
): void {
  adamax<f32>(rows, skip, left, beta1, beta2, eps, decay, stepSize, flags);
}
export function adamax_f64(
  rows: P, skip: I, left: I, beta1: f64, beta2: f64, eps: f64, decay: f64, stepSize: f64, flags: I,
): void {
  adamax<f64>(rows, skip, left, beta1, beta2, eps, decay, stepSize, flags);
}

/**
 * gStep = -lr (1 - mu) / (1 - prod mu), mStep = -lr muNext / (1 - prod mu muNext), correction2 = 1 - beta2^t.
 * flags: 2 decoupled decay (p *= 1 - lr decay).
 */
// @ts-ignore: decorator
@inline
function nadamStep<T>(
  p: P, g: P, m: P, v: P, k: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, correction2: f64,
  gStep: f64, mStep: f64, flags: I,
): void {
  let w = loadSome<T>(p, k);
  const d = gradient<T>(g, w, k, flags & 2 ? 0 : decay, flags);
  if (flags & 2) w = v128.mul<T>(w, splat<T>(1 - lr * decay));
  const first = mix<T>(beta1, loadSome<T>(m, k), 1 - beta1, d);
  const second = mixSquare<T>(beta2, loadSome<T>(v, k), 1 - beta2, d);
  storeSome<T>(m, first, k);
  storeSome<T>(v, second, k);
  const below = v128.add<T>(v128.sqrt<T>(v128.div<T>(second, splat<T>(correction2))), splat<T>(eps));
  storeSome<T>(p, addDiv<T>(addDiv<T>(w, gStep, d, below), mStep, first, below), k);
}

// @ts-ignore: decorator
@inline
function nadam<T>(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, correction2: f64,
  gStep: f64, mStep: f64, flags: I,
): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    let o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    const p = param(rows);
    const g = grad(rows);
    const m = state(rows, 0);
    const v = state(rows, 1);
    for (; n >= lanes<T>(); n -= lanes<T>(), o += 16) {
      nadamStep<T>(
        p + o, g + o, m + o, v + o, lanes<T>(), lr, beta1, beta2, eps, decay, correction2, gStep, mStep,
        flags,
      );
    }
    if (n > 0) {
      nadamStep<T>(
        p + o, g + o, m + o, v + o, n, lr, beta1, beta2, eps, decay, correction2, gStep, mStep, flags,
      );
    }
  }
}
export function nadam_f32(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, correction2: f64,
  gStep: f64, mStep: f64, flags: I,
): void {
  nadam<f32>(rows, skip, left, lr, beta1, beta2, eps, decay, correction2, gStep, mStep, flags);
}
export function nadam_f64(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, correction2: f64,
  gStep: f64, mStep: f64, flags: I,
): void {
  nadam<f64>(rows, skip, left, lr, beta1, beta2, eps, decay, correction2, gStep, mStep, flags);
}

/**
 * correction1 = 1 - beta1^t, root2 = sqrt(1 - beta2^t), rect: the rectification, 0 while rho <= 5.
 * flags: 2 decoupled decay (p *= 1 - lr decay).
 */
// @ts-ignore: decorator
@inline
function radamStep<T>(
  p: P, g: P, m: P, v: P, k: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, correction1: f64,
  root2: f64, rect: f64, flags: I,
): void {
  let w = loadSome<T>(p, k);
  const d = gradient<T>(g, w, k, flags & 2 ? 0 : decay, flags);
  if (flags & 2) w = v128.mul<T>(w, splat<T>(1 - lr * decay));
  const first = mix<T>(beta1, loadSome<T>(m, k), 1 - beta1, d);
  const second = mixSquare<T>(beta2, loadSome<T>(v, k), 1 - beta2, d);
  storeSome<T>(m, first, k);
  storeSome<T>(v, second, k);
  let step = v128.mul<T>(v128.div<T>(first, splat<T>(correction1)), splat<T>(lr));
  if (rect != 0) {
    const rate = v128.div<T>(splat<T>(root2), v128.add<T>(v128.sqrt<T>(second), splat<T>(eps)));
    step = v128.mul<T>(v128.mul<T>(step, rate), splat<T>(rect));
  }
  storeSome<T>(p, v128.sub<T>(w, step), k);
}

// @ts-ignore: decorator
@inline
function radam<T>(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, correction1: f64,
  root2: f64, rect: f64, flags: I,
): void {
  for (; left > 0; rows += ROW) {
    let n = min(size(rows) - skip, left);
    let o = <P>skip * sizeof<T>();
    left -= n;
    skip = 0;
    const p = param(rows);
    const g = grad(rows);
    const m = state(rows, 0);
    const v = state(rows, 1);
    for (; n >= lanes<T>(); n -= lanes<T>(), o += 16) {
      radamStep<T>(
        p + o, g + o, m + o, v + o, lanes<T>(), lr, beta1, beta2, eps, decay, correction1, root2, rect,
        flags,
      );
    }
    if (n > 0) {
      radamStep<T>(
        p + o, g + o, m + o, v + o, n, lr, beta1, beta2, eps, decay, correction1, root2, rect, flags,
      );
    }
  }
}
export function radam_f32(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, correction1: f64,
  root2: f64, rect: f64, flags: I,
): void {
  radam<f32>(rows, skip, left, lr, beta1, beta2, eps, decay, correction1, root2, rect, flags);
}
export function radam_f64(
  rows: P, skip: I, left: I, lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, correction1: f64,
  root2: f64, rect: f64, flags: I,
): void {
  radam<f64>(rows, skip, left, lr, beta1, beta2, eps, decay, correction1, root2, rect, flags);
}

/** out = a x + b y: means, Newton-Schulz polynomials and decayed steps. `out` may be x or y. */
// @ts-ignore: decorator
@inline
function axpby<T>(x: P, y: P, out: P, n: I, a: f64, b: f64): void {
  let i = 0;
  for (; i + lanes<T>() <= n; i += lanes<T>(), x += 16, y += 16, out += 16) {
    v128.store(out, mix<T>(a, v128.load(x), b, v128.load(y)));
  }
  const k = n - i;
  if (k > 0) storeSome<T>(out, mix<T>(a, loadSome<T>(x, k), b, loadSome<T>(y, k)), k);
}
export function axpby_f32(x: P, y: P, out: P, n: I, a: f64, b: f64): void {
  axpby<f32>(x, y, out, n, a, b);
}
export function axpby_f64(x: P, y: P, out: P, n: I, a: f64, b: f64): void {
  axpby<f64>(x, y, out, n, a, b);
}
