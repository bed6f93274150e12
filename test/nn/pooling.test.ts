/** Pooling: derivatives of every order, values against direct windows, ties and NaN, indices, layers, errors. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grad, manualSeed, nn, noGrad, ones, randn, type Tensor, tensor } from "../../src/index.js";
import { make } from "../registry/make.js";
import { type Call, checkCalls, expectClose, numbers, sameForAllThreads } from "./checks.js";

const F = nn.functional;
const m = (...shape: number[]) => make(shape);
const one = (
  shape: number[],
  fn: (x: Tensor) => Tensor | readonly Tensor[],
  more: Partial<Call> = {},
): Call => ({
  args: () => [make(shape)],
  fn: (x) => fn(x),
  ...more,
});
const positive = (shape: number[], fn: (x: Tensor) => Tensor): Call => ({
  args: () => [make(shape, { low: 0.2, high: 2 })],
  fn: (x) => fn(x),
});
const samples = (...shape: number[]) => make(shape, { low: 0, high: 1, requiresGrad: false });

checkCalls({
  maxPool1d: one([2, 3, 8], (x) => F.maxPool1d(x, 3, { stride: 2, padding: 1 })),
  "maxPool1d, one signal, dilation": one([2, 9], (x) =>
    F.maxPool1d(x, 2, { stride: 1, dilation: 3, ceilMode: true }),
  ),
  maxPool2d: one([2, 2, 5, 7], (x) =>
    F.maxPool2d(x, [2, 3], { stride: [2, 1], padding: [1, 1], ceilMode: true }),
  ),
  "maxPool2d, side by side": one([2, 2, 5, 11], (x) => F.maxPool2d(x, 2)),
  "maxPool2d, indices": one([2, 4, 4], (x) => F.maxPool2d(x, 2, { returnIndices: true })),
  maxPool3d: one([1, 2, 4, 3, 5], (x) => F.maxPool3d(x, 2, { stride: 1, padding: [0, 1, 0] })),
  avgPool1d: one([2, 2, 7], (x) => F.avgPool1d(x, 3, { stride: 2, padding: 1, ceilMode: true })),
  avgPool2d: one([2, 2, 5, 6], (x) =>
    F.avgPool2d(x, [3, 2], { stride: 2, padding: [1, 0], countIncludePad: false }),
  ),
  "avgPool2d, divisor": one([2, 5, 5], (x) => F.avgPool2d(x, 2, { divisorOverride: 3 })),
  avgPool3d: one([1, 2, 4, 4, 3], (x) => F.avgPool3d(x, [2, 2, 3], { stride: 1, padding: [1, 0, 1] })),
  adaptiveAvgPool1d: one([2, 3, 7], (x) => F.adaptiveAvgPool1d(x, 3)),
  adaptiveAvgPool2d: one([2, 5, 7], (x) => F.adaptiveAvgPool2d(x, [3, null])),
  adaptiveAvgPool3d: one([1, 2, 3, 4, 5], (x) => F.adaptiveAvgPool3d(x, [2, 3, 7])),
  adaptiveMaxPool1d: one([2, 3, 7], (x) => F.adaptiveMaxPool1d(x, 4)),
  adaptiveMaxPool2d: one([2, 2, 5, 7], (x) => F.adaptiveMaxPool2d(x, 3, { returnIndices: true })),
  adaptiveMaxPool3d: one([2, 4, 3, 5], (x) => F.adaptiveMaxPool3d(x, [2, null, 3])),
  fractionalMaxPool2d: one([2, 3, 8, 7], (x) =>
    F.fractionalMaxPool2d(x, [2, 3], { outputSize: [4, 3], _randomSamples: samples(2, 3, 2).to(x.dtype) }),
  ),
  fractionalMaxPool3d: one([2, 6, 5, 6], (x) =>
    F.fractionalMaxPool3d(x, 2, {
      outputRatio: 0.5,
      returnIndices: true,
      _randomSamples: samples(1, 2, 3).to(x.dtype),
    }),
  ),
  lpPool1d: positive([2, 2, 7], (x) => F.lpPool1d(x, 2, 3, { stride: 2 })),
  lpPool2d: positive([2, 5, 5], (x) => F.lpPool2d(x, 3, 2, { ceilMode: true })),
  lpPool3d: positive([1, 2, 4, 4, 4], (x) => F.lpPool3d(x, 1.5, 2)),
  maxUnpool2d: one([2, 2, 4, 6], (x) => {
    const [, at] = F.maxPool2d(x.detach(), 2, { returnIndices: true });
    return F.maxUnpool2d(F.avgPool2d(x, 2), at, 2);
  }),
  maxUnpool1d: one([2, 3, 4], (x) => {
    const at = tensor([[[0, 3, 4, 7]]]).expand([2, 3, 4]);
    return F.maxUnpool1d(x, at, 2, { outputSize: [9] });
  }),
  maxUnpool3d: one([2, 2, 2, 2], (x) => {
    const [y, at] = F.maxPool3d(x, 1, { returnIndices: true });
    return F.maxUnpool3d(y, at, 2);
  }),
});

interface Window {
  k: number;
  s: number;
  p: number;
  d: number;
  ceil: boolean;
}

/** The inputs of each window of a row, and the size that an average counts, by the definition. */
function windows(n: number, { k, s, p, d, ceil }: Window): { at: number[]; size: number }[] {
  const span = n + 2 * p - d * (k - 1) - 1;
  let count = (ceil ? Math.ceil(span / s) : Math.floor(span / s)) + 1;
  if (ceil && (count - 1) * s >= n + p) count--;
  return Array.from({ length: Math.max(0, count) }, (_, o) => {
    const start = o * s - p;
    const at = Array.from({ length: k }, (_, j) => start + j * d).filter((i) => i >= 0 && i < n);
    return { at, size: Math.min(start + k, n + p) - start };
  });
}

