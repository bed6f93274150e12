/** The pooling functions of `torch.nn.functional`. */
export {
  type AdaptiveMaxOptions,
  type AdaptiveSize,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
} from "../../ops/adaptivePool.js";
export {
  type AvgPool1dOptions,
  type AvgPoolOptions,
  avgPool1d,
  avgPool2d,
  avgPool3d,
} from "../../ops/avgPool.js";
export {
  type FractionalMaxPoolOptions,
  fractionalMaxPool2d,
  fractionalMaxPool3d,
} from "../../ops/fractionalPool.js";
export { type LpPoolOptions, lpPool1d, lpPool2d, lpPool3d } from "../../ops/lpPool.js";
export { type MaxPoolOptions, maxPool1d, maxPool2d, maxPool3d, type WithIndices } from "../../ops/maxPool.js";
export { type MaxUnpoolOptions, maxUnpool1d, maxUnpool2d, maxUnpool3d } from "../../ops/unpool.js";
