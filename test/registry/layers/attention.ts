/** Samples of attention, transformers and the adaptive softmax. */
import { nn, tensor } from "../../../src/index.js";
import { indices, make, mask } from "../make.js";
import { type LayerRegistry, sample } from "./types.js";

const encoderLayer = (o: nn.TransformerLayerOptions = {}) =>
  new nn.TransformerEncoderLayer(2, 1, { dimFeedforward: 3, dropout: 0, ...o });
const decoderLayer = (o: nn.TransformerLayerOptions = {}) =>
  new nn.TransformerDecoderLayer(2, 1, { dimFeedforward: 3, dropout: 0, ...o });
const transformer = (o: nn.TransformerOptions = {}) =>
  new nn.Transformer({
    dModel: 2,
    nhead: 1,
    numEncoderLayers: 1,
    numDecoderLayers: 1,
    dimFeedforward: 2,
    dropout: 0,
    ...o,
  });
/** Queries, keys and values that differ. */
const three = (...shape: number[]) =>
  [make(shape), make(shape, { seed: 2 }), make(shape, { seed: 3 })] as const;
const causal = (n: number) => nn.Transformer.generateSquareSubsequentMask(n).double();

/** Text as it stands inside of a member. */
const inner = (text: string, depth: number) => text.replaceAll("\n", `\n${" ".repeat(depth)}`);

const ENCODER_LAYER = `TransformerEncoderLayer(
  (selfAttn): MultiheadAttention(
    (outProj): Linear(inFeatures=4, outFeatures=4, bias=true)
  )
  (linear1): Linear(inFeatures=4, outFeatures=8, bias=true)
  (dropout): Dropout(p=0.1, inplace=false)
  (linear2): Linear(inFeatures=8, outFeatures=4, bias=true)
  (norm1): LayerNorm((4), eps=1e-5, elementwiseAffine=true)
  (norm2): LayerNorm((4), eps=1e-5, elementwiseAffine=true)
  (dropout1): Dropout(p=0.1, inplace=false)
  (dropout2): Dropout(p=0.1, inplace=false)
)`;

const DECODER_LAYER = `TransformerDecoderLayer(
  (selfAttn): MultiheadAttention(
    (outProj): Linear(inFeatures=4, outFeatures=4, bias=true)
  )
  (multiheadAttn): MultiheadAttention(
    (outProj): Linear(inFeatures=4, outFeatures=4, bias=true)
  )
  (linear1): Linear(inFeatures=4, outFeatures=8, bias=true)
  (dropout): Dropout(p=0.1, inplace=false)
  (linear2): Linear(inFeatures=8, outFeatures=4, bias=true)
  (norm1): LayerNorm((4), eps=1e-5, elementwiseAffine=true)
  (norm2): LayerNorm((4), eps=1e-5, elementwiseAffine=true)
  (norm3): LayerNorm((4), eps=1e-5, elementwiseAffine=true)
  (dropout1): Dropout(p=0.1, inplace=false)
  (dropout2): Dropout(p=0.1, inplace=false)
  (dropout3): Dropout(p=0.1, inplace=false)
)`;

const stack = (name: string, layer: string, more = "") => `${name}(
  (layers): ModuleList(
    (0): ${inner(layer, 4)}
  )${more}
)`;
const NORM = "\n  (norm): LayerNorm((4), eps=1e-5, elementwiseAffine=true)";
const ENCODER = stack("TransformerEncoder", ENCODER_LAYER);
const DECODER = stack("TransformerDecoder", DECODER_LAYER);
const WHOLE = `Transformer(
  (encoder): ${inner(stack("TransformerEncoder", ENCODER_LAYER, NORM), 2)}
  (decoder): ${inner(stack("TransformerDecoder", DECODER_LAYER, NORM), 2)}
)`;

