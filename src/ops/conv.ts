/**
 * Convolution in one to three dimensions. y = x * w is linear in x and in w, so three ops suffice, the output, the
 * gradient of the input and the gradient of the weight: the derivatives of each are the two others.
 */
import { defineOp, run } from "../autograd/op.js";
import { FLOAT64, isFloat, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { Tensor } from "../tensor/tensor.js";
import { cast, contiguous } from "./cast.js";
import { type ConvGeometry, channelSums, convBackInput, convBackWeight, convForward } from "./convRaw.js";
import { needTensor } from "./core.js";
import { batched, type Sizes, sizesOf } from "./spatial.js";
import { expand, permute, reshape } from "./view.js";

const convOp = defineOp<ConvGeometry>({
  name: "Convolution",
  saves: [0, 1],
  forward: ([x, w, b], g) => convForward(x as Tensor, w as Tensor, b ?? null, g),
  // with <gy, dx * w>: gx = gy * w transposed; gw = sum over images and pixels of gy x; gb = sum of gy
  backward: (g, n) => {
    const gy = contiguous(g); // once for all three
    return [
      n.needs(0) ? convInput(gy, n.input(1), n.attrs) : null,
      n.needs(1) ? convWeight(n.input(0), gy, n.attrs) : null,
      n.shapes.length > 2 && n.needs(2) ? sumByChannel(gy) : null,
    ];
  },
});

const convInputOp = defineOp<ConvGeometry>({
  name: "ConvolutionTranspose",
  saves: [0, 1],
  forward: ([y, w, b], g) => convBackInput(y as Tensor, w as Tensor, b ?? null, g),
  backward: (gx, n) => [
    n.needs(0) ? conv(gx, n.input(1), n.attrs) : null,
    n.needs(1) ? convWeight(gx, n.input(0), n.attrs) : null,
    n.shapes.length > 2 && n.needs(2) ? sumByChannel(gx) : null,
  ],
});

const convWeightOp = defineOp<ConvGeometry>({
  name: "ConvolutionWeight",
  saves: [0, 1],
  forward: ([x, y], g) => convBackWeight(x as Tensor, y as Tensor, g),
  backward: (gw, n) => [
    n.needs(0) ? convInput(n.input(1), gw, n.attrs) : null,
    n.needs(1) ? conv(n.input(0), gw, n.attrs) : null,
  ],
});

const sumByChannelOp = defineOp({
  name: "ChannelSum",
  forward: ([x]) => channelSums(x as Tensor),
  backward: (g, n) => {
    const shape = n.shape(0);
    return [expand(reshape(g, [-1, ...shape.slice(2).map(() => 1)]), shape)];
  },
});

function conv(x: Tensor, w: Tensor, g: ConvGeometry): Tensor {
  return run(convOp, [x, w], g);
}

function convWeight(x: Tensor, y: Tensor, g: ConvGeometry): Tensor {
  return run(convWeightOp, [x, y], g);
}

/** Sum over all dimensions but the second. */
function sumByChannel(x: Tensor): Tensor {
  return run(sumByChannelOp, [x], null);
}

/** The transposed convolution: from outputs [N, outChannels, ...] to inputs [N, channels, ...]. @internal */
export function convInput(y: Tensor, w: Tensor, g: ConvGeometry, bias: Tensor | null = null): Tensor {
  return run(convInputOp, bias === null ? [y, w] : [y, w, bias], g);
}

/** Options of convolutions. */
export interface ConvOptions {
  /** Added to each output channel; shape (outChannels). */
  bias?: Tensor | null;
  /** Distance between neighbouring windows (default 1). */
  stride?: Sizes;
  /** Zeros around the input on both sides (default 0); "same" for outputs as large as the input, "valid" for 0. */
  padding?: Sizes | "same" | "valid";
  /** Distance between the taps of the kernel (default 1). */
  dilation?: Sizes;
  /** Number of blocks that input and output channels are split into, each convolved for itself (default 1). */
  groups?: number;
}

const CONV_OPTIONS: OptionNames<ConvOptions> = { bias: 1, stride: 1, padding: 1, dilation: 1, groups: 1 };

/** The bias and the options of a call with the bias positional or among them. @internal */
export function biasAndOptions<O extends { bias?: Tensor | null }>(
  op: string,
  bias: Tensor | null | O | undefined,
  options: O | undefined,
  names: OptionNames<O>,
): [Tensor | null, O] {
  checkOptions(op, options, names);
  if (bias instanceof Tensor) return [bias, options ?? ({} as O)];
  checkNames(op, bias, names);
  const o = options === undefined ? ((bias ?? {}) as O) : { ...bias, ...options };
  return [o.bias ?? null, o];
}

/** Throws unless input, weight and bias have one dtype. @internal */
export function checkTypes(op: string, x: Tensor, w: Tensor, bias: Tensor | null): void {
  if (x.code !== w.code || (bias !== null && bias.code !== x.code)) {
    const got = [x, w, ...(bias === null ? [] : [bias])].map((t) => nameOf(t.code)).join(", ");
    throw new DTypeError(
      `[${op}] expected input, weight and bias of one dtype, got ${got}; try input.to("${nameOf(w.code)}")`,
    );
  }
}

/** Throws unless `groups` divides both numbers of channels. @internal */
export function checkGroups(op: string, groups: number, x: number, what: string, out: number): void {
  if (!Number.isInteger(groups) || groups < 1)
    throw new ValueError(`[${op}] groups must be a whole number >= 1, got ${groups}`);
  if (x % groups !== 0 || out % groups !== 0) {
    throw new ValueError(
      `[${op}] groups must divide the channels: got groups ${groups}, ${x} ${what} and ${out} output channels`,
    );
  }
}

/** Throws unless the bias is a vector with an element for each output channel. @internal */
export function checkBias(op: string, bias: Tensor | null, channels: number): void {
  if (bias !== null && (bias.shape.length !== 1 || bias.shape[0] !== channels)) {
    throw new ShapeError(`[${op}] expected a bias of shape ${show([channels])}, got ${show(bias.shape)}`);
  }
}

function geometry(op: string, x: Tensor, w: Tensor, rank: number, o: ConvOptions): ConvGeometry {
  const kernel = w.shape.slice(2);
  const input = x.shape.slice(2);
  const groups = o.groups ?? 1;
  const channels = x.shape[1] as number;
  const outChannels = w.shape[0] as number;
  checkGroups(op, groups, channels, "input channels", outChannels);
  if (channels !== (w.shape[1] as number) * groups) {
    throw new ShapeError(
      `[${op}] expected an input with ${(w.shape[1] as number) * groups} channels for weight ${show(w.shape)} and ` +
        `groups ${groups}, got ${channels} channels, input ${show(x.shape)}; try a layer of ${channels} inChannels, or ` +
        "permute the channels to dimension 1",
    );
  }
  const stride = sizesOf(op, "stride", o.stride ?? 1, rank, 1);
  const dilation = sizesOf(op, "dilation", o.dilation ?? 1, rank, 1);
  const reach = kernel.map((k, d) => (k - 1) * (dilation[d] as number));
  const given = o.padding ?? 0;
  if (given === "same" && stride.some((s) => s !== 1)) {
    throw new ValueError(
      `[${op}] padding "same" is not defined for strides, got stride ${show(stride)}; try a number`,
    );
  }
  if (typeof given === "string" && given !== "same" && given !== "valid") {
    throw new ValueError(`[${op}] padding must be a number, "same" or "valid", got "${given as string}"`);
  }
  const same = given === "same";
  const padding = same
    ? reach.map((r) => r >> 1)
    : sizesOf(op, "padding", given === "valid" ? 0 : given, rank, 0);
  const output = input.map((n, d) => {
    const [k, p, s, r] = [kernel[d], padding[d], stride[d], reach[d]] as [number, number, number, number];
    if (!same && (n + 2 * p <= r || k < 1)) {
      throw new ShapeError(
        `[${op}] the kernel is larger than the padded input: got input ${show(x.shape)} with padding ${show(padding)}, ` +
          `kernel ${show(kernel)} with dilation ${show(dilation)}; try more padding`,
      );
    }
    return same ? n : Math.floor((n + 2 * p - r - 1) / s) + 1;
  });
  return { channels, outChannels, groups, input, output, kernel, stride, padding, dilation };
}

function convNd(
  op: string,
  rank: number,
  x: Tensor,
  w: Tensor,
  given?: Tensor | null | ConvOptions,
  options?: ConvOptions,
): Tensor {
  const [bias, o] = biasAndOptions(op, given, options, CONV_OPTIONS);
  if (w.shape.length !== rank + 2) {
    throw new ShapeError(
      `[${op}] expected a weight of ${rank + 2} dimensions (out, in / groups, kernel), got ${show(w.shape)}`,
    );
  }
  checkTypes(op, x, w, bias);
  checkBias(op, bias, w.shape[0] as number);
  if (!isFloat(x.code)) {
    const wide = (t: Tensor) => cast(t, FLOAT64); // exact below 2^53
    return cast(
      convNd(op, rank, wide(x), wide(w), { ...o, bias: bias === null ? null : wide(bias) }),
      x.code,
    );
  }
  return batched(op, x, rank, (images) => {
    const g = geometry(op, images, w, rank, o);
    return run(convOp, bias === null ? [images, w] : [images, w, bias], g);
  });
}

/**
 * Sums of a signal (N, C, L) or (C, L) under a sliding kernel: y[n, o, i] = bias[o] + sum over c, k of
 * w[o, c, k] x[n, c, i stride + k dilation - padding]. The weight is (O, C / groups, K); the output's length is
 * floor((L + 2 padding - dilation (K - 1) - 1) / stride) + 1. Source: `torch.nn.functional.conv1d`.
 * @throws ShapeError when channels or sizes do not fit.
 */
export function conv1d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null | ConvOptions,
  options?: ConvOptions,
): Tensor {
  needTensor("conv1d", input);
  needTensor("conv1d", weight, "weight");
  return convNd("conv1d", 1, input, weight, bias, options);
}

