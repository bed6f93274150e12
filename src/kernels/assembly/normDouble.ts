// Double backward of batch norm over contiguous [N, C, S], by hand.
//
// With u = x - mean, r = invstd, m values a channel, the means a = E[g], b = E[g u], P = E[v], Q = E[v u],
// R = E[v g] (v, vw, vb: cotangents of gx, gw, gb), the scalar differentiated is
//   F = w r m (R - a P - r^2 b Q) + vw r m b + vb m a.
// du_i = dx_i - E[dx], dr/dx_i = -r^3 u_i / m, hence
//   gG = w r (v - P) + cg u + vb                      cg = vw r - w r^3 Q
//   gX = cg (g - a) + cv (v - P) + cu u               cv = -w r^3 b
//   gW = r m (R - a P - r^2 b Q)                      cu = -w r^3 (R - a P - 3 r^2 b Q) - vw r^3 b
// In eval mode mean and r are constants: gG = w r v + vw r u + vb, gX = vw r g, gW = r m R.
import { lanes2, load2 } from "./wide";

const HIGH: usize = 0;
const LOW: usize = 1;
const V_TO_G: usize = 2;
const CG: usize = 3;
const G_OFFSET: usize = 4;
const CU: usize = 5;
const CV: usize = 6;
const X_OFFSET: usize = 7;

// @ts-ignore: decorator
@inline
function put<T>(table: usize, r: usize, C: i32, c: i32, value: f64): void {
  store<T>(table + (r * C + c) * sizeof<T>(), <T>value);
}

/** p[i], or `missing` for a null pointer. */
// @ts-ignore: decorator
@inline
function at<T>(p: usize, i: i32, missing: f64): f64 {
  return p == 0 ? missing : <f64>load<T>(p + <usize>i * sizeof<T>());
}

// @ts-ignore: decorator
@inline
function factors<T>(
  training: i32, mean: usize, invstd: usize, weight: usize, ggw: usize, ggb: usize, sums: usize, count: f64,
  table: usize, gw: usize, C: i32,
): void {
  for (let c = 0; c < C; c++) {
    const m = at<f64>(mean, c, 0);
    const r = at<f64>(invstd, c, 0);
    const w = at<T>(weight, c, 1);
    const vw = at<T>(ggw, c, 0);
    const vb = at<T>(ggb, c, 0);
    const vg = at<f64>(sums, 4 * C + c, 0);
    put<T>(table, HIGH, C, c, m);
    put<T>(table, LOW, C, c, m - <f64>(<T>m));
    put<T>(table, V_TO_G, C, c, w * r);
    if (training) {
      const a = at<f64>(sums, c, 0) / count;
      const b = at<f64>(sums, C + c, 0) / count;
      const p = at<f64>(sums, 2 * C + c, 0) / count;
      const q = at<f64>(sums, 3 * C + c, 0) / count;
      const covariance = vg / count - a * p;
      const r3 = r * r * r;
      const cg = vw * r - w * r3 * q;
      const cv = -w * r3 * b;
      put<T>(table, CG, C, c, cg);
      put<T>(table, G_OFFSET, C, c, vb - w * r * p);
      put<T>(table, CU, C, c, -w * r3 * (covariance - 3 * r * r * b * q) - vw * r3 * b);
      put<T>(table, CV, C, c, cv);
      put<T>(table, X_OFFSET, C, c, -cg * a - cv * p);
      if (gw != 0) put<T>(gw, 0, C, c, r * count * (covariance - r * r * b * q));
    } else {
      put<T>(table, CG, C, c, vw * r);
      put<T>(table, G_OFFSET, C, c, vb);
      put<T>(table, CU, C, c, 0);
      put<T>(table, CV, C, c, 0);
      put<T>(table, X_OFFSET, C, c, 0);
      if (gw != 0) put<T>(gw, 0, C, c, r * vg);
    }
  }
}

