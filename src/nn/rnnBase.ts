/**
 * What RNN, LSTM and GRU share: parameters by layer and direction, the walk through layers, packing.
 * Source: `torch.nn.modules.rnn`.
 */

import { indexSelect } from "../ops/gather.js";
import { cat, stack } from "../ops/join.js";
import { toArray } from "../ops/read.js";
import { recurrent } from "../ops/recurrent.js";
import type { RecurrentMode } from "../ops/recurrentWalk.js";
import { reshape, select, squeeze, transpose, unsqueeze } from "../ops/view.js";
import { empty, zeros } from "../tensor/create.js";
import { type DType, nameOf } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "../tensor/errors.js";
import type { OptionNames } from "../tensor/options.js";
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

/** @internal */
export const RECURRENT_OPTIONS: OptionNames<RecurrentOptions> = {
  numLayers: 1,
  bias: 1,
  batchFirst: 1,
  dropout: 1,
  bidirectional: 1,
  dtype: 1,
};

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

/** The state of a call. @internal */
export function stateOf(arg: StateArg<Tensor | readonly Tensor[]> | undefined): State {
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
