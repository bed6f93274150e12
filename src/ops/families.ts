/** All op functions that are methods too. */
export { hardshrink, prelu, relu } from "./activation.js";
export {
  add,
  addcdiv,
  addcmul,
  lerp,
  mul,
  multiply,
  neg,
  negative,
  positive,
  rsub,
  sub,
  subtract,
  trueDivide,
} from "./arithmetic.js";
export { flip, fliplr, flipud, repeat, repeatInterleave, roll, rot90, tile, unfold } from "./arrange.js";
export { i0 } from "./bessel.js";
export { clone, contiguous, detach, to } from "./cast.js";
export { clamp, clampMax, clampMin, clip, nanToNum } from "./clamp.js";
export {
  allclose,
  eq,
  equal,
  ge,
  greater,
  greaterEqual,
  gt,
  isclose,
  isfinite,
  isinf,
  isnan,
  isneginf,
  isposinf,
  isreal,
  le,
  less,
  lessEqual,
  lt,
  ne,
  notEqual,
} from "./compare.js";
export { diag, diagEmbed, diagflat, diagonal, tril, triu } from "./diagonal.js";
export { diff } from "./differences.js";
export {
  adjoint,
  broadcastTo,
  expandAs,
  moveaxis,
  movedim,
  ravel,
  reshapeAs,
  sumToSize,
  swapaxes,
  swapdims,
  unflatten,
  viewAs,
} from "./dims.js";
export { renorm } from "./distances.js";
export { div, divide, floorDivide, fmod, remainder } from "./division.js";
export { erf, erfc, erfinv } from "./erf.js";
export {
  exp,
  exp2,
  expm1,
  log,
  log1p,
  log2,
  log10,
  logaddexp,
  logaddexp2,
  sigmoid,
  tanh,
} from "./exponential.js";
export { fmax, fmin, maximum, minimum } from "./extrema.js";
export { isFloatingPoint, isInference, isNonzero, isSigned } from "./facts.js";
export { frexp, ldexp, nextafter } from "./floatParts.js";
export { digamma, igamma, igammac, lgamma, mvlgamma } from "./gamma.js";
export { gather, indexAdd, indexCopy, indexFill, indexSelect, scatter, scatterAdd } from "./gather.js";
export { asStrided } from "./geometry.js";
export { bincount, histc, histogram } from "./histogram.js";
export { indexPut } from "./indexing.js";
export { cholesky, choleskyInverse, choleskySolve } from "./linalg/cholesky.js";
export { det, logdet, slogdet } from "./linalg/determinant.js";
export { normOf as norm } from "./linalg/norms.js";
export { matrixExp, matrixPower } from "./linalg/powers.js";
export { pinverse } from "./linalg/pseudoinverse.js";
export { inverse } from "./linalg/solve.js";
export {
  bitwiseAnd,
  bitwiseLeftShift,
  bitwiseNot,
  bitwiseOr,
  bitwiseRightShift,
  bitwiseXor,
  gcd,
  lcm,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
} from "./logical.js";
export { argwhere, maskedScatter, maskedSelect, nonzero } from "./masked.js";
export { addbmm, addmm, addmv, addr, baddbmm, bmm, dot, matmul, mm, mv, outer, vdot } from "./matmul.js";
export { floatPower, hypot, pow, reciprocal, rsqrt, sqrt, square } from "./powers.js";
export { corrcoef, cov, cross, ger, inner, kron, trace } from "./products.js";
export { nanquantile, quantile } from "./quantile.js";
export { bernoulli, multinomial } from "./random.js";
export { item, toArray, toTypedArray } from "./read.js";
export { all, amax, amin, aminmax, any, argmax, argmin, countNonzero, max, min } from "./reduce.js";
export { ceil, fix, floor, frac, round, trunc } from "./rounding.js";
export { cummax, cummin, cumprod, cumsum, logcumsumexp, prod } from "./scan.js";
export { indexReduce, scatterReduce } from "./scatterReduce.js";
export {
  asStridedScatter,
  diagonalScatter,
  narrowCopy,
  selectScatter,
  sliceScatter,
} from "./scatterViews.js";
export { abs, absolute, angle, copysign, heaviside, real, sgn, sign, signbit } from "./sign.js";
export { logSoftmax, softmax, softmin } from "./softmax.js";
export { argsort, kthvalue, median, mode, msort, nanmedian, sort, topk } from "./sort.js";
export { logit, sinc, xlogy } from "./special.js";
export { chunk, dsplit, hsplit, split, splitWithSizes, tensorSplit, unbind, vsplit } from "./split.js";
export { dist, logsumexp, nanmean, nansum, std, var_ as var } from "./statistics.js";
export { mean, sum } from "./sum.js";
export { put, take, takeAlongDim } from "./take.js";
export {
  acos,
  acosh,
  arccos,
  arccosh,
  arcsin,
  arcsinh,
  arctan,
  arctan2,
  arctanh,
  asin,
  asinh,
  atan,
  atan2,
  atanh,
  cos,
  cosh,
  deg2rad,
  rad2deg,
  sin,
  sinh,
  tan,
} from "./trigonometric.js";
export { unique, uniqueConsecutive } from "./unique.js";
export {
  expand,
  flatten,
  narrow,
  permute,
  reshape,
  select,
  slice,
  squeeze,
  t,
  transpose,
  unsqueeze,
  view,
} from "./view.js";
export { maskedFill } from "./where.js";
