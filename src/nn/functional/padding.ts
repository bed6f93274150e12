/** The padding function of `torch.nn.functional`. */
export { type PadMode, type PadOptions, pad } from "../../ops/pad.js";
