/** Padding and packing of sequences of different lengths. Source: `torch.nn.utils.rnn`. */

import { indexSelect } from "../../ops/gather.js";
import { cat, stack } from "../../ops/join.js";
import { toArray } from "../../ops/read.js";
import { narrow, reshape, select, transpose } from "../../ops/view.js";
import { full, tensor } from "../../tensor/create.js";
import { ShapeError, show, ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";
import { Tensor } from "../../tensor/tensor.js";

/** Options of {@link PackedSequence}. */
export interface PackedSequenceOptions {
  /** How many sequences have a step 0, 1, 2, ... (int64, never growing). */
  batchSizes?: Tensor | readonly number[] | null;
  /** The order in which the sequences were packed. */
  sortedIndices?: Tensor | null;
  /** The inverse of {@link sortedIndices}. */
  unsortedIndices?: Tensor | null;
}

const PACKED_SEQUENCE_OPTIONS: OptionNames<PackedSequenceOptions> = {
  batchSizes: 1,
  sortedIndices: 1,
  unsortedIndices: 1,
};

/**
 * Sequences of different lengths step by step, without padding. Made by {@link packPaddedSequence}.
 * Source: `torch.nn.utils.rnn.PackedSequence`.
 */
export class PackedSequence {
  /** All steps: first those of step 0, then of step 1, ... */
  readonly data: Tensor;
  /** How many sequences reach each step, int64 (T). */
  readonly batchSizes: Tensor;
  /** The order that sorted the sequences by length, or null. */
  readonly sortedIndices: Tensor | null;
  /** The inverse of {@link PackedSequence.sortedIndices}, or null. */
  readonly unsortedIndices: Tensor | null;

  constructor(data: Tensor, options: PackedSequenceOptions | Tensor = {}) {
    checkNames(new.target.name, options, PACKED_SEQUENCE_OPTIONS);
    const o = options instanceof Tensor ? { batchSizes: options } : options;
    const sizes = o.batchSizes;
    if (sizes === undefined || sizes === null)
      throw new ValueError("[PackedSequence] batchSizes are missing; try packPaddedSequence");
    this.data = data;
    this.batchSizes = sizes instanceof Tensor ? sizes : tensor(sizes, { dtype: "int64" });
    this.sortedIndices = o.sortedIndices ?? null;
    this.unsortedIndices =
      o.unsortedIndices ?? (this.sortedIndices === null ? null : invertPermutation(this.sortedIndices));
  }

  /** The same packing around other data. @internal */
  with(data: Tensor): PackedSequence {
    const { batchSizes, sortedIndices, unsortedIndices } = this;
    return new PackedSequence(data, { batchSizes, sortedIndices, unsortedIndices });
  }
}

/** The permutation that undoes another. Source: `torch.nn.utils.rnn.invert_permutation`. */
export function invertPermutation(permutation: Tensor): Tensor {
  const order = toArray(permutation) as number[];
  const inverse = new Array<number>(order.length);
  order.forEach((to, from) => {
    inverse[to] = from;
  });
  return tensor(inverse, { dtype: "int64" });
}

function numbers(lengths: Tensor | readonly number[]): number[] {
  return lengths instanceof Tensor ? (toArray(lengths) as number[]) : [...lengths];
}

/** Options of {@link packPaddedSequence}. */
export interface PackOptions {
  /** The batch is the first dimension, not the second (default false). */
  batchFirst?: boolean;
  /** Demand that lengths do not grow (default true); with false they are sorted here. */
  enforceSorted?: boolean;
}

const PACK_OPTIONS: OptionNames<PackOptions> = { batchFirst: 1, enforceSorted: 1 };

/**
 * Packs a padded batch (T, B, *) (or (B, T, *)) of sequences with the given lengths.
 * Source: `torch.nn.utils.rnn.pack_padded_sequence`.
 */
export function packPaddedSequence(
  input: Tensor,
  lengths: Tensor | readonly number[],
  options: PackOptions = {},
): PackedSequence {
  checkOptions("packPaddedSequence", options, PACK_OPTIONS);
  let sizes = numbers(lengths);
  let x = options.batchFirst === true ? transpose(input, 0, 1) : input;
  let sortedIndices: Tensor | null = null;
  if (sizes.length !== x.shape[1]) {
    throw new ShapeError(
      `[packPaddedSequence] got ${sizes.length} lengths for a batch of ${x.shape[1]}, input ${show(input.shape)}`,
    );
  }
  if (sizes.some((n) => n <= 0))
    throw new ValueError(`[packPaddedSequence] lengths must be > 0, got [${sizes.join(", ")}]`);
  if (options.enforceSorted === false) {
    const order = sizes.map((_, i) => i).sort((a, b) => (sizes[b] as number) - (sizes[a] as number) || a - b);
    sortedIndices = tensor(order, { dtype: "int64" });
    sizes = order.map((i) => sizes[i] as number);
    x = indexSelect(x, 1, sortedIndices);
  } else if (sizes.some((n, i) => i > 0 && n > (sizes[i - 1] as number))) {
    throw new ValueError(
      `[packPaddedSequence] lengths must not grow when enforceSorted is true: got [${sizes.join(", ")}]; try { enforceSorted: false }`,
    );
  }
  const steps = sizes[0] as number;
  if (steps > (x.shape[0] as number))
    throw new ShapeError(
      `[packPaddedSequence] length ${steps} is longer than the input ${show(input.shape)}`,
    );
  const batchSizes = Array.from({ length: steps }, (_, t) => sizes.filter((n) => n > t).length);
  const data = cat(
    batchSizes.map((rows, t) => narrow(select(x, 0, t), 0, 0, rows)),
    0,
  );
  return new PackedSequence(data, { batchSizes, sortedIndices });
}

/** Options of {@link padPackedSequence}. */
export interface PadPackedOptions {
  /** Whether the result is (B, T, ...), not (T, B, ...) (default false). */
  batchFirst?: boolean;
  /** What fills up short sequences (default 0). */
  paddingValue?: number;
  /** Pad to this length (default: the longest). */
  totalLength?: number | null;
}

const PAD_PACKED_OPTIONS: OptionNames<PadPackedOptions> = { batchFirst: 1, paddingValue: 1, totalLength: 1 };

/** The padded batch and the lengths of a packed one. Source: `torch.nn.utils.rnn.pad_packed_sequence`. */
export function padPackedSequence(
  sequence: PackedSequence,
  options: PadPackedOptions = {},
): [Tensor, Tensor] {
  checkOptions("padPackedSequence", options, PAD_PACKED_OPTIONS);
  const sizes = toArray(sequence.batchSizes) as number[];
  const batch = sizes[0] as number;
  const total = options.totalLength ?? sizes.length;
  if (total < sizes.length) {
    throw new ValueError(
      `[padPackedSequence] totalLength ${total} is shorter than the longest sequence, ${sizes.length}`,
    );
  }
  const { data } = sequence;
  const rest = data.shape.slice(1);
  const value = options.paddingValue ?? 0;
  const padding = (rows: number) => full([rows, ...rest], value, { dtype: data.dtype });
  let offset = 0;
  const steps = sizes.map((rows) => {
    const part = narrow(data, 0, offset, rows);
    offset += rows;
    return rows === batch ? part : cat([part, padding(batch - rows)], 0);
  });
  for (let t = sizes.length; t < total; t++) steps.push(padding(batch));
  let out = reshape(cat(steps, 0), [total, batch, ...rest]);
  let lengths = Array.from({ length: batch }, (_, b) => sizes.filter((rows) => rows > b).length);
  if (sequence.unsortedIndices !== null) {
    const order = toArray(sequence.unsortedIndices) as number[];
    out = indexSelect(out, 1, sequence.unsortedIndices);
    lengths = order.map((i) => lengths[i] as number);
  }
  return [options.batchFirst === true ? transpose(out, 0, 1) : out, tensor(lengths, { dtype: "int64" })];
}

/** Options of {@link padSequence}. */
export interface PadOptions {
  /** Whether the result is (B, T, ...), not (T, B, ...) (default false). */
  batchFirst?: boolean;
  /** What fills up short sequences (default 0). */
  paddingValue?: number;
  /** Where short sequences are filled up (default "right"). */
  paddingSide?: "left" | "right";
}

const PAD_OPTIONS: OptionNames<PadOptions> = { batchFirst: 1, paddingValue: 1, paddingSide: 1 };

/** Stacks sequences (L, *) of different lengths into (T, B, *), filled up. Source: `torch.nn.utils.rnn.pad_sequence`. */
export function padSequence(sequences: readonly Tensor[], options: PadOptions = {}): Tensor {
  checkOptions("padSequence", options, PAD_OPTIONS);
  if (sequences.length === 0) throw new ValueError("[padSequence] got no sequences");
  const longest = Math.max(...sequences.map((s) => s.shape[0] as number));
  const columns = sequences.map((s) => {
    const missing = longest - (s.shape[0] as number);
    if (missing === 0) return s;
    const padding = full([missing, ...s.shape.slice(1)], options.paddingValue ?? 0, { dtype: s.dtype });
    return cat(options.paddingSide === "left" ? [padding, s] : [s, padding], 0);
  });
  // The result is contiguous either way, so that view takes it as PyTorch's does.
  return stack(columns, options.batchFirst === true ? 0 : 1);
}

const UNPAD_SEQUENCE_OPTIONS: OptionNames<{ batchFirst?: boolean }> = { batchFirst: 1 };

/** Cuts a padded batch back into its sequences. Source: `torch.nn.utils.rnn.unpad_sequence`. */
export function unpadSequence(
  padded: Tensor,
  lengths: Tensor | readonly number[],
  options: { batchFirst?: boolean } = {},
): Tensor[] {
  checkOptions("unpadSequence", options, UNPAD_SEQUENCE_OPTIONS);
  const x = options.batchFirst === true ? padded : transpose(padded, 0, 1);
  return numbers(lengths).map((n, b) => narrow(select(x, 0, b), 0, 0, n));
}

const PACK_SEQUENCE_OPTIONS: OptionNames<{ enforceSorted?: boolean }> = { enforceSorted: 1 };

/** Packs sequences of different lengths. Source: `torch.nn.utils.rnn.pack_sequence`. */
export function packSequence(
  sequences: readonly Tensor[],
  options: { enforceSorted?: boolean } = {},
): PackedSequence {
  checkOptions("packSequence", options, PACK_SEQUENCE_OPTIONS);
  const lengths = sequences.map((s) => s.shape[0] as number);
  return packPaddedSequence(padSequence(sequences), lengths, options);
}

/** The sequences in a packed batch. Source: `torch.nn.utils.rnn.unpack_sequence`. */
export function unpackSequence(packed: PackedSequence): Tensor[] {
  const [padded, lengths] = padPackedSequence(packed, { batchFirst: true });
  return unpadSequence(padded, lengths, { batchFirst: true });
}
