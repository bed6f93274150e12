/** Samples of views, joins, splits, moves by index and matrix products. */
import { tensor } from "../../src/index.js";
import { indices, make, mask } from "./make.js";
import { calls } from "./samples.js";
import type { OpEntry, Registry } from "./types.js";

const flat: Partial<OpEntry> = { differentiable: false };
const products: Partial<OpEntry> = { float32: 1e-5 };
const layout = { nonContiguous: "the op is defined by strides, not by values" } as const;
const long = (data: number[]) => tensor(data, { dtype: "int64" });
const m = (...shape: number[]) => make(shape);
const n = (...shape: number[]) => make(shape, { seed: 2 });

const view = calls(
  { "another shape": () => [m(2, 6), [3, -1]], "to 0-d": () => [m(1), []], empty: () => [m(0, 3), [3, 0]] },
  { skips: { nonContiguous: "a view needs fitting strides" } },
);
const reshape = calls({
  "another shape": () => [m(2, 6), [3, -1]],
  "to 0-d": () => [m(1), []],
  empty: () => [m(0, 3), [3, 0]],
});
const swap = calls({ "two dimensions": () => [m(2, 3, 4), 0, 2], negative: () => [m(2, 3), -1, -2] });
const move = calls({ one: () => [m(2, 3, 4), 0, 2], several: () => [m(2, 3, 4), [0, 1], [1, 2]] });
const pieces = calls({
  even: () => [m(6, 2), 3],
  "last is short": () => [m(5, 2), 2],
  "another dimension": () => [m(2, 5), 2, { dim: 1 }],
});
const join = calls({
  rows: () => [[m(2, 3), n(1, 3)]],
  columns: () => [[m(2, 3), n(2, 2)], { dim: 1 }],
  one: () => [[m(2)]],
  empty: () => [[m(0, 3), n(2, 3)]],
});
const beside = (a: number[], b: number[]) =>
  calls({ "two tensors": () => [[make(a), make(b, { seed: 2 })]] });
const lift = calls({ number: () => [m()], vector: () => [m(3)], matrix: () => [m(2, 3)] });
const tri = calls({
  square: () => [m(3, 3)],
  "below, batched": () => [m(2, 3, 4), { diagonal: -1 }],
  above: () => [m(4, 2), { diagonal: 1 }],
});
const repeat = calls({ grows: () => [m(2, 3), [2, 1]], "new dimension": () => [m(3), [2, 2]] });
const outer = calls({ vectors: () => [m(3), n(2)] }, products);
const dot = calls({ vectors: () => [m(4), n(4)] }, products);