/**
 * As {@link conv1d} for images (N, C, H, W) or (C, H, W), with weight (O, C / groups, KH, KW). The bias may be given
 * positionally or in the options. Source: `torch.nn.functional.conv2d`.
 * @example
 * conv2d(ones([1, 3, 8, 8]), ones([4, 3, 3, 3]), { padding: 1 }).shape; // [1, 4, 8, 8]
 * @throws ShapeError when channels or sizes do not fit.
 */
export function conv2d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null | ConvOptions,
  options?: ConvOptions,
): Tensor {
  needTensor("conv2d", input);
  needTensor("conv2d", weight, "weight");
  return convNd("conv2d", 2, input, weight, bias, options);
}

/**
 * As {@link conv1d} for volumes (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.functional.conv3d`.
 * @throws ShapeError when channels or sizes do not fit.
 */
export function conv3d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null | ConvOptions,
  options?: ConvOptions,
): Tensor {
  needTensor("conv3d", input);
  needTensor("conv3d", weight, "weight");
  return convNd("conv3d", 3, input, weight, bias, options);
}

const CONV_TBC_OPTIONS: OptionNames<{ pad?: number }> = { pad: 1 };

/**
 * 1-d convolution of (time, batch, channels) with weight (kernel, in, out). Source: `torch.conv_tbc`.
 * @throws ShapeError when channels do not fit.
 */
export function convTbc(input: Tensor, weight: Tensor, bias: Tensor, options: { pad?: number } = {}): Tensor {
  needTensor("convTbc", input);
  needTensor("convTbc", weight, "weight");
  needTensor("convTbc", bias, "bias");
  checkOptions("convTbc", options, CONV_TBC_OPTIONS);
  if (input.shape.length !== 3 || weight.shape.length !== 3) {
    throw new ShapeError(
      `[convTbc] expected input (time, batch, channels) and weight (kernel, in, out), got ${show(input.shape)} and ${show(weight.shape)}`,
    );
  }
  const out = conv1d(permute(input, [1, 2, 0]), permute(weight, [2, 1, 0]), bias, {
    padding: options.pad ?? 0,
  });
  return permute(out, [2, 0, 1]);
}
