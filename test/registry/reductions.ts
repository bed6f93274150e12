/** Samples of reductions, scans, sorting and statistics. */
import { indices, make } from "./make.js";
import { calls, reduction } from "./samples.js";
import type { OpEntry, Registry } from "./types.js";

const flat: Partial<OpEntry> = { differentiable: false };
const positive = { low: 0.3, high: 2 };
const ascending = { low: 1, high: 4 };

const sum = reduction({}, { float32: 1e-5 });
const moments = calls(
  {
    all: () => [make([2, 3])],
    "one dimension": () => [make([2, 3, 4]), { dim: 1 }],
    "two, kept, biased": () => [make([2, 3, 4]), { dim: [0, 2], keepdim: true, unbiased: false }],
    "another correction": () => [make([4, 3]), { dim: 0, correction: 2 }],
  },
  { float32: 1e-5 },
);
const extreme = calls({
  all: () => [make([2, 3])],
  "0-d": () => [make([])],
  "one dimension": () => [make([2, 3, 4]), { dim: 1 }],
  "last, kept": () => [make([2, 3]), { dim: -1, keepdim: true }],
  elementwise: () => [make([2, 3]), make([3], { seed: 2 })],
});
const position = calls(
  {
    all: () => [make([2, 3])],
    "one dimension": () => [make([2, 3, 4]), { dim: 1 }],
    "last, kept": () => [make([2, 3]), { dim: -1, keepdim: true }],
  },
  flat,
);
const along = (domain = {}, entry: Partial<OpEntry> = {}) =>
  calls(
    {
      first: () => [make([3, 4], domain), 0],
      last: () => [make([2, 3, 4], domain), -1],
      vector: () => [make([5], domain), 0],
    },
    entry,
  );
const middle = calls({
  all: () => [make([2, 3])],
  "one dimension": () => [make([2, 5]), { dim: 1 }],
  "even, kept": () => [make([4, 3]), { dim: 0, keepdim: true }],
});
const soft = calls(
  {
    rows: () => [make([2, 3]), 1],
    columns: () => [make([2, 3, 4]), 0],
    middle: () => [make([2, 3, 4]), 1],
    "0-d": () => [make([]), 0],
    empty: () => [make([0, 3]), 1],
  },
  { float32: 1e-5 },
);
const area = calls(
  {
    "unit steps": () => [make([3, 4])],
    "given steps": () => [make([3, 4]), { dx: 0.5, dim: 0 }],
    "given places": () => [make([3, 4]), { x: make([4], { ...ascending, seed: 2 }) }],
  },
  { float32: 1e-5 },
);

export const reductions = {
  all: reduction({}, flat),
  amax: reduction(),
  amin: reduction(),
  aminmax: calls({
    all: () => [make([2, 3])],
    "one dimension": () => [make([2, 3]), { dim: 0, keepdim: true }],
  }),
  any: reduction({}, flat),
  argmax: position,
  argmin: position,
  argsort: calls(
    { last: () => [make([2, 5])], "first, descending": () => [make([4, 3]), { dim: 0, descending: true }] },
    flat,
  ),
  countNonzero: calls({ all: () => [make([2, 3])], "one dimension": () => [make([2, 3]), { dim: 1 }] }, flat),
  corrcoef: calls({ rows: () => [make([3, 5])] }, { float32: 1e-5 }),
  cov: calls(
    { rows: () => [make([3, 5])], "no correction": () => [make([2, 6]), { correction: 0 }] },
    { float32: 1e-5 },
  ),
  cummax: along(),
  cummin: along(),
  cumprod: along(positive, { float32: 1e-5 }),
  cumsum: along({}, { float32: 1e-5 }),
  cumulativeTrapezoid: area,
  diff: calls(
    { last: () => [make([2, 5])], "second, first dimension": () => [make([5, 2]), { n: 2, dim: 0 }] },
    { float32: 1e-5 },
  ),
  dist: calls(
    {
      "2": () => [make([2, 3]), make([2, 3], { seed: 2 })],
      "1, broadcast": () => [make([2, 3]), make([3], { seed: 2 }), { p: 1 }],
    },
    { float32: 1e-5 },
  ),
  gradient: calls(
    { "all dimensions": () => [make([4, 3])], "one, spaced": () => [make([5]), { spacing: 0.5 }] },
    { float32: 1e-5 },
  ),
  kthvalue: calls({
    second: () => [make([2, 5]), 2],
    "first dimension": () => [make([4, 3]), 1, { dim: 0, keepdim: true }],
  }),
  logSoftmax: soft,
  logcumsumexp: along({}, { float32: 1e-5 }),
  logsumexp: calls(
    { one: () => [make([2, 3]), 1], two: () => [make([2, 3, 4]), [0, 2], { keepdim: true }] },
    { float32: 1e-5 },
  ),
  max: extreme,
  mean: sum,
  median: middle,
  min: extreme,
  mode: calls({ last: () => [indices([3, 6], 3)], floating: () => [make([2, 4])] }),
  msort: calls({ matrix: () => [make([4, 3])] }),
  nanmean: sum,
  nanmedian: middle,
  nansum: sum,
  norm: calls(
    {
      all: () => [make([2, 3])],
      "1, one dimension": () => [make([2, 3]), { p: 1, dim: 1 }],
      "3, kept": () => [make([2, 3]), { p: 3, dim: 0, keepdim: true }],
      infinite: () => [make([2, 3]), { p: Number.POSITIVE_INFINITY }],
    },
    { float32: 1e-5 },
  ),
  prod: calls(
    {
      all: () => [make([2, 3], positive)],
      "one dimension": () => [make([2, 3], positive), { dim: 1 }],
      "with a zero": () => [
        make([3], positive)
          .mul(make([3], { seed: 4 }).gt(0))
          .detach()
          .requiresGrad_(),
      ],
    },
    { float32: 1e-5 },
  ),
  softmax: soft,
  softmin: soft,
  sort: calls({
    last: () => [make([2, 5])],
    "first, descending": () => [make([4, 3]), { dim: 0, descending: true }],
  }),
  std: moments,
  stdMean: moments,
  sum,
  topk: calls({
    largest: () => [make([2, 5]), 2],
    "smallest, first dimension": () => [make([4, 3]), 2, { dim: 0, largest: false }],
  }),
  trapezoid: area,
  trapz: calls(
    {
      "unit steps": () => [make([3, 4])],
      "given places": () => [make([3, 4]), { x: make([4], { ...ascending, seed: 2 }) }],
    },
    { float32: 1e-5 },
  ),
  var: moments,
  varMean: moments,
} satisfies Partial<Registry>;
