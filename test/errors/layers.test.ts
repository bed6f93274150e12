/** Layers: sizes that do not fit, options out of range. */

import { expect, test } from "vitest";
import { nn, ones, randn, tensor, zeros } from "../../src/index.js";
import { errorOf, index } from "./errorOf.js";

const { functional: F } = nn;

test("linear: another width", () => {
  expect(errorOf(() => new nn.Linear(4, 3)(randn([2, 5])))).toMatchInlineSnapshot(
    `"ShapeError: [linear] got input [2, 5] and weight [3, 4]: expected an input whose last dimension is 4, the weight's last; try input.reshape([-1, 4]), or a layer of other sizes"`,
  );
});

test("linear: a negative size", () => {
  expect(errorOf(() => new nn.Linear(-1, 2))).toMatchInlineSnapshot(
    `"ValueError: [Linear] inFeatures must be a whole number >= 0, got -1"`,
  );
});

test("bilinear", () => {
  expect(errorOf(() => new nn.Bilinear(2, 3, 4)(randn([2, 2]), randn([2, 4])))).toMatchInlineSnapshot(
    `"ShapeError: [bilinear] got inputs [2, 2] and [2, 4], weight [4, 2, 3], bias [4]: expected (*, in1), (*, in2), (out, in1, in2), (out)"`,
  );
});

test("conv: channels", () => {
  expect(errorOf(() => new nn.Conv2d(3, 6, 3)(randn([1, 4, 8, 8])))).toMatchInlineSnapshot(
    `"ShapeError: [conv2d] expected an input with 3 channels for weight [6, 3, 3, 3] and groups 1, got 4 channels, input [1, 4, 8, 8]; try a layer of 4 inChannels, or permute the channels to dimension 1"`,
  );
});

test("conv: dimensions", () => {
  expect(errorOf(() => new nn.Conv2d(3, 6, 3)(randn([1, 3, 8, 8, 8])))).toMatchInlineSnapshot(
    `"ShapeError: [conv2d] expected an input of 3 (one image) or 4 dimensions (a batch), got shape [1, 3, 8, 8, 8]"`,
  );
});

