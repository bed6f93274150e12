// Packing for the matrix product: columns of B into panels two vectors wide, rows of A into contiguous rows.
import { lanes } from "./simd";

/** Transposes the 4 x 4 (f32) or 2 x 2 (f64) block at src, rows `rs` bytes apart, to dst, rows `rd` apart. */
// @ts-ignore: decorator
@inline
export function transposeBlock<T>(src: usize, rs: usize, dst: usize, rd: usize): void {
  if (sizeof<T>() == 4) {
    const r0 = v128.load(src), r1 = v128.load(src + rs), r2 = v128.load(src + 2 * rs), r3 = v128.load(src + 3 * rs);
    const p = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), q = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const u = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7), w = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    v128.store(dst, v128.shuffle<f64>(p, q, 0, 2));
    v128.store(dst + rd, v128.shuffle<f64>(p, q, 1, 3));
    v128.store(dst + 2 * rd, v128.shuffle<f64>(u, w, 0, 2));
    v128.store(dst + 3 * rd, v128.shuffle<f64>(u, w, 1, 3));
  } else {
    const r0 = v128.load(src), r1 = v128.load(src + rs);
    v128.store(dst, v128.shuffle<f64>(r0, r1, 0, 2));
    v128.store(dst + rd, v128.shuffle<f64>(r0, r1, 1, 3));
  }
}

/** One panel: dst[k, l] = b[k, l] for l below cols, 0 up to the width of v vectors. */
function packPanel<T>(b: usize, rs: usize, cs: usize, K: i32, cols: i32, v: i32, dst: usize): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const width = <usize>v * 16;
  if (cols == v * L && cs == S) {
    if (v == 2) {
      for (; K > 0; K--) {
        v128.store(dst, v128.load(b));
        v128.store(dst, v128.load(b, 16), 16);
        b += rs;
        dst += 32;
      }
    } else {
      for (; K > 0; K--) {
        v128.store(dst, v128.load(b));
        b += rs;
        dst += 16;
      }
    }
    return;
  }
  let k: i32 = 0;
  if (cols == v * L && rs == S) {
    const half = <usize>L * cs;
    for (; k + L <= K; k += L) {
      transposeBlock<T>(b, cs, dst, width);
      if (v == 2) transposeBlock<T>(b + half, cs, dst + 16, width);
      b += 16;
      dst += <usize>L * width;
    }
  }
  for (; k < K; k++) {
    let p = b;
    for (let l: i32 = 0; l < cols; l++) {
      store<T>(dst + <usize>l * S, load<T>(p));
      p += cs;
    }
    for (let l = cols; l < v * L; l++) store<T>(dst + <usize>l * S, 0);
    b += rs;
    dst += width;
  }
}

/** Two whole panels side by side, from contiguous rows: a cache line of float32 at a time. */
function packPair<T>(b: usize, rs: usize, K: i32, dst: usize): void {
  let next = dst + (<usize>K << 5);
  for (; K > 0; K--) {
    v128.store(dst, v128.load(b));
    v128.store(dst, v128.load(b, 16), 16);
    v128.store(next, v128.load(b, 32));
    v128.store(next, v128.load(b, 48), 16);
    b += rs;
    dst += 32;
    next += 32;
  }
}

/** B[K, N] to panels of two vectors, the last of one where that is enough; strides in bytes. */
export function packColumns<T>(b: usize, rs: usize, cs: usize, K: i32, N: i32, dst: usize): void {
  const L = lanes<T>();
  for (let j: i32 = 0; j < N; ) {
    if (cs == sizeof<T>() && N - j >= 4 * L) {
      packPair<T>(b, rs, K, dst);
      b += 64;
      dst += <usize>K << 6;
      j += 4 * L;
      continue;
    }
    const v = N - j > L ? 2 : 1;
    const cols = min(N - j, v * L);
    packPanel<T>(b, rs, cs, K, cols, v, dst);
    b += <usize>cols * cs;
    dst += <usize>K * <usize>(16 * v);
    j += cols;
  }
}

/** A[M, K] to contiguous rows of length K; strides in bytes. */
export function packRows<T>(a: usize, rs: usize, cs: usize, M: i32, K: i32, dst: usize): void {
  const S = sizeof<T>();
  const L = lanes<T>();
  const row = <usize>K * S;
  let i: i32 = 0;
  if (rs == S) {
    // Four blocks at a time: each cache line of A is read once.
    for (; i + 4 * L <= M; i += 4 * L) {
      let p = a;
      let d = dst;
      const down = <usize>L * row;
      let k: i32 = 0;
      for (; k + L <= K; k += L) {
        transposeBlock<T>(p, cs, d, row);
        transposeBlock<T>(p + 16, cs, d + down, row);
        transposeBlock<T>(p + 32, cs, d + 2 * down, row);
        transposeBlock<T>(p + 48, cs, d + 3 * down, row);
        p += <usize>L * cs;
        d += 16;
      }
      for (; k < K; k++) {
        for (let l: i32 = 0; l < 4 * L; l++) store<T>(d + <usize>l * row, load<T>(p + <usize>l * S));
        p += cs;
        d += S;
      }
      a += 64;
      dst += 4 * down;
    }
    for (; i + L <= M; i += L) {
      let p = a;
      let d = dst;
      let k: i32 = 0;
      for (; k + L <= K; k += L) {
        transposeBlock<T>(p, cs, d, row);
        p += <usize>L * cs;
        d += 16;
      }
      for (; k < K; k++) {
        for (let l: i32 = 0; l < L; l++) store<T>(d + <usize>l * row, load<T>(p + <usize>l * S));
        p += cs;
        d += S;
      }
      a += 16;
      dst += <usize>L * row;
    }
    // The last rows together too, since the elements of a column share a line.
    for (let k: i32 = 0; k < K; k++) {
      for (let l: i32 = 0; l < M - i; l++) store<T>(dst + <usize>l * row, load<T>(a + <usize>l * S));
      a += cs;
      dst += S;
    }
    return;
  }
  for (; i < M; i++) {
    let p = a;
    for (let d = dst, end = dst + row; d < end; d += S) {
      store<T>(d, load<T>(p));
      p += cs;
    }
    a += rs;
    dst += row;
  }
}
