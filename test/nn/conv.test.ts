/** Convolutions: derivatives of every order, values against direct sums, options, layers, errors. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grad, manualSeed, nn, randn, type Tensor, tensor, zeros } from "../../src/index.js";
import { make } from "../registry/make.js";
import { type Call, checkCalls, expectClose, numbers, sameForAllThreads } from "./checks.js";

const F = nn.functional;

const m = (shape: readonly number[], seed = 1) => make(shape, { seed });

const image = () => [m([2, 4, 5, 6]), m([6, 2, 3, 2], 2), m([6], 3)];
const calls: Record<string, Call> = {
  conv1d: {
    args: () => [m([2, 3, 7]), m([4, 3, 3], 2), m([4], 3)],
    fn: (x, w, b) => F.conv1d(x, w, b, { stride: 2, padding: 1 }),
  },
  "conv1d, one signal": {
    args: () => [m([3, 7]), m([2, 3, 2], 2)],
    fn: (x, w) => F.conv1d(x, w, { dilation: 2 }),
  },
  "conv2d, groups, stride": {
    args: image,
    fn: (x, w, b) => F.conv2d(x, w, b, { groups: 2, stride: [2, 1], padding: [1, 0] }),
  },
  "conv2d, dilation": {
    args: image,
    fn: (x, w, b) => F.conv2d(x, w, b, { groups: 2, dilation: [1, 3], padding: [0, 1] }),
  },
  "conv2d, same": { args: image, fn: (x, w, b) => F.conv2d(x, w, b, { groups: 2, padding: "same" }) },
  "conv2d, same, wide": {
    args: () => [m([1, 1, 3, 17]), m([1, 1, 1, 4], 2)],
    fn: (x, w) => F.conv2d(x, w, { padding: "same" }),
  },
  "conv2d, pointwise": { args: () => [m([2, 3, 4, 5]), m([2, 3, 1, 1], 2)], fn: (x, w) => F.conv2d(x, w) },
  "conv2d, one output": { args: () => [m([3, 2, 3, 3]), m([4, 2, 3, 3], 2)], fn: (x, w) => F.conv2d(x, w) },
  "conv2d, depthwise": {
    args: () => [m([2, 3, 5, 9]), m([3, 1, 3, 3], 2), m([3], 3)],
    fn: (x, w, b) => F.conv2d(x, w, b, { groups: 3, padding: 1 }),
  },
  conv3d: {
    args: () => [m([2, 2, 4, 3, 4]), m([3, 2, 2, 2, 3], 2), m([3], 3)],
    fn: (x, w, b) => F.conv3d(x, w, b, { padding: [1, 0, 1], stride: [2, 1, 1] }),
  },
  "conv3d, groups, dilation": {
    args: () => [m([1, 2, 5, 3, 3]), m([2, 1, 2, 2, 1], 2)],
    fn: (x, w) => F.conv3d(x, w, { groups: 2, dilation: [3, 1, 1], padding: [2, 1, 0] }),
  },
  "conv3d, same": {
    args: () => [m([1, 1, 3, 3, 3]), m([1, 1, 2, 3, 2], 2)],
    fn: (x, w) => F.conv3d(x, w, { padding: "same" }),
  },
  "conv3d, pointwise": {
    args: () => [m([2, 2, 2, 2, 3]), m([3, 2, 1, 1, 1], 2)],
    fn: (x, w) => F.conv3d(x, w),
  },
  convTbc: {
    args: () => [m([5, 2, 3]), m([2, 3, 4], 2), m([4], 3)],
    fn: (x, w, b) => F.convTbc(x, w, b, { pad: 1 }),
  },
  convTranspose1d: {
    args: () => [m([2, 4, 4]), m([4, 3, 3], 2), m([6], 3)],
    fn: (x, w, b) => F.convTranspose1d(x, w, b, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
  },
  convTranspose2d: {
    args: () => [m([2, 2, 3, 4]), m([2, 3, 3, 2], 2), m([3], 3)],
    fn: (x, w, b) => F.convTranspose2d(x, w, b, { stride: [2, 3], padding: [0, 1], outputPadding: [1, 2] }),
  },
  "convTranspose2d, output padding below dilation": {
    args: () => [m([2, 2, 3, 3]), m([2, 2, 1, 2], 2)],
    fn: (x, w) => F.convTranspose2d(x, w, { dilation: 3, outputPadding: 2 }),
  },
  "convTranspose2d, one image": {
    args: () => [m([2, 3, 4]), m([2, 1, 2, 2], 2)],
    fn: (x, w) => F.convTranspose2d(x, w),
  },
  convTranspose3d: {
    args: () => [m([1, 2, 2, 3, 2]), m([2, 2, 2, 2, 2], 2), m([2], 3)],
    fn: (x, w, b) =>
      F.convTranspose3d(x, w, b, { stride: [2, 1, 2], outputPadding: [1, 0, 0], padding: [0, 1, 0] }),
  },
};

checkCalls(calls);

/** y[n, o, i, j] by its definition. */
function direct(
  x: Tensor,
  w: Tensor,
  o: { stride: number; padding: number; dilation: number; groups: number },
): number[] {
  const [n, c, h, width] = x.shape as [number, number, number, number];
  const [out, per, kh, kw] = w.shape as [number, number, number, number];
  const [xs, ws] = [numbers(x), numbers(w)];
  const size = (length: number, k: number) =>
    Math.floor((length + 2 * o.padding - o.dilation * (k - 1) - 1) / o.stride) + 1;
  const y: number[] = [];
  for (let b = 0; b < n; b++) {
    for (let f = 0; f < out; f++) {
      for (let i = 0; i < size(h, kh); i++) {
        for (let j = 0; j < size(width, kw); j++) {
          let sum = 0;
          for (let q = 0; q < per; q++) {
            const channel = Math.floor(f / (out / o.groups)) * per + q;
            for (let s = 0; s < kh; s++) {
              for (let t = 0; t < kw; t++) {
                const [r, k] = [
                  i * o.stride + s * o.dilation - o.padding,
                  j * o.stride + t * o.dilation - o.padding,
                ];
                if (r < 0 || r >= h || k < 0 || k >= width) continue;
                const at = ((b * c + channel) * h + r) * width + k;
                sum += (xs[at] as number) * (ws[((f * per + q) * kh + s) * kw + t] as number);
              }
            }
          }
          y.push(sum);
        }
      }
    }
  }
  return y;
}

