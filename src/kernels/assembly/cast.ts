/** Conversions between element types: floats truncate toward zero, integers wrap, to bool is != 0. */

type P = usize;
type I = i32;

// Float to integer never traps: i32 and i64 saturate (NaN gives 0), bytes take the low bits of the
// 64-bit integer, so that -1 becomes 255 as in PyTorch.
// @ts-ignore: decorator
@inline
function convert<S, D>(x: S): D {
  if (isFloat<S>() && sizeof<D>() == 1) return <D>(<i64>x);
  return <D>x;
}

// @ts-ignore: decorator
@inline
function each<S, D>(x: usize, out: usize, n: i32): void {
  for (; n > 0; --n) {
    store<D>(out, convert<S, D>(load<S>(x)));
    x += sizeof<S>();
    out += sizeof<D>();
  }
}

// @ts-ignore: decorator
@inline
function eachBool<S>(x: usize, out: usize, n: i32): void {
  if (sizeof<S>() == 4) {
    const zero = v128.splat<S>(<S>0);
    for (; n >= 8; n -= 8) {
      const low = v128.ne<S>(v128.load(x), zero);
      const high = v128.ne<S>(v128.load(x, 16), zero);
      const words = i16x8.narrow_i32x4_s(low, high);
      v128.store64_lane(out, v128.and(i8x16.splat(1), i8x16.narrow_i16x8_s(words, words)), 0);
      x += 32;
      out += 8;
    }
  }
  for (; n > 0; --n) {
    store<u8>(out++, load<S>(x) != <S>0 ? 1 : 0);
    x += sizeof<S>();
  }
}

// Pairs with a vector form; `each` finishes the tail with the same values.
// @ts-ignore: decorator
@inline
function cast<S, D>(x: usize, out: usize, n: i32): void {
  if (isFloat<S>() && sizeof<S>() == 4 && isFloat<D>()) {
    for (; n >= 4; n -= 4) {
      const v = v128.load(x);
      v128.store(out, f64x2.promote_low_f32x4(v));
      v128.store(out, f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)), 16);
      x += 16;
      out += 32;
    }
  } else if (isFloat<S>() && isFloat<D>()) {
    for (; n >= 4; n -= 4) {
      const low = f32x4.demote_f64x2_zero(v128.load(x));
      const high = f32x4.demote_f64x2_zero(v128.load(x, 16));
      v128.store(out, v128.shuffle<i64>(low, high, 0, 2));
      x += 32;
      out += 16;
    }
  } else if (isFloat<S>() && sizeof<S>() == 4 && sizeof<D>() == 4) {
    for (; n >= 4; n -= 4) {
      v128.store(out, i32x4.trunc_sat_f32x4_s(v128.load(x)));
      x += 16;
      out += 16;
    }
  } else if (isFloat<S>() && sizeof<S>() == 4 && isInteger<D>() && sizeof<D>() == 8) {
    const limit = f32x4.splat(2147483520);
    for (; n >= 4; n -= 4) {
      const v = v128.load(x);
      // NaN and what int32 cannot hold go one by one.
      if (i32x4.all_true(f32x4.le(f32x4.abs(v), limit))) {
        const whole = i32x4.trunc_sat_f32x4_s(v);
        v128.store(out, i64x2.extend_low_i32x4_s(whole));
        v128.store(out, i64x2.extend_high_i32x4_s(whole), 16);
      } else each<S, D>(x, out, 4);
      x += 16;
      out += 32;
    }
  } else if (isFloat<D>() && sizeof<D>() == 4 && sizeof<S>() == 4) {
    for (; n >= 4; n -= 4) {
      v128.store(out, f32x4.convert_i32x4_s(v128.load(x)));
      x += 16;
      out += 16;
    }
  } else if (isFloat<D>() && sizeof<D>() == 8 && sizeof<S>() == 4) {
    for (; n >= 2; n -= 2) {
      v128.store(out, f64x2.convert_low_i32x4_s(v128.load64_zero(x)));
      x += 8;
      out += 16;
    }
  } else if (sizeof<S>() == 1 && sizeof<D>() == 4) {
    for (; n >= 4; n -= 4) {
      const v = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(x)));
      v128.store(out, isFloat<D>() ? f32x4.convert_i32x4_s(v) : v);
      x += 4;
      out += 16;
    }
  }
  each<S, D>(x, out, n);
}