test("conv: an image smaller than the kernel", () => {
  expect(errorOf(() => new nn.Conv2d(1, 1, 5)(randn([1, 1, 3, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [conv2d] the kernel is larger than the padded input: got input [1, 1, 3, 3] with padding [0, 0], kernel [5, 5] with dilation [1, 1]; try more padding"`,
  );
});

test("conv: groups", () => {
  expect(errorOf(() => new nn.Conv2d(3, 6, 3, { groups: 2 }))).toMatchInlineSnapshot(
    `"ValueError: [Conv2d] inChannels must be divisible by groups: got 3 and groups 2"`,
  );
});

test("conv: an unknown padding mode", () => {
  expect(errorOf(() => new nn.Conv2d(3, 6, 3, { paddingMode: "mirror" as never }))).toMatchInlineSnapshot(
    `"ValueError: [Conv2d] paddingMode must be one of zeros, reflect, replicate, circular, got "mirror""`,
  );
});

test('conv: "same" with strides', () => {
  expect(errorOf(() => new nn.Conv2d(3, 6, 3, { padding: "same", stride: 2 }))).toMatchInlineSnapshot(
    `"ValueError: [Conv2d] padding "same" is not defined for strides, got stride (2, 2)"`,
  );
});

test("conv: a kernel of too many sizes", () => {
  expect(errorOf(() => new nn.Conv2d(3, 6, [3, 3, 3]))).toMatchInlineSnapshot(
    `"ValueError: [Conv2d] kernelSize must be 1 or 2 numbers, got [3, 3, 3]"`,
  );
});

test("transposed conv: outputPadding", () => {
  expect(
    errorOf(() => new nn.ConvTranspose2d(1, 1, 2, { outputPadding: 2 })(randn([1, 1, 3, 3]))),
  ).toMatchInlineSnapshot(
    `"ValueError: [convTranspose2d] outputPadding must be less than stride or dilation: got outputPadding [2, 2], stride [1, 1], dilation [1, 1]"`,
  );
});

test("transposed conv: an impossible outputSize", () => {
  expect(
    errorOf(() => new nn.ConvTranspose2d(1, 1, 3, { stride: 2 })(randn([1, 1, 3, 3]), [99, 99])),
  ).toMatchInlineSnapshot(
    `"ShapeError: [ConvTranspose2d] cannot give the size 99 along dimension 2: for the input [1, 1, 3, 3] it can be 7 to 8, got outputSize [99, 99]"`,
  );
});

test("pooling: too much padding", () => {
  expect(errorOf(() => new nn.MaxPool2d(2, { padding: 2 })(randn([1, 1, 4, 4])))).toMatchInlineSnapshot(
    `"ValueError: [maxPool2d] padding must be at most half of the kernel size: got padding [2, 2], kernel size [2, 2]"`,
  );
});

test("pooling: an image smaller than the window", () => {
  expect(errorOf(() => new nn.AvgPool2d(5)(randn([1, 1, 3, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [avgPool2d] the input is too small: got [1, 1, 3, 3], which has no place for kernel size [5, 5] with padding [0, 0] and dilation [1, 1]"`,
  );
});

test("LP pooling of order 0", () => {
  expect(errorOf(() => new nn.LPPool2d(0, 2)(randn([1, 1, 4, 4])))).toMatchInlineSnapshot(
    `"ValueError: [lpPool2d] normType must not be 0, got 0; try 1, 2 or Infinity"`,
  );
});

test("unpooling: an index out of range", () => {
  expect(errorOf(() => new nn.MaxUnpool2d(2)(randn([1, 1, 1, 1]), index([[[[9]]]])))).toMatchInlineSnapshot(
    `"IndexError: [maxUnpool2d] index 9 is out of range: expected 0 to 3 for a dimension of size 4"`,
  );
});

test("reflection: too wide", () => {
  expect(errorOf(() => new nn.ReflectionPad1d(3)(randn([1, 1, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [pad] mode "reflect" can add at most 2 elements on a side of dimension 2 of size 3: got [3, 3] for shape [1, 1, 3]"`,
  );
});

test("padding: an unknown mode", () => {
  expect(errorOf(() => F.pad(randn([1, 1, 2]), [1, 1], { mode: "edge" as never }))).toMatchInlineSnapshot(
    `"ValueError: [pad] unknown mode "edge": expected constant, reflect, replicate or circular"`,
  );
});

test("interpolate: size and scaleFactor", () => {
  expect(
    errorOf(() => F.interpolate(randn([1, 1, 2, 2]), { size: 4, scaleFactor: 2 })),
  ).toMatchInlineSnapshot(`"ValueError: [interpolate] expected either size or scaleFactor, got both"`);
});

test("interpolate: an unknown mode", () => {
  expect(
    errorOf(() => F.interpolate(randn([1, 1, 2, 2]), { size: 4, mode: "cubic" as never })),
  ).toMatchInlineSnapshot(
    `"ValueError: [interpolate] unknown mode "cubic": expected one of nearest, nearest-exact, area, linear, bilinear, bicubic, trilinear"`,
  );
});

test("pixel shuffle: channels", () => {
  expect(errorOf(() => new nn.PixelShuffle(2)(randn([1, 3, 2, 2])))).toMatchInlineSnapshot(
    `"ShapeError: [pixelShuffle] the channels must be divisible by 4, upscaleFactor squared: got shape [1, 3, 2, 2]"`,
  );
});

test("batch norm: a batch of one", () => {
  expect(errorOf(() => new nn.BatchNorm1d(3)(randn([1, 3])))).toMatchInlineSnapshot(
    `"ValueError: [BatchNorm1d] Expected more than 1 value per channel when training, got input size [1, 3]; try a larger batch, dropLast: true in the DataLoader, or eval() on the layer"`,
  );
});

test("batch norm: a batch of one inside a model", () => {
  expect(
    errorOf(() =>
      new nn.Sequential(new nn.Linear(4, 3), new nn.Sequential(new nn.BatchNorm1d(3), new nn.ReLU()))(
        randn([1, 4]),
      ),
    ),
  ).toMatchInlineSnapshot(`
    "ValueError: [BatchNorm1d] Expected more than 1 value per channel when training, got input size [1, 3]; try a larger batch, dropLast: true in the DataLoader, or eval() on the layer
      in 1.0: BatchNorm1d(3, eps=1e-5, momentum=0.1, affine=true, trackRunningStats=true)"
  `);
});

test("batch norm: channels", () => {
  expect(errorOf(() => new nn.BatchNorm2d(3)(randn([2, 4, 2, 2])))).toMatchInlineSnapshot(
    `"ShapeError: [BatchNorm2d] expected 3 channels in dimension 1 (numFeatures), got 4: input of shape [2, 4, 2, 2], weight and statistics of shape [3]; try new BatchNorm2d(4)"`,
  );
});

test("batch norm: dimensions", () => {
  expect(errorOf(() => new nn.BatchNorm2d(3)(randn([2, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [BatchNorm2d] expected 4D input (got 2D input): shape [2, 3], expected (N, C, H, W)"`,
  );
});

test("batch norm: eval without statistics", () => {
  expect(errorOf(() => F.batchNorm(randn([2, 3]), null, null, { training: false }))).toMatchInlineSnapshot(
    `"ValueError: [batchNorm] running_mean must be defined in evaluation mode: got null; try { training: true } for the statistics of the batch"`,
  );
});

test("instance norm: one position", () => {
  expect(errorOf(() => new nn.InstanceNorm1d(3)(randn([2, 3, 1])))).toMatchInlineSnapshot(
    `"ValueError: [instanceNorm] Expected more than 1 spatial element when training, got input size [2, 3, 1]; try inputs with more positions, or layerNorm"`,
  );
});

test("layer norm: shape", () => {
  expect(errorOf(() => new nn.LayerNorm([3, 4])(randn([2, 4])))).toMatchInlineSnapshot(
    `"ShapeError: [layerNorm] Given normalizedShape=[3, 4], expected input with shape [*, 3, 4], but got input of size [2, 4]"`,
  );
});

test("group norm: groups", () => {
  expect(errorOf(() => new nn.GroupNorm(3, 4))).toMatchInlineSnapshot(
    `"ValueError: [GroupNorm] num_channels must be divisible by num_groups: got numChannels 4, numGroups 3"`,
  );
});

test("group norm: channels", () => {
  expect(errorOf(() => new nn.GroupNorm(2, 4)(randn([2, 6, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [groupNorm] weight should contain 6 elements not 4: got shape [4], expected [6] for input [2, 6, 3]"`,
  );
});

test("embedding: paddingIdx", () => {
  expect(errorOf(() => new nn.Embedding(3, 2, { paddingIdx: 3 }))).toMatchInlineSnapshot(
    `"ValueError: [Embedding] paddingIdx 3 is out of range: expected -3 to 2 for 3 rows"`,
  );
});

test("LSTM: another width", () => {
  expect(errorOf(() => new nn.LSTM(3, 4)(randn([5, 2, 2])))).toMatchInlineSnapshot(
    `"ShapeError: [LSTM] input.shape[-1] must be equal to inputSize. Expected 3, got 2: [5, 2, 2]"`,
  );
});

test("LSTM: a state for another batch", () => {
  expect(
    errorOf(() => new nn.LSTM(3, 4)(randn([5, 2, 3]), [zeros([1, 3, 4]), zeros([1, 3, 4])])),
  ).toMatchInlineSnapshot(`"ShapeError: [LSTM] expected h0 of shape [1, 2, 4], got [1, 3, 4]"`);
});

test("LSTM: one state in place of two", () => {
  expect(errorOf(() => new nn.LSTM(3, 4)(randn([5, 2, 3]), zeros([1, 2, 4]) as never))).toMatchInlineSnapshot(
    `"ShapeError: [LSTM] the state must be two tensors, [h0, c0]"`,
  );
});

test("LSTM: dropout", () => {
  expect(errorOf(() => new nn.LSTM(3, 4, { dropout: 2 }))).toMatchInlineSnapshot(
    `"ValueError: [LSTM] dropout must be a probability from 0 to 1, got 2"`,
  );
});

test("RNN: an unknown nonlinearity", () => {
  expect(errorOf(() => new nn.RNN(3, 4, { nonlinearity: "gelu" as never }))).toMatchInlineSnapshot(
    `"ValueError: [RNN] nonlinearity must be "tanh" or "relu", got gelu"`,
  );
});

test("packing: lengths not sorted", () => {
  expect(errorOf(() => nn.utils.rnn.packPaddedSequence(randn([5, 2, 3]), [1, 5]))).toMatchInlineSnapshot(
    `"ValueError: [packPaddedSequence] lengths must not grow when enforceSorted is true: got [1, 5]; try { enforceSorted: false }"`,
  );
});

test("attention: heads", () => {
  expect(errorOf(() => new nn.MultiheadAttention(10, 3))).toMatchInlineSnapshot(
    `"ValueError: [MultiheadAttention] embedDim must be divisible by numHeads: got 10 and 3"`,
  );
});

test("attention: width of the query", () => {
  expect(
    errorOf(() => new nn.MultiheadAttention(8, 2)(randn([3, 1, 7]), randn([3, 1, 8]), randn([3, 1, 8]))),
  ).toMatchInlineSnapshot(
    `"ShapeError: [multiHeadAttentionForward] expected a query of width 8 (embedDim), got 7: query of shape [3, 1, 7]"`,
  );
});

test("attention: batch sizes", () => {
  expect(
    errorOf(() => new nn.MultiheadAttention(8, 2)(randn([3, 1, 8]), randn([3, 2, 8]), randn([3, 2, 8]))),
  ).toMatchInlineSnapshot(
    `"ShapeError: [multiHeadAttentionForward] expected query, key and value of one batch size, got [3, 1, 8], [3, 2, 8], [3, 2, 8]: dimension 1 differs; try { batchFirst: true } for (B, L, E)"`,
  );
});

test("attention: shape of the mask", () => {
  expect(
    errorOf(() =>
      new nn.MultiheadAttention(8, 2)(randn([3, 1, 8]), randn([3, 1, 8]), randn([3, 1, 8]), {
        attnMask: zeros([2, 2]),
      }),
    ),
  ).toMatchInlineSnapshot(
    `"ShapeError: [multiHeadAttentionForward] expected an attnMask of shape [3, 3] or [2, 3, 3], got [2, 2]"`,
  );
});

test("scaled dot product: width of the keys", () => {
  expect(
    errorOf(() => F.scaledDotProductAttention(randn([1, 3, 4]), randn([1, 3, 5]), randn([1, 3, 4]))),
  ).toMatchInlineSnapshot(
    `"ShapeError: [scaledDotProductAttention] expected query and key of one width: got [1, 3, 4] and [1, 3, 5], whose last dimensions differ"`,
  );
});

test("scaled dot product: number of values", () => {
  expect(
    errorOf(() => F.scaledDotProductAttention(randn([1, 3, 4]), randn([1, 5, 4]), randn([1, 3, 4]))),
  ).toMatchInlineSnapshot(
    `"ShapeError: [scaledDotProductAttention] expected as many values as keys: got key [1, 5, 4] and value [1, 3, 4], whose dimensions -2 differ"`,
  );
});

test("scaled dot product: shape of the mask", () => {
  expect(
    errorOf(() =>
      F.scaledDotProductAttention(randn([1, 3, 4]), randn([1, 3, 4]), randn([1, 3, 4]), {
        attnMask: zeros([2, 2]),
      }),
    ),
  ).toMatchInlineSnapshot(
    `"ShapeError: [scaledDotProductAttention] attnMask of shape [2, 2] does not broadcast: expected [1, 3, 3], (..., queries, keys), or sizes of 1"`,
  );
});

test("transformer: batch sizes", () => {
  expect(
    errorOf(() =>
      new nn.Transformer({
        dModel: 8,
        nhead: 2,
        numEncoderLayers: 1,
        numDecoderLayers: 1,
        dimFeedforward: 8,
      })(randn([3, 1, 8]), randn([3, 2, 8])),
    ),
  ).toMatchInlineSnapshot(
    `"ShapeError: [Transformer] the batch number of src and tgt must be equal: got [3, 1, 8] and [3, 2, 8]"`,
  );
});

test("transformer: an unknown activation", () => {
  expect(
    errorOf(() => new nn.TransformerEncoderLayer(8, 2, { activation: "tanh" as never })),
  ).toMatchInlineSnapshot(
    `"ValueError: [TransformerEncoderLayer] activation should be "relu", "gelu" or a function, got tanh"`,
  );
});

test("dropout: probability", () => {
  expect(errorOf(() => new nn.Dropout(1.5))).toMatchInlineSnapshot(
    `"ValueError: [Dropout] p must be a probability, from 0 to 1: got 1.5"`,
  );
});

test("gelu: an unknown approximation", () => {
  expect(errorOf(() => F.gelu(randn([2]), "erf" as never))).toMatchInlineSnapshot(
    `"ValueError: [gelu] approximate must be "none" or "tanh", got "erf""`,
  );
});

test("glu: an odd size", () => {
  expect(errorOf(() => F.glu(randn([3])))).toMatchInlineSnapshot(
    `"ShapeError: [glu] dimension -1 of [3] must be even: it is halved"`,
  );
});

test("prelu: channels", () => {
  expect(errorOf(() => new nn.PReLU(3)(randn([2, 4])))).toMatchInlineSnapshot(
    `"ShapeError: [prelu] got weight [3] for input [2, 4]: expected 1 weight or 4, one a channel"`,
  );
});

test("hardtanh: bounds", () => {
  expect(errorOf(() => new nn.Hardtanh({ minVal: 1, maxVal: -1 }))).toMatchInlineSnapshot(
    `"ValueError: [Hardtanh] minVal must be < maxVal, got 1 and -1"`,
  );
});

test("a layer deep in a model", () => {
  expect(
    errorOf(() =>
      new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 8 }), 2)(
        randn([3, 1, 7]),
      ),
    ),
  ).toMatchInlineSnapshot(`
    "ShapeError: [multiHeadAttentionForward] expected a query of width 8 (embedDim), got 7: query of shape [3, 1, 7]
      in layers.0.self_attn: MultiheadAttention()"
  `);
});

test("F.linear: bias", () => {
  expect(errorOf(() => F.linear(randn([2, 3]), ones([4, 3]), tensor([1.5, 2])))).toMatchInlineSnapshot(
    `"ShapeError: [linear] got bias [2] with weight [4, 3]: expected [4]"`,
  );
});
