/** Which op functions have an in-place form `x.name_(...)`: the ordinary result, taken over by `x`. */
import type * as families from "./families.js";

// biome-ignore format: one family a line
/** Ops that also exist in place, with a trailing underscore. */
export const inPlaceNames = [
  // arithmetic, powers (add, sub, mul, div and their aliases have forms of their own)
  "addcdiv", "addcmul", "floorDivide", "fmod", "hypot", "ldexp", "lerp", "neg", "negative", "pow", "reciprocal",
  "remainder", "rsqrt", "sqrt", "square", "trueDivide",
  // activations
  "relu",
  // exponentials
  "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sigmoid", "tanh",
  // trigonometry
  "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh", "atan",
  "atan2", "atanh", "cos", "cosh", "deg2rad", "rad2deg", "sin", "sinh", "tan",
  // rounding, signs, limits
  "abs", "absolute", "ceil", "clamp", "clampMax", "clampMin", "clip", "copysign", "fix", "floor", "frac", "heaviside",
  "nanToNum", "nextafter", "round", "sgn", "sign", "trunc",
  // special functions
  "digamma", "erf", "erfc", "erfinv", "i0", "igamma", "igammac", "lgamma", "logit", "mvlgamma", "sinc", "xlogy",
  // comparisons, logic, bits, masks
  "eq", "ge", "greater", "greaterEqual", "gt", "le", "less", "lessEqual", "lt", "ne", "notEqual", "bitwiseAnd",
  "bitwiseLeftShift", "bitwiseNot", "bitwiseOr", "bitwiseRightShift", "bitwiseXor", "gcd", "lcm", "logicalAnd",
  "logicalNot", "logicalOr", "logicalXor", "maskedFill",
  // indices, triangles, products
  "indexAdd", "indexCopy", "indexFill", "indexReduce", "maskedScatter", "put", "scatter", "scatterAdd", "scatterReduce",
  "renorm", "tril", "triu", "cumprod", "cumsum", "addbmm", "addmm", "addmv", "addr", "baddbmm",
] as const satisfies readonly (keyof typeof families)[];
