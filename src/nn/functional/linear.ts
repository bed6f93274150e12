/** The linear functions of `torch.nn.functional`. */
export { bilinear, type LinearOptions, linear } from "../../ops/linear.js";
