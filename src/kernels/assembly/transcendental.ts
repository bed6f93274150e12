/** Flat transcendental functions; in place (x == out) works. */

import { loadPart, storePart } from "./lanes";
import { erf64, erfc64, gelu64 } from "./erf64";
import { coshWide, erfWide, erfcWide, exp32, geluTanhArgument, geluTanhWide } from "./math32";
import { log10Wide, log2Wide, log32, sinhWide, tanh32 } from "./math32";
import { acosh64, asinh64, atanh64, cosh64, exp2_64, exp64, expm1_64 } from "./math64";
import { log10_64, log1p64, log2_64, log64, logSigmoid64, sigmoid64, silu64, sinh64, tanh64 } from "./math64";
import { expm1_32, log1p32, logSigmoid32, sigmoid32, silu32 } from "./soft32";
import { acos64, asin64, atan64, cos64, cosWide, sin64, sinWide, tan64, tanWide } from "./trig64";

type P = usize;
type I = i32;

const EXP = 0;
const EXPM1 = 1;
const EXP2 = 2;
const LOG = 3;
const LOG1P = 4;
const LOG2 = 5;
const LOG10 = 6;
const TANH = 7;
const SIGMOID = 8;
const LOG_SIGMOID = 9;
const ERF = 10;
const ERFC = 11;
const GELU = 12;
const GELU_TANH = 13;
const SILU = 14;
const SIN = 15;
const COS = 16;
const TAN = 17;
const SINH = 18;
const COSH = 19;
const ASIN = 20;
const ACOS = 21;
const ATAN = 22;
const ASINH = 23;
const ACOSH = 24;
const ATANH = 25;

// @ts-ignore: decorator
@inline
function apply64(op: i32, x: v128): v128 {
  if (op == EXP) return exp64(x);
  if (op == EXPM1) return expm1_64(x);
  if (op == EXP2) return exp2_64(x);
  if (op == LOG) return log64(x);
  if (op == LOG1P) return log1p64(x);
  if (op == LOG2) return log2_64(x);
  if (op == LOG10) return log10_64(x);
  if (op == TANH) return tanh64(x);
  if (op == SIGMOID) return sigmoid64(x);
  if (op == LOG_SIGMOID) return logSigmoid64(x);
  if (op == ERF) return erf64(x);
  if (op == ERFC) return erfc64(x);
  if (op == GELU) return gelu64(x);
  if (op == GELU_TANH) return f64x2.mul(x, sigmoid64(geluTanhArgument(x)));
  if (op == SILU) return silu64(x);
  if (op == SIN) return sin64(x);
  if (op == COS) return cos64(x);
  if (op == TAN) return tan64(x);
  if (op == SINH) return sinh64(x);
  if (op == COSH) return cosh64(x);
  if (op == ASIN) return asin64(x);
  if (op == ACOS) return acos64(x);
  if (op == ATAN) return atan64(x);
  if (op == ASINH) return asinh64(x);
  if (op == ACOSH) return acosh64(x);
  if (op == ATANH) return atanh64(x);
  return x;
}

// Two lanes of a float32 function whose result is rounded to float32 afterwards.
// @ts-ignore: decorator
@inline
function applyWide(op: i32, x: v128): v128 {
  if (op == ERF) return erfWide(x);
  if (op == ERFC) return erfcWide(x);
  if (op == GELU_TANH) return geluTanhWide(x);
  if (op == SINH) return sinhWide(x);
  if (op == COSH) return coshWide(x);
  if (op == LOG2) return log2Wide(x);
  if (op == LOG10) return log10Wide(x);
  if (op == SIN) return sinWide(x);
  if (op == COS) return cosWide(x);
  if (op == TAN) return tanWide(x);
  return apply64(op, x);
}

// @ts-ignore: decorator
@inline
function apply32(op: i32, x: v128): v128 {
  if (op == EXP) return exp32(x);
  if (op == LOG) return log32(x);
  if (op == TANH) return tanh32(x);
  if (op == SIGMOID) return sigmoid32(x);
  if (op == SILU) return silu32(x);
  if (op == EXPM1) return expm1_32(x);
  if (op == LOG1P) return log1p32(x);
  if (op == LOG_SIGMOID) return logSigmoid32(x);
  const low = f32x4.demote_f64x2_zero(applyWide(op, f64x2.promote_low_f32x4(x)));
  const high = f32x4.demote_f64x2_zero(applyWide(op, f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1))));
  return v128.shuffle<i64>(low, high, 0, 2);
}

// The same body for full vectors and the tail, so that both give the same bits. It runs before the loop is asked
// whether it ends: engines take constants out of such loops only, and make them anew for every vector in others.
// @ts-ignore: decorator
@inline
function loop32(op: i32, x: usize, out: usize, n: i32): void {
  if (n <= 0) return;
  do {
    const y = apply32(op, n >= 4 ? v128.load(x) : loadPart<f32>(x, n));
    if (n >= 4) v128.store(out, y);
    else storePart<f32>(out, y, n);
    x += 16;
    out += 16;
    n -= 4;
  } while (n > 0);
}

// @ts-ignore: decorator
@inline
function loop64(op: i32, x: usize, out: usize, n: i32): void {
  if (n <= 0) return;
  do {
    const y = apply64(op, n >= 2 ? v128.load(x) : loadPart<f64>(x, n));
    if (n >= 2) v128.store(out, y);
    else storePart<f64>(out, y, n);
    x += 16;
    out += 16;
    n -= 2;
  } while (n > 0);
}

