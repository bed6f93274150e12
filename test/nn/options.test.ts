/** Options by position: those that everyone writes so work, all others are refused in place of being ignored. */
import { manualSeed, nn, randn } from "kindling";
import { expect, test } from "vitest";

test.each([
  [new nn.LSTM(3, 4, 2, { batchFirst: true }), "LSTM(3, 4, numLayers=2, batchFirst=true)"],
  [new nn.GRU(3, 4, 2), "GRU(3, 4, numLayers=2)"],
  [new nn.RNN(3, 4, 1, { nonlinearity: "relu", bias: false }), "RNN(3, 4, bias=false)"],
  [new nn.Hardtanh(0, 20), "Hardtanh(minVal=0, maxVal=20)"],
  [new nn.Hardtanh(-2), "Hardtanh(minVal=-2, maxVal=1)"],
  [new nn.Hardtanh(0, 20, { inplace: true }), "Hardtanh(minVal=0, maxVal=20, inplace=true)"],
  [new nn.RReLU(0.1, 0.3), "RReLU(lower=0.1, upper=0.3)"],
  [
    new nn.Conv2d(3, 6, 3, 2, { padding: 1 }),
    "Conv2d(3, 6, kernelSize=(3, 3), stride=(2, 2), padding=(1, 1))",
  ],
  [new nn.Linear(3, 4, false), "Linear(inFeatures=3, outFeatures=4, bias=false)"],
] as const)("%s", (layer, text) => {
  expect(String(layer)).toBe(text);
});

test("a recurrent net with its layers by position is the one with them among the options", () => {
  const run = (make: () => nn.LSTM) => {
    manualSeed(0);
    return make()(randn([5, 2, 3]))[0].toArray();
  };
  expect(run(() => new nn.LSTM(3, 4, 2))).toEqual(run(() => new nn.LSTM(3, 4, { numLayers: 2 })));
});

// What PyTorch takes by position and TypeScript refuses, as plain JavaScript would write it.
type Untyped = new (...args: unknown[]) => unknown;

test.each(
  [
    [nn.Conv2d, [3, 6, 3, 1, 1]],
    [nn.ConvTranspose2d, [3, 6, 4, 2, 1]],
    [nn.LazyConv2d, [6, 3, 1, 1]],
    [nn.MaxPool2d, [3, 2, 1]],
    [nn.AvgPool2d, [3, 2, 1]],
    [nn.Linear, [3, 4, 5]],
    [nn.BatchNorm2d, [3, 1e-3]],
    [nn.InstanceNorm2d, [3, 1e-3]],
    [nn.LayerNorm, [3, 1e-6]],
    [nn.GroupNorm, [1, 3, 1e-6]],
    [nn.Embedding, [5, 3, 0]],
    [nn.LSTM, [3, 4, 2, true]],
    [nn.LSTMCell, [3, 4, false]],
    [nn.MultiheadAttention, [8, 2, 0.1]],
    [nn.TransformerEncoderLayer, [8, 2, 16]],
    [nn.Transformer, [8, 2]],
    [nn.CrossEntropyLoss, [[1, 2, 3]]],
    [nn.TripletMarginLoss, [1]],
    [nn.MarginRankingLoss, [0.1]],
    [nn.PairwiseDistance, [2]],
    [nn.CosineSimilarity, [1]],
    [nn.Softplus, [2]],
    [nn.Upsample, [[4, 4]]],
    [nn.Hardtanh, [0, 20, true]],
    [nn.Unfold, [2, 1]],
    [nn.LocalResponseNorm, [3, 1e-4]],
  ].map(([layer, args]) => [(layer as { name: string }).name, args, layer] as const),
)("%s of %j is refused", (_name, args, layer) => {
  expect(() => new (layer as Untyped)(...(args as unknown[]))).toThrow(
    /^\[\w+\] got .* where its options stand, expected one object/,
  );
});

test("so are those of functions", () => {
  const { conv2d, maxPool2d } = nn.functional as unknown as Record<string, (...args: unknown[]) => unknown>;
  const message = "got 1 where its options stand, expected one object; try { name: value }";
  expect(() => conv2d?.(randn([1, 1, 4, 4]), randn([1, 1, 3, 3]), null, 1, 1)).toThrow(message);
  expect(() => maxPool2d?.(randn([1, 1, 4, 4]), 3, 2, 1)).toThrow(message);
});
