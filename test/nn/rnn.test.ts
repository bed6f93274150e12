/** Recurrent layers: derivatives of the fused op, the composed twin, packing, printing, errors. */
import { afterAll, describe, expect, test } from "vitest";
import {
  cat,
  getNumThreads,
  grad,
  manualSeed,
  nn,
  randint,
  randn,
  setNumThreads,
  type Tensor,
  tensor,
} from "../../src/index.js";
import { type RecurrentAttrs, recurrent, recurrentComposed } from "../../src/ops/recurrent.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

const f64 = { dtype: "float64", requiresGrad: true } as const;
const GATES = { LSTM: 4, GRU: 3, RNN_TANH: 1, RNN_RELU: 1 } as const;

function inputs(attrs: RecurrentAttrs): Tensor[] {
  const [I, H, R] = [3, 4, attrs.projection ? 2 : 4];
  const gates = GATES[attrs.mode] * H;
  const batch = attrs.batchSizes[0] as number;
  const rows = attrs.batchSizes.reduce((a, b) => a + b, 0);
  return [
    randn([rows, I], f64),
    randn([batch, R], f64),
    ...(attrs.mode === "LSTM" ? [randn([batch, H], f64)] : []),
    randn([gates, I], f64),
    randn([gates, R], f64),
    ...(attrs.bias ? [randn([gates], f64), randn([gates], f64)] : []),
    ...(attrs.projection ? [randn([R, H], f64)] : []),
  ];
}

const cases: [string, RecurrentAttrs][] = (["LSTM", "GRU", "RNN_TANH", "RNN_RELU"] as const).flatMap(
  (mode): [string, RecurrentAttrs][] => [
    [`${mode}`, { mode, batchSizes: [2, 2, 2], reverse: false, bias: true, projection: false }],
    [
      `${mode} reversed, shrinking batch, no bias`,
      { mode, batchSizes: [3, 2, 1], reverse: true, bias: false, projection: false },
    ],
    [
      `${mode} shrinking batch`,
      { mode, batchSizes: [3, 3, 1], reverse: false, bias: true, projection: false },
    ],
  ],
);
cases.push([
  "LSTM with projection",
  { mode: "LSTM", batchSizes: [2, 1], reverse: false, bias: true, projection: true },
]);

describe.each(cases)("%s", (_, attrs) => {
  test("equals its composed twin, gradients too", () => {
    const list = inputs(attrs);
    const fused = recurrent(list, attrs);
    const plain = recurrentComposed(list, attrs);
    const seeds = plain.map((t) => randn(t.shape, { dtype: "float64" }));
    const a = grad(fused, list, { gradOutputs: seeds });
    const b = grad(plain, list, { gradOutputs: seeds });
    [...fused, ...a].forEach((t, i) => {
      expect(
        t
          .sub([...plain, ...b][i] as Tensor)
          .abs()
          .max()
          .item(),
      ).toBeLessThan(1e-13);
    });
  });

  test("first and second derivatives", () => {
    const list = inputs(attrs);
    gradcheck((...x) => recurrent(x, attrs), list, { fastMode: true });
    gradgradcheck((...x) => recurrent(x, attrs), list, undefined, { fastMode: true });
  });
});

describe("packing", () => {
  test("a packed batch gives each sequence what it gets alone", () => {
    const lengths = [2, 5, 3];
    const sequences = lengths.map((n) => randn([n, 3], { dtype: "float64" }));
    const gru = new nn.GRU(3, 4, { numLayers: 2, bidirectional: true, dtype: "float64" });
    const packed = nn.utils.rnn.packSequence(sequences, { enforceSorted: false });
    const [out, h] = gru(packed);
    const parts = nn.utils.rnn.unpackSequence(out as InstanceType<typeof nn.utils.rnn.PackedSequence>);
    sequences.forEach((s, i) => {
      const [alone, last] = gru(s);
      expect((parts[i] as Tensor).sub(alone).abs().max().item()).toBeLessThan(1e-14);
      expect(h.select(1, i).sub(last).abs().max().item()).toBeLessThan(1e-14);
    });
  });

  test("padding on either side, and back", () => {
    const sequences = [tensor([1, 2, 3]), tensor([4])];
    expect(nn.utils.rnn.padSequence(sequences, { batchFirst: true, paddingValue: 9 }).toArray()).toEqual([
      [1, 2, 3],
      [4, 9, 9],
    ]);
    expect(nn.utils.rnn.padSequence(sequences, { batchFirst: true, paddingSide: "left" }).toArray()).toEqual([
      [1, 2, 3],
      [0, 0, 4],
    ]);
    const padded = nn.utils.rnn.padSequence(sequences);
    expect(nn.utils.rnn.unpadSequence(padded, [3, 1]).map((t) => t.toArray())).toEqual([[1, 2, 3], [4]]);
    expect(() => nn.utils.rnn.packPaddedSequence(padded, [1, 3])).toThrow(
      /lengths must not grow .*enforceSorted: false/,
    );
  });
});