const inner = (a: Tensor, b: Tensor) => a.mul(b).sum().item();

describe("for any geometry", () => {
  const geometry = fc.record({
    n: fc.integer({ min: 0, max: 3 }),
    per: fc.integer({ min: 1, max: 3 }),
    out: fc.integer({ min: 1, max: 7 }),
    groups: fc.integer({ min: 1, max: 3 }),
    h: fc.integer({ min: 1, max: 9 }),
    w: fc.integer({ min: 1, max: 21 }),
    kh: fc.integer({ min: 1, max: 4 }),
    kw: fc.integer({ min: 1, max: 5 }),
    stride: fc.integer({ min: 1, max: 3 }),
    padding: fc.integer({ min: 0, max: 4 }),
    dilation: fc.integer({ min: 1, max: 3 }),
  });

  test("the output is the direct sum, and both gradients are its transposes", () => {
    fc.assert(
      fc.property(geometry, ({ n, per, out, groups, h, w, kh, kw, ...o }) => {
        const reach = (k: number) => o.dilation * (k - 1) + 1;
        fc.pre(h + 2 * o.padding >= reach(kh) && w + 2 * o.padding >= reach(kw));
        const options = { ...o, groups };
        const x = m([n, per * groups, h, w]);
        const weight = m([out * groups, per, kh, kw], 2);
        const y = F.conv2d(x, weight, options);
        expectClose(y, direct(x, weight, options), 1e-12);
        // <gy, x * w> = <gx, x> = <gw, w>
        const gy = make(y.shape, { seed: 4, requiresGrad: false });
        const [gx, gw] = grad(y, [x, weight], { gradOutputs: gy }) as [Tensor, Tensor];
        const value = inner(gy, y.detach());
        expect(inner(gx, x.detach())).toBeCloseTo(value, 9);
        expect(inner(gw, weight.detach())).toBeCloseTo(value, 9);
      }),
      { numRuns: 150 },
    );
  });

  test("a transposed convolution is the transpose of the convolution", () => {
    fc.assert(
      fc.property(geometry, ({ n, per, out, groups, h, w, kh, kw, ...o }) => {
        const size = (l: number, k: number) => (l - 1) * o.stride - 2 * o.padding + o.dilation * (k - 1) + 1;
        fc.pre(size(h, kh) > 0 && size(w, kw) > 0);
        const y = make([n, out * groups, h, w], { seed: 5, requiresGrad: false });
        const weight = make([out * groups, per, kh, kw], { seed: 2, requiresGrad: false });
        const x = F.convTranspose2d(y, weight, { ...o, groups });
        expect(x.shape).toEqual([n, per * groups, size(h, kh), size(w, kw)]);
        const probe = make(x.shape, { seed: 6, requiresGrad: false });
        expect(inner(x, probe)).toBeCloseTo(inner(F.conv2d(probe, weight, { ...o, groups }), y), 9);
      }),
      { numRuns: 100 },
    );
  });
});

