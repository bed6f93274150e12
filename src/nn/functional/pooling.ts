/** The pooling functions of `torch.nn.functional`. */
export {
  type AvgPool1dOptions,
  type AvgPoolOptions,
  avgPool1d,
  avgPool2d,
  avgPool3d,
} from "../../ops/avgPool.js";
export { type MaxPoolOptions, maxPool1d, maxPool2d, maxPool3d, type WithIndices } from "../../ops/maxPool.js";
