/** Rearrangements of channels: pixelShuffle, pixelUnshuffle, channelShuffle. */
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { clone } from "./cast.js";
import { needTensor } from "./core.js";
import { permute, reshape, transpose } from "./view.js";

function checkFactor(op: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new ValueError(`[${op}] ${name} must be a whole number >= 1, got ${value}`);
}

/** The result, never a view of the input: with a factor of 1 nothing moves. */
function ownCopy(input: Tensor, result: Tensor): Tensor {
  return result.storage === input.storage ? clone(result) : result;
}

function checkImage(
  op: string,
  x: Tensor,
): readonly [lead: readonly number[], channels: number, height: number, width: number] {
  if (x.shape.length < 3)
    throw new ShapeError(`[${op}] expected at least 3 dimensions (*, C, H, W), got shape ${show(x.shape)}`);
  const [channels, height, width] = x.shape.slice(-3) as [number, number, number];
  return [x.shape.slice(0, -3), channels, height, width];
}

/**
 * Rearranges (*, C r^2, H, W) to (*, C, H r, W r): each group of r^2 channels becomes a block of r x r pixels.
 * Source: `torch.nn.functional.pixel_shuffle`.
 * @example
 * pixelShuffle(ones([1, 9, 4, 4]), 3).shape; // [1, 1, 12, 12]
 * @throws ShapeError when r^2 does not divide the channels.
 */
export function pixelShuffle(input: Tensor, upscaleFactor: number): Tensor {
  needTensor("pixelShuffle", input);
  const r = upscaleFactor;
  checkFactor("pixelShuffle", "upscaleFactor", r);
  const [lead, channels, h, w] = checkImage("pixelShuffle", input);
  if (channels % (r * r) !== 0) {
    throw new ShapeError(
      `[pixelShuffle] the channels must be divisible by ${r * r}, upscaleFactor squared: got shape ${show(input.shape)}`,
    );
  }
  const n = lead.length;
  const split = reshape(input, [...lead, channels / (r * r), r, r, h, w]);
  const order = [...lead.keys(), n, n + 3, n + 1, n + 4, n + 2];
  return ownCopy(input, reshape(permute(split, order), [...lead, channels / (r * r), h * r, w * r]));
}

/**
 * Rearranges (*, C, H r, W r) to (*, C r^2, H, W): the inverse of {@link pixelShuffle}.
 * Source: `torch.nn.functional.pixel_unshuffle`.
 * @throws ShapeError when r does not divide height and width.
 */
export function pixelUnshuffle(input: Tensor, downscaleFactor: number): Tensor {
  needTensor("pixelUnshuffle", input);
  const r = downscaleFactor;
  checkFactor("pixelUnshuffle", "downscaleFactor", r);
  const [lead, channels, h, w] = checkImage("pixelUnshuffle", input);
  if (h % r !== 0 || w % r !== 0) {
    throw new ShapeError(
      `[pixelUnshuffle] height and width must be divisible by downscaleFactor ${r}: got shape ${show(input.shape)}`,
    );
  }
  const n = lead.length;
  const split = reshape(input, [...lead, channels, h / r, r, w / r, r]);
  const order = [...lead.keys(), n, n + 2, n + 4, n + 1, n + 3];
  return ownCopy(input, reshape(permute(split, order), [...lead, channels * r * r, h / r, w / r]));
}

/**
 * Splits the channels of (N, C, *) into groups and interleaves them. Source: `torch.nn.functional.channel_shuffle`.
 * @example
 * channelShuffle(arange(4).reshape([1, 4, 1]), 2).flatten().toArray(); // [0, 2, 1, 3]
 * @throws ShapeError when groups does not divide the channels.
 */
export function channelShuffle(input: Tensor, groups: number): Tensor {
  needTensor("channelShuffle", input);
  checkFactor("channelShuffle", "groups", groups);
  if (input.shape.length < 3)
    throw new ShapeError(
      `[channelShuffle] expected at least 3 dimensions (N, C, *), got shape ${show(input.shape)}`,
    );
  const [batch, channels, ...rest] = input.shape as [number, number, ...number[]];
  if (channels % groups !== 0) {
    throw new ShapeError(
      `[channelShuffle] groups ${groups} must divide the channels: got shape ${show(input.shape)}`,
    );
  }
  const split = reshape(input, [batch, groups, channels / groups, ...rest]);
  return reshape(transpose(split, 1, 2), input.shape);
}

/** Same as {@link channelShuffle}. Source: `torch.nn.functional.native_channel_shuffle`. */
export function nativeChannelShuffle(input: Tensor, groups: number): Tensor {
  needTensor("nativeChannelShuffle", input);
  return channelShuffle(input, groups);
}