test("printing and errors", () => {
  expect(String(new nn.LSTM(10, 20, { numLayers: 2, batchFirst: true }))).toBe(
    "LSTM(10, 20, numLayers=2, batchFirst=true)",
  );
  expect(Object.keys(new nn.GRU(2, 3, { bidirectional: true }).stateDict())).toEqual(
    ["", "_reverse"].flatMap((d) =>
      ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"].map((k) => k + d),
    ),
  );
  expect(() => new nn.LSTM(3, 4)(randn([5, 2, 7]))).toThrow(
    /input\.shape\[-1\] must be equal to inputSize\. Expected 3, got 7/,
  );
  expect(() => new nn.GRU(3, 4)(randn([5, 2, 3]), randn([2, 2, 4]))).toThrow(
    /\[GRU\] expected h0 of shape \[1, 2, 4\], got \[2, 2, 4\]/,
  );
  expect(() => new nn.GRU(3, 0)).toThrow(/hiddenSize must be a whole number > 0, got 0/);
});

describe("threads share the batch", () => {
  const threads = getNumThreads();
  afterAll(() => setNumThreads(threads));
  const lengths = Array.from({ length: 40 }, (_, i) => 30 - Math.floor(i / 2));
  for (const [name, make] of Object.entries({
    LSTM: () => new nn.LSTM(24, 33),
    "projected LSTM": () => new nn.LSTM(24, 40, { projSize: 17 }),
    GRU: () => new nn.GRU(24, 33, { bidirectional: true }),
    RNN: () => new nn.RNN(24, 33),
    "wide LSTM": () => new nn.LSTM(24, 400),
  })) {
    test(`${name}: the same bits for every number of threads`, () => {
      const runs = [1, 2, 3].map((n) => {
        setNumThreads(n);
        manualSeed(0);
        const layer = make() as nn.LSTM;
        const x = randn([30, 40, 24], { requiresGrad: true });
        const packed = nn.utils.rnn.packPaddedSequence(x, lengths);
        const [whole] = layer(x);
        const [part] = layer(packed);
        whole.square().sum().add(part.data.square().sum()).backward();
        const grads = [x, ...layer.parameters()].map((p) => p.grad as Tensor);
        return [whole, part.data, ...grads].map((t) => t.detach().toTypedArray() as Float32Array);
      });
      for (const run of runs.slice(1)) {
        const first = runs[0] as Float32Array[];
        expect(run.map((values, i) => values.every((v, k) => Object.is(v, first[i]?.[k])))).toEqual(
          run.map(() => true),
        );
      }
    });
  }

  for (const dtype of ["float64", "float32"] as const) {
    test(`steps of every number of rows compute what plain ops compute, ${dtype}`, () => {
      manualSeed(0);
      const [I, H] = [22, 36];
      const batchSizes = Array.from({ length: 19 }, (_, i) => 19 - i);
      const sizes = [[190, I], [19, H], [19, H], [4 * H, I], [4 * H, H], [4 * H], [4 * H]];
      const list = sizes.map((s) => randn(s, { dtype }).mul(0.15).requiresGrad_());
      const attrs = { mode: "LSTM", batchSizes, reverse: false, bias: true, projection: false } as const;
      const weights = randn([190, H], { dtype });
      const [fused, plain] = [recurrent, recurrentComposed].map((f) => {
        const [y] = f(list, attrs) as [Tensor];
        return [y, ...grad(y.mul(weights).sum(), list)] as Tensor[];
      }) as [Tensor[], Tensor[]];
      // Gradients of weights are sums of 190 terms, up to 10, in another order.
      fused.forEach((t, i) => {
        const error = t
          .sub(plain[i] as Tensor)
          .abs()
          .max()
          .item();
        expect(error).toBeLessThan(dtype === "float64" ? 2e-14 : 1e-5);
      });
    });
  }

  for (const mode of ["LSTM", "GRU", "RNN_TANH", "RNN_RELU"] as const) {
    test(`${mode}: a batch large enough for them computes what plain ops compute`, () => {
      manualSeed(0);
      const [I, H, B, T] = [24, 37, 20, 9];
      const gates = GATES[mode] * H;
      const sizes = [
        [T * B, I],
        [B, H],
        ...(mode === "LSTM" ? [[B, H]] : []),
        [gates, I],
        [gates, H],
        [gates],
        [gates],
      ];
      // Weights of the usual size, so that no gate saturates and no state explodes.
      const list = sizes.map((s) => randn(s, { dtype: "float64" }).mul(0.15).requiresGrad_());
      const batchSizes = new Array<number>(T).fill(B);
      const attrs = { mode, batchSizes, reverse: false, bias: true, projection: false };
      const weights = randn([T * B, H], { dtype: "float64" });
      const [fused, plain] = [recurrent, recurrentComposed].map((f) => {
        const [y, h] = f(list, attrs) as [Tensor, Tensor];
        return [y, h, ...grad(y.mul(weights).sum().add(h.square().sum()), list)] as Tensor[];
      }) as [Tensor[], Tensor[]];
      // Sums of a few hundred terms in another order: about 1e-14 each.
      fused.forEach((t, i) => {
        expect(
          t
            .sub(plain[i] as Tensor)
            .abs()
            .max()
            .item(),
        ).toBeLessThan(1e-12);
      });
    });
  }
});

