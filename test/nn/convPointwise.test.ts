/** Convolutions with kernels of one element, which are matrix products by image: against plain products, and bits. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DType, einsum, grad, manualSeed, nn, randn, type Tensor } from "../../src/index.js";
import { gradgradcheck } from "../../src/testing/index.js";
import { expectClose, numbers, sameForAllThreads } from "./checks.js";

const F = nn.functional;

type Sizes = readonly number[];

const leaf = (shape: Sizes, dtype: DType = "float64") => randn(shape, { dtype, requiresGrad: true });

/** Every stride-th pixel in both dimensions. */
function chosen(x: Tensor, [s, t]: readonly [number, number]): Tensor {
  return x.slice(2, { step: s }).slice(3, { step: t });
}

/** y and the gradients of a call by what it was given. */
function all(y: Tensor, inputs: readonly Tensor[]): Tensor[] {
  manualSeed(9);
  return [y, ...(grad(y, [...inputs], { gradOutputs: randn(y.shape, { dtype: y.dtype }) }) as Tensor[])];
}

describe("values and gradients are those of a product by pixel", () => {
  test("for any sizes and strides", () => {
    const geometry = fc.record({
      n: fc.integer({ min: 1, max: 5 }),
      c: fc.integer({ min: 1, max: 70 }),
      o: fc.integer({ min: 1, max: 70 }),
      h: fc.integer({ min: 1, max: 24 }),
      w: fc.integer({ min: 7, max: 40 }),
      s: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
      bias: fc.boolean(),
    });
    fc.assert(
      fc.property(geometry, ({ n, c, o, h, w, s, bias }) => {
        manualSeed(4);
        const [x, k, b] = [leaf([n, c, h, w]), leaf([o, c, 1, 1]), leaf([o])];
        const inputs = bias ? [x, k, b] : [x, k];
        const plain = einsum("nchw,ocij->nohw", [chosen(x, s), k]);
        const expected = all(bias ? plain.add(b.reshape([o, 1, 1])) : plain, inputs);
        const got = all(F.conv2d(x, k, { bias: bias ? b : null, stride: s }), inputs);
        // Sums of up to 4,800 products of size 1 in another order.
        got.forEach((t, i) => {
          expectClose(t, numbers(expected[i] as Tensor), 1e-12, 1e-11);
        });
      }),
      { numRuns: 60 },
    );
  });

  test("more images than are queued together, few large ones, sums longer than a block, small planes", () => {
    const sizes = [
      [300, 16, 32, 16, 16],
      [1, 24, 40, 60, 64],
      [2, 800, 20, 9, 9],
      [6, 96, 176, 5, 5],
    ] as const;
    for (const [n, c, o, h, w] of sizes) {
      manualSeed(6);
      const [x, k, b] = [leaf([n, c, h, w]), leaf([o, c, 1, 1]), leaf([o])];
      const expected = all(einsum("nchw,ocij->nohw", [x, k]).add(b.reshape([o, 1, 1])), [x, k, b]);
      all(F.conv2d(x, k, b), [x, k, b]).forEach((t, i) => {
        // Sums of up to 76,800 products.
        expectClose(t, numbers(expected[i] as Tensor), 1e-12, 1e-10);
      });
    }
  });

  test("signals, volumes and the transposed convolution", () => {
    manualSeed(2);
    const [x, k, b] = [randn([3, 20, 130]), randn([24, 20, 1]), randn([24])];
    const images = F.conv2d(x.unsqueeze(2), k.unsqueeze(2), b);
    expect(numbers(F.conv1d(x, k, b))).toEqual(numbers(images));
    const volumes = F.conv3d(x.reshape([3, 20, 10, 1, 13]), k.reshape([24, 20, 1, 1, 1]), b);
    expect(numbers(volumes)).toEqual(numbers(images));
    const [y, bias] = [leaf([3, 24, 9, 11]), leaf([20])];
    const w = leaf([24, 20, 1, 1]);
    const transposed = F.convTranspose2d(y, w, bias, { stride: [2, 1] });
    const plain = einsum("nohw,ocij->nchw", [y, w]).add(bias.reshape([20, 1, 1]));
    expectClose(transposed.slice(2, { step: 2 }), numbers(plain), 1e-12, 1e-12);
    // Rows that no input reaches hold the bias.
    const between = transposed.slice(2, { start: 1, step: 2 });
    expectClose(between, numbers(bias.reshape([20, 1, 1]).expand(between.shape)), 0);
  });
});

test("second derivatives", () => {
  manualSeed(3);
  const inputs = [leaf([1, 36, 9, 8]), leaf([57, 36, 1, 1]), leaf([57])];
  gradgradcheck((x, k, b) => F.conv2d(x as Tensor, k as Tensor, b as Tensor), inputs, undefined, {
    fastMode: true,
  });
});

test("every number of threads gives the same bits", () => {
  for (const stride of [1, 2]) {
    manualSeed(5);
    const inputs = [leaf([3, 48, 33, 31], "float32"), leaf([70, 48, 1, 1], "float32"), leaf([70], "float32")];
    const [x, k, b] = inputs as [Tensor, Tensor, Tensor];
    sameForAllThreads(() => all(F.conv2d(x, k, b, { stride }), inputs));
  }
});
