/** The image functions of `torch.nn.functional`. */
export { type FoldOptions, fold, unfold } from "../../ops/fold.js";
export {
  type AffineGridOptions,
  affineGrid,
  type GridPaddingMode,
  type GridSampleOptions,
  gridSample,
} from "../../ops/gridSample.js";
export {
  type InterpolateMode,
  type InterpolateOptions,
  interpolate,
  type UpsampleOptions,
  upsample,
  upsampleBilinear,
  upsampleNearest,
} from "../../ops/interpolate.js";
export {
  channelShuffle,
  nativeChannelShuffle,
  pixelShuffle,
  pixelUnshuffle,
} from "../../ops/pixelShuffle.js";