export function cast_f32_f64(x: P, out: P, n: I): void {
  cast<f32, f64>(x, out, n);
}
export function cast_f32_i32(x: P, out: P, n: I): void {
  cast<f32, i32>(x, out, n);
}
export function cast_f32_i64(x: P, out: P, n: I): void {
  cast<f32, i64>(x, out, n);
}
export function cast_f32_u8(x: P, out: P, n: I): void {
  cast<f32, u8>(x, out, n);
}
export function cast_f32_b8(x: P, out: P, n: I): void {
  eachBool<f32>(x, out, n);
}
export function cast_f64_f32(x: P, out: P, n: I): void {
  cast<f64, f32>(x, out, n);
}
export function cast_f64_i32(x: P, out: P, n: I): void {
  cast<f64, i32>(x, out, n);
}
export function cast_f64_i64(x: P, out: P, n: I): void {
  cast<f64, i64>(x, out, n);
}
export function cast_f64_u8(x: P, out: P, n: I): void {
  cast<f64, u8>(x, out, n);
}
export function cast_f64_b8(x: P, out: P, n: I): void {
  eachBool<f64>(x, out, n);
}
export function cast_i32_f32(x: P, out: P, n: I): void {
  cast<i32, f32>(x, out, n);
}
export function cast_i32_f64(x: P, out: P, n: I): void {
  cast<i32, f64>(x, out, n);
}
export function cast_i32_i64(x: P, out: P, n: I): void {
  cast<i32, i64>(x, out, n);
}
export function cast_i32_u8(x: P, out: P, n: I): void {
  cast<i32, u8>(x, out, n);
}
export function cast_i32_b8(x: P, out: P, n: I): void {
  eachBool<i32>(x, out, n);
}
export function cast_i64_f32(x: P, out: P, n: I): void {
  cast<i64, f32>(x, out, n);
}
export function cast_i64_f64(x: P, out: P, n: I): void {
  cast<i64, f64>(x, out, n);
}
export function cast_i64_i32(x: P, out: P, n: I): void {
  cast<i64, i32>(x, out, n);
}
export function cast_i64_u8(x: P, out: P, n: I): void {
  cast<i64, u8>(x, out, n);
}
export function cast_i64_b8(x: P, out: P, n: I): void {
  eachBool<i64>(x, out, n);
}
export function cast_u8_f32(x: P, out: P, n: I): void {
  cast<u8, f32>(x, out, n);
}
export function cast_u8_f64(x: P, out: P, n: I): void {
  cast<u8, f64>(x, out, n);
}
export function cast_u8_i32(x: P, out: P, n: I): void {
  cast<u8, i32>(x, out, n);
}
export function cast_u8_i64(x: P, out: P, n: I): void {
  cast<u8, i64>(x, out, n);
}
export function cast_u8_b8(x: P, out: P, n: I): void {
  eachBool<u8>(x, out, n);
}
export function cast_b8_f32(x: P, out: P, n: I): void {
  cast<u8, f32>(x, out, n);
}
export function cast_b8_f64(x: P, out: P, n: I): void {
  cast<u8, f64>(x, out, n);
}
export function cast_b8_i32(x: P, out: P, n: I): void {
  cast<u8, i32>(x, out, n);
}
export function cast_b8_i64(x: P, out: P, n: I): void {
  cast<u8, i64>(x, out, n);
}
export function cast_b8_u8(x: P, out: P, n: I): void {
  each<u8, u8>(x, out, n);
}
