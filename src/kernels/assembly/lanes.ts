/** Small helpers shared by the pointwise kernels: lane counts, partial vectors, strided gathers. */

/** Elements of T in one 128-bit vector. */
// @ts-ignore: decorator
@inline
export function lanes<T>(): i32 {
  return 16 / sizeof<T>();
}

/** Byte offset of element i; strides may be negative, addresses wrap modulo 2^32. */
// @ts-ignore: decorator
@inline
export function at<T>(i: i32): usize {
  return <usize>i * sizeof<T>();
}

/** The first n < lanes<T>() elements at p (T of 4 or 8 bytes); missing lanes repeat the first element. */
// @ts-ignore: decorator
@inline
export function loadPart<T>(p: usize, n: i32): v128 {
  let v = v128.load_splat<T>(p);
  if (sizeof<T>() == 4) {
    if (n > 1) v = v128.load_lane<T>(p, v, 1, 4);
    if (n > 2) v = v128.load_lane<T>(p, v, 2, 8);
  }
  return v;
}

/** Stores the first n < lanes<T>() lanes. */
// @ts-ignore: decorator
@inline
export function storePart<T>(p: usize, v: v128, n: i32): void {
  v128.store_lane<T>(p, v, 0);
  if (sizeof<T>() == 4) {
    if (n > 1) v128.store_lane<T>(p, v, 1, 4);
    if (n > 2) v128.store_lane<T>(p, v, 2, 8);
  }
}

/** Loads one vector of min(n, lanes) elements that lie `stride` bytes apart. */
// @ts-ignore: decorator
@inline
export function gather<T>(p: usize, stride: usize, n: i32): v128 {
  if (stride == sizeof<T>() && n >= lanes<T>()) return v128.load(p);
  let v = v128.load_splat<T>(p);
  if (stride == 0) return v;
  if (n > 1) v = v128.load_lane<T>(p + stride, v, 1);
  if (sizeof<T>() == 4) {
    if (n > 2) v = v128.load_lane<T>(p + 2 * stride, v, 2);
    if (n > 3) v = v128.load_lane<T>(p + 3 * stride, v, 3);
  }
  return v;
}
