/** Layers of convolutions, and what convolutions refuse. */
import { describe, expect, test } from "vitest";
import { manualSeed, nn, ones, type Tensor } from "../../src/index.js";
import { make } from "../registry/make.js";
import { expectClose, numbers } from "./checks.js";

const F = nn.functional;

describe("errors name the op, what it got and what it expected", () => {
  const x = ones([1, 4, 5, 5]);
  const w = ones([6, 4, 3, 3]);
  test.each([
    [
      "channels",
      () => F.conv2d(ones([1, 3, 5, 5]), w),
      /\[conv2d\] expected an input with 4 channels.*got 3 channels/,
    ],
    ["dimensions", () => F.conv2d(ones([5, 5]), w), /\[conv2d\] expected an input of 3 .* or 4 dimensions/],
    ["weight", () => F.conv2d(x, ones([6, 4, 3])), /\[conv2d\] expected a weight of 4 dimensions/],
    [
      "kernel",
      () => F.conv2d(x, ones([6, 4, 7, 3])),
      /kernel is larger than the padded input.*\[1, 4, 5, 5\]/,
    ],
    ["bias", () => F.conv2d(x, w, ones([5])), /expected a bias of shape \[6\], got \[5\]/],
    ["dtype", () => F.conv2d(x, w.double()), /one dtype, got float32, float64/],
    ["stride", () => F.conv2d(x, w, { stride: 0 }), /stride must be whole numbers >= 1, got 0/],
    ["padding", () => F.conv2d(x, w, { padding: -1 }), /padding must be whole numbers >= 0, got -1/],
    ["sizes", () => F.conv2d(x, w, { stride: [1, 1, 1] }), /stride must be 1 or 2 numbers, got \[1, 1, 1\]/],
    [
      "same",
      () => F.conv2d(x, w, { stride: 2, padding: "same" }),
      /padding "same" is not defined for strides/,
    ],
    ["groups", () => F.conv2d(x, w, { groups: 3 }), /groups must divide the channels/],
    [
      "output padding",
      () => F.convTranspose2d(x, ones([4, 2, 3, 3]), { outputPadding: 1 }),
      /outputPadding must be less than stride or dilation/,
    ],
    [
      "transposed channels",
      () => F.convTranspose2d(x, ones([3, 2, 3, 3])),
      /expected an input with 3 channels/,
    ],
    [
      "layer groups",
      () => new nn.Conv2d(4, 6, 3, { groups: 4 }),
      /\[Conv2d\] outChannels must be divisible by groups/,
    ],
    ["layer sizes", () => new nn.Conv1d(4, 6, 0), /\[Conv1d\] kernelSize must be whole numbers >= 1, got 0/],
    [
      "layer mode",
      () => new nn.Conv2d(4, 6, 3, { paddingMode: "mirror" as never }),
      /\[Conv2d\] paddingMode must be one of/,
    ],
    [
      "transposed mode",
      () => new nn.ConvTranspose2d(4, 6, 3, { paddingMode: "reflect" as never }),
      /only zeros can pad/,
    ],
    [
      "output size",
      () => new nn.ConvTranspose2d(4, 6, 3, { stride: 2 })(x, { outputSize: [13, 11] }),
      /\[ConvTranspose2d\] cannot give the size 13/,
    ],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(message);
  });
});

