// temp
// @ts-ignore: decorator
@inline
export function expLanes<T>(x: v128): v128 {
  if (sizeof<T>() == 4) {
    const c = f32x4.max(f32x4.min(x, f32x4.splat(89)), f32x4.splat(-104.5));
    const n = f32x4.nearest(f32x4.mul(c, f32x4.splat(1.44269504)));
    let r = f32x4.sub(c, f32x4.mul(n, f32x4.splat(0.693359375)));
    r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.12194440e-4)));
    let p = f32x4.splat(1.9875691500e-4);
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
    p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), f32x4.splat(1));
    const i = i32x4.trunc_sat_f32x4_s(n);
    const h = i32x4.shr_s(i, 1);
    p = f32x4.mul(p, i32x4.shl(i32x4.add(h, i32x4.splat(127)), 23));
    return f32x4.mul(p, i32x4.shl(i32x4.add(i32x4.sub(i, h), i32x4.splat(127)), 23));
  }
  return f64x2.replace_lane(f64x2.splat(Math.exp(f64x2.extract_lane(x, 0))), 1, Math.exp(f64x2.extract_lane(x, 1)));
}
