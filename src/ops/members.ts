/** Functions that are methods only: what they do has no function of its own in PyTorch. */

export {
  bool,
  byte,
  cpu,
  double,
  float,
  int,
  long,
  newEmpty,
  newEmptyStrided,
  newFull,
  newOnes,
  newTensor,
  newZeros,
  type,
  typeAs,
} from "./convert.js";
export { dataPtr, dim, elementSize, isContiguous, size, stride, tolist } from "./facts.js";
export { fillDiagonal_ } from "./fillDiagonal.js";
export { polygammaOf as polygamma } from "./gamma.js";
export { at, indexPut_, setAt_ } from "./indexing.js";
export {
  add_,
  copy_,
  div_,
  divide_,
  fill_,
  floatPower_,
  mul_,
  multiply_,
  sub_,
  subtract_,
  zero_,
} from "./inPlace.js";
export {
  bernoulli_,
  cauchy_,
  exponential_,
  geometric_,
  logNormal_,
  normal_,
  random_,
  uniform_,
} from "./randomInPlace.js";
export { asStrided_, squeeze_, swapaxes_, swapdims_, t_, transpose_, unsqueeze_ } from "./viewsInPlace.js";
export { whereOf as where } from "./where.js";
