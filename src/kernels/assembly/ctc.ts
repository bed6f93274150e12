// Connectionist temporal classification (Graves et al. 2006) over log-probabilities [T, B, C]. The states of a
// target of L labels are blank, l1, blank, l2, ..., blank: 2 L + 1 of them. alpha is float64 [B, T, states].
// Threads split the batch. `target` is int64; sample b starts at offsets[b]; lengths and offsets are int32.
import { exp, log } from "./real";

type P = usize;
type I = i32;

// @ts-ignore: decorator
@inline
function int(p: P, i: I): I {
  return load<i32>(p + (<P>i << 2));
}

// @ts-ignore: decorator
@inline
function f64at(p: P, i: I): f64 {
  return load<f64>(p + (<P>i << 3));
}

/** Label of state s: blank at even states. */
// @ts-ignore: decorator
@inline
function label(target: P, s: I, blank: I): I {
  return s & 1 ? <i32>load<i64>(target + (<P>(s >> 1) << 3)) : blank;
}

/** log(exp a + exp b + exp c). */
// @ts-ignore: decorator
@inline
function logSum3(a: f64, b: f64, c: f64): f64 {
  const top = max<f64>(max<f64>(a, b), c);
  if (top == -Infinity) return top;
  return top + log(exp(a - top) + exp(b - top) + exp(c - top));
}

/** May a path step over state s - 1 (a blank between two different labels)? */
// @ts-ignore: decorator
@inline
function skips(target: P, s: I): bool {
  return (s & 1) == 1 && s > 1 && load<i64>(target + (<P>(s >> 1) << 3)) != load<i64>(target + (<P>((s >> 1) - 1) << 3));
}

/** losses[b] = -log p(target_b), and alpha of samples [b0, b1). */
// @ts-ignore: decorator
@inline
function forward<T>(
  logp: P, target: P, offsets: P, inputLengths: P, targetLengths: P, alpha: P, losses: P,
  time: I, B: I, C: I, states: I, blank: I, b0: I, b1: I,
): void {
  const row = <P>B * <P>C * sizeof<T>();
  for (let b = b0; b < b1; b++) {
    const labels = target + (<P>int(offsets, b) << 3);
    const n = 2 * int(targetLengths, b) + 1;
    const steps = int(inputLengths, b);
    const from = logp + <P>b * <P>C * sizeof<T>();
    let now = alpha + ((<P>b * <P>time * <P>states) << 3);
    let loss: f64 = Infinity;
    if (steps == 0) loss = n == 1 ? 0 : Infinity;
    else {
      for (let s = 0; s < n; s++) {
        const v = s < 2 ? <f64>load<T>(from + <P>label(labels, s, blank) * sizeof<T>()) : -Infinity;
        store<f64>(now + (<P>s << 3), v);
      }
      for (let t = 1; t < steps; t++) {
        const before = now;
        now += <P>states << 3;
        const here = from + <P>t * row;
        for (let s = 0; s < n; s++) {
          const one = f64at(before, s);
          const two = s > 0 ? f64at(before, s - 1) : -Infinity;
          const three = skips(labels, s) ? f64at(before, s - 2) : -Infinity;
          const p = <f64>load<T>(here + <P>label(labels, s, blank) * sizeof<T>());
          store<f64>(now + (<P>s << 3), logSum3(one, two, three) + p);
        }
      }
      loss = -logSum3(f64at(now, n - 1), n > 1 ? f64at(now, n - 2) : -Infinity, -Infinity);
    }
    store<T>(losses + <P>b * sizeof<T>(), <T>loss);
  }
}

/**
 * gx = g (exp(logp) - p(state at t | target)): the gradient with respect to the logits, as PyTorch gives it.
 * beta is float64 [B, 2, states] of scratch; gx starts at zero; samples of infinite loss stay zero where asked.
 */
