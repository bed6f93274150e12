/** Samples of the recurrent layers and cells. */
import { nn, type Tensor, zeros } from "../../../src/index.js";
import { make } from "../make.js";
import { type LayerErrors, type LayerRegistry, type LayerSample, sample } from "./types.js";

type Options = nn.RecurrentOptions;
type Sequence = nn.Module<[nn.SequenceInput, nn.StateArg<Tensor>?], unknown>;

/** Shapes and options that RNN and GRU share. */
function sequences(
  build: (input: number, hidden: number, o?: Options) => Sequence,
): Record<string, LayerSample> {
  return {
    default: sample(
      () => build(2, 3),
      () => [make([3, 2, 2])],
    ),
    "given state": sample(
      () => build(2, 2),
      () => [make([2, 2, 2]), make([1, 2, 2], { seed: 2 })],
    ),
    "two layers, both directions, batch first": sample(
      () => build(2, 2, { numLayers: 2, bidirectional: true, batchFirst: true }),
      () => [make([2, 3, 2])],
    ),
    "no bias": sample(
      () => build(2, 2, { bias: false }),
      () => [make([2, 1, 2])],
    ),
    "dropout between layers": sample(
      () => build(2, 2, { numLayers: 2, dropout: 0.5 }),
      () => [make([2, 2, 2])],
    ),
    unbatched: sample(
      () => build(2, 2),
      () => [make([3, 2])],
    ),
    "unbatched, given state": sample(
      () => build(2, 2),
      () => [make([2, 2]), make([1, 2], { seed: 2 })],
    ),
    "empty batch": sample(
      () => build(2, 2),
      () => [make([3, 0, 2])],
    ),
  };
}

function sequenceErrors(build: (input: number, hidden: number, o?: Options) => Sequence): LayerErrors {
  return {
    "another number of features": [
      () => build(2, 3).double()(make([3, 2, 4])),
      /input.shape\[-1\] must be equal to inputSize. Expected 2, got 4/,
    ],
    "one dimension": [() => build(2, 3).double()(make([2])), /input must have 2 or 3 dimensions/],
    "no steps": [() => build(2, 3).double()(make([0, 2, 2])), /expected a sequence of at least one step/],
    "a state of another shape": [
      () => build(2, 3).double()(make([3, 2, 2]), zeros([1, 1, 3], { dtype: "float64" })),
      /expected .*\[1, 2, 3\], got \[1, 1, 3\]/,
    ],
    "a batch of states for one sequence": [
      () => build(2, 3).double()(make([3, 2]), zeros([1, 2, 3], { dtype: "float64" })),
      /for an input without a batch .* must have 2 dimensions/,
    ],
    "dropout above 1": [
      () => build(2, 3, { dropout: 2 }),
      /dropout must be a probability from 0 to 1, got 2/,
    ],
    "no layers": [() => build(2, 3, { numLayers: 0 }), /numLayers must be a whole number > 0, got 0/],
    "another dtype": [() => build(2, 3)(make([3, 2, 2])), /input is float64, expected float32/],
  };
}

type Cell = nn.Module<[Tensor, nn.StateArg<Tensor>?]>;

function cells(
  build: (input: number, hidden: number, o?: nn.CellOptions) => Cell,
): Record<string, LayerSample> {
  return {
    default: sample(
      () => build(2, 3),
      () => [make([2, 2])],
    ),
    "given state": sample(
      () => build(2, 3),
      () => [make([2, 2]), make([2, 3], { seed: 2 })],
    ),
    "no bias": sample(
      () => build(2, 2, { bias: false }),
      () => [make([2, 2]), make([2, 2], { seed: 2 })],
    ),
    unbatched: sample(
      () => build(2, 3),
      () => [make([2]), make([3], { seed: 2 })],
    ),
    "empty batch": sample(
      () => build(2, 3),
      () => [make([0, 2])],
    ),
  };
}

function cellErrors(build: (input: number, hidden: number) => Cell): LayerErrors {
  return {
    "another number of features": [
      () => build(2, 3).double()(make([2, 4])),
      /inconsistent inputSize: got 4, expected 2/,
    ],
    "three dimensions": [
      () => build(2, 3).double()(make([1, 2, 2])),
      /expected an input of 1 or 2 dimensions/,
    ],
    "a state of another shape": [
      () => build(2, 3).double()(make([2, 2]), make([2, 4])),
      /expected a state of shape \[2, 3\], got \[2, 4\]/,
    ],
  };
}

const rnn: Parameters<typeof sequences>[0] = (i, h, o) => new nn.RNN(i, h, o);
const gru: Parameters<typeof sequences>[0] = (i, h, o) => new nn.GRU(i, h, o);
const rnnCell: Parameters<typeof cells>[0] = (i, h, o) => new nn.RNNCell(i, h, o);
const gruCell: Parameters<typeof cells>[0] = (i, h, o) => new nn.GRUCell(i, h, o);
const states = (...shape: number[]): [Tensor, Tensor] => [make(shape, { seed: 2 }), make(shape, { seed: 3 })];

