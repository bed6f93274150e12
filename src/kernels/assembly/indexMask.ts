// Boolean masks and positions: compacting by a mask, spreading under it, coordinates of non-zero elements.

type P = usize;
type I = i32;

/** out = the elements of x under a true mask, in order; returns how many. */
// @ts-ignore: decorator
@inline
function maskedSelect<T>(x: P, mask: P, out: P, n: I): I {
  let k: P = 0;
  for (let i: P = 0; i < <P>n; i++) {
    if (load<u8>(mask + i) == 0) continue;
    store<T>(out + k * sizeof<T>(), load<T>(x + i * sizeof<T>()));
    k++;
  }
  return <I>k;
}

/** out's elements under a true mask become src[0], src[1], ...; returns how many. */
// @ts-ignore: decorator
@inline
function maskedScatter<T>(out: P, mask: P, src: P, n: I): I {
  let k: P = 0;
  for (let i: P = 0; i < <P>n; i++) {
    if (load<u8>(mask + i) == 0) continue;
    store<T>(out + i * sizeof<T>(), load<T>(src + k * sizeof<T>()));
    k++;
  }
  return <I>k;
}

/** out[k, ndim] int64 = coordinates of the non-zero elements in row-major order; desc: ndim, shape[ndim]. */
// @ts-ignore: decorator
@inline
function nonzero<T>(x: P, out: P, n: I, desc: P): void {
  const ndim = load<i32>(desc);
  for (let i = 0; i < n; i++, x += sizeof<T>()) {
    if (load<T>(x) == <T>0) continue;
    let rest = i;
    for (let d = ndim - 1; d >= 0; d--) {
      const size = load<i32>(desc + 4 + (<P>d << 2));
      const quotient = rest / size;
      store<i64>(out + (<P>d << 3), <i64>(rest - quotient * size));
      rest = quotient;
    }
    out += <P>ndim << 3;
  }
}

export function maskedSelect_1(x: P, mask: P, out: P, n: I): I {
  return maskedSelect<u8>(x, mask, out, n);
}
export function maskedScatter_1(out: P, mask: P, src: P, n: I): I {
  return maskedScatter<u8>(out, mask, src, n);
}

export function maskedSelect_4(x: P, mask: P, out: P, n: I): I {
  return maskedSelect<u32>(x, mask, out, n);
}
export function maskedScatter_4(out: P, mask: P, src: P, n: I): I {
  return maskedScatter<u32>(out, mask, src, n);
}

export function maskedSelect_8(x: P, mask: P, out: P, n: I): I {
  return maskedSelect<u64>(x, mask, out, n);
}
export function maskedScatter_8(out: P, mask: P, src: P, n: I): I {
  return maskedScatter<u64>(out, mask, src, n);
}

export function nonzero_f32(x: P, out: P, n: I, desc: P): void {
  nonzero<f32>(x, out, n, desc);
}

export function nonzero_f64(x: P, out: P, n: I, desc: P): void {
  nonzero<f64>(x, out, n, desc);
}

export function nonzero_i32(x: P, out: P, n: I, desc: P): void {
  nonzero<i32>(x, out, n, desc);
}

export function nonzero_i64(x: P, out: P, n: I, desc: P): void {
  nonzero<i64>(x, out, n, desc);
}

export function nonzero_u8(x: P, out: P, n: I, desc: P): void {
  nonzero<u8>(x, out, n, desc);
}
