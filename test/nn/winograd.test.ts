/** 3 x 3 convolutions in float32, which go through Winograd's tiles: error, edges, numbers that are not finite, bits. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grad, manualSeed, nn, ones, randn, type Tensor } from "../../src/index.js";
import { numbers, sameForAllThreads } from "./checks.js";

const F = nn.functional;

type Sizes = readonly number[];

/** Output and gradients of a convolution of random numbers, in a dtype; the numbers are the same in both. */
function step(dtype: "float32" | "float64", x: Tensor, w: Tensor, b: Tensor, padding: Sizes): Tensor[] {
  const leaves = [x, w, b].map((t) => t.to(dtype).requiresGrad_()) as [Tensor, Tensor, Tensor];
  const y = (padding.length === 2 ? F.conv2d : F.conv3d)(...leaves, { padding });
  const g = randn(y.shape).to(dtype);
  return [y, ...(grad(y, leaves, { gradOutputs: g }) as Tensor[])];
}

/** The largest |a - b|, against the largest |b|. */
function error(a: Tensor, b: Tensor): number {
  const [p, q] = [numbers(a), numbers(b)];
  const scale = q.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-30);
  return p.reduce((most, v, i) => Math.max(most, Math.abs(v - (q[i] as number))), 0) / scale;
}

function compare(n: number, c: number, oc: number, size: Sizes, padding: Sizes): void {
  const run = (dtype: "float32" | "float64") => {
    manualSeed(3);
    const [x, w, b] = [randn([n, c, ...size]), randn([oc, c, ...size.map(() => 3)]), randn([oc])];
    return step(dtype, x, w, b, padding);
  };
  const exact = run("float64");
  run("float32").forEach((t, i) => {
    // float32 rounds by 6e-8; direct sums of these lengths are off by up to 5e-7 of the largest, tiles by up to 9e-7.
    expect(error(t, exact[i] as Tensor)).toBeLessThan(2e-6);
  });
}

describe("output and gradients are those of float64", () => {
  test("for any sizes and paddings", () => {
    const geometry = fc.record({
      n: fc.integer({ min: 1, max: 3 }),
      c: fc.integer({ min: 2, max: 9 }),
      oc: fc.integer({ min: 2, max: 11 }),
      h: fc.integer({ min: 2, max: 12 }),
      w: fc.integer({ min: 2, max: 23 }),
      p: fc.integer({ min: 0, max: 4 }),
      q: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(
      fc.property(geometry, ({ n, c, oc, h, w, p, q }) => {
        fc.pre(h + 2 * p >= 4 && w + 2 * q >= 4);
        compare(n, c, oc, [h, w], [p, q]);
      }),
      { numRuns: 120 },
    );
  });

  test.each([
    ["many images", 40, 16, 32, [14, 14]],
    ["a large image", 1, 12, 20, [61, 58]],
    ["more tiles of one row than a block holds", 1, 40, 40, [5, 301]],
    ["many channels of few tiles", 2, 96, 128, [5, 4]],
    ["slices of volumes", 2, 5, 6, [4, 7, 9]],
  ] as const)("%s", (_, n, c, oc, size) => {
    compare(
      n,
      c,
      oc,
      size,
      size.map(() => 1),
    );
  });
});

describe("numbers that are not finite", () => {
  const inputs = () => {
    manualSeed(5);
    return [randn([5, 6, 9, 10]), randn([8, 6, 3, 3]), randn([8])] as const;
  };

  test.each([Number.POSITIVE_INFINITY, Number.NaN, 3e38])("%s stays in its windows", (value) => {
    const [x, w, b] = inputs();
    x.select(0, 3).select(0, 2).select(0, 4).narrow(0, 5, 1).fill_(value);
    const y = F.conv2d(x, w.mul(1e-3), b, { padding: 1 });
    const expected = numbers(F.conv2d(x.double(), w.mul(1e-3).double(), b.double(), { padding: 1 }));
    numbers(y).forEach((v, i) => {
      const e = expected[i] as number;
      if (Number.isFinite(e)) expect(Math.abs(v - e)).toBeLessThanOrEqual(1e-5 + 1e-5 * Math.abs(e));
      else expect(v).toBe(e);
    });
    // Of the other images it changes nothing.
    const [plain] = inputs();
    const clean = F.conv2d(plain, w.mul(1e-3), b, { padding: 1 });
    const others = (t: Tensor) => numbers(t.narrow(0, 0, 3));
    expect(others(y)).toEqual(others(clean));
  });

  test("in the gradient of the output, for input and weight", () => {
    const [x, w] = inputs();
    x.requiresGrad_();
    w.requiresGrad_();
    const y = F.conv2d(x, w, { padding: 1 });
    const g = ones(y.shape);
    g.select(0, 1).select(0, 2).select(0, 0).narrow(0, 0, 1).fill_(Number.POSITIVE_INFINITY);
    const [gx, gw] = grad(y, [x, w], { gradOutputs: g }) as [Tensor, Tensor];
    const infinite = (t: Tensor) => t.isfinite().logicalNot().sum().item();
    // The window of output (0, 0) with padding 1: inputs (0..1, 0..1) of all channels of image 1.
    expect(infinite(gx)).toBe(4 * 6);
    expect(infinite(gx.select(0, 1).narrow(1, 0, 2).narrow(2, 0, 2))).toBe(4 * 6);
    // The kernels of channel 2 only, where they met inputs.
    expect(infinite(gw)).toBe(infinite(gw.select(0, 2)));
    expect(infinite(gw.select(0, 2).narrow(1, 1, 2).narrow(2, 1, 2))).toBe(4 * 6);
  });
});

describe("the bits do not depend on the number of threads", () => {
  test.each([
    ["many images", [40, 16, 14, 14], [32, 16, 3, 3]],
    ["few tiles, many channels", [2, 64, 9, 9], [96, 64, 3, 3]],
    ["one image", [1, 24, 40, 37], [40, 24, 3, 3]],
  ] as const)("%s", (_, xs, ws) => {
    manualSeed(0);
    const x = randn(xs, { requiresGrad: true });
    const w = randn(ws, { requiresGrad: true });
    sameForAllThreads(() => {
      const y = F.conv2d(x, w, { padding: 1 });
      return [y, ...(grad(y, [x, w], { gradOutputs: y.detach() }) as Tensor[])];
    });
  });

  test("an image is the same in any batch", () => {
    manualSeed(1);
    const [x, w] = [randn([7, 16, 11, 13]), randn([24, 16, 3, 3])];
    const all = F.conv2d(x, w, { padding: 1 });
    for (const i of [0, 3, 6]) {
      expect(numbers(F.conv2d(x.narrow(0, i, 1), w, { padding: 1 }))).toEqual(numbers(all.narrow(0, i, 1)));
    }
  });
});
