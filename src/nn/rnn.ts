/** Recurrent layers: RNN, LSTM, GRU over sequences, and their cells. Source: `torch.nn.modules.rnn`. */

import { indexSelect } from "../ops/gather.js";
import { cat, stack } from "../ops/join.js";
import { toArray } from "../ops/read.js";
import { cellComposed, recurrent } from "../ops/recurrent.js";
import type { RecurrentMode } from "../ops/recurrentWalk.js";
import { reshape, select, squeeze, transpose, unsqueeze } from "../ops/view.js";
import { empty, zeros } from "../tensor/create.js";
import { type DType, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions } from "../tensor/options.js";
import { Tensor } from "../tensor/tensor.js";
import { dropout } from "./functional/dropout.js";
import { uniform_ } from "./init.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { PackedSequence } from "./utils/rnn.js";

/** Options of recurrent layers. */
export interface RecurrentOptions {
  /** Layers on top of each other (default 1). */
  numLayers?: number;
  /** Whether the gates have biases (default true). */
  bias?: boolean;
  /** Input and output are (B, T, F), not (T, B, F) (default false). */
  batchFirst?: boolean;
  /** Dropout between layers (default 0). */
  dropout?: number;
  /** A second direction, from the last step to the first (default false). */
  bidirectional?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

/** Input of recurrent layers: (T, B, F), (T, F) without a batch, or packed. */
export type SequenceInput = Tensor | PackedSequence;

const GATES: Readonly<Record<RecurrentMode, number>> = { LSTM: 4, GRU: 3, RNN_TANH: 1, RNN_RELU: 1 };

type State = Tensor | readonly Tensor[] | null | undefined;

/** What may follow the input of a call: the state, bare or as `{ hx }`. */
export type StateArg<S> =
  | S
  | {
      /** The state; null or nothing: zeros. */
      hx?: S | null;
    }
  | null;

function stateOf(arg: StateArg<Tensor | readonly Tensor[]> | undefined): State {
  if (arg === undefined || arg === null || arg instanceof Tensor || Array.isArray(arg)) return arg as State;
  return (arg as { hx?: State }).hx;
}

/** The call of a recurrent layer with states of type `S`: outputs are packed where the input is. */
export interface RNNBase<S> {
  (input: Tensor, hx?: StateArg<S>): [Tensor, S];
  (input: PackedSequence, hx?: StateArg<S>): [PackedSequence, S];
}

/** Base of RNN, LSTM and GRU: parameters by layer and direction, the walk through layers, packing. */
export abstract class RNNBase<S> extends Module<[SequenceInput, StateArg<S>?], [SequenceInput, S]> {
  /** Which kind of network: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU". */
  readonly mode: RecurrentMode;
  /** Features of the input at each step. */
  readonly inputSize: number;
  /** Features of the hidden state. */
  readonly hiddenSize: number;
  /** Layers on top of each other (default 1). */
  readonly numLayers: number;
  /** Whether the gates have biases (default true). */
  readonly bias: boolean;
  /** Whether input and output are (B, T, F), not (T, B, F) (default false). */
  readonly batchFirst: boolean;
  /** Dropout of the output of every layer but the last while training (default 0). */
  readonly dropout: number;
  /** Whether a second direction runs from the last step to the first (default false). */
  readonly bidirectional: boolean;
  /** Features of the projected hidden state; 0: no projection (LSTM only). */
  readonly projSize: number;

  constructor(
    mode: RecurrentMode,
    inputSize: number,
    hiddenSize: number,
    options: RecurrentOptions & { projSize?: number } = {},
  ) {
    super();
    checkOptions(this._getName(), options);
    const label = mode.startsWith("RNN") ? "RNN" : mode;
    const {
      numLayers = 1,
      bias = true,
      batchFirst = false,
      dropout: p = 0,
      bidirectional = false,
      projSize = 0,
      dtype,
    } = options;
    if (!(p >= 0 && p <= 1))
      throw new ValueError(`[${label}] dropout must be a probability from 0 to 1, got ${p}`);
    if (!Number.isInteger(hiddenSize) || hiddenSize <= 0)
      throw new ValueError(`[${label}] hiddenSize must be a whole number > 0, got ${hiddenSize}`);
    if (!Number.isInteger(numLayers) || numLayers <= 0)
      throw new ValueError(`[${label}] numLayers must be a whole number > 0, got ${numLayers}`);
    if (projSize < 0 || projSize >= hiddenSize)
      throw new ValueError(
        `[${label}] projSize must be from 0 up to but not hiddenSize ${hiddenSize}, got ${projSize}`,
      );
    if (projSize > 0 && mode !== "LSTM")
      throw new ValueError(`[${label}] projSize is for LSTM only, got ${projSize}`);
    this.mode = mode;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    this.bias = bias;
    this.batchFirst = batchFirst;
    this.dropout = p;
    this.bidirectional = bidirectional;
    this.projSize = projSize;
    const create = dtype === undefined ? {} : { dtype };
    const outSize = projSize > 0 ? projSize : hiddenSize;
    const gates = GATES[mode] * hiddenSize;
    for (let layer = 0; layer < numLayers; layer++) {
      for (let direction = 0; direction < this.directions; direction++) {
        const inSize = layer === 0 ? inputSize : outSize * this.directions;
        const set = (kind: string, size: number[]) =>
          this.registerParameter(this.nameOf(kind, layer, direction), new Parameter(empty(size, create)));
        set("weightIh", [gates, inSize]);
        set("weightHh", [gates, outSize]);
        if (bias) {
          set("biasIh", [gates]);
          set("biasHh", [gates]);
        }
        if (projSize > 0) set("weightHr", [projSize, hiddenSize]);
      }
    }
    this.resetParameters();
  }

