/** Padding: constant, reflect, replicate and circular. */

import { defineOp, type Op, run } from "../autograd/op.js";
import { checkFits } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../tensor/options.js";
import { copyInto, empty, fillWith, viewOf } from "../tensor/raw.js";
import type { Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { pickAxes } from "./axisMap.js";
import type { Scalar } from "./core.js";
import { needTensor } from "./core.js";
import { itemOf } from "./read.js";

/** What a border holds: a constant, the mirror image, the nearest element, or the other end. */
export type PadMode = "constant" | "reflect" | "replicate" | "circular";

/** Options of {@link pad}. */
export interface PadOptions {
  /** What the border holds (default "constant"). */
  mode?: PadMode;
  /** The constant of mode "constant" (default 0). */
  value?: Scalar | Tensor | null;
}

const PAD_OPTIONS: OptionNames<PadOptions> = { mode: 1, value: 1 };

interface Border {
  /** Elements before and after along each dimension; negative ones are cut off. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly value: Scalar;
}

const constantPadOp: Op<Border> = defineOp<Border>({
  name: "ConstantPad",
  forward: ([t], { before, after, value }) => {
    const x = t as Tensor;
    const pads = (d: number): [number, number] => [before[d] as number, after[d] as number];
    const out = empty(
      x.shape.map((n, d) => n + pads(d)[0] + pads(d)[1]),
      x.code,
    );
    const shape = x.shape.map((n, d) => Math.max(0, n + Math.min(0, pads(d)[0]) + Math.min(0, pads(d)[1])));
    if (shape.some((n, d) => n !== out.shape[d])) fillWith(out, value);
    const start = (of: Tensor, sign: number) =>
      of.strides.reduce((at, s, d) => at + Math.max(0, sign * pads(d)[0]) * s, of.storageOffset);
    copyInto(viewOf(out, shape, out.strides, start(out, 1)), viewOf(x, shape, x.strides, start(x, -1)));
    return out;
  },
  // The gradient is cut where elements were added, and zero where they were cut off.
  backward: (g, { attrs }) => {
    const back = (list: readonly number[]) => list.map((n) => -n);
    return [run(constantPadOp, [g], { before: back(attrs.before), after: back(attrs.after), value: 0 })];
  },
});

/** Input positions of a padded dimension of size `n`. Circular borders repeat what negative numbers have left. */
function positions(mode: PadMode, n: number, before: number, after: number): Int32Array {
  const length = n + before + after;
  const wrap = (i: number, period: number) => ((i % period) + period) % period;
  if (mode === "circular") {
    const left = n + Math.min(0, before) + Math.min(0, after);
    const [first, shift] = [Math.max(0, -before), Math.max(0, before)];
    return Int32Array.from({ length }, (_, k) => first + wrap(k - shift, left));
  }
  const period = Math.max(1, 2 * (n - 1));
  return Int32Array.from({ length }, (_, k) => {
    const i = k - before;
    if (mode === "replicate") return Math.min(n - 1, Math.max(0, i));
    const wrapped = wrap(i, period);
    return Math.min(wrapped, period - wrapped);
  });
}

function checkBorder(x: Tensor, mode: PadMode, d: number, before: number, after: number, pads: Shape): void {
  const n = x.shape[d] as number;
  const limit = mode === "reflect" ? n - 1 : mode === "circular" ? n : Number.POSITIVE_INFINITY;
  if (before > limit || after > limit) {
    throw new ShapeError(
      `[pad] mode "${mode}" can add at most ${limit} elements on a side of dimension ${d} of size ${n}: ` +
        `got ${show(pads)} for shape ${show(x.shape)}`,
    );
  }
}

/**
 * Adds borders to the last dimensions: `pad` holds the numbers of elements before and after, the last dimension first.
 * Mode "constant" takes any dimensions, and negative numbers, which cut; the others take the last one, two or three
 * of a tensor with one or two more (channels, batch). Source: `torch.nn.functional.pad`.
 * @example
 * pad(tensor([[1, 2, 3]]), [1, 2]).toArray(); // [[0, 1, 2, 3, 0, 0]]
 * pad(tensor([[1, 2, 3]]), [1, 2], { mode: "reflect" }).toArray(); // [[2, 1, 2, 3, 2, 1]]
 * pad(tensor([[1, 2, 3]]), [1, 0], "constant", 9).toArray(); // [[9, 1, 2, 3]]
 * @throws ShapeError when the borders do not fit the shape.
 */
export function pad(
  input: Tensor,
  pad: readonly number[],
  options: PadMode | PadOptions = {},
  fill?: Scalar | Tensor | null,
): Tensor {
  needTensor("pad", input);
  checkNames("pad", options, PAD_OPTIONS);
  const given = typeof options === "string" ? { mode: options, value: fill } : options;
  const { mode = "constant" } = given;
  const value = given.value ?? 0;
  const rank = input.shape.length;
  const count = pad.length / 2;
  if (pad.length % 2 !== 0 || count > rank || pad.some((n) => !Number.isInteger(n))) {
    throw new ValueError(
      `[pad] expected pairs of whole numbers for at most ${rank} dimensions, got ${show(pad)} for shape ${show(input.shape)}`,
    );
  }
  const side = (d: number, which: 0 | 1) => pad[2 * (rank - 1 - d) + which] ?? 0;
  const before = input.shape.map((_, d) => side(d, 0));
  const after = input.shape.map((_, d) => side(d, 1));
  input.shape.forEach((n, d) => {
    if (n + side(d, 0) + side(d, 1) < 0) {
      throw new ShapeError(
        `[pad] dimension ${d} of size ${n} would get a negative size with ${side(d, 0)} and ${side(d, 1)}: ` +
          `got ${show(pad)} for shape ${show(input.shape)}`,
      );
    }
  });
  if (mode === "constant") {
    const number = value instanceof Tensor ? itemOf(value) : value;
    checkFits("pad", number, input.code);
    return run(constantPadOp, [input], { before, after, value: number });
  }
  if (mode !== "reflect" && mode !== "replicate" && mode !== "circular") {
    throw new ValueError(
      `[pad] unknown mode "${mode as string}": expected constant, reflect, replicate or circular`,
    );
  }
  if (value !== 0)
    throw new ValueError(`[pad] a value is only for mode "constant", got mode "${mode}"; try leaving it out`);
  if (count < 1 || count > 3 || (rank !== count + 1 && rank !== count + 2)) {
    throw new ShapeError(
      `[pad] mode "${mode}" pads the last 1, 2 or 3 dimensions of a tensor with 1 or 2 more: got ${show(pad)} for shape ${show(input.shape)}`,
    );
  }
  const dims = Array.from({ length: count }, (_, i) => rank - count + i);
  for (const d of dims) {
    checkBorder(input, mode, d, before[d] as number, after[d] as number, pad);
    if (input.shape[d] === 0)
      throw new ShapeError(`[pad] mode "${mode}" needs elements to repeat, got shape ${show(input.shape)}`);
  }
  const left = dims.map((d) => (input.shape[d] as number) + (before[d] as number) + (after[d] as number));
  if (left.some((n) => n < 0) || left.every((n) => n === 0))
    throw new ShapeError(
      `[pad] ${show(pad)} leaves nothing of shape ${show(input.shape)}: got sizes ${show(left)}`,
    );
  return pickAxes(
    input,
    dims.map((d) => positions(mode, input.shape[d] as number, before[d] as number, after[d] as number)),
  );
}

const CONSTANT_PAD_OPTIONS: OptionNames<{ value?: Scalar | Tensor | null }> = { value: 1 };

/** As {@link pad} in mode "constant". Source: `torch.constant_pad_nd`. */
export function constantPadNd(
  input: Tensor,
  pads: readonly number[],
  options: { value?: Scalar | Tensor | null } = {},
): Tensor {
  checkOptions("constantPadNd", options, CONSTANT_PAD_OPTIONS);
  return pad(input, pads, options);
}