describe("every way of computing gives the sums over unfolded patches", () => {
  test.each([
    ["few outputs in a row, many channels", [3, 40, 6, 5], [48, 40, 3, 3], { padding: 1 }],
    ["in parts of the batch", [70, 48, 8, 8], [40, 48, 3, 3], { padding: 1 }],
    ["strides", [4, 96, 9, 13], [96, 96, 3, 3], { stride: 2, dilation: 2, padding: 1 }],
    ["a kernel as large as the image", [5, 3, 4, 6], [7, 3, 4, 6], {}],
    ["one output channel, images shared", [9, 24, 40, 40], [1, 24, 3, 3], {}],
  ] as const)("%s", (_, xs, ws, options) => {
    manualSeed(1);
    const x = randn(xs, { dtype: "float64", requiresGrad: true });
    const w = randn(ws, { dtype: "float64", requiresGrad: true });
    const b = randn([ws[0]], { dtype: "float64", requiresGrad: true });
    const y = F.conv2d(x, w, b, options);
    const columns = F.unfold(x, ws.slice(2), options);
    const z = w
      .reshape([ws[0], -1])
      .matmul(columns)
      .add(b.reshape([-1, 1]))
      .reshape(y.shape);
    expectClose(y, numbers(z), 1e-11);
    const g = randn(y.shape, { dtype: "float64" });
    const got = grad(y, [x, w, b], { gradOutputs: g }) as Tensor[];
    const expected = grad(z, [x, w, b], { gradOutputs: g }) as Tensor[];
    got.forEach((t, i) => {
      expectClose(t, numbers(expected[i] as Tensor), 1e-10);
    });
    sameForAllThreads(() => {
      const again = F.conv2d(x, w, b, options);
      return [again, ...(grad(again, [x, w, b], { gradOutputs: g }) as Tensor[])];
    });
  });

  test("transposed, with and without a bias in the kernel", () => {
    const x = make([2, 64, 4, 4], { requiresGrad: false });
    const w = make([64, 32, 3, 3], { seed: 2, requiresGrad: false });
    const b = make([32], { seed: 3, requiresGrad: false });
    const plain = F.convTranspose2d(x, w, { stride: 2 });
    expectClose(F.convTranspose2d(x, w, b, { stride: 2 }), numbers(plain.add(b.reshape([32, 1, 1]))), 1e-13);
  });
});

describe("conv2d", () => {
  test("gives an input or weight no gradient that was not asked for", () => {
    const x = make([1, 2, 4, 4], { requiresGrad: false });
    const w = m([3, 2, 2, 2]);
    F.conv2d(x, w).sum().backward();
    expect(x.grad).toBeNull();
    expect(w.grad?.shape).toEqual([3, 2, 2, 2]);
  });

  test("takes the bias positionally, in the options, or not at all", () => {
    const [x, w, b] = [m([1, 1, 3, 3]), m([2, 1, 2, 2]), m([2])];
    const expected = numbers(F.conv2d(x, w, b, { padding: 1 }));
    expect(numbers(F.conv2d(x, w, { bias: b, padding: 1 }))).toEqual(expected);
    expect(numbers(F.conv2d(x, w, null, { padding: 1 }).add(b.reshape([2, 1, 1])))).toEqual(expected);
  });

  test("of whole numbers is exact", () => {
    const x = tensor([[[1, 2, 3]]]);
    expect(F.conv1d(x, tensor([[[1, -1]]]))).toMatchObject({ dtype: "int64" });
    expect(F.conv1d(x, tensor([[[1, -1]]])).toArray()).toEqual([[[-1, -1]]]);
  });

  test("of an empty batch gives empty outputs and zero gradients", () => {
    const [x, w, b] = [m([0, 2, 4, 4]), m([3, 2, 2, 2]), m([3])];
    const y = F.conv2d(x, w, b);
    expect(y.shape).toEqual([0, 3, 3, 3]);
    y.sum().backward();
    expect(x.grad?.shape).toEqual([0, 2, 4, 4]);
    expect(numbers(w.grad as Tensor).every((v) => v === 0)).toBe(true);
    expect(numbers(b.grad as Tensor)).toEqual([0, 0, 0]);
  });

  test("of no channels is the bias", () => {
    const y = F.conv2d(zeros([1, 0, 3, 3]), zeros([2, 0, 2, 2]), tensor([1.5, -2]));
    expect(y.toArray()).toEqual([
      [
        [
          [1.5, 1.5],
          [1.5, 1.5],
        ],
        [
          [-2, -2],
          [-2, -2],
        ],
      ],
    ]);
  });

  test.each([
    ["large images", [6, 8, 30, 33], [24, 8, 3, 3], { padding: 1 }],
    ["few images, many channels", [1, 24, 20, 20], [40, 24, 3, 3], {}],
    ["strides and groups", [4, 24, 31, 29], [36, 6, 5, 3], { stride: 2, groups: 4 }],
  ] as const)("has the same bits for every number of threads: %s", (_, xs, ws, options) => {
    manualSeed(0);
    const x = randn(xs, { requiresGrad: true });
    const w = randn(ws, { requiresGrad: true });
    const b = randn([ws[0]], { requiresGrad: true });
    sameForAllThreads(() => {
      const y = F.conv2d(x, w, b, options);
      return [y, ...(grad(y, [x, w, b], { gradOutputs: y.detach() }) as Tensor[])];
    });
  });

  test("conv3d has the same bits for every number of threads", () => {
    manualSeed(0);
    const x = randn([2, 12, 6, 14, 15], { requiresGrad: true });
    const w = randn([24, 12, 3, 3, 3], { requiresGrad: true });
    sameForAllThreads(() => {
      const y = F.conv3d(x, w, { padding: 1, stride: [2, 1, 1] });
      return [y, ...(grad(y, [x, w], { gradOutputs: y.detach() }) as Tensor[])];
    });
  });
});
