/** Which op functions have an in-place form `x.name_(...)`: the ordinary result, taken over by `x`. */
import * as ops from "./families.js";

/** Ops that also exist in place, with a trailing underscore: each gives `x`, changed, and raises where the op does. */
export const inPlaceForms = {
  // arithmetic, powers (add, sub, mul, div and their aliases have forms of their own)
  /** In place: elementwise `x + value * a / b`. */
  addcdiv_: ops.addcdiv,
  /** In place: elementwise `x + value * a * b`. */
  addcmul_: ops.addcmul,
  /** In place: quotient rounded down; integers stay integers. */
  floorDivide_: ops.floorDivide,
  /** In place: remainder with the sign of the dividend, as C's fmod. */
  fmod_: ops.fmod,
  /** In place: elementwise sqrt(x^2 + other^2) without overflow. */
  hypot_: ops.hypot,
  /** In place: elementwise `x * 2^other`. */
  ldexp_: ops.ldexp,
  /** In place: elementwise `x + weight * (end - x)`. */
  lerp_: ops.lerp,
  /** In place: elementwise negation. */
  neg_: ops.neg,
  /** Same as `neg_`. */
  negative_: ops.negative,
  /** In place: elementwise x^exponent. */
  pow_: ops.pow,
  /** In place: elementwise 1 / x. */
  reciprocal_: ops.reciprocal,
  /** In place: remainder with the sign of the divisor, as Python's `%`. */
  remainder_: ops.remainder,
  /** In place: elementwise 1 / sqrt(x). */
  rsqrt_: ops.rsqrt,
  /** In place: elementwise square root. */
  sqrt_: ops.sqrt,
  /** In place: elementwise x^2. */
  square_: ops.square,
  /** In place: true division, without the rounding modes: integers give floats. */
  trueDivide_: ops.trueDivide,

  // activations
  /** In place: elementwise max(x, 0). */
  relu_: ops.relu,

  // exponentials
  /** In place: elementwise e^x. */
  exp_: ops.exp,
  /** In place: elementwise 2^x. */
  exp2_: ops.exp2,
  /** In place: elementwise e^x - 1, exact for small x. */
  expm1_: ops.expm1,
  /** In place: elementwise natural logarithm. */
  log_: ops.log,
  /** In place: elementwise ln(1 + x), exact for small x. */
  log1p_: ops.log1p,
  /** In place: elementwise logarithm to base 2. */
  log2_: ops.log2,
  /** In place: elementwise logarithm to base 10. */
  log10_: ops.log10,
  /** In place: elementwise 1 / (1 + e^-x). */
  sigmoid_: ops.sigmoid,
  /** In place: elementwise hyperbolic tangent. */
  tanh_: ops.tanh,

  // trigonometry
  /** In place: elementwise inverse cosine. */
  acos_: ops.acos,
  /** In place: elementwise inverse hyperbolic cosine. */
  acosh_: ops.acosh,
  /** Same as `acos_`. */
  arccos_: ops.arccos,
  /** Same as `acosh_`. */
  arccosh_: ops.arccosh,
  /** Same as `asin_`. */
  arcsin_: ops.arcsin,
  /** Same as `asinh_`. */
  arcsinh_: ops.arcsinh,
  /** Same as `atan_`. */
  arctan_: ops.arctan,
  /** Same as `atan2_`. */
  arctan2_: ops.arctan2,
  /** Same as `atanh_`. */
  arctanh_: ops.arctanh,
  /** In place: elementwise inverse sine. */
  asin_: ops.asin,
  /** In place: elementwise inverse hyperbolic sine. */
  asinh_: ops.asinh,
  /** In place: elementwise inverse tangent. */
  atan_: ops.atan,
  /** In place: the angle of the point (other, x), from -pi to pi. */
  atan2_: ops.atan2,
  /** In place: elementwise inverse hyperbolic tangent. */
  atanh_: ops.atanh,
  /** In place: elementwise cosine. */
  cos_: ops.cos,
  /** In place: elementwise hyperbolic cosine. */
  cosh_: ops.cosh,
  /** In place: degrees to radians. */
  deg2rad_: ops.deg2rad,
  /** In place: radians to degrees. */
  rad2deg_: ops.rad2deg,
  /** In place: elementwise sine. */
  sin_: ops.sin,
  /** In place: elementwise hyperbolic sine. */
  sinh_: ops.sinh,
  /** In place: elementwise tangent. */
  tan_: ops.tan,

  // rounding, signs, limits
  /** In place: elementwise absolute value. */
  abs_: ops.abs,
  /** Same as `abs_`. */
  absolute_: ops.absolute,
  /** In place: smallest whole number not below x. */
  ceil_: ops.ceil,
  /** In place: elementwise `min(max(x, min), max)`; where the bounds cross, the upper one wins. */
  clamp_: ops.clamp,
  /** In place: elementwise smaller of `x` and `max`. */
  clampMax_: ops.clampMax,
  /** In place: elementwise larger of `x` and `min`. */
  clampMin_: ops.clampMin,
  /** Same as `clamp_`. */
  clip_: ops.clip,
  /** In place: the magnitude of `x` with the sign of `other`, zeros included. */
  copysign_: ops.copysign,
  /** Same as `trunc_`. */
  fix_: ops.fix,
  /** In place: largest whole number not above x. */
  floor_: ops.floor,
  /** In place: the part after the point, with the sign of x. */
  frac_: ops.frac,
  /** In place: 0 for x < 0, `values` for x = 0, 1 for x > 0. */
  heaviside_: ops.heaviside,
  /**
   * In place: `x` with NaN and infinities replaced by finite numbers; no gradient flows to what was
   * replaced.
   */
  nanToNum_: ops.nanToNum,
  /** In place: the next floating number after `x` towards `other`. */
  nextafter_: ops.nextafter,
  /** In place: nearest whole number (or decimal), halves to the even one. */
  round_: ops.round,
  /** Same as `sign_`. */
  sgn_: ops.sgn,
  /** In place: -1, 0 or 1 by the sign; the gradient is zero. */
  sign_: ops.sign,
  /** In place: the whole part, towards zero. */
  trunc_: ops.trunc,

  // special functions
  /** In place: elementwise derivative of `lgamma`. */
  digamma_: ops.digamma,
  /** In place: elementwise error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x. */
  erf_: ops.erf,
  /** In place: elementwise 1 - erf(x), exact for large x too. */
  erfc_: ops.erfc,
  /** In place: elementwise inverse of `erf`, on (-1, 1). */
  erfinv_: ops.erfinv,
  /** In place: modified Bessel function of the first kind, order 0. */
  i0_: ops.i0,
  /** In place: the regularised lower incomplete gamma function P(a, x). */
  igamma_: ops.igamma,
  /** In place: the regularised upper incomplete gamma function, 1 - P(a, x); as `igamma`. */
  igammac_: ops.igammac,
  /** In place: elementwise ln |gamma(x)|. */
  lgamma_: ops.lgamma,
  /** In place: elementwise ln(x / (1 - x)), the inverse of sigmoid. */
  logit_: ops.logit,
  /**
   * In place: ln of the multivariate gamma function of dimension p: p (p - 1) / 4 ln pi + the sum of
   * lgamma(x - j / 2) for j from 0 to p - 1.
   */
  mvlgamma_: ops.mvlgamma,
  /** In place: elementwise sin(pi x) / (pi x), 1 at 0. */
  sinc_: ops.sinc,
  /** In place: elementwise `x ln(other)`, 0 where x is 0 (and other no NaN). */
  xlogy_: ops.xlogy,

  // comparisons, logic, bits, masks
  /** In place: elementwise `x == other`. */
  eq_: ops.eq,
  /** In place: elementwise `x >= other`. */
  ge_: ops.ge,
  /** Same as `gt_`. */
  greater_: ops.greater,
  /** Same as `ge_`. */
  greaterEqual_: ops.greaterEqual,
  /** In place: elementwise `x > other`. */
  gt_: ops.gt,
  /** In place: elementwise `x <= other`. */
  le_: ops.le,
  /** Same as `lt_`. */
  less_: ops.less,
  /** Same as `le_`. */
  lessEqual_: ops.lessEqual,
  /** In place: elementwise `x < other`. */
  lt_: ops.lt,
  /** In place: elementwise `x != other`. */
  ne_: ops.ne,
  /** Same as `ne_`. */
  notEqual_: ops.notEqual,
  /** In place: bitwise and of integers; logical for bool. */
  bitwiseAnd_: ops.bitwiseAnd,
  /** In place: `x << other` for integers. */
  bitwiseLeftShift_: ops.bitwiseLeftShift,
  /** In place: flips all bits of integers; logical not for bool. */
  bitwiseNot_: ops.bitwiseNot,
  /** In place: bitwise or of integers; logical for bool. */
  bitwiseOr_: ops.bitwiseOr,
  /** In place: `x >> other` for integers, keeping the sign. */
  bitwiseRightShift_: ops.bitwiseRightShift,
  /** In place: bitwise exclusive or of integers; logical for bool. */
  bitwiseXor_: ops.bitwiseXor,
  /** In place: greatest common divisor of integers, never negative. */
  gcd_: ops.gcd,
  /** In place: least common multiple of integers, never negative. */
  lcm_: ops.lcm,
  /** In place: elementwise `x and other`; everything but 0 is true. */
  logicalAnd_: ops.logicalAnd,
  /** In place: elementwise `not x`: true for 0. */
  logicalNot_: ops.logicalNot,
  /** In place: elementwise `x or other`. */
  logicalOr_: ops.logicalOr,
  /** In place: elementwise "either, not both". */
  logicalXor_: ops.logicalXor,
  /** In place: `x` with `value` where `mask` is true; the dtype stays. */
  maskedFill_: ops.maskedFill,

  // indices, triangles, products
  /** In place: `x` with `alpha * source` slices added at the indices, along `dim`. */
  indexAdd_: ops.indexAdd,
  /** In place: `x` with slices of `source` written at the indices, along `dim`. */
  indexCopy_: ops.indexCopy,
  /** In place: `x` with one value in the slices at the indices, along `dim`. */
  indexFill_: ops.indexFill,
  /**
   * In place: `x` whose slices at the indices along `dim` are joined with those of `source`, and with their
   * own values unless `includeSelf` is false.
   */
  indexReduce_: ops.indexReduce,
  /** In place: `x` with its elements under a true mask replaced by those of `source`, in order. */
  maskedScatter_: ops.maskedScatter,
  /**
   * In place: `x` with elements of `source` written, or added with `accumulate`, at the given indices of the
   * flattened tensor.
   */
  put_: ops.put,
  /** In place: `x` with `src` (tensor or number) written at the indices along `dim`. */
  scatter_: ops.scatter,
  /** In place: `x` with `src` added at the indices along `dim`. */
  scatterAdd_: ops.scatterAdd,
  /**
   * In place: `x` whose elements at the indices along `dim` are joined with those of `src`, and with their
   * own value unless `includeSelf` is false.
   */
  scatterReduce_: ops.scatterReduce,
  /**
   * In place: the slices along `dim` with a p-norm above `maxnorm` scaled down to it; the others as they
   * are.
   */
  renorm_: ops.renorm,
  /** In place: the lower triangles of matrices: zeros above the diagonal. */
  tril_: ops.tril,
  /** In place: the upper triangles of matrices: zeros below the diagonal. */
  triu_: ops.triu,
  /**
   * In place: products of the elements up to each, along a dimension; the gradient is exact at zeros, at
   * every order.
   */
  cumprod_: ops.cumprod,
  /** In place: sums of the elements up to each, along a dimension. float32 is accumulated in float64. */
  cumsum_: ops.cumsum,
  /** In place: `beta * input + alpha * sum over the batch of bmm(batch1, batch2)`. */
  addbmm_: ops.addbmm,
  /** In place: `beta * input + alpha * (mat1 mat2)`. */
  addmm_: ops.addmm,
  /** In place: `beta * input + alpha * (mat vec)`. */
  addmv_: ops.addmv,
  /** In place: `beta * input + alpha * outer(vec1, vec2)`. */
  addr_: ops.addr,
  /** In place: `beta * input + alpha * bmm(batch1, batch2)`. */
  baddbmm_: ops.baddbmm,
};