export const recurrent = {
  RNN: {
    samples: {
      ...sequences(rnn),
      relu: sample(
        () => new nn.RNN(2, 3, { nonlinearity: "relu" }),
        () => [make([2, 2, 2])],
      ),
    },
    prints: {
      "RNN(3, 4)": () => new nn.RNN(3, 4),
      "RNN(3, 4, numLayers=2, bias=false, batchFirst=true, dropout=0.5, bidirectional=true)": () =>
        new nn.RNN(3, 4, { numLayers: 2, bias: false, batchFirst: true, dropout: 0.5, bidirectional: true }),
    },
    trainEvalDiffer: true,
    errors: {
      ...sequenceErrors(rnn),
      "another nonlinearity": [
        () => new nn.RNN(2, 3, { nonlinearity: "sigmoid" as "relu" }),
        '[RNN] nonlinearity must be "tanh" or "relu", got sigmoid',
      ],
    },
  },
  GRU: {
    samples: sequences(gru),
    prints: {
      "GRU(3, 4)": () => new nn.GRU(3, 4),
      "GRU(3, 4, numLayers=2, dropout=0.2)": () => new nn.GRU(3, 4, { numLayers: 2, dropout: 0.2 }),
    },
    trainEvalDiffer: true,
    errors: sequenceErrors(gru),
  },
  LSTM: {
    samples: {
      default: sample(
        () => new nn.LSTM(2, 3),
        () => [make([2, 2, 2])],
      ),
      "given state": sample(
        () => new nn.LSTM(2, 2),
        () => [make([2, 2, 2]), states(1, 2, 2)],
      ),
      "two layers, both directions, batch first": sample(
        () => new nn.LSTM(2, 2, { numLayers: 2, bidirectional: true, batchFirst: true }),
        () => [make([2, 2, 2])],
      ),
      projection: sample(
        () => new nn.LSTM(2, 3, { projSize: 2, numLayers: 2 }),
        () => [make([2, 2, 2])],
      ),
      "no bias": sample(
        () => new nn.LSTM(2, 2, { bias: false }),
        () => [make([2, 1, 2])],
      ),
      "dropout between layers": sample(
        () => new nn.LSTM(2, 2, { numLayers: 2, dropout: 0.5 }),
        () => [make([2, 2, 2])],
      ),
      unbatched: sample(
        () => new nn.LSTM(2, 2),
        () => [make([3, 2]), states(1, 2)],
      ),
      "empty batch": sample(
        () => new nn.LSTM(2, 2),
        () => [make([3, 0, 2])],
      ),
    },
    prints: {
      "LSTM(3, 4)": () => new nn.LSTM(3, 4),
      "LSTM(3, 4, projSize=2, numLayers=2)": () => new nn.LSTM(3, 4, { projSize: 2, numLayers: 2 }),
    },
    trainEvalDiffer: true,
    errors: {
      "one tensor as the state": [
        () => new nn.LSTM(2, 3).double()(make([2, 2, 2]), make([1, 2, 3]) as never),
        "[LSTM] the state must be two tensors, [h0, c0]",
      ],
      "a projection as wide as the state": [() => new nn.LSTM(2, 3, { projSize: 3 }), /projSize must be/],
      "another number of features": [
        () => new nn.LSTM(2, 3).double()(make([3, 2, 4])),
        "[LSTM] input.shape[-1] must be equal to inputSize. Expected 2, got 4",
      ],
    },
  },
  RNNCell: {
    samples: {
      ...cells(rnnCell),
      relu: sample(
        () => new nn.RNNCell(2, 3, { nonlinearity: "relu" }),
        () => [make([2, 2])],
      ),
    },
    prints: {
      "RNNCell(3, 4)": () => new nn.RNNCell(3, 4),
      "RNNCell(3, 4, bias=false, nonlinearity=relu)": () =>
        new nn.RNNCell(3, 4, { bias: false, nonlinearity: "relu" }),
    },
    errors: cellErrors(rnnCell),
  },
  GRUCell: {
    samples: cells(gruCell),
    prints: { "GRUCell(3, 4)": () => new nn.GRUCell(3, 4) },
    errors: cellErrors(gruCell),
  },
  LSTMCell: {
    samples: {
      default: sample(
        () => new nn.LSTMCell(2, 3),
        () => [make([2, 2])],
      ),
      "given state": sample(
        () => new nn.LSTMCell(2, 3),
        () => [make([2, 2]), states(2, 3)],
      ),
      "no bias": sample(
        () => new nn.LSTMCell(2, 2, { bias: false }),
        () => [make([2, 2])],
      ),
      unbatched: sample(
        () => new nn.LSTMCell(2, 3),
        () => [make([2]), states(3)],
      ),
      "empty batch": sample(
        () => new nn.LSTMCell(2, 3),
        () => [make([0, 2])],
      ),
    },
    prints: {
      "LSTMCell(3, 4)": () => new nn.LSTMCell(3, 4),
      "LSTMCell(3, 4, bias=false)": () => new nn.LSTMCell(3, 4, { bias: false }),
    },
    errors: {
      "another number of features": [
        () => new nn.LSTMCell(2, 3).double()(make([2, 4])),
        "[LSTMCell] input has inconsistent inputSize: got 4, expected 2",
      ],
    },
  },
} satisfies Partial<LayerRegistry>;
