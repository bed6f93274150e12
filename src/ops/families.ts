/** All op functions that are methods too. */
export { add, div, mul, neg, sub } from "./arithmetic.js";
export { clone, contiguous, detach, to } from "./cast.js";
export { asStrided } from "./geometry.js";
export { item, toArray, toTypedArray } from "./read.js";
export { mean, sum } from "./sum.js";
export { expand, flatten, narrow, permute, reshape, select, slice, squeeze, t, transpose, unsqueeze, view } from "./view.js";
export { addbmm, addmm, addmv, addr, baddbmm, bmm, dot, matmul, mm, mv, outer, vdot } from "./matmul.js";