// Rows of inputs that occur again and again are multiplied once: 65 and more rows of which at most half are distinct.
describe("inputs that occur again and again", () => {
  const threads = getNumThreads();
  afterAll(() => setNumThreads(threads));
  const error = (a: Tensor, b: Tensor) => a.sub(b).abs().max().item();

  for (const [mode, projection] of [
    ["LSTM", false],
    ["LSTM", true],
    ["GRU", false],
    ["RNN_TANH", false],
    ["RNN_RELU", false],
  ] as const) {
    for (const bias of [true, false]) {
      test(`${mode}${projection ? " with projection" : ""}${bias ? "" : ", no bias"}: what plain ops compute`, () => {
        manualSeed(0);
        const [I, H, R] = [128, 36, projection ? 20 : 36];
        const batchSizes = [20, 20, 17, 12, 6, 6, 1];
        const total = 82;
        const gates = GATES[mode] * H;
        const table = randn([9, I], { dtype: "float64" });
        const x = table.indexSelect(0, randint(9, [total]));
        const sizes = [
          ...[
            [20, R],
            ...(mode === "LSTM" ? [[20, H]] : []),
            [gates, I],
            [gates, R],
            ...(bias ? [[gates], [gates]] : []),
          ],
          ...(projection ? [[R, H]] : []),
        ];
        const list = [x, ...sizes.map((s) => randn(s, { dtype: "float64" }).mul(0.1))].map((t) =>
          t.detach().requiresGrad_(),
        );
        const attrs = { mode, batchSizes, reverse: true, bias, projection };
        const weights = randn([total, R], { dtype: "float64" });
        const [fused, plain] = [recurrent, recurrentComposed].map((f) => {
          const [y, h] = f(list, attrs) as [Tensor, Tensor];
          return [y, h, ...grad(y.mul(weights).sum().add(h.square().sum()), list)] as Tensor[];
        }) as [Tensor[], Tensor[]];
        // Sums of 82 terms in another order, up to 10: about 1e-14 each.
        fused.forEach((t, i) => {
          expect(error(t, plain[i] as Tensor)).toBeLessThan(1e-13);
        });
      });
    }
  }

  test("the bits of the same rows among rows that do not occur again, for every number of threads", () => {
    const runs = [1, 2, 3].flatMap((n) =>
      [nn.LSTM, nn.GRU, nn.RNN].map((Layer) => {
        setNumThreads(n);
        manualSeed(0);
        const layer = new Layer(40, 35) as nn.LSTM;
        const some = randn([5, 40]).indexSelect(0, randint(5, [11 * 12]));
        const repeated = some.reshape([11, 12, 40]).requiresGrad_();
        const among = cat([repeated, randn([11, 24, 40])], 1);
        const [out] = layer(repeated);
        const wide = layer(among)[0].narrow(1, 0, 12);
        expect(out.equal(wide)).toBe(true);
        out.square().sum().backward();
        const grads = [repeated, ...layer.parameters()].map((p) => p.grad as Tensor);
        return [out, ...grads].map((t) => t.detach().toArray());
      }),
    );
    for (const [i, run] of runs.entries()) expect(run).toEqual(runs[i % 3]);
  });

  test("the gradient of the first state, asked for or not, changes no other", () => {
    manualSeed(0);
    const [x, h0, c0] = [randn([5, 12, 8], f64), randn([1, 12, 9], f64), randn([1, 12, 9], f64)];
    const lstm = new nn.LSTM(8, 9, { dtype: "float64" });
    const asked = grad(lstm(x, [h0, c0])[0].square().sum(), [x, ...lstm.parameters(), h0]) as Tensor[];
    const others = [h0.detach(), c0.detach()] as [Tensor, Tensor];
    const not = grad(lstm(x, others)[0].square().sum(), [x, ...lstm.parameters()]) as Tensor[];
    not.forEach((g, i) => {
      expect(g.equal(asked[i] as Tensor)).toBe(true);
    });
    expect(asked.at(-1)?.abs().max().item()).toBeGreaterThan(0.1);
  });
});