export const attention = {
  MultiheadAttention: {
    samples: {
      default: sample(
        () => new nn.MultiheadAttention(4, 2),
        () => [...three(2, 2, 4)],
      ),
      "batch first, without weights": sample(
        () => new nn.MultiheadAttention(2, 1, { batchFirst: true }),
        () => [...three(2, 3, 2), { needWeights: false }],
      ),
      "keys and values of other widths, no bias": sample(
        () => new nn.MultiheadAttention(2, 1, { kdim: 3, vdim: 1, bias: false }),
        () => [make([2, 1, 2]), make([3, 1, 3], { seed: 2 }), make([3, 1, 1], { seed: 3 })],
      ),
      "learned and zero keys": sample(
        () => new nn.MultiheadAttention(2, 2, { addBiasKv: true, addZeroAttn: true }),
        () => [...three(2, 1, 2)],
      ),
      masks: sample(
        () => new nn.MultiheadAttention(2, 1),
        () => [
          ...three(3, 2, 2),
          {
            attnMask: make([3, 3], { seed: 4, requiresGrad: false }),
            keyPaddingMask: make([2, 3], { seed: 5, requiresGrad: false }),
            averageAttnWeights: false,
          },
        ],
      ),
      "dropout of the weights": sample(
        () => new nn.MultiheadAttention(2, 1, { dropout: 0.5 }),
        () => [...three(3, 2, 2)],
      ),
      unbatched: sample(
        () => new nn.MultiheadAttention(2, 1),
        () => [...three(3, 2)],
      ),
      "empty batch": sample(
        () => new nn.MultiheadAttention(2, 1),
        () => [...three(3, 0, 2)],
      ),
    },
    prints: {
      "MultiheadAttention(\n  (outProj): Linear(inFeatures=8, outFeatures=8, bias=true)\n)": () =>
        new nn.MultiheadAttention(8, 2),
    },
    trainEvalDiffer: true,
    errors: {
      "heads that do not divide": [
        () => new nn.MultiheadAttention(5, 2),
        "[MultiheadAttention] embedDim must be divisible by numHeads: got 5 and 2",
      ],
      "another width": [
        () => new nn.MultiheadAttention(4, 2).double()(...three(2, 2, 6)),
        /\[multiHeadAttentionForward\].*4/,
      ],
      "a mask of another shape": [
        () => new nn.MultiheadAttention(4, 2).double()(...three(2, 2, 4), { attnMask: mask([3, 3]) }),
        /\[multiHeadAttentionForward\].*attnMask/i,
      ],
    },
  },
  TransformerEncoderLayer: {
    samples: {
      default: sample(
        () => encoderLayer(),
        () => [make([3, 2, 2])],
      ),
      "norm first, gelu, batch first": sample(
        () => encoderLayer({ normFirst: true, activation: "gelu", batchFirst: true }),
        () => [make([2, 3, 2])],
      ),
      masks: sample(
        () => encoderLayer(),
        () => [
          make([3, 2, 2]),
          {
            srcMask: causal(3),
            srcKeyPaddingMask: tensor([
              [false, false, true],
              [false, false, false],
            ]),
          },
        ],
      ),
      "no bias": sample(
        () => encoderLayer({ bias: false }),
        () => [make([2, 1, 2])],
      ),
      dropout: sample(
        () => encoderLayer({ dropout: 0.4 }),
        () => [make([3, 2, 2])],
      ),
      unbatched: sample(
        () => encoderLayer(),
        () => [make([3, 2])],
      ),
      "empty batch": sample(
        () => encoderLayer(),
        () => [make([3, 0, 2])],
      ),
    },
    prints: {
      [ENCODER_LAYER]: () => new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 8 }),
    },
    trainEvalDiffer: true,
    errors: {
      "another activation": [
        () => encoderLayer({ activation: "tanh" as "relu" }),
        '[TransformerEncoderLayer] activation should be "relu", "gelu" or a function, got tanh',
      ],
    },
  },
  TransformerDecoderLayer: {
    samples: {
      default: sample(
        () => decoderLayer(),
        () => [make([2, 2, 2]), make([3, 2, 2], { seed: 2 })],
      ),
      "norm first, gelu, batch first": sample(
        () => decoderLayer({ normFirst: true, activation: "gelu", batchFirst: true }),
        () => [make([2, 2, 2]), make([2, 3, 2], { seed: 2 })],
      ),
      masks: sample(
        () => decoderLayer(),
        () => [
          make([3, 1, 2]),
          make([2, 1, 2], { seed: 2 }),
          { tgtMask: causal(3), memoryKeyPaddingMask: tensor([[false, true]]) },
        ],
      ),
      dropout: sample(
        () => decoderLayer({ dropout: 0.4 }),
        () => [make([2, 2, 2]), make([3, 2, 2], { seed: 2 })],
      ),
      unbatched: sample(
        () => decoderLayer(),
        () => [make([2, 2]), make([3, 2], { seed: 2 })],
      ),
      "empty batch": sample(
        () => decoderLayer(),
        () => [make([2, 0, 2]), make([3, 0, 2])],
      ),
    },
    prints: {
      [DECODER_LAYER]: () => new nn.TransformerDecoderLayer(4, 2, { dimFeedforward: 8 }),
    },
    trainEvalDiffer: true,
  },
  TransformerEncoder: {
    samples: {
      "two layers and a norm": sample(
        () => new nn.TransformerEncoder(encoderLayer(), 2, { norm: new nn.LayerNorm(2) }),
        () => [make([2, 2, 2])],
      ),
      "one layer, causal mask": sample(
        () => new nn.TransformerEncoder(encoderLayer(), 1),
        () => [make([3, 1, 2]), { mask: causal(3) }],
      ),
      dropout: sample(
        () => new nn.TransformerEncoder(encoderLayer({ dropout: 0.4 }), 2),
        () => [make([3, 2, 2])],
      ),
    },
    prints: {
      [ENCODER]: () =>
        new nn.TransformerEncoder(new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 8 }), 1),
    },
    trainEvalDiffer: true,
  },
  TransformerDecoder: {
    samples: {
      "two layers and a norm": sample(
        () => new nn.TransformerDecoder(decoderLayer(), 2, { norm: new nn.LayerNorm(2) }),
        () => [make([2, 1, 2]), make([2, 1, 2], { seed: 2 })],
      ),
      dropout: sample(
        () => new nn.TransformerDecoder(decoderLayer({ dropout: 0.4 }), 1),
        () => [make([2, 2, 2]), make([2, 2, 2], { seed: 2 })],
      ),
    },
    prints: {
      [DECODER]: () =>
        new nn.TransformerDecoder(new nn.TransformerDecoderLayer(4, 2, { dimFeedforward: 8 }), 1),
    },
    trainEvalDiffer: true,
  },
  Transformer: {
    samples: {
      default: sample(
        () => transformer(),
        () => [make([2, 2, 2]), make([3, 2, 2], { seed: 2 })],
      ),
      "batch first, causal": sample(
        () => transformer({ batchFirst: true }),
        () => [make([1, 2, 2]), make([1, 3, 2], { seed: 2 }), { tgtMask: causal(3) }],
      ),
      unbatched: sample(
        () => transformer(),
        () => [make([2, 2]), make([3, 2], { seed: 2 })],
      ),
      dropout: sample(
        () => transformer({ dropout: 0.4 }),
        () => [make([2, 2, 2]), make([3, 2, 2], { seed: 2 })],
      ),
    },
    prints: {
      [WHOLE]: () =>
        new nn.Transformer({
          dModel: 4,
          nhead: 2,
          numEncoderLayers: 1,
          numDecoderLayers: 1,
          dimFeedforward: 8,
        }),
    },
    trainEvalDiffer: true,
    errors: {
      "batches of different size": [
        () => transformer().double()(make([2, 2, 2]), make([2, 3, 2])),
        "[Transformer] the batch number of src and tgt must be equal: got [2, 2, 2] and [2, 3, 2]",
      ],
      "another width": [
        () => transformer().double()(make([2, 2, 3]), make([2, 2, 3])),
        "[Transformer] the feature number of src and tgt must be equal to dModel 2",
      ],
    },
  },
  AdaptiveLogSoftmaxWithLoss: {
    samples: {
      "two clusters": sample(
        () => new nn.AdaptiveLogSoftmaxWithLoss(4, 7, [2, 4], { divValue: 2 }),
        () => [make([3, 4]), tensor([0, 6, 2])],
      ),
      "head bias": sample(
        () => new nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3], { headBias: true }),
        () => [make([3, 4]), tensor([4, 0, 2])],
      ),
      unbatched: sample(
        () => new nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2]),
        () => [make([4]), tensor(3)],
      ),
    },
    prints: {
      "AdaptiveLogSoftmaxWithLoss(\n  (head): Linear(inFeatures=8, outFeatures=6, bias=false)\n  (tail): ModuleList(\n    (0): Sequential(\n      (0): Linear(inFeatures=8, outFeatures=2, bias=false)\n      (1): Linear(inFeatures=2, outFeatures=6, bias=false)\n    )\n    (1): Sequential(\n      (0): Linear(inFeatures=8, outFeatures=0, bias=false)\n      (1): Linear(inFeatures=0, outFeatures=10, bias=false)\n    )\n  )\n)":
        () => new nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10]),
    },
    errors: {
      "cutoffs that fall": [
        () => new nn.AdaptiveLogSoftmaxWithLoss(4, 7, [4, 2]),
        "[AdaptiveLogSoftmaxWithLoss] cutoffs [4, 2]: expected whole numbers, ascending, from 1 to 6",
      ],
      "a target out of range": [
        () => new nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2]).double()(make([2, 4]), indices([2], 5).add(5)),
        /target \d at index \[\d\] is out of range: expected 0 to 4/,
      ],
      "batches of different size": [
        () => new nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2]).double()(make([2, 4]), tensor([1, 2, 3])),
        /input \[2, 4\] and target \[3\]/,
      ],
    },
  },
} satisfies Partial<LayerRegistry>;
