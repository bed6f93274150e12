/** The convolutions of `torch.nn.functional`. */
export { type ConvOptions, conv1d, conv2d, conv3d, convTbc } from "../../ops/conv.js";
export {
  type ConvTransposeOptions,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
} from "../../ops/convTranspose.js";
