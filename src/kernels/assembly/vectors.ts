// Vectors of float64: what reflections and rotations are made of.

/** Address of element i. */
// @ts-ignore: decorator
@inline
export function at(p: usize, i: i32): usize {
  return p + (<usize>i << 3);
}

// @ts-ignore: decorator
@inline
export function value(p: usize, i: i32): f64 {
  return load<f64>(at(p, i));
}

/** The sum of x[i] y[i], by eight partial sums. */
export function dot(x: usize, y: usize, n: i32): f64 {
  let a = f64x2.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let i: i32 = 0;
  for (; i + 8 <= n; i += 8) {
    a = f64x2.add(a, f64x2.mul(v128.load(x), v128.load(y)));
    b = f64x2.add(b, f64x2.mul(v128.load(x, 16), v128.load(y, 16)));
    c = f64x2.add(c, f64x2.mul(v128.load(x, 32), v128.load(y, 32)));
    d = f64x2.add(d, f64x2.mul(v128.load(x, 48), v128.load(y, 48)));
    x += 64;
    y += 64;
  }
  a = f64x2.add(f64x2.add(a, b), f64x2.add(c, d));
  let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (; i < n; i++) {
    sum += load<f64>(x) * load<f64>(y);
    x += 8;
    y += 8;
  }
  return sum;
}

/** y += s x. */
export function addScaled(y: usize, x: usize, s: f64, n: i32): void {
  const v = f64x2.splat(s);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, f64x2.add(v128.load(y), f64x2.mul(v, v128.load(x))));
    v128.store(y, f64x2.add(v128.load(y, 16), f64x2.mul(v, v128.load(x, 16))), 16);
    x += 32;
    y += 32;
  }
  for (; i < n; i++) {
    store<f64>(y, load<f64>(y) + s * load<f64>(x));
    x += 8;
    y += 8;
  }
}

/** y += s x + t z. */
export function addTwoScaled(y: usize, x: usize, s: f64, z: usize, t: f64, n: i32): void {
  const v = f64x2.splat(s);
  const w = f64x2.splat(t);
  let i: i32 = 0;
  for (; i + 2 <= n; i += 2) {
    const sum = f64x2.add(f64x2.mul(v, v128.load(x)), f64x2.mul(w, v128.load(z)));
    v128.store(y, f64x2.add(v128.load(y), sum));
    x += 16;
    y += 16;
    z += 16;
  }
  if (i < n) store<f64>(y, load<f64>(y) + (s * load<f64>(x) + t * load<f64>(z)));
}

/** (x, y) becomes (c x - s y, s x + c y). */
export function rotate(x: usize, y: usize, n: i32, c: f64, s: f64): void {
  const cs = f64x2.splat(c);
  const ss = f64x2.splat(s);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    const a = v128.load(x);
    const b = v128.load(y);
    const d = v128.load(x, 16);
    const e = v128.load(y, 16);
    v128.store(x, f64x2.sub(f64x2.mul(cs, a), f64x2.mul(ss, b)));
    v128.store(y, f64x2.add(f64x2.mul(ss, a), f64x2.mul(cs, b)));
    v128.store(x, f64x2.sub(f64x2.mul(cs, d), f64x2.mul(ss, e)), 16);
    v128.store(y, f64x2.add(f64x2.mul(ss, d), f64x2.mul(cs, e)), 16);
    x += 32;
    y += 32;
  }
  for (; i < n; i++) {
    const a = load<f64>(x);
    const b = load<f64>(y);
    store<f64>(x, c * a - s * b);
    store<f64>(y, s * a + c * b);
    x += 8;
    y += 8;
  }
}

/** sqrt(x^2 + y^2) without leaving the range. */
export function hypotenuse(x: f64, y: f64): f64 {
  const a = max(abs(x), abs(y));
  const b = min(abs(x), abs(y));
  if (a == 0) return 0;
  const q = b / a;
  return a * sqrt(1 + q * q);
}

/** Length of a vector, scaled where squares would leave the range. */
export function lengthOf(x: usize, n: i32): f64 {
  const sum = dot(x, x, n);
  if (sum > 1e-280 && sum < 1e280) return sqrt(sum);
  let norm: f64 = 0;
  for (let i: i32 = 0; i < n; i++) norm = hypotenuse(norm, value(x, i));
  return norm;
}