export const shapes = {
  addbmm: calls(
    {
      plain: () => [m(2, 4), n(3, 2, 5), m(3, 5, 4)],
      factors: () => [m(4), n(3, 2, 5), m(3, 5, 4), { beta: 0.5, alpha: 2 }],
    },
    products,
  ),
  addmm: calls(
    {
      plain: () => [m(2, 4), n(2, 3), m(3, 4)],
      "broadcast, factors": () => [m(4), n(2, 3), m(3, 4), { beta: 0.5, alpha: 2 }],
    },
    products,
  ),
  addmv: calls(
    { plain: () => [m(2), n(2, 3), m(3)], factors: () => [m(), n(2, 3), m(3), { beta: 0.5, alpha: 2 }] },
    products,
  ),
  addr: calls(
    { plain: () => [m(2, 3), n(2), m(3)], factors: () => [m(2, 3), n(2), m(3), { beta: 0.5, alpha: 2 }] },
    products,
  ),
  adjoint: calls({ matrix: () => [m(2, 3)], batch: () => [m(2, 3, 4)] }),
  argwhere: calls({ matrix: () => [m(2, 3).gt(0)], numbers: () => [m(2, 3)] }, flat),
  asStrided: calls(
    {
      "with gaps": () => [m(3, 4), [2, 2], [4, 2]],
      overlapping: () => [m(6), [3, 3], [1, 1], { storageOffset: 1 }],
    },
    { skips: layout },
  ),
  asStridedScatter: calls({ "into a part": () => [m(3, 4), n(2, 2), [2, 2], [4, 2]] }, { skips: layout }),
  atleast1d: lift,
  atleast2d: lift,
  atleast3d: lift,
  baddbmm: calls(
    {
      plain: () => [m(3, 2, 4), n(3, 2, 5), m(3, 5, 4)],
      factors: () => [m(4), n(3, 2, 5), m(3, 5, 4), { beta: 0.5, alpha: 2 }],
    },
    products,
  ),
  blockDiag: calls({ "matrices and a vector": () => [[m(2, 3), n(2), m(1, 1)]] }),
  bmm: calls({ batches: () => [m(3, 2, 4), n(3, 4, 2)], empty: () => [m(0, 2, 4), n(0, 4, 2)] }, products),
  broadcastTensors: calls({ two: () => [[m(2, 1), n(3)]] }),
  broadcastTo: calls({ grows: () => [m(2, 1), [3, 2, 4]] }),
  cat: join,
  cdist: calls(
    {
      "2": () => [m(3, 4), n(2, 4)],
      "1, batched": () => [m(2, 3, 2), n(2, 4, 2), { p: 1 }],
      "3": () => [m(3, 2), n(2, 2), { p: 3 }],
    },
    { float32: 1e-4 },
  ),
  chunk: pieces,
  columnStack: calls({ "vectors and a matrix": () => [[m(3), n(3, 2)]] }),
  concat: join,
  concatenate: join,
  constantPadNd: calls({ last: () => [m(2, 3), [1, 2]], "two, cut": () => [m(2, 3), [-1, 1, 1, 0]] }),
  cross: calls({ vectors: () => [m(2, 3), n(2, 3), { dim: 1 }] }, products),
  diag: calls({ vector: () => [m(3)], "matrix, above": () => [m(3, 4), { diagonal: 1 }] }),
  diagEmbed: calls({ rows: () => [m(2, 3)], below: () => [m(2), { offset: -1 }] }),
  diagflat: calls({ matrix: () => [m(2, 2), { offset: 1 }] }),
  diagonal: calls({
    matrix: () => [m(3, 4)],
    "batch, below": () => [m(2, 3, 3), { offset: -1, dim1: 1, dim2: 2 }],
  }),
  diagonalScatter: calls({ matrix: () => [m(3, 3), n(3)], above: () => [m(3, 3), n(2), { offset: 1 }] }),
  dot,
  dsplit: calls({ two: () => [m(1, 2, 4), 2] }),
  dstack: beside([2, 3], [2, 3]),
  einsum: calls(
    {
      product: () => ["ij,jk->ik", [m(2, 3), n(3, 4)]],
      trace: () => ["ii", [m(3, 3)]],
      "batch with dots": () => ["...ij,...j->...i", [m(2, 3, 4), n(2, 4)]],
      sum: () => ["ijk->j", [m(2, 3, 2)]],
    },
    products,
  ),
  expand: calls({ grows: () => [m(2, 1), [3, -1, 4]], same: () => [m(2), [2]] }),
  expandAs: calls({ grows: () => [m(2, 1), make([2, 3], { requiresGrad: false })] }),
  flatten: calls({ all: () => [m(2, 3, 2)], some: () => [m(2, 3, 2), { startDim: 1 }], "0-d": () => [m()] }),
  flip: calls({ one: () => [m(2, 3), [0]], both: () => [m(2, 3), [0, 1]] }),
  fliplr: calls({ matrix: () => [m(2, 3)] }),
  flipud: calls({ matrix: () => [m(2, 3)] }),
  gather: calls({
    rows: () => [m(3, 4), 0, indices([2, 4], 3)],
    "a corner": () => [m(3, 4), 1, indices([2, 3], 4)],
    "0-d": () => [m(), 0, long([0]).select(0, 0)],
  }),
  ger: outer,
  hsplit: calls({ columns: () => [m(2, 4), 2], vector: () => [m(4), [1, 3]] }),
  hstack: beside([2, 3], [2, 1]),
  indexAdd: calls({
    repeated: () => [m(3, 4), 0, long([2, 0, 2]), n(3, 4)],
    factor: () => [m(2, 3), 1, long([1, 1]), n(2, 2), { alpha: -0.5 }],
  }),
  indexCopy: calls({ columns: () => [m(2, 4), 1, long([3, 0]), n(2, 2)] }),
  indexFill: calls({ rows: () => [m(3, 2), 0, long([0, 2]), 7.5] }),
  indexReduce: calls({
    mean: () => [m(3, 2), 0, long([0, 2, 0]), n(3, 2), "mean"],
    "without self": () => [m(3, 2), 0, long([0, 2, 0]), n(3, 2), "amax", { includeSelf: false }],
    product: () => [m(3, 2), 0, long([1, 1]), n(2, 2), "prod"],
  }),
  indexSelect: calls({
    repeated: () => [m(3, 4), 0, long([2, 0, 2])],
    columns: () => [m(2, 4), -1, long([3])],
  }),
  inner: calls({ vectors: () => [m(3), n(3)], matrices: () => [m(2, 3), n(4, 3)] }, products),
  kron: calls({ matrices: () => [m(2, 3), n(2, 1)] }, products),
  maskedFill: calls({ number: () => [m(2, 3), mask([3]), 0.5], tensor: () => [m(2, 3), mask([2, 3]), n()] }),
  maskedScatter: calls({ matrix: () => [m(2, 3), mask([2, 3]), n(6)] }),
  maskedSelect: calls({ matrix: () => [m(2, 3), mask([2, 3])] }),
  matmul: calls(
    {
      matrices: () => [m(2, 3), n(3, 4)],
      "vector, matrix": () => [m(3), n(3, 2)],
      "batch, vector": () => [m(2, 3, 4), n(4)],
      "broadcast batches": () => [m(2, 1, 2, 3), n(3, 3, 2)],
      "batch, matrix": () => [m(2, 3, 4), n(4, 2)],
      vectors: () => [m(3), n(3)],
    },
    products,
  ),
  mm: calls(
    {
      matrices: () => [m(2, 3), n(3, 4)],
      empty: () => [m(0, 3), n(3, 2)],
      "nothing summed": () => [m(2, 0), n(0, 2)],
    },
    products,
  ),
  moveaxis: move,
  movedim: move,
  mv: calls({ "matrix, vector": () => [m(2, 3), n(3)] }, products),
  narrow: calls({ rows: () => [m(4, 2), 0, 1, 2], nothing: () => [m(4, 2), 1, 2, 0] }),
  narrowCopy: calls({ rows: () => [m(4, 2), 0, 1, 2] }),
  nonzero: calls({ matrix: () => [m(2, 3).gt(0)] }, flat),
  outer,
  pdist: calls(
    { "2": () => [m(4, 3)], "1": () => [m(3, 2), { p: 1 }], "rows of nothing": () => [m(3, 0)] },
    { float32: 1e-4 },
  ),
  permute: calls({ three: () => [m(2, 3, 4), [2, 0, 1]], "0-d": () => [m(), []] }),
  polygamma: calls(
    {
      first: () => [1, make([2, 3], { low: 0.5, high: 3 })],
      third: () => [3, make([3], { low: 0.8, high: 3 })],
    },
    { float32: 1e-4 },
  ),
  put: calls({
    written: () => [m(2, 3), long([0, 4]), n(2)],
    added: () => [m(2, 3), long([0, 4, 0]), n(3), { accumulate: true }],
  }),
  ravel: calls({ matrix: () => [m(2, 3)] }),
  renorm: calls({ rows: () => [m(3, 2), 2, 0, 1], "1, columns": () => [m(3, 2), 1, -1, 2] }, products),
  repeat,
  repeatInterleave: calls({
    flat: () => [m(2, 3), 2],
    "each its own": () => [m(3, 2), long([1, 0, 2]), { dim: 0 }],
  }),
  reshape,
  reshapeAs: calls({ "another shape": () => [m(2, 3), make([3, 2], { requiresGrad: false })] }),
  roll: calls({ flat: () => [m(2, 3), 2], "along dimensions": () => [m(3, 4), [1, -1], { dims: [0, 1] }] }),
  rot90: calls({ once: () => [m(2, 3)], back: () => [m(2, 3), { k: -1 }] }),
  rowStack: beside([2, 3], [1, 3]),
  scatter: calls({
    tensor: () => [m(3, 4), 0, long([2, 0]).unsqueeze(1).expand([2, 3]).contiguous(), n(2, 3)],
    number: () => [m(3, 4), 1, indices([3, 1], 4), 0.5],
  }),
  scatterAdd: calls({ repeated: () => [m(3, 2), 0, indices([4, 2], 3), n(4, 2)] }),
  scatterReduce: calls({
    sum: () => [m(3), 0, long([0, 0, 2]), n(3), "sum"],
    mean: () => [m(3), 0, long([0, 0, 2]), n(3), "mean"],
    product: () => [m(3), 0, long([0, 0, 2]), n(3), "prod"],
    "maximum without self": () => [m(3), 0, long([0, 0, 2]), n(3), "amax", { includeSelf: false }],
  }),
  select: calls({ row: () => [m(3, 2), 0, 1], "last column": () => [m(3, 2), 1, -1] }),
  selectScatter: calls({ row: () => [m(3, 2), n(2), 0, 1] }),
  slice: calls({
    step: () => [m(5, 2), 0, { start: 1, end: 5, step: 2 }],
    clamped: () => [m(3), 0, { start: -2, end: 9 }],
    empty: () => [m(3), 0, { start: 2, end: 1 }],
  }),
  sliceScatter: calls({ step: () => [m(4, 2), n(2, 2), { dim: 0, start: 0, end: 4, step: 2 }] }),
  split: calls({
    even: () => [m(6, 2), 3],
    "by sizes": () => [m(5, 2), [1, 4]],
    "another dimension": () => [m(2, 5), 2, { dim: 1 }],
  }),
  splitWithSizes: calls({ sizes: () => [m(5, 2), [1, 4]] }),
  squeeze: calls({ all: () => [m(1, 2, 1)], one: () => [m(1, 2, 1), { dim: 0 }], none: () => [m(2), 0] }),
  stack: calls({
    first: () => [[m(2, 3), n(2, 3)]],
    last: () => [[m(2), n(2)], { dim: -1 }],
    numbers: () => [[m(), n()]],
  }),
  sumToSize: calls({ rows: () => [m(2, 3), [1, 3]], leading: () => [m(4, 2, 3), [2, 1]] }, products),
  swapaxes: swap,
  swapdims: swap,
  t: calls({ matrix: () => [m(2, 3)], vector: () => [m(3)] }),
  take: calls({ flat: () => [m(2, 3), long([0, 5, 5])] }),
  takeAlongDim: calls({
    rows: () => [m(3, 4), indices([1, 4], 3), { dim: 0 }],
    flat: () => [m(2, 3), long([5, 0])],
  }),
  tensorSplit: calls({ uneven: () => [m(5, 2), 2], "at places": () => [m(2, 5), [1, 3], { dim: 1 }] }),
  tensordot: calls(
    { two: () => [m(2, 3, 4), n(3, 4, 2)], given: () => [m(2, 3), n(3, 2), { dims: [[0], [1]] }] },
    products,
  ),
  tile: calls({ grows: () => [m(2, 3), [2]], more: () => [m(2), [2, 2]] }),
  trace: calls({ matrix: () => [m(3, 4)] }, products),
  transpose: swap,
  tril: tri,
  triu: tri,
  unbind: calls({ rows: () => [m(2, 3)], columns: () => [m(2, 3), { dim: 1 }] }),
  unflatten: calls({ last: () => [m(2, 6), 1, [3, -1]] }),
  unfold: calls({ overlapping: () => [m(7), 0, 3, 2], rows: () => [m(4, 3), 0, 2, 1] }),
  unsqueeze: calls({ first: () => [m(2, 3), 0], last: () => [m(2), -1] }),
  vander: calls(
    { falling: () => [m(3)], "rising, more": () => [m(3), { N: 4, increasing: true }] },
    products,
  ),
  vdot: dot,
  view,
  viewAs: calls(
    { "another shape": () => [m(2, 3), make([3, 2], { requiresGrad: false })] },
    { skips: { nonContiguous: "a view needs fitting strides" } },
  ),
  vsplit: calls({ rows: () => [m(4, 2), 2] }),
  vstack: beside([2, 3], [1, 3]),
} satisfies Partial<Registry>;