// @ts-ignore: decorator
@inline
function one<T>(x: usize, g: usize, v: usize, gG: usize, gX: usize, t: usize, row: usize): void {
  const u = <T>(load<T>(x) - load<T>(t) - load<T>(t + row));
  const vs = load<T>(v);
  const gs = load<T>(g);
  const cg = load<T>(t + CG * row);
  store<T>(gG, <T>(vs * load<T>(t + V_TO_G * row) + u * cg + load<T>(t + G_OFFSET * row)));
  store<T>(gX, <T>(
    gs * cg + vs * load<T>(t + CV * row) + u * load<T>(t + CU * row) + load<T>(t + X_OFFSET * row)
  ));
}

// @ts-ignore: decorator
@inline
function lanes<T>(
  x: usize, g: usize, v: usize, gG: usize, gX: usize,
  hi: v128, lo: v128, kv: v128, cg: v128, dG: v128, cu: v128, cv: v128, dX: v128,
): void {
  const u = v128.sub<T>(v128.sub<T>(v128.load(x), hi), lo);
  const vs = v128.load(v);
  const gs = v128.load(g);
  v128.store(gG, v128.add<T>(v128.add<T>(v128.mul<T>(vs, kv), v128.mul<T>(u, cg)), dG));
  v128.store(gX, v128.add<T>(
    v128.add<T>(v128.add<T>(v128.mul<T>(gs, cg), v128.mul<T>(vs, cv)), v128.mul<T>(u, cu)), dX,
  ));
}

// @ts-ignore: decorator
@inline
function map<T>(
  x: usize, g: usize, v: usize, table: usize, gG: usize, gX: usize,
  C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  const size = sizeof<T>();
  const width: i32 = 16 / sizeof<T>();
  const row = <usize>C * size;
  for (let n = n0; n < n1; n++) {
    let o = (<usize>n * C + c0) * <usize>S * size;
    let t = table + <usize>c0 * size;
    let c = c0;
    if (S == 1) {
      for (; c + width <= c1; c += width, t += 16, o += 16) {
        lanes<T>(
          x + o, g + o, v + o, gG + o, gX + o, v128.load(t), v128.load(t + row), v128.load(t + V_TO_G * row),
          v128.load(t + CG * row), v128.load(t + G_OFFSET * row), v128.load(t + CU * row),
          v128.load(t + CV * row), v128.load(t + X_OFFSET * row),
        );
      }
    }
    for (; c < c1; c++, t += size) {
      const hi = v128.splat<T>(load<T>(t)), lo = v128.splat<T>(load<T>(t + row));
      const kv = v128.splat<T>(load<T>(t + V_TO_G * row)), cg = v128.splat<T>(load<T>(t + CG * row));
      const dG = v128.splat<T>(load<T>(t + G_OFFSET * row)), cu = v128.splat<T>(load<T>(t + CU * row));
      const cv = v128.splat<T>(load<T>(t + CV * row)), dX = v128.splat<T>(load<T>(t + X_OFFSET * row));
      let i = 0;
      for (; i + width <= S; i += width, o += 16) {
        lanes<T>(x + o, g + o, v + o, gG + o, gX + o, hi, lo, kv, cg, dG, cu, cv, dX);
      }
      for (; i < S; i++, o += size) one<T>(x + o, g + o, v + o, gG + o, gX + o, t, row);
    }
  }
}