const geometry = fc.record({
  h: fc.integer({ min: 1, max: 12 }),
  w: fc.integer({ min: 1, max: 20 }),
  k: fc.integer({ min: 1, max: 4 }),
  s: fc.integer({ min: 1, max: 4 }),
  p: fc.integer({ min: 0, max: 2 }),
  d: fc.integer({ min: 1, max: 3 }),
  ceil: fc.boolean(),
});

describe("for any geometry", () => {
  test("max pooling gives the first maximum of each window and its index", () => {
    fc.assert(
      fc.property(geometry, ({ h, w, ...g }) => {
        fc.pre(g.p <= g.k / 2);
        const [rows, cols] = [windows(h, g), windows(w, g)];
        fc.pre(rows.length > 0 && cols.length > 0);
        fc.pre([...rows, ...cols].every(({ at }) => at.length > 0));
        // With ties, and without -0, whose sign is lost where gradients are added to zeros.
        const x = make([2, h, w]).mul(3).round().add(0).detach();
        const options = { stride: g.s, padding: g.p, dilation: g.d, ceilMode: g.ceil } as const;
        for (const dtype of ["float64", "float32"] as const) {
          const [y, at] = F.maxPool2d(x.to(dtype), g.k, { ...options, returnIndices: true });
          const values = numbers(x);
          const best = [0, 1].flatMap((c) =>
            rows.flatMap((r) =>
              cols.map((q) => {
                const places = r.at.flatMap((i) => q.at.map((j) => i * w + j));
                return places.reduce((a, b) =>
                  (values[c * h * w + b] as number) > (values[c * h * w + a] as number) ? b : a,
                );
              }),
            ),
          );
          expect(y.shape).toEqual([2, rows.length, cols.length]);
          expect(numbers(at)).toEqual(best);
          const outs = rows.length * cols.length;
          expect(numbers(y)).toEqual(best.map((b, i) => values[Math.floor(i / outs) * h * w + b]));
          // The gradient goes where the indices point, with compact indices as with those handed out.
          const leaf = x.to(dtype).clone().requiresGrad_();
          const g1 = grad(F.maxPool2d(leaf, g.k, options), leaf, { gradOutputs: y })[0] as Tensor;
          const g2 = grad(F.maxPool2d(leaf, g.k, { ...options, returnIndices: true })[0], leaf, {
            gradOutputs: y,
          })[0];
          expect(numbers(g1)).toEqual(numbers(g2 as Tensor));
        }
      }),
      { numRuns: 150 },
    );
  });

  test("average pooling divides the sum of each window by its size", () => {
    fc.assert(
      fc.property(geometry, fc.boolean(), ({ h, w, ...given }, countIncludePad) => {
        const g = { ...given, d: 1 };
        fc.pre(g.p <= g.k / 2);
        const [rows, cols] = [windows(h, g), windows(w, g)];
        fc.pre(rows.length > 0 && cols.length > 0);
        const x = make([1, h, w], { requiresGrad: false });
        const values = numbers(x);
        const expected = rows.flatMap((r) =>
          cols.map((q) => {
            const sum = r.at
              .flatMap((i) => q.at.map((j) => values[i * w + j] as number))
              .reduce((a, b) => a + b, 0);
            return r.at.length * q.at.length === 0
              ? 0
              : sum / (countIncludePad ? r.size * q.size : r.at.length * q.at.length);
          }),
        );
        const y = F.avgPool2d(x, g.k, { stride: g.s, padding: g.p, ceilMode: g.ceil, countIncludePad });
        expectClose(y, expected, 1e-13, 1e-14);
        // <gy, avg x> = <gx, x>
        const leaf = x.clone().requiresGrad_();
        const z = F.avgPool2d(leaf, g.k, { stride: g.s, padding: g.p, ceilMode: g.ceil, countIncludePad });
        const gy = make(z.shape, { seed: 7, requiresGrad: false });
        const gx = grad(z, leaf, { gradOutputs: gy })[0] as Tensor;
        expect(gx.mul(x).sum().item()).toBeCloseTo(gy.mul(y).sum().item(), 10);
      }),
      { numRuns: 150 },
    );
  });
});

