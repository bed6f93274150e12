/** Recurrent cells, one step of a layer: RNNCell, LSTMCell, GRUCell. Source: `torch.nn.modules.rnn`. */

import { cellComposed } from "../ops/recurrent.js";
import type { RecurrentMode } from "../ops/recurrentWalk.js";
import { squeeze, unsqueeze } from "../ops/view.js";
import { empty, zeros } from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { ShapeError, show } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { uniform_ } from "./init.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { type StateArg, stateOf } from "./rnnBase.js";

/** Options of recurrent cells. */
export interface CellOptions {
  /** Whether the gates have biases (default true). */
  bias?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

const CELL_OPTIONS: OptionNames<CellOptions> = { bias: 1, dtype: 1 };

/** Base of the cells: one step, one layer. */
export abstract class RNNCellBase<S, Out> extends Module<[Tensor, StateArg<S>?], Out> {
  /** Features of the input. */
  readonly inputSize: number;
  /** Features of the hidden state. */
  readonly hiddenSize: number;
  /** Whether the gates have biases (default true). */
  readonly bias: boolean;
  /** Weights of the input, (gates x hiddenSize, inputSize). */
  weightIh: Parameter;
  /** Weights of the hidden state, (gates x hiddenSize, hiddenSize). */
  weightHh: Parameter;
  /** Bias of the input, (gates x hiddenSize), or null with `bias: false`. */
  biasIh: Parameter | null;
  /** Bias of the hidden state, (gates x hiddenSize), or null with `bias: false`. */
  biasHh: Parameter | null;

  constructor(inputSize: number, hiddenSize: number, bias: boolean, numChunks: number, dtype?: DType) {
    super();
    const create = dtype === undefined ? {} : { dtype };
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.bias = bias;
    this.weightIh = new Parameter(empty([numChunks * hiddenSize, inputSize], create));
    this.weightHh = new Parameter(empty([numChunks * hiddenSize, hiddenSize], create));
    this.biasIh = bias ? new Parameter(empty([numChunks * hiddenSize], create)) : null;
    this.biasHh = bias ? new Parameter(empty([numChunks * hiddenSize], create)) : null;
    this.resetParameters();
  }

  /** Draws all parameters uniformly from ±1/sqrt(hiddenSize). */
  resetParameters(): void {
    const bound = this.hiddenSize > 0 ? 1 / Math.sqrt(this.hiddenSize) : 0;
    for (const p of this.parameters()) uniform_(p, -bound, bound);
  }

  /** @internal One step; inputs without a batch are lifted. */
  protected stepWith(
    m: RecurrentMode,
    x: Tensor,
    state: readonly (Tensor | undefined)[],
  ): { h: Tensor; c: Tensor | undefined } {
    const label = this.constructor.name;
    if (x.shape.length !== 1 && x.shape.length !== 2)
      throw new ShapeError(`[${label}] expected an input of 1 or 2 dimensions, got ${show(x.shape)}`);
    if (x.shape.at(-1) !== this.inputSize)
      throw new ShapeError(
        `[${label}] input has inconsistent inputSize: got ${x.shape.at(-1)}, expected ${this.inputSize}`,
      );
    const batched = x.shape.length === 2;
    const lift = (t: Tensor) => (batched ? t : unsqueeze(t, 0));
    const input = lift(x);
    const get = (t: Tensor | undefined): Tensor => {
      if (t === undefined) return zeros([input.shape[0] as number, this.hiddenSize], { dtype: x.dtype });
      const full = lift(t);
      if (full.shape.length !== 2 || full.shape[0] !== input.shape[0] || full.shape[1] !== this.hiddenSize) {
        throw new ShapeError(
          `[${label}] expected a state of shape ${show(batched ? [input.shape[0] as number, this.hiddenSize] : [this.hiddenSize])}, got ${show(t.shape)}`,
        );
      }
      return full;
    };
    const weights = {
      x: input,
      h0: input,
      c0: undefined,
      wIh: this.weightIh,
      wHh: this.weightHh,
      bIh: this.biasIh ?? undefined,
      bHh: this.biasHh ?? undefined,
      wHr: undefined,
    };
    const { h, c } = cellComposed(m, input, get(state[0]), m === "LSTM" ? get(state[1]) : undefined, weights);
    const lower = (t: Tensor) => (batched ? t : squeeze(t, 0));
    return { h: lower(h), c: c === undefined ? undefined : lower(c) };
  }

  override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.bias ? "" : ", bias=false"}`;
  }
}

const RNN_CELL_OPTIONS: OptionNames<CellOptions & { nonlinearity?: "tanh" | "relu" }> = {
  ...CELL_OPTIONS,
  nonlinearity: 1,
};

/** One step of {@link RNN}. Input (B, inputSize), state (B, hiddenSize). Source: `torch.nn.RNNCell`. */
export class RNNCell extends RNNCellBase<Tensor, Tensor> {
  /** "tanh" (default) or "relu". */
  readonly nonlinearity: "tanh" | "relu";

  constructor(
    inputSize: number,
    hiddenSize: number,
    options: CellOptions & { nonlinearity?: "tanh" | "relu" } = {},
  ) {
    super(inputSize, hiddenSize, options.bias ?? true, 1, options.dtype);
    checkOptions(this._getName(), options, RNN_CELL_OPTIONS);
    this.nonlinearity = options.nonlinearity ?? "tanh";
  }

  forward(input: Tensor, hx?: StateArg<Tensor>): Tensor {
    const state = stateOf(hx) as Tensor | null | undefined;
    return this.stepWith(this.nonlinearity === "tanh" ? "RNN_TANH" : "RNN_RELU", input, [state ?? undefined])
      .h;
  }

  override extraRepr(): string {
    return `${super.extraRepr()}${this.nonlinearity === "tanh" ? "" : `, nonlinearity=${this.nonlinearity}`}`;
  }
}

/** One step of {@link GRU}. Source: `torch.nn.GRUCell`. */
export class GRUCell extends RNNCellBase<Tensor, Tensor> {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(inputSize, hiddenSize, options.bias ?? true, 3, options.dtype);
    checkOptions(this._getName(), options, CELL_OPTIONS);
  }

  forward(input: Tensor, hx?: StateArg<Tensor>): Tensor {
    const state = stateOf(hx) as Tensor | null | undefined;
    return this.stepWith("GRU", input, [state ?? undefined]).h;
  }
}

/** One step of {@link LSTM}; gives [h, c]. Source: `torch.nn.LSTMCell`. */
export class LSTMCell extends RNNCellBase<[Tensor, Tensor], [Tensor, Tensor]> {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(inputSize, hiddenSize, options.bias ?? true, 4, options.dtype);
    checkOptions(this._getName(), options, CELL_OPTIONS);
  }

  forward(input: Tensor, hx?: StateArg<[Tensor, Tensor]>): [Tensor, Tensor] {
    const state = (stateOf(hx) as readonly Tensor[] | null | undefined) ?? [];
    const { h, c } = this.stepWith("LSTM", input, [state[0], state[1]]);
    return [h, c as Tensor];
  }
}