/** Five sums of one channel: g, g u, v, v u, v g with u = x - mean, stored `stride` bytes apart. */
// @ts-ignore: decorator
@inline
function fiveSums<T>(
  x: usize, g: usize, v: usize, mean: f64, out: usize, stride: usize, N: i32, C: i32, S: i32,
): void {
  const size = sizeof<T>();
  const jump = (<usize>C - 1) * <usize>S * size;
  const m = f64x2.splat(mean);
  let a = f64x2.splat(0), b = a, c = a, d = a, e = a;
  let a1: f64 = 0, b1: f64 = 0, c1: f64 = 0, d1: f64 = 0, e1: f64 = 0;
  for (let n = 0; n < N; n++, x += jump, g += jump, v += jump) {
    let i = 0;
    for (; i + 2 <= S; i += 2, x += 2 * size, g += 2 * size, v += 2 * size) {
      const u = f64x2.sub(load2<T>(x), m);
      const gs = load2<T>(g);
      const vs = load2<T>(v);
      a = f64x2.add(a, gs);
      b = f64x2.add(b, f64x2.mul(gs, u));
      c = f64x2.add(c, vs);
      d = f64x2.add(d, f64x2.mul(vs, u));
      e = f64x2.add(e, f64x2.mul(vs, gs));
    }
    if (i < S) {
      const u = <f64>load<T>(x) - mean;
      const gs = <f64>load<T>(g);
      const vs = <f64>load<T>(v);
      a1 += gs;
      b1 += gs * u;
      c1 += vs;
      d1 += vs * u;
      e1 += vs * gs;
      x += size;
      g += size;
      v += size;
    }
  }
  store<f64>(out, a1 + lanes2(a));
  store<f64>(out + stride, b1 + lanes2(b));
  store<f64>(out + 2 * stride, c1 + lanes2(c));
  store<f64>(out + 3 * stride, d1 + lanes2(d));
  store<f64>(out + 4 * stride, e1 + lanes2(e));
}

// @ts-ignore: decorator
@inline
function doubleSums<T>(
  x: usize, g: usize, v: usize, mean: usize, out: usize, N: i32, C: i32, S: i32, c0: i32, c1: i32,
): void {
  for (let c = c0; c < c1; c++) {
    const o = <usize>c * <usize>S * sizeof<T>();
    const b = <usize>c << 3;
    fiveSums<T>(x + o, g + o, v + o, load<f64>(mean + b), out + b, <usize>C << 3, N, C, S);
  }
}

/** sums[5, C]: g, g u, v, v u, v g with u = x - mean. */
export function bnDoubleSums_f32(
  x: usize, g: usize, v: usize, mean: usize, sums: usize, N: i32, C: i32, S: i32, c0: i32, c1: i32,
): void {
  doubleSums<f32>(x, g, v, mean, sums, N, C, S, c0, c1);
}
/** table[8, C] for bnDoubleBackward from bnDoubleSums; weight, ggw, ggb and gw (output) may be null. */
export function bnDoubleFactors_f32(
  training: i32, mean: usize, invstd: usize, weight: usize, ggw: usize, ggb: usize, sums: usize, count: f64,
  table: usize, gw: usize, C: i32,
): void {
  factors<f32>(training, mean, invstd, weight, ggw, ggb, sums, count, table, gw, C);
}
/** gG and gX from x, the incoming gradient g and the cotangent v. */
export function bnDoubleBackward_f32(
  x: usize, g: usize, v: usize, table: usize, gG: usize, gX: usize,
  N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f32>(x, g, v, table, gG, gX, C, S, n0, n1, c0, c1);
}

/** sums[5, C]: g, g u, v, v u, v g with u = x - mean. */
export function bnDoubleSums_f64(
  x: usize, g: usize, v: usize, mean: usize, sums: usize, N: i32, C: i32, S: i32, c0: i32, c1: i32,
): void {
  doubleSums<f64>(x, g, v, mean, sums, N, C, S, c0, c1);
}
/** table[8, C] for bnDoubleBackward from bnDoubleSums; weight, ggw, ggb and gw (output) may be null. */
export function bnDoubleFactors_f64(
  training: i32, mean: usize, invstd: usize, weight: usize, ggw: usize, ggb: usize, sums: usize, count: f64,
  table: usize, gw: usize, C: i32,
): void {
  factors<f64>(training, mean, invstd, weight, ggw, ggb, sums, count, table, gw, C);
}
/** gG and gX from x, the incoming gradient g and the cotangent v. */
export function bnDoubleBackward_f64(
  x: usize, g: usize, v: usize, table: usize, gG: usize, gX: usize,
  N: i32, C: i32, S: i32, n0: i32, n1: i32, c0: i32, c1: i32,
): void {
  map<f64>(x, g, v, table, gG, gX, C, S, n0, n1, c0, c1);
}
