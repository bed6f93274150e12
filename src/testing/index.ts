/** The testing door: gradient checks, comparisons, random tensors, arbitraries for property-based tests. */
export {
  type CheckedFunction,
  GradcheckError,
  type GradcheckOptions,
  gradcheck,
  gradgradcheck,
} from "../autograd/gradcheck.js";
export {
  type Arbitraries,
  type Arbitrary,
  arbitraries,
  type FastCheck,
  type ShapeOptions,
  type TensorOptions,
  type ValueOptions,
} from "./arbitraries.js";
export { type AssertCloseOptions, AssertionError, assertClose } from "./assertClose.js";
export { type MakeTensorOptions, makeTensor } from "./makeTensor.js";
