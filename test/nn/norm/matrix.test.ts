/** BatchNorm1d/2d/3d in every combination of options, layouts and dtypes against the formulas in plain TypeScript. */
import { describe, expect, test } from "vitest";
import { grad, nn, type Tensor } from "../../../src/index.js";
import { errorOf, from, noise, type Outcome, referenceBatchNorm } from "./reference.js";

const shapes: Readonly<
  Record<"BatchNorm1d" | "BatchNorm2d" | "BatchNorm3d", readonly (readonly number[])[]>
> = {
  BatchNorm1d: [
    [5, 3],
    [4, 3, 6],
  ],
  BatchNorm2d: [[3, 4, 5, 2]],
  BatchNorm3d: [[2, 3, 4, 2, 3]],
};

type Layout = "contiguous" | "permuted" | "channels last" | "expanded gradient";

/** The same values, laid out otherwise in memory. */
function laidOut(t: Tensor, layout: Layout): Tensor {
  const order = t.shape.map((_, d) => d);
  const to = layout === "permuted" ? [...order].reverse() : [0, ...order.slice(2), 1];
  if (layout === "contiguous" || layout === "expanded gradient") return t;
  const back = order.map((d) => to.indexOf(d));
  return t.detach().permute(to).contiguous().permute(back).requiresGrad_(t.requiresGrad);
}

/** float64: sums reorder; float32: rounding of the result, amplified by two cancellations in the input's gradient. */
const tolerance = { float64: 1e-13, float32: 1e-6 };

const momenta = [0.1, null, 0, 1] as const;
const layouts: Layout[] = ["contiguous", "permuted", "channels last", "expanded gradient"];

describe.each(["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"] as const)("%s", (name) => {
  describe.each(shapes[name].map((shape) => [shape]))("%j", (shape) => {
    for (const dtype of ["float32", "float64"] as const) {
      for (const affine of [true, false]) {
        for (const trackRunningStats of [true, false]) {
          for (const mode of ["train", "eval"] as const) {
            for (const momentum of momenta) {
              for (const layout of layouts) {
                test(`${dtype} affine=${affine} track=${trackRunningStats} ${mode} momentum=${momentum} ${layout}`, () => {
                  check(name, shape, { dtype, affine, trackRunningStats, mode, momentum, layout });
                });
              }
            }
          }
        }
      }
    }
  });
});

interface Combination {
  dtype: "float32" | "float64";
  affine: boolean;
  trackRunningStats: boolean;
  mode: "train" | "eval";
  momentum: number | null;
  layout: Layout;
}

function check(name: keyof typeof shapes, shape: readonly number[], o: Combination): void {
  const { dtype, affine, trackRunningStats, momentum, mode } = o;
  const C = shape[1] as number;
  const n = shape.reduce((a, b) => a * b, 1);
  const layer = new nn[name](C, { affine, trackRunningStats, momentum, dtype });
  const weight = noise(C, 11);
  const bias = noise(C, 12);
  let runningMean: Float64Array | null = trackRunningStats ? noise(C, 13) : null;
  let runningVar: Float64Array | null = trackRunningStats
    ? noise(C, 14)
        .map((v) => v * v + 0.5)
        .map(Math.fround)
    : null;
  layer.loadStateDict({
    ...(affine
      ? { weight: from({ shape: [C], data: weight }, dtype), bias: from({ shape: [C], data: bias }, dtype) }
      : {}),
    ...(runningMean !== null && runningVar !== null
      ? {
          running_mean: from({ shape: [C], data: runningMean }, dtype),
          running_var: from({ shape: [C], data: runningVar }, dtype),
        }
      : {}),
  });
  layer.train(mode === "train");
  const training = mode === "train" || !trackRunningStats;
  for (let step = 1; step <= 2; step++) {
    const data = noise(n, 20 + step);
    const expanded = o.layout === "expanded gradient";
    const g = expanded ? new Float64Array(n).fill(noise(1, 30 + step)[0] as number) : noise(n, 30 + step);
    const expected: Outcome = referenceBatchNorm({ shape, data }, g, {
      weight: affine ? weight : null,
      bias: affine ? bias : null,
      runningMean,
      runningVar,
      training,
      momentum: momentum ?? 1 / step,
      eps: 1e-5,
    });
    const x = laidOut(from({ shape, data }, dtype, true), o.layout);
    const y = layer(x);
    expect(y.dtype).toBe(dtype);
    expect(y.shape).toEqual(shape);
    const gradient = expanded
      ? from({ shape: [], data: g.slice(0, 1) }, dtype).expand(shape)
      : laidOut(from({ shape, data: g }, dtype), o.layout);
    const parameters = affine ? [layer.weight as Tensor, layer.bias as Tensor] : [];
    const [gx, gw, gb] = grad(y, [x, ...parameters], { gradOutputs: gradient });
    const rtol = tolerance[dtype];
    expect(errorOf(y, expected.y)).toBeLessThan(rtol);
    // A constant gradient gives 0 in training mode: measured against the gradient itself.
    const scale = Math.max(...g.map(Math.abs));
    const zero = expanded && training ? expected.gx.map((v) => v + scale) : expected.gx;
    expect(errorOf(expanded && training ? (gx as Tensor).add(scale) : (gx as Tensor), zero)).toBeLessThan(
      5 * rtol,
    );
    if (affine) {
      const shifted = expanded && training ? expected.gw.map((v) => v + scale) : expected.gw;
      expect(
        errorOf(expanded && training ? (gw as Tensor).add(scale) : (gw as Tensor), shifted),
      ).toBeLessThan(5 * rtol);
      expect(errorOf(gb as Tensor, expected.gb)).toBeLessThan(rtol);
    }
    if (!trackRunningStats) {
      expect([layer.runningMean, layer.runningVar, layer.numBatchesTracked]).toEqual([null, null, null]);
      continue;
    }
    runningMean = expected.runningMean;
    runningVar = expected.runningVar;
    expect(errorOf(layer.runningMean as Tensor, runningMean as Float64Array)).toBeLessThan(rtol);
    expect(errorOf(layer.runningVar as Tensor, runningVar as Float64Array)).toBeLessThan(rtol);
    expect(layer.numBatchesTracked?.item()).toBe(mode === "train" ? step : 0);
  }
}
