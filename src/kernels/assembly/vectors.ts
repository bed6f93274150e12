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

/**
 * The reflection I - tau v v^T that takes x to (beta, 0, ...), as LAPACK's larfg has it: stores tau, leaves v from its
 * second element on in x (the first is 1) and returns beta.
 */
export function reflection(x: usize, n: i32, tau: usize): f64 {
  const alpha = load<f64>(x);
  const rest = lengthOf(at(x, 1), n - 1);
  if (rest == 0) {
    store<f64>(tau, 0);
    return alpha;
  }
  const length = hypotenuse(alpha, rest);
  const beta = alpha >= 0 ? -length : length;
  store<f64>(tau, (beta - alpha) / beta);
  const pivot = alpha - beta;
  for (let i: i32 = 1; i < n; i++) store<f64>(at(x, i), value(x, i) / pivot);
  return beta;
}

/** x += s y + t z; returns the dot product of what x is then and v. */
export function addTwoThenDot(x: usize, y: usize, s: f64, z: usize, t: f64, v: usize, n: i32): f64 {
  const ss = f64x2.splat(s);
  const ts = f64x2.splat(t);
  let p = f64x2.splat(0);
  let q = p;
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    const a = f64x2.add(v128.load(x), f64x2.add(f64x2.mul(ss, v128.load(y)), f64x2.mul(ts, v128.load(z))));
    const b = f64x2.add(
      v128.load(x, 16),
      f64x2.add(f64x2.mul(ss, v128.load(y, 16)), f64x2.mul(ts, v128.load(z, 16))),
    );
    v128.store(x, a);
    v128.store(x, b, 16);
    p = f64x2.add(p, f64x2.mul(a, v128.load(v)));
    q = f64x2.add(q, f64x2.mul(b, v128.load(v, 16)));
    x += 32;
    y += 32;
    z += 32;
    v += 32;
  }
  p = f64x2.add(p, q);
  let sum = f64x2.extract_lane(p, 0) + f64x2.extract_lane(p, 1);
  for (; i < n; i++) {
    const a = load<f64>(x) + (s * load<f64>(y) + t * load<f64>(z));
    store<f64>(x, a);
    sum += a * load<f64>(v);
    x += 8;
    y += 8;
    z += 8;
    v += 8;
  }
  return sum;
}

/** out = the sum of u[c] times vector c of `count`, of which the first n elements lie ld apart. */
export function combine(out: usize, a: usize, ld: i32, u: usize, count: i32, n: i32): void {
  memory.fill(out, 0, <usize>n << 3);
  const step = <usize>ld << 3;
  let c: i32 = 0;
  for (; c + 4 <= count; c += 4) {
    const u0 = v128.load64_splat(u);
    const u1 = v128.load64_splat(u, 8);
    const u2 = v128.load64_splat(u, 16);
    const u3 = v128.load64_splat(u, 24);
    const b = a + step;
    const d = b + step;
    const e = d + step;
    const whole = <usize>(n & ~1) << 3;
    let j: usize = 0;
    for (; j < whole; j += 16) {
      const x = f64x2.add(f64x2.mul(u0, v128.load(a + j)), f64x2.mul(u1, v128.load(b + j)));
      const y = f64x2.add(f64x2.mul(u2, v128.load(d + j)), f64x2.mul(u3, v128.load(e + j)));
      v128.store(out + j, f64x2.add(v128.load(out + j), f64x2.add(x, y)));
    }
    if (n & 1) {
      const x = load<f64>(u) * load<f64>(a + j) + load<f64>(u, 8) * load<f64>(b + j);
      const y = load<f64>(u, 16) * load<f64>(d + j) + load<f64>(u, 24) * load<f64>(e + j);
      store<f64>(out + j, load<f64>(out + j) + (x + y));
    }
    a = e + step;
    u += 32;
  }
  for (; c < count; c++) {
    addScaled(out, a, load<f64>(u), n);
    a += step;
    u += 8;
  }
}
