/** The testing door: gradient checks. */
export {
  type CheckedFunction,
  GradcheckError,
  type GradcheckOptions,
  gradcheck,
  gradgradcheck,
} from "../autograd/gradcheck.js";