// @ts-ignore: decorator
@inline
function backward<T>(
  logp: P, target: P, lengths: P, alpha: P, losses: P, g: P, gx: P, beta: P,
  time: I, B: I, C: I, states: I, blank: I, b0: I, b1: I, zeroInfinity: I,
): void {
  // lengths: offsets, input lengths, target lengths, B of each
  const inputLengths = lengths + (<P>B << 2);
  const targetLengths = inputLengths + (<P>B << 2);
  const row = <P>B * <P>C * sizeof<T>();
  for (let b = b0; b < b1; b++) {
    const loss = <f64>load<T>(losses + <P>b * sizeof<T>());
    const steps = int(inputLengths, b);
    if (steps == 0 || (zeroInfinity && loss == Infinity)) continue;
    const labels = target + (<P>int(lengths, b) << 3);
    const n = 2 * int(targetLengths, b) + 1;
    const shift = <P>b * <P>C * sizeof<T>();
    // No path gives the target: the gradient is not defined.
    const incoming = loss == Infinity ? NaN : <f64>load<T>(g + <P>b * sizeof<T>());
    const first = beta + ((<P>b * 2 * <P>states) << 3);
    const second = first + (<P>states << 3);
    for (let t = steps - 1; t >= 0; t--) {
      const now = t & 1 ? second : first;
      const later = t & 1 ? first : second;
      const here = logp + shift + <P>t * row;
      const to = gx + shift + <P>t * row;
      const a = alpha + ((<P>(b * time + t) * <P>states) << 3);
      for (let c = 0; c < C; c++) {
        const o = <P>c * sizeof<T>();
        store<T>(to + o, <T>(exp(<f64>load<T>(here + o)) * incoming));
      }
      for (let s = n - 1; s >= 0; s--) {
        const o = <P>label(labels, s, blank) * sizeof<T>();
        const p = <f64>load<T>(here + o);
        let rest: f64 = -Infinity;
        if (t == steps - 1) rest = s >= n - 2 ? 0 : -Infinity;
        else {
          const two = s + 1 < n ? f64at(later, s + 1) : -Infinity;
          const three = s + 2 < n && skips(labels, s + 2) ? f64at(later, s + 2) : -Infinity;
          rest = logSum3(f64at(later, s), two, three);
        }
        store<f64>(now + (<P>s << 3), rest + p);
        const share = exp(f64at(a, s) + rest + loss);
        store<T>(to + o, <T>(<f64>load<T>(to + o) - share * incoming));
      }
    }
  }
}

export function ctcForward_f32(
  logp: P, target: P, offsets: P, inputLengths: P, targetLengths: P, alpha: P, losses: P,
  time: I, B: I, C: I, states: I, blank: I, b0: I, b1: I,
): void {
  forward<f32>(logp, target, offsets, inputLengths, targetLengths, alpha, losses, time, B, C, states, blank, b0, b1);
}
export function ctcBackward_f32(
  logp: P, target: P, lengths: P, alpha: P, losses: P, g: P, gx: P, beta: P,
  time: I, B: I, C: I, states: I, blank: I, b0: I, b1: I, zeroInfinity: I,
): void {
  backward<f32>(
    logp, target, lengths, alpha, losses, g, gx, beta, time, B, C, states, blank, b0, b1, zeroInfinity,
  );
}
export function ctcForward_f64(
  logp: P, target: P, offsets: P, inputLengths: P, targetLengths: P, alpha: P, losses: P,
  time: I, B: I, C: I, states: I, blank: I, b0: I, b1: I,
): void {
  forward<f64>(logp, target, offsets, inputLengths, targetLengths, alpha, losses, time, B, C, states, blank, b0, b1);
}
export function ctcBackward_f64(
  logp: P, target: P, lengths: P, alpha: P, losses: P, g: P, gx: P, beta: P,
  time: I, B: I, C: I, states: I, blank: I, b0: I, b1: I, zeroInfinity: I,
): void {
  backward<f64>(
    logp, target, lengths, alpha, losses, g, gx, beta, time, B, C, states, blank, b0, b1, zeroInfinity,
  );
}
