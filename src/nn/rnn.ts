/** Recurrent layers over sequences: RNN, LSTM, GRU. Source: `torch.nn.modules.rnn`. */

import { ShapeError, ValueError } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { Tensor } from "../tensor/tensor.js";
import {
  RECURRENT_OPTIONS,
  type RecurrentOptions,
  RNNBase,
  type SequenceInput,
  type StateArg,
  stateOf,
} from "./rnnBase.js";
import type { PackedSequence } from "./utils/rnn.js";

abstract class PlainRecurrent extends RNNBase<Tensor> {
  /** The outputs of all steps, and the last state. */
  forward(input: Tensor, hx?: StateArg<Tensor>): [Tensor, Tensor];
  /** The same for a packed sequence: packed outputs. */
  forward(input: PackedSequence, hx?: StateArg<Tensor>): [PackedSequence, Tensor];
  /** The same for either. */
  forward(input: SequenceInput, hx?: StateArg<Tensor>): [SequenceInput, Tensor];
  forward(input: SequenceInput, hx?: StateArg<Tensor>): [SequenceInput, Tensor] {
    const state = stateOf(hx);
    const { y, h } = this.runLayers(input, state === undefined || state === null ? null : [state as Tensor]);
    return [y, h];
  }
}

/** The number of layers by position or among the options, as `new LSTM(10, 20, 2, { batchFirst: true })`. */
function withLayers<O extends RecurrentOptions>(
  layer: string,
  numLayers: number | O,
  options: O | undefined,
  names: OptionNames<O>,
): O {
  checkNames(layer, numLayers, names);
  checkOptions(layer, options, names);
  return typeof numLayers === "number" ? ({ ...options, numLayers } as O) : numLayers;
}

const RNN_OPTIONS: OptionNames<RecurrentOptions & { nonlinearity?: "tanh" | "relu" }> = {
  ...RECURRENT_OPTIONS,
  nonlinearity: 1,
};

/**
 * Elman layers: h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu. Input (T, B, inputSize); gives the outputs
 * (T, B, D hiddenSize) and the last state (D numLayers, B, hiddenSize). The number of layers may be given positionally.
 * Source: `torch.nn.RNN`.
 */
export class RNN extends PlainRecurrent {
  /** "tanh" (default) or "relu". */
  readonly nonlinearity: "tanh" | "relu";

  constructor(
    inputSize: number,
    hiddenSize: number,
    numLayers: number | (RecurrentOptions & { nonlinearity?: "tanh" | "relu" }) = {},
    more?: RecurrentOptions & { nonlinearity?: "tanh" | "relu" },
  ) {
    const options = withLayers("RNN", numLayers, more, RNN_OPTIONS);
    const nonlinearity = options.nonlinearity ?? "tanh";
    if (nonlinearity !== "tanh" && nonlinearity !== "relu") {
      throw new ValueError(`[RNN] nonlinearity must be "tanh" or "relu", got ${String(nonlinearity)}`);
    }
    super(nonlinearity === "tanh" ? "RNN_TANH" : "RNN_RELU", inputSize, hiddenSize, options);
    this.nonlinearity = nonlinearity;
  }
}

/**
 * Gated recurrent units: r, z = sigmoid(...), n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 - z) n + z h.
 * Shapes and arguments as {@link RNN}. Source: Cho et al. 2014; `torch.nn.GRU`.
 */
export class GRU extends PlainRecurrent {
  constructor(
    inputSize: number,
    hiddenSize: number,
    numLayers: number | RecurrentOptions = {},
    options?: RecurrentOptions,
  ) {
    super("GRU", inputSize, hiddenSize, withLayers("GRU", numLayers, options, RECURRENT_OPTIONS));
  }
}

const LSTM_OPTIONS: OptionNames<RecurrentOptions & { projSize?: number }> = {
  ...RECURRENT_OPTIONS,
  projSize: 1,
};

/**
 * Long short-term memory: i, f, o = sigmoid(...), g = tanh(...), c = f c + i g, h = o tanh c; with `projSize`,
 * h = W_hr (o tanh c). Input (T, B, inputSize); gives [outputs, [h, c]]. Source: Hochreiter 1997; `torch.nn.LSTM`.
 * @example
 * const [out, [h, c]] = new LSTM(10, 20)(randn([5, 3, 10])); // out (5, 3, 20), h and c (1, 3, 20)
 */
export class LSTM extends RNNBase<[Tensor, Tensor]> {
  constructor(
    inputSize: number,
    hiddenSize: number,
    numLayers: number | (RecurrentOptions & { projSize?: number }) = {},
    options?: RecurrentOptions & { projSize?: number },
  ) {
    super("LSTM", inputSize, hiddenSize, withLayers("LSTM", numLayers, options, LSTM_OPTIONS));
  }

  /** The outputs of all steps, and the last states [h, c]. */
  forward(input: Tensor, hx?: StateArg<[Tensor, Tensor]>): [Tensor, [Tensor, Tensor]];
  /** The same for a packed sequence: packed outputs. */
  forward(input: PackedSequence, hx?: StateArg<[Tensor, Tensor]>): [PackedSequence, [Tensor, Tensor]];
  /** The same for either. */
  forward(input: SequenceInput, hx?: StateArg<[Tensor, Tensor]>): [SequenceInput, [Tensor, Tensor]];
  forward(input: SequenceInput, hx?: StateArg<[Tensor, Tensor]>): [SequenceInput, [Tensor, Tensor]] {
    const state = stateOf(hx);
    if (state instanceof Tensor || (Array.isArray(state) && state.length !== 2)) {
      throw new ShapeError("[LSTM] the state must be two tensors, [h0, c0]");
    }
    const { y, h, c } = this.runLayers(input, (state as readonly Tensor[] | null | undefined) ?? null);
    return [y, [h, c as Tensor]];
  }
}