describe("max pooling", () => {
  test("takes NaN as largest, and -Infinity as it is", () => {
    const x = tensor([
      [1, Number.NaN, 3, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ]);
    const [y, at] = F.maxPool1d(x, 3, { returnIndices: true });
    expect(y.toArray()).toEqual([[Number.NaN, Number.NEGATIVE_INFINITY]]);
    expect(at.toArray()).toEqual([[1, 3]]);
  });

  test("over windows of 2 x 2 side by side is that over any windows: ties, NaN, infinities, borders", () => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];
    const sizes = fc.record({ h: fc.integer({ min: 2, max: 9 }), w: fc.integer({ min: 2, max: 23 }) });
    const spots = fc.array(fc.tuple(fc.nat(1000), fc.nat(3)), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, spots, ({ h, w }, spots) => {
        const values = numbers(make([3, h, w]).mul(2).round());
        for (const [i, k] of spots) values[i % values.length] = special[k] as number;
        for (const dtype of ["float64", "float32"] as const) {
          const x = tensor(values, { dtype }).reshape([3, h, w]).requiresGrad_();
          const y = F.maxPool2d(x, 2);
          const [z] = F.maxPool2d(x, 2, { returnIndices: true });
          expect(numbers(y)).toEqual(numbers(z));
          const g = make(y.shape, { seed: 2 }).to(dtype).detach().requiresGrad_();
          const [gy, gz] = [y, z].map((t) => grad(t, x, { gradOutputs: g, createGraph: true })[0] as Tensor);
          expect(numbers(gy as Tensor)).toEqual(numbers(gz as Tensor));
          const u = make(x.shape, { seed: 3 }).to(dtype).detach();
          const [hy, hz] = [gy, gz].map((t) => grad(t as Tensor, g, { gradOutputs: u })[0] as Tensor);
          expect(numbers(hy as Tensor)).toEqual(numbers(hz as Tensor));
        }
      }),
      { numRuns: 100 },
    );
  });

  test("takes the stride positionally or in the options", () => {
    const x = m(1, 6, 6);
    const expected = numbers(F.maxPool2d(x, 3, { stride: 1, padding: 1 }));
    expect(numbers(F.maxPool2d(x, 3, 1, { padding: 1 }))).toEqual(expected);
    expect(numbers(new nn.MaxPool2d(3, 1, { padding: 1 })(x))).toEqual(expected);
  });

  test("of an empty batch is empty", () => {
    const x = m(0, 2, 4, 4);
    const y = F.maxPool2d(x, 2);
    expect(y.shape).toEqual([0, 2, 2, 2]);
    y.sum().backward();
    expect(x.grad?.shape).toEqual([0, 2, 4, 4]);
  });

  test("has the same bits for every number of threads", () => {
    manualSeed(0);
    const x = randn([16, 8, 40, 41], { requiresGrad: true });
    sameForAllThreads(() => {
      const y = F.maxPool2d(x, 3, { stride: 2, padding: 1 });
      const z = F.avgPool2d(x, 2).add(F.maxPool2d(x, 2));
      return [y, z, ...(grad([y, z], [x], { gradOutputs: [y.detach(), z.detach()] }) as Tensor[])];
    });
  });

  test("keeps nothing when no gradient will be asked for", () => {
    const x = m(1, 4, 4);
    expect(noGrad(() => F.maxPool2d(x, 2)).requiresGrad).toBe(false);
  });
});

