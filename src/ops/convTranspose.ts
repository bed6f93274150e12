/** Transposed convolution in one to three dimensions: the input gradient of a convolution as a layer's forward. */

import { FLOAT64, isFloat } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import type { OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { add } from "./arithmetic.js";
import { cast } from "./cast.js";
import { biasAndOptions, checkBias, checkGroups, checkTypes, convInput } from "./conv.js";
import { type ConvGeometry, takesBias } from "./convRaw.js";
import { needTensor } from "./core.js";
import { batched, type Sizes, sizesOf } from "./spatial.js";
import { reshape } from "./view.js";

/** Options of transposed convolutions. */
export interface ConvTransposeOptions {
  /** Added to each output channel; shape (outChannels). */
  bias?: Tensor | null;
  /** Distance between the outputs of neighbouring inputs (default 1). */
  stride?: Sizes;
  /** What a convolution would add on both sides, and is cut from the output here (default 0). */
  padding?: Sizes;
  /** Added to the output's size on one side, less than stride or dilation (default 0). */
  outputPadding?: Sizes;
  /** Number of blocks that input and output channels are split into (default 1). */
  groups?: number;
  /** Distance between the taps of the kernel (default 1). */
  dilation?: Sizes;
}

const CONV_TRANSPOSE_OPTIONS: OptionNames<ConvTransposeOptions> = {
  bias: 1,
  stride: 1,
  padding: 1,
  outputPadding: 1,
  groups: 1,
  dilation: 1,
};

/** The convolution that this one is the transpose of: from our output to our input. */
function geometry(op: string, x: Tensor, w: Tensor, rank: number, o: ConvTransposeOptions): ConvGeometry {
  const kernel = w.shape.slice(2);
  const output = x.shape.slice(2);
  const groups = o.groups ?? 1;
  const [outChannels, perGroup] = w.shape as [number, number];
  if (x.shape[1] !== outChannels) {
    throw new ShapeError(
      `[${op}] expected an input with ${outChannels} channels for weight ${show(w.shape)}, got ${x.shape[1]} channels, input ${show(x.shape)}`,
    );
  }
  const channels = perGroup * groups;
  checkGroups(op, groups, outChannels, "input channels", channels);
  const stride = sizesOf(op, "stride", o.stride ?? 1, rank, 1);
  const padding = sizesOf(op, "padding", o.padding ?? 0, rank, 0);
  const dilation = sizesOf(op, "dilation", o.dilation ?? 1, rank, 1);
  const extra = sizesOf(op, "outputPadding", o.outputPadding ?? 0, rank, 0);
  const input = output.map((n, d) => {
    const [k, p, s, r, e] = [kernel[d], padding[d], stride[d], dilation[d], extra[d]] as [
      number,
      number,
      number,
      number,
      number,
    ];
    if (e >= s && e >= r) {
      throw new ValueError(
        `[${op}] outputPadding must be less than stride or dilation: got outputPadding ${show(extra)}, stride ${show(stride)}, dilation ${show(dilation)}`,
      );
    }
    const size = (n - 1) * s - 2 * p + r * (k - 1) + e + 1;
    if (size < 1 || n < 1) {
      throw new ShapeError(
        `[${op}] the output would be empty: got input ${show(x.shape)}, kernel ${show(kernel)}, padding ${show(padding)}; try less padding`,
      );
    }
    return size;
  });
  return { channels, outChannels, groups, input, output, kernel, stride, padding, dilation };
}

function convTransposeNd(
  op: string,
  rank: number,
  x: Tensor,
  w: Tensor,
  given: Tensor | null | ConvTransposeOptions | undefined,
  options: ConvTransposeOptions | undefined,
): Tensor {
  const [bias, o] = biasAndOptions(op, given, options, CONV_TRANSPOSE_OPTIONS);
  if (w.shape.length !== rank + 2) {
    throw new ShapeError(
      `[${op}] expected a weight of ${rank + 2} dimensions (in, out / groups, kernel), got ${show(w.shape)}`,
    );
  }
  checkTypes(op, x, w, bias);
  checkBias(op, bias, (w.shape[1] as number) * (o.groups ?? 1));
  if (!isFloat(x.code)) {
    const wide = (t: Tensor) => cast(t, FLOAT64); // exact below 2^53
    const exact = { ...o, bias: bias === null ? null : wide(bias) };
    return cast(convTransposeNd(op, rank, wide(x), wide(w), exact, undefined), x.code);
  }
  return batched(op, x, rank, (images) => {
    const g = geometry(op, images, w, rank, o);
    if (bias === null || takesBias(g, images.code)) return convInput(images, w, g, bias);
    return add(convInput(images, w, g), reshape(bias, [-1, ...new Array<number>(rank).fill(1)]));
  });
}

/**
 * The transpose of {@link conv1d} in the input: spreads each element of (N, C, L) or (C, L) over a window of the
 * output. The weight is (C, O / groups, K); the output's length is (L - 1) stride - 2 padding + dilation (K - 1) +
 * outputPadding + 1. Source: `torch.nn.functional.conv_transpose1d`.
 * @throws ValueError when outputPadding is no less than stride and dilation.
 */
export function convTranspose1d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null | ConvTransposeOptions,
  options?: ConvTransposeOptions,
): Tensor {
  needTensor("convTranspose1d", input);
  needTensor("convTranspose1d", weight, "weight");
  return convTransposeNd("convTranspose1d", 1, input, weight, bias, options);
}

/**
 * As {@link convTranspose1d} for images (N, C, H, W) or (C, H, W). Source: `torch.nn.functional.conv_transpose2d`.
 * @example
 * convTranspose2d(ones([1, 4, 5, 5]), ones([4, 2, 3, 3]), { stride: 2 }).shape; // [1, 2, 11, 11]
 */
export function convTranspose2d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null | ConvTransposeOptions,
  options?: ConvTransposeOptions,
): Tensor {
  needTensor("convTranspose2d", input);
  needTensor("convTranspose2d", weight, "weight");
  return convTransposeNd("convTranspose2d", 2, input, weight, bias, options);
}

/** As {@link convTranspose1d} for volumes (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.functional.conv_transpose3d`. */
export function convTranspose3d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null | ConvTransposeOptions,
  options?: ConvTransposeOptions,
): Tensor {
  needTensor("convTranspose3d", input);
  needTensor("convTranspose3d", weight, "weight");
  return convTransposeNd("convTranspose3d", 3, input, weight, bias, options);
}