export function exp_f32(x: P, out: P, n: I): void {
  loop32(EXP, x, out, n);
}
export function exp_f64(x: P, out: P, n: I): void {
  loop64(EXP, x, out, n);
}

export function expm1_f32(x: P, out: P, n: I): void {
  loop32(EXPM1, x, out, n);
}
export function expm1_f64(x: P, out: P, n: I): void {
  loop64(EXPM1, x, out, n);
}

export function exp2_f32(x: P, out: P, n: I): void {
  loop32(EXP2, x, out, n);
}
export function exp2_f64(x: P, out: P, n: I): void {
  loop64(EXP2, x, out, n);
}

export function log_f32(x: P, out: P, n: I): void {
  loop32(LOG, x, out, n);
}
export function log_f64(x: P, out: P, n: I): void {
  loop64(LOG, x, out, n);
}

export function log1p_f32(x: P, out: P, n: I): void {
  loop32(LOG1P, x, out, n);
}
export function log1p_f64(x: P, out: P, n: I): void {
  loop64(LOG1P, x, out, n);
}

export function log2_f32(x: P, out: P, n: I): void {
  loop32(LOG2, x, out, n);
}
export function log2_f64(x: P, out: P, n: I): void {
  loop64(LOG2, x, out, n);
}

export function log10_f32(x: P, out: P, n: I): void {
  loop32(LOG10, x, out, n);
}
export function log10_f64(x: P, out: P, n: I): void {
  loop64(LOG10, x, out, n);
}

export function tanh_f32(x: P, out: P, n: I): void {
  loop32(TANH, x, out, n);
}
export function tanh_f64(x: P, out: P, n: I): void {
  loop64(TANH, x, out, n);
}

export function sigmoid_f32(x: P, out: P, n: I): void {
  loop32(SIGMOID, x, out, n);
}
export function sigmoid_f64(x: P, out: P, n: I): void {
  loop64(SIGMOID, x, out, n);
}

export function logSigmoid_f32(x: P, out: P, n: I): void {
  loop32(LOG_SIGMOID, x, out, n);
}
export function logSigmoid_f64(x: P, out: P, n: I): void {
  loop64(LOG_SIGMOID, x, out, n);
}

export function erf_f32(x: P, out: P, n: I): void {
  loop32(ERF, x, out, n);
}
export function erf_f64(x: P, out: P, n: I): void {
  loop64(ERF, x, out, n);
}

export function erfc_f32(x: P, out: P, n: I): void {
  loop32(ERFC, x, out, n);
}
export function erfc_f64(x: P, out: P, n: I): void {
  loop64(ERFC, x, out, n);
}

export function gelu_f64(x: P, out: P, n: I): void {
  loop64(GELU, x, out, n);
}

export function geluTanh_f32(x: P, out: P, n: I): void {
  loop32(GELU_TANH, x, out, n);
}
export function geluTanh_f64(x: P, out: P, n: I): void {
  loop64(GELU_TANH, x, out, n);
}

export function silu_f32(x: P, out: P, n: I): void {
  loop32(SILU, x, out, n);
}
export function silu_f64(x: P, out: P, n: I): void {
  loop64(SILU, x, out, n);
}

export function sin_f32(x: P, out: P, n: I): void {
  loop32(SIN, x, out, n);
}
export function sin_f64(x: P, out: P, n: I): void {
  loop64(SIN, x, out, n);
}

export function cos_f32(x: P, out: P, n: I): void {
  loop32(COS, x, out, n);
}
export function cos_f64(x: P, out: P, n: I): void {
  loop64(COS, x, out, n);
}

export function tan_f32(x: P, out: P, n: I): void {
  loop32(TAN, x, out, n);
}
export function tan_f64(x: P, out: P, n: I): void {
  loop64(TAN, x, out, n);
}

export function sinh_f32(x: P, out: P, n: I): void {
  loop32(SINH, x, out, n);
}
export function sinh_f64(x: P, out: P, n: I): void {
  loop64(SINH, x, out, n);
}

export function cosh_f32(x: P, out: P, n: I): void {
  loop32(COSH, x, out, n);
}
export function cosh_f64(x: P, out: P, n: I): void {
  loop64(COSH, x, out, n);
}

export function asin_f32(x: P, out: P, n: I): void {
  loop32(ASIN, x, out, n);
}
export function asin_f64(x: P, out: P, n: I): void {
  loop64(ASIN, x, out, n);
}

export function acos_f32(x: P, out: P, n: I): void {
  loop32(ACOS, x, out, n);
}
export function acos_f64(x: P, out: P, n: I): void {
  loop64(ACOS, x, out, n);
}

export function atan_f32(x: P, out: P, n: I): void {
  loop32(ATAN, x, out, n);
}
export function atan_f64(x: P, out: P, n: I): void {
  loop64(ATAN, x, out, n);
}

export function asinh_f32(x: P, out: P, n: I): void {
  loop32(ASINH, x, out, n);
}
export function asinh_f64(x: P, out: P, n: I): void {
  loop64(ASINH, x, out, n);
}

export function acosh_f32(x: P, out: P, n: I): void {
  loop32(ACOSH, x, out, n);
}
export function acosh_f64(x: P, out: P, n: I): void {
  loop64(ACOSH, x, out, n);
}

export function atanh_f32(x: P, out: P, n: I): void {
  loop32(ATANH, x, out, n);
}
export function atanh_f64(x: P, out: P, n: I): void {
  loop64(ATANH, x, out, n);
}
