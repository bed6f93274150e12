// First-order linear recurrences along the middle of contiguous [outer, dim, inner] blocks, what gradients of
// running products and log-sum-exps are made of. `stride` as in reduce.ts (0: inner).

type P = usize;
type I = i32;

/** out_i = a_i out_(i-1) + b_i from the front, or with i+1 from the back; state in float64. */
// @ts-ignore: decorator
@inline
function recurrence<T>(
  a: P, b: P, out: P, outer: I, dim: I, inner: I, stride: I, reverse: I,
): void {
  const step = <P>(stride == 0 ? inner : stride) * sizeof<T>();
  const block = <P>dim * step;
  for (let o = 0; o < outer; o++, a += block, b += block, out += block) {
    for (let j = 0; j < inner; j++) {
      let state: f64 = 0;
      let p = <P>j * sizeof<T>() + (reverse ? block - step : 0);
      for (let i = 0; i < dim; i++) {
        state = <f64>load<T>(a + p) * state + <f64>load<T>(b + p);
        store<T>(out + p, <T>state);
        p = reverse ? p - step : p + step;
      }
    }
  }
}

export function recurrence_f32(
  a: P, b: P, out: P, outer: I, dim: I, inner: I, stride: I, reverse: I,
): void {
  recurrence<f32>(a, b, out, outer, dim, inner, stride, reverse);
}
export function recurrence_f64(
  a: P, b: P, out: P, outer: I, dim: I, inner: I, stride: I, reverse: I,
): void {
  recurrence<f64>(a, b, out, outer, dim, inner, stride, reverse);
}
