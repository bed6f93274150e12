/** Samples of quantiles, distinct elements, histograms, searches and segments. */
import { tensor } from "../../src/index.js";
import { indices, make } from "./make.js";
import { calls } from "./samples.js";
import type { OpEntry, Registry } from "./types.js";

const flat: Partial<OpEntry> = { differentiable: false };
const data = (shape: readonly number[], seed = 1) => make(shape, { seed, requiresGrad: false });

const quantiles = calls(
  {
    all: () => [make([2, 5]), 0.3],
    "0-d": () => [make([]), 0.5],
    "one dimension, kept": () => [make([2, 5]), 0.7, { dim: 1, keepdim: true }],
    lower: () => [make([4, 3]), 0.4, { dim: 0, interpolation: "lower" }],
    higher: () => [make([4, 3]), 0.4, { dim: 0, interpolation: "higher" }],
    midpoint: () => [make([4, 3]), 0.4, { dim: 0, interpolation: "midpoint" }],
    nearest: () => [make([4, 3]), 0.4, { dim: 0, interpolation: "nearest" }],
    several: () => [make([3, 4]), make([3], { low: 0.05, high: 0.95, seed: 4 }), { dim: -1 }],
  },
  {
    float32: 1e-5,
    errors: [
      { name: "a q above 1", args: () => [data([3]), 1.5], message: /q 1.5: expected values from 0 to 1/ },
      { name: "integers", args: () => [tensor([1, 2]), 0.5], message: /floating.*int64/ },
      { name: "nothing", args: () => [data([0]), 0.5], message: /empty/ },
    ],
  },
);

const distinct = calls(
  {
    all: () => [indices([3, 4], 4)],
    "with inverse and counts": () => [indices([3, 4], 4), { returnInverse: true, returnCounts: true }],
    rows: () => [indices([5, 2], 2), { dim: 0, returnInverse: true }],
    columns: () => [indices([2, 5], 2), { dim: 1, returnCounts: true }],
    empty: () => [data([0])],
  },
  flat,
);

const parts = (reduce: string) => ({
  [`${reduce} by lengths`]: () => [make([6, 2]), reduce, { lengths: tensor([2, 1, 3]) }],
  [`${reduce} by offsets, with an initial value`]: () => [
    make([6]),
    reduce,
    { offsets: tensor([0, 2, 6]), initial: 0.7 },
  ],
});

export const counting = {
  bincount: calls(
    {
      counts: () => [indices([8], 5)],
      "at least 9 bins": () => [indices([8], 5), { minlength: 9 }],
      weighted: () => [indices([8], 5), { weights: data([8]) }],
    },
    {
      ...flat,
      errors: [
        { name: "negative numbers", args: () => [tensor([-1])], message: /got -1/ },
        { name: "a matrix", args: () => [indices([2, 2], 3)], message: /vector.*\[2, 2\]/ },
      ],
    },
  ),
  bucketize: calls(
    {
      left: () => [data([2, 5]), tensor([-1, 0, 0.5], { dtype: "float64" })],
      right: () => [tensor([1, 3, 5]), tensor([1, 3, 5]), { right: true, outInt32: true }],
    },
    flat,
  ),
  histc: calls(
    {
      "own range": () => [data([4, 5]), { bins: 4 }],
      "given range": () => [data([20]), { bins: 3, min: -1, max: 1 }],
    },
    { ...flat, errors: [{ name: "no bins", args: () => [data([3]), { bins: 0 }], message: /bins 0/ }] },
  ),
  histogram: calls(
    {
      "a number of bins": () => [data([20]), 4],
      "a range and weights": () => [data([20]), 4, { range: [-1, 1], weight: data([20], 2) }],
      "edges, as a density": () => [
        data([20]),
        tensor([-2, 0, 1, 2], { dtype: "float64" }),
        { density: true },
      ],
    },
    flat,
  ),
  histogramdd: calls(
    {
      "numbers of bins": () => [data([10, 2]), [2, 3]],
      "edges, as a density": () => [
        data([10, 2]),
        [tensor([-2, 0, 2], { dtype: "float64" }), tensor([-1, 1], { dtype: "float64" })],
        { density: true },
      ],
    },
    { ...flat, float32: 1e-5 },
  ),
  nanquantile: quantiles,
  quantile: quantiles,
  searchsorted: calls(
    {
      "one sequence": () => [tensor([1, 3, 5]), indices([2, 4], 7)],
      rows: () => [
        tensor([
          [1, 3, 5],
          [2, 2, 4],
        ]),
        indices([2, 4], 7),
        { side: "right" },
      ],
      "with a sorter": () => [tensor([5, 1, 3]), indices([4], 7), { sorter: tensor([1, 2, 0]) }],
    },
    {
      ...flat,
      errors: [
        {
          name: "rows that do not fit",
          args: () => [indices([2, 3], 5), indices([3, 3], 5)],
          message: /\[3, 3\].*\[2, 3\]/,
        },
      ],
    },
  ),
  segmentReduce: calls(
    {
      ...parts("sum"),
      ...parts("mean"),
      ...parts("prod"),
      ...parts("max"),
      ...parts("min"),
      "along the second dimension": () => [
        make([2, 5, 2]),
        "sum",
        {
          lengths: tensor([
            [2, 3],
            [4, 1],
          ]),
          axis: 1,
        },
      ],
      "an empty segment": () => [make([3]), "prod", { lengths: tensor([0, 3]) }],
    },
    {
      float32: 1e-5,
      errors: [
        {
          name: "lengths that do not add up",
          args: () => [data([3]), "sum", { lengths: tensor([1, 1]) }],
          message: /add up to 2: expected 3/,
        },
      ],
    },
  ),
  unique: distinct,
  uniqueConsecutive: distinct,
} satisfies Partial<Registry>;