  private get directions(): number {
    return this.bidirectional ? 2 : 1;
  }

  /** Field of a parameter: weightIhL0, biasHhL1Reverse. */
  private nameOf(kind: string, layer: number, direction: number): string {
    return `${kind}L${layer}${direction === 1 ? "Reverse" : ""}`;
  }

  /** Draws all parameters uniformly from ±1/sqrt(hiddenSize). */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const p of this.parameters()) uniform_(p, -bound, bound);
  }

  /** The parameters of one layer and direction, in the order of the op. */
  private weights(layer: number, direction: number): Tensor[] {
    const kinds = [
      "weightIh",
      "weightHh",
      ...(this.bias ? ["biasIh", "biasHh"] : []),
      ...(this.projSize > 0 ? ["weightHr"] : []),
    ];
    const fields = this as unknown as Record<string, Tensor>;
    return kinds.map((kind) => fields[this.nameOf(kind, layer, direction)] as Tensor);
  }

  private get label(): string {
    return this.constructor.name;
  }

  /** All layers over packed rows; states are (layers * directions, batch, size). */
  private walk(
    x: Tensor,
    batchSizes: readonly number[],
    h0: Tensor,
    c0: Tensor | null,
  ): { y: Tensor; h: Tensor; c: Tensor | null } {
    let y = x;
    const lastH: Tensor[] = [];
    const lastC: Tensor[] = [];
    for (let layer = 0; layer < this.numLayers; layer++) {
      const outs: Tensor[] = [];
      for (let direction = 0; direction < this.directions; direction++) {
        const k = layer * this.directions + direction;
        const states = [select(h0, 0, k), ...(c0 === null ? [] : [select(c0, 0, k)])];
        const attrs = {
          mode: this.mode,
          batchSizes,
          reverse: direction === 1,
          bias: this.bias,
          projection: this.projSize > 0,
        };
        const [out, h, c] = recurrent([y, ...states, ...this.weights(layer, direction)], attrs);
        outs.push(out as Tensor);
        lastH.push(h as Tensor);
        if (c !== undefined) lastC.push(c);
      }
      y = outs.length === 1 ? (outs[0] as Tensor) : cat(outs, 1);
      if (this.dropout > 0 && layer < this.numLayers - 1)
        y = dropout(y, { p: this.dropout, training: this.training });
    }
    return { y, h: stack(lastH), c: lastC.length === 0 ? null : stack(lastC) };
  }

  private checkInput(x: Tensor, ranks: readonly number[]): void {
    if (!ranks.includes(x.shape.length)) {
      throw new ShapeError(
        `[${this.label}] input must have ${ranks.join(" or ")} dimensions, got ${x.shape.length}: ${show(x.shape)}`,
      );
    }
    if (x.shape.at(-1) !== this.inputSize) {
      throw new ShapeError(
        `[${this.label}] input.shape[-1] must be equal to inputSize. Expected ${this.inputSize}, got ${x.shape.at(-1)}: ${show(x.shape)}`,
      );
    }
    const [weight] = this.weights(0, 0) as [Tensor];
    if (x.code !== weight.code) {
      throw new DTypeError(
        `[${this.label}] input is ${nameOf(x.code)}, expected ${nameOf(weight.code)}, the parameters' dtype; try input.to("${nameOf(weight.code)}")`,
      );
    }
  }

  private checkState(name: string, state: Tensor, batch: number, size: number): void {
    const expected = [this.numLayers * this.directions, batch, size];
    if (state.shape.length !== 3 || state.shape.some((n, d) => n !== expected[d])) {
      throw new ShapeError(
        `[${this.label}] expected ${name} of shape ${show(expected)}, got ${show(state.shape)}`,
      );
    }
  }

  /** @internal The whole layer; `state` is [h] or [h, c], or nothing for zeros. */
  protected runLayers(
    input: SequenceInput,
    state: readonly Tensor[] | null,
  ): { y: SequenceInput; h: Tensor; c: Tensor | null } {
    const lstm = this.mode === "LSTM";
    const packed = input instanceof PackedSequence ? input : null;
    const raw = input instanceof PackedSequence ? input.data : input;
    this.checkInput(raw, packed === null ? [2, 3] : [2]);
    const batched = packed !== null || raw.shape.length === 3;
    let x = raw;
    let batchSizes: readonly number[];
    if (packed !== null) batchSizes = toArray(packed.batchSizes) as number[];
    else {
      if (!batched) x = unsqueeze(raw, 1);
      else if (this.batchFirst) x = transpose(raw, 0, 1);
      const [steps, rows] = x.shape as [number, number];
      if (steps === 0)
        throw new ShapeError(
          `[${this.label}] expected a sequence of at least one step, got ${show(raw.shape)}`,
        );
      batchSizes = new Array<number>(steps).fill(rows);
      x = reshape(x, [steps * rows, this.inputSize]);
    }
    const batch = batchSizes[0] as number;
    const outSize = this.projSize > 0 ? this.projSize : this.hiddenSize;
    const layers = this.numLayers * this.directions;
    let [h0, c0] = state ?? [];
    const lift = (t: Tensor | undefined, name: string, size: number): Tensor => {
      if (t === undefined) return zeros([layers, batch, size], { dtype: raw.dtype });
      if (!batched && t.shape.length !== 2)
        throw new ShapeError(
          `[${this.label}] for an input without a batch ${name} must have 2 dimensions, got ${show(t.shape)}`,
        );
      const full = batched ? t : unsqueeze(t, 1);
      this.checkState(name, full, batch, size);
      const sorted = packed?.sortedIndices ?? null;
      return sorted === null ? full : indexSelect(full, 1, sorted);
    };
    h0 = lift(h0, "h0", outSize);
    const cell = lstm ? lift(c0, "c0", this.hiddenSize) : null;
    c0 = cell ?? undefined;
    const { y, h, c } = this.walk(x, batchSizes, h0, c0 ?? null);
    const drop = (t: Tensor): Tensor => {
      const unsorted = packed?.unsortedIndices ?? null;
      const ordered = unsorted === null ? t : indexSelect(t, 1, unsorted);
      return batched ? ordered : squeeze(ordered, 1);
    };
    let out: SequenceInput;
    if (packed !== null) out = packed.with(y);
    else {
      const padded = reshape(y, [batchSizes.length, batch, outSize * this.directions]);
      out = !batched ? squeeze(padded, 1) : this.batchFirst ? transpose(padded, 0, 1) : padded;
    }
    return { y: out, h: drop(h), c: c === null ? null : drop(c) };
  }

  override extraRepr(): string {
    const parts = [`${this.inputSize}`, `${this.hiddenSize}`];
    if (this.projSize > 0) parts.push(`projSize=${this.projSize}`);
    if (this.numLayers !== 1) parts.push(`numLayers=${this.numLayers}`);
    if (!this.bias) parts.push("bias=false");
    if (this.batchFirst) parts.push("batchFirst=true");
    if (this.dropout !== 0) parts.push(`dropout=${this.dropout}`);
    if (this.bidirectional) parts.push("bidirectional=true");
    return parts.join(", ");
  }
}

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
): O {
  checkOptions(layer, options);
  return typeof numLayers === "number" ? ({ ...options, numLayers } as O) : numLayers;
}

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
    const options = withLayers("RNN", numLayers, more);
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
    super("GRU", inputSize, hiddenSize, withLayers("GRU", numLayers, options));
  }
}

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
    super("LSTM", inputSize, hiddenSize, withLayers("LSTM", numLayers, options));
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

/** Options of recurrent cells. */
export interface CellOptions {
  /** Whether the gates have biases (default true). */
  bias?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

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
    checkOptions(this._getName(), options);
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
    checkOptions(this._getName(), options);
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
    checkOptions(this._getName(), options);
  }

  forward(input: Tensor, hx?: StateArg<[Tensor, Tensor]>): [Tensor, Tensor] {
    const state = (stateOf(hx) as readonly Tensor[] | null | undefined) ?? [];
    const { h, c } = this.stepWith("LSTM", input, [state[0], state[1]]);
    return [h, c as Tensor];
  }
}
