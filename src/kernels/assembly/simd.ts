// Lane arithmetic shared by the kernels: fused where relaxed SIMD is compiled in, mul then add elsewhere.
// Within one build the scalar forms give the bits of one vector lane, so a tail never differs from its body.

/** a b + c in each lane. */
// @ts-ignore: decorator
@inline
export function fma<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (sizeof<T>() == 4) return f32x4.relaxed_madd(a, b, c);
    return f64x2.relaxed_madd(a, b, c);
  }
  return v128.add<T>(c, v128.mul<T>(a, b));
}

/** c - a b in each lane. */
// @ts-ignore: decorator
@inline
export function fnma<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (sizeof<T>() == 4) return f32x4.relaxed_nmadd(a, b, c);
    return f64x2.relaxed_nmadd(a, b, c);
  }
  return v128.sub<T>(c, v128.mul<T>(a, b));
}

/** a b + c for one number, with the rounding of `fma`. */
// @ts-ignore: decorator
@inline
export function fmaScalar<T>(a: T, b: T, c: T): T {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return v128.extract_lane<T>(fma<T>(v128.splat<T>(a), v128.splat<T>(b), v128.splat<T>(c)), 0);
  }
  return (c + a * b) as T;
}

/** c - a b for one number, with the rounding of `fnma`. */
// @ts-ignore: decorator
@inline
export function fnmaScalar<T>(a: T, b: T, c: T): T {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return v128.extract_lane<T>(fnma<T>(v128.splat<T>(a), v128.splat<T>(b), v128.splat<T>(c)), 0);
  }
  return (c - a * b) as T;
}

/** Elements of T in a v128. */
// @ts-ignore: decorator
@inline
export function lanes<T>(): i32 {
  return 16 / <i32>sizeof<T>();
}
