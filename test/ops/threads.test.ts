/** Ops on tensors large enough to be shared: values and gradients have the same bits for every number of threads. */
import { afterAll, expect, test } from "vitest";
import { grad, manualSeed, nn, randint, randn, setNumThreads, type Tensor } from "../../src/index.js";

const { functional: F } = nn;
const [ROWS, COLUMNS] = [301, 700];

const labels = (() => {
  manualSeed(1);
  return randint(0, COLUMNS, [ROWS]);
})();

const cases: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  "sum of all": (x) => x.sum(),
  "sum over rows": (x) => x.sum(0),
  "sum over columns": (x) => x.sum(1),
  "mean of a transposed": (x) => x.t().mean(),
  "std of all": (x) => x.std(),
  "var over rows": (x) => x.var(0),
  norm: (x) => x.norm(),
  "logsumexp of all": (x) => x.logsumexp([0, 1]),
  "prod over columns": (x) => x.mul(0.01).add(1).prod(1),
  "largest over rows": (x) => x.max(0).values,
  "cumsum of a vector": (x) => x.flatten().cumsum(0),
  "cumsum over rows": (x) => x.cumsum(0),
  softmax: (x) => x.softmax(1),
  "softmax over rows": (x) => x.softmax(0),
  "broadcast both ways": (x) => x.mul(x.at(0)).add(x.at(":", "0:1")),
  exp: (x) => x.exp(),
  gelu: (x) => F.gelu(x),
  sort: (x) => x.sort(1).values,
  gather: (x) => x.gather(1, labels.unsqueeze(1)),
  "index with repeats": (x) => x.at(labels.remainder(ROWS)),
  matmul: (x) => x.matmul(x.t()),
  "layer norm": (x) => F.layerNorm(x, [COLUMNS]),
  "batch norm": (x) => F.batchNorm(x, null, null, { training: true }),
  "cross entropy": (x) => F.crossEntropy(x, labels),
  "squared error": (x) => F.mseLoss(x, x.flip([0]).detach()),
  convolution: (x) =>
    F.conv2d(x.narrow(0, 0, 300).reshape([10, 7, 30, 100]), randn([5, 7, 3, 3], { dtype: x.dtype })),
  dropout: (x) => F.dropout(x, 0.5),
};

afterAll(() => setNumThreads(2));

const bytes = (t: Tensor) => Buffer.from(t.toTypedArray().buffer);

test.each(
  Object.keys(cases).flatMap((name) =>
    (["float32", "float64"] as const).map((dtype) => [name, dtype] as const),
  ),
)("%s, %s", (name, dtype) => {
  const run = (threads: number) => {
    setNumThreads(threads);
    manualSeed(0);
    const x = randn([ROWS, COLUMNS], { dtype, requiresGrad: true });
    const y = (cases[name] as (x: Tensor) => Tensor)(x);
    const weights = randn(y.shape, { dtype });
    return [bytes(y.detach()), bytes(grad(y, x, { gradOutputs: weights })[0])] as const;
  };
  const [value, gradient] = run(1);
  for (const threads of [2, 3]) {
    const [otherValue, otherGradient] = run(threads);
    expect(Buffer.compare(otherValue, value), `value on ${threads} threads`).toBe(0);
    expect(Buffer.compare(otherGradient, gradient), `gradient on ${threads} threads`).toBe(0);
  }
});