describe("other pooling", () => {
  test("averages of whole numbers are truncated", () => {
    expect(F.avgPool1d(tensor([[1, 2, -4, -3]]), 2).toArray()).toEqual([[1, -3]]);
  });

  test("fractional windows are drawn from the generator", () => {
    const x = make([1, 2, 9, 9], { dtype: "float32", requiresGrad: false });
    const draw = () => {
      manualSeed(5);
      return numbers(F.fractionalMaxPool2d(x, 2, { outputRatio: 0.5 }));
    };
    expect(draw()).toEqual(draw());
    expect(numbers(F.fractionalMaxPool2d(x, 2, { outputRatio: 0.5 }))).not.toEqual(draw());
  });

  test("unpooling undoes max pooling where the maxima were", () => {
    const x = m(2, 3, 6, 6);
    const [y, at] = F.maxPool2d(x, 2, { returnIndices: true });
    const back = F.maxUnpool2d(y, at, 2);
    expect(back.shape).toEqual(x.shape);
    expect(numbers(F.maxPool2d(back.relu(), 2))).toEqual(numbers(y.relu()));
  });
});

describe("errors name the op, what it got and what it expected", () => {
  const x = ones([1, 2, 6, 6]);
  test.each([
    [
      "padding",
      () => F.maxPool2d(x, 2, { padding: 2 }),
      /\[maxPool2d\] padding must be at most half of the kernel size: got padding \[2, 2\]/,
    ],
    ["size", () => F.avgPool2d(x, 7), /\[avgPool2d\] the input is too small: got \[1, 2, 6, 6\]/],
    ["dimensions", () => F.maxPool1d(x, 2), /\[maxPool1d\] expected an input of 2 .* or 3 dimensions/],
    ["stride", () => F.maxPool2d(x, 2, 0), /stride must be whole numbers >= 1/],
    ["dtype", () => F.maxPool2d(tensor([[[1, 2]]]), 1), /\[maxPool2d\] expected a floating dtype, got int64/],
    [
      "divisor",
      () => F.avgPool2d(x, 2, { divisorOverride: 0 }),
      /divisorOverride must be a whole number other than 0/,
    ],
    ["adaptive", () => F.adaptiveAvgPool2d(x, [1, 2, 3]), /outputSize must be 1 or 2 numbers/],
    [
      "fractional",
      () => F.fractionalMaxPool2d(x, 3, { outputSize: 5 }),
      /windows of size \[3, 3\] do not fit/,
    ],
    ["neither", () => F.fractionalMaxPool2d(x, 3), /neither outputSize nor outputRatio/],
    [
      "layer",
      () => new nn.FractionalMaxPool2d(3),
      /\[FractionalMaxPool2d\] expected either outputSize or outputRatio, got neither/,
    ],
    [
      "ratio",
      () => new nn.FractionalMaxPool2d(3, { outputRatio: 1.5 }),
      /outputRatio must be 1 or 2 numbers between 0 and 1/,
    ],
    [
      "index",
      () => F.maxUnpool1d(ones([1, 2]), tensor([[0, 9]]), 2),
      /\[maxUnpool1d\] index 9 is out of range/,
    ],
    [
      "indices",
      () => F.maxUnpool1d(ones([1, 2]), tensor([[0]]), 2),
      /expected indices of the input's shape \[1, 2\]/,
    ],
    [
      "output size",
      () => F.maxUnpool1d(ones([1, 2]), tensor([[0, 2]]), 2, { outputSize: [7] }),
      /outputSize \[7\] does not fit/,
    ],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(message);
  });
});

test.each([
  [
    new nn.MaxPool2d(3, { stride: 2 }),
    "MaxPool2d(kernelSize=3, stride=2, padding=0, dilation=1, ceilMode=false)",
  ],
  [new nn.AvgPool2d([2, 3]), "AvgPool2d(kernelSize=(2, 3), stride=(2, 3), padding=0)"],
  [new nn.AdaptiveAvgPool2d([5, null]), "AdaptiveAvgPool2d(outputSize=(5, null))"],
  [new nn.LPPool2d(2, 3), "LPPool2d(normType=2, kernelSize=3, stride=null, ceilMode=false)"],
  [new nn.MaxUnpool1d(2), "MaxUnpool1d(kernelSize=(2), stride=(2), padding=(0))"],
])("layers print as PyTorch's: %s", (layer, text) => {
  expect(String(layer)).toBe(text);
});

test("lpPool has the gradient 0 where a window is 0, for every order above 1", () => {
  for (const p of [1.5, 2, 2.5, 3]) {
    const x = tensor([[[0, 0, 3, 0]]], { dtype: "float64", requiresGrad: true });
    F.lpPool1d(x, p, 2).sum().backward();
    expect([p, x.grad?.round({ decimals: 14 }).toArray()]).toEqual([p, [[[0, 0, 1, 0]]]]);
  }
});