describe("layers", () => {
  // torch.manual_seed(0); m = nn.Conv2d(1, 16, 3); m.weight.flatten()[:2]; m.bias[:2] (and so on)
  test.each([
    [() => new nn.Conv1d(4, 6, 3, { groups: 2 }), [-0.0030565, 0.2190022], [-0.2383111, 0.3509294]],
    [() => new nn.Conv2d(1, 16, 3), [-0.0024956, 0.1788145], [-0.2994405, -0.1580257]],
    [() => new nn.Conv3d(2, 3, 2), [-0.0018717, 0.1341109], [-0.1108738, -0.0090206]],
    [() => new nn.ConvTranspose1d(4, 6, 3, { groups: 2 }), [-0.0024956, 0.1788145], [-0.1945802, 0.2865327]],
    [() => new nn.ConvTranspose2d(3, 2, 3), [-0.0017647, 0.126441], [0.1580351, -0.138782]],
    [() => new nn.ConvTranspose3d(2, 3, 2), [-0.0015282, 0.1095011], [-0.090528, -0.0073653]],
  ])("start with PyTorch's values for the same seed: %s", (make, weight, bias) => {
    manualSeed(0);
    const layer: nn.ConvNd | nn.ConvTransposeNd = make();
    expectClose(layer.weight.flatten().narrow(0, 0, 2), weight, 1e-6, 1e-6);
    expectClose(layer.bias?.narrow(0, 0, 2) as Tensor, bias, 1e-6, 1e-6);
  });

  test.each([
    [new nn.Conv1d(16, 33, 3, { stride: 2 }), "Conv1d(16, 33, kernelSize=(3), stride=(2))"],
    [
      new nn.Conv2d(4, 8, [3, 5], 2, {
        padding: [1, 2],
        dilation: 2,
        groups: 4,
        bias: false,
        paddingMode: "circular",
      }),
      "Conv2d(4, 8, kernelSize=(3, 5), stride=(2, 2), padding=(1, 2), dilation=(2, 2), groups=4, bias=false, paddingMode=circular)",
    ],
    [
      new nn.Conv2d(1, 1, 3, { padding: "same" }),
      "Conv2d(1, 1, kernelSize=(3, 3), stride=(1, 1), padding=same)",
    ],
    [
      new nn.ConvTranspose2d(2, 4, 3, { stride: 2, outputPadding: 1 }),
      "ConvTranspose2d(2, 4, kernelSize=(3, 3), stride=(2, 2), outputPadding=(1, 1))",
    ],
  ])("print as PyTorch's: %s", (layer, text) => {
    expect(String(layer)).toBe(text);
  });

  test.each(["reflect", "replicate", "circular"] as const)(
    "pad in mode %s, for numbers and for same",
    (paddingMode) => {
      const x = make([2, 3, 6, 5], { dtype: "float32" });
      for (const padding of [1, "same"] as const) {
        const layer = new nn.Conv2d(3, 2, 3, { padding, paddingMode });
        const padded = F.pad(x, [1, 1, 1, 1], { mode: paddingMode });
        expect(numbers(layer(x))).toEqual(numbers(F.conv2d(padded, layer.weight, layer.bias)));
      }
    },
  );

  test("transposed ones reach every output size that the stride allows", () => {
    const layer = new nn.ConvTranspose2d(2, 3, 3, { stride: 2, padding: 1 });
    const x = ones([1, 2, 6, 6]);
    expect(layer(x).shape).toEqual([1, 3, 11, 11]);
    expect(layer(x, { outputSize: [12, 11] }).shape).toEqual([1, 3, 12, 11]);
    expect(layer(x, [1, 3, 12, 12]).shape).toEqual([1, 3, 12, 12]);
  });

  test("lazy ones become plain, with the values that those would have", () => {
    manualSeed(3);
    const plain = new nn.Conv2d(5, 8, 3, { groups: 1 });
    manualSeed(3);
    const lazy = new nn.LazyConv2d(8, 3);
    lazy(ones([2, 5, 6, 6]));
    expect(lazy.constructor).toBe(nn.Conv2d);
    expect(lazy.inChannels).toBe(5);
    expect(numbers(lazy.weight)).toEqual(numbers(plain.weight));
    expect(numbers(lazy.bias as Tensor)).toEqual(numbers(plain.bias as Tensor));
    const up = new nn.LazyConvTranspose1d(4, 2, { groups: 2 });
    expect(up(ones([6, 5])).shape).toEqual([4, 6]);
    expect(up.weight.shape).toEqual([6, 2, 2]);
  });
});
