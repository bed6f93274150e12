/** Functions that are methods only: what they do has no function of its own in PyTorch. */
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
