/**
 * Layer norm and RMS norm over the last dimensions: fused forward and backward over rows of D values, the backward an
 * op again. With x^ = (x - mean) r, h = g w and E the mean of a row:
 *   dx = r (h - E h - x^ E[h x^]), dw = sum g x^, db = sum g        (RMS norm: mean = 0, no E h)
 */

import { defineMultiOp, defineOp, run, runMulti } from "../autograd/op.js";
import { FLOAT32, FLOAT64, nameOf, SIZES } from "../tensor/dtype.js";
import { DTypeError, ShapeError, show } from "../tensor/errors.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelFor, kernelTable } from "../tensor/launch.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { copyInto, empty, full, ptr, viewOf } from "../tensor/raw.js";
import { numelOf, type Shape, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul, sub } from "./arithmetic.js";
import { checkInput } from "./batchNorm.js";
import { contiguous } from "./cast.js";
import { gradientsOf } from "./composition.js";
import { needTensor } from "./core.js";
import { pow, square } from "./powers.js";
import { mean as meanOf, sum } from "./sum.js";
import { reshape } from "./view.js";

const FORWARD = kernelTable("layerNorm");
const BACKWARD = kernelTable("layerNormBackward");
const PARAM_GRADS = kernelTable("layerNormParamGrads");

/** Most pieces that rows are cut into. */
const MAX_PIECES = 16;
/** Doubles of scratch for each piece. */
const SCRATCH = 32;

/** What both directions know. */
interface Rows {
  /** Whether the mean is taken off: layer norm, not RMS norm. */
  readonly centred: boolean;
  readonly eps: number;
  /** The normalised dimensions, the last ones of x. */
  readonly shape: Shape;
}

interface Norm extends Rows {
  /** Positions of weight and bias among the inputs, 0 where there is none. */
  readonly weight: number;
  readonly bias: number;
  /** Sees mean (unless RMS norm) and rstd, float64 [rows], while they exist. */
  readonly tell: ((mean: Tensor | null, rstd: Tensor) => void) | null;
}

/** Calls `queue(r0, r1, piece)` for pieces of the rows; the cut depends on the sizes alone. */
function overRows(rows: number, D: number, queue: (r0: number, r1: number, piece: number) => void): void {
  const pieces = piecesOf(rows, D);
  const at = (i: number) => Math.floor((i * rows) / pieces);
  inPieces(pieces, 1, (first, count) => {
    for (let i = first; i < first + count; i++) queue(at(i), at(i + 1), i);
  });
}

function piecesOf(rows: number, D: number): number {
  return Math.max(1, Math.min(rows, MAX_PIECES, Math.floor((2 * rows * D) / GRAIN)));
}

const normOp = defineOp<Norm>({
  name: "LayerNorm",
  saves: [0, 1],
  forward: (inputs, attrs, ctx) => {
    const x = inputs[0] as Tensor;
    const { code } = x;
    const D = numelOf(attrs.shape);
    const rows = D === 0 ? 0 : x.numel / D;
    const y = empty(x.shape, code);
    const rstd = empty([rows], FLOAT64);
    const mean = attrs.centred ? empty([rows], FLOAT64) : null;
    ctx.keep(...(mean === null ? [rstd] : [rstd, mean]));
    if (rows > 0) {
      const scratch = empty([piecesOf(rows, D), SCRATCH], FLOAT64);
      const at = (i: number) => (i === 0 ? 0 : ptr(inputs[i] as Tensor));
      const [px, py, pr, ps] = [ptr(x), ptr(y), ptr(rstd), ptr(scratch)];
      const [pm, pw, pb] = [mean === null ? 0 : ptr(mean), at(attrs.weight), at(attrs.bias)];
      overRows(rows, D, (r0, r1, piece) => {
        enqueue(FORWARD, code, px, py, pm, pr, pw, pb, ps + piece * SCRATCH * 8, D, attrs.eps, r0, r1);
      });
      release(scratch.storage);
    }
    attrs.tell?.(mean, rstd);
    return y;
  },
  backward: (g, n) => {
    const { centred, eps, shape, weight, bias } = n.attrs;
    const wants = [n.needs(0), weight > 0 && n.needs(weight), bias > 0 && n.needs(bias)] as const;
    const inputs = [contiguous(g), n.input(0), ...(weight > 0 ? [n.input(weight)] : [])];
    const made = runMulti(backwardOp, inputs, {
      centred,
      eps,
      shape,
      wants,
      rstd: n.extra[0] as Tensor,
      mean: n.extra[1] ?? null,
    });
    let k = 0;
    const [gx, gw, gb] = wants.map((wanted) => (wanted ? (made[k++] as Tensor) : null));
    return [gx ?? null, ...(weight > 0 ? [gw ?? null] : []), ...(bias > 0 ? [gb ?? null] : [])];
  },
});

interface Backward extends Rows {
  /** Which of dx, dweight, dbias are made. */
  readonly wants: readonly [boolean, boolean, boolean];
  readonly rstd: Tensor;
  readonly mean: Tensor | null;
}

const backwardOp = defineMultiOp<Backward>({
  name: "LayerNormBackward",
  saves: true,
  forward: ([g, x, w], attrs, ctx) => {
    if (ctx.recording) ctx.keep(...(attrs.mean === null ? [attrs.rstd] : [attrs.rstd, attrs.mean]));
    return computeBackward(g as Tensor, x as Tensor, w ?? null, attrs);
  },
  backward: (cotangents, n) => {
    const inputs = n.shapes.map((_, i) => n.input(i));
    const composed = (...[g, x, w]: Tensor[]) =>
      backwardComposed(n.attrs, g as Tensor, x as Tensor, w ?? null);
    return gradientsOf(
      composed,
      inputs,
      inputs.map((_, i) => n.needs(i)),
      cotangents,
    );
  },
});

function computeBackward(
  g: Tensor,
  x: Tensor,
  w: Tensor | null,
  { wants, shape, rstd, mean }: Backward,
): Tensor[] {
  const { code } = x;
  const D = numelOf(shape);
  const rows = D === 0 ? 0 : x.numel / D;
  const gx = wants[0] ? empty(x.shape, code) : null;
  const gw = wants[1] ? empty(shape, code) : null;
  const gb = wants[2] ? empty(shape, code) : null;
  const out = [gx, gw, gb].filter((t) => t !== null);
  if (rows === 0) return out.map((t) => full(t.shape, 0, code));
  const pieces = piecesOf(rows, D);
  const scratch = empty([pieces, SCRATCH], FLOAT64);
  const sums = gw === null && gb === null ? null : empty([pieces, 2, D], FLOAT64);
  const at = (t: Tensor | null) => (t === null ? 0 : ptr(t));
  const [px, pg, pgx, pm, pr, pw] = [ptr(x), ptr(g), at(gx), at(mean), ptr(rstd), at(w)];
  const [ps, parts] = [ptr(scratch), at(sums)];
  overRows(rows, D, (r0, r1, i) => {
    const part = parts === 0 ? 0 : parts + i * D * 16;
    enqueue(BACKWARD, code, px, pg, pgx, pm, pr, pw, ps + i * SCRATCH * 8, part, D, r0, r1);
  });
  if (parts !== 0) kernelFor(PARAM_GRADS, code)(parts, pieces, at(gw), at(gb), D);
  release(scratch.storage);
  if (sums !== null) release(sums.storage);
  return out;
}

/** The backward in differentiable ops. */
function backwardComposed(
  { centred, eps, shape, wants }: Backward,
  g: Tensor,
  x: Tensor,
  w: Tensor | null,
): Tensor[] {
  const D = numelOf(shape);
  const flat = (t: Tensor) => reshape(t, [D === 0 ? 0 : x.numel / D, D]);
  const E = (t: Tensor) => meanOf(t, 1, { keepdim: true });
  const [x2, g2] = [flat(x), flat(g)];
  const u = centred ? sub(x2, E(x2)) : x2;
  const r = pow(add(E(square(u)), eps), -0.5);
  const h = w === null ? g2 : mul(g2, reshape(w, [D]));
  const slope = mul(mul(u, square(r)), E(mul(h, u)));
  const gx = mul(r, sub(centred ? sub(h, E(h)) : h, slope));
  const all = [
    () => reshape(gx, x.shape),
    () => reshape(sum(mul(g2, mul(u, r)), 0), shape),
    () => reshape(sum(g2, 0), shape),
  ];
  return all.flatMap((make, i) => (wants[i] === true ? [make()] : []));
}

/** Options of {@link layerNorm}. */
export interface LayerNormOptions {
  /** Factor per normalised element (default 1). */
  weight?: Tensor | null;
  /** Summand per normalised element (default 0). */
  bias?: Tensor | null;
  /** Added to the variance under the root (default 1e-5). */
  eps?: number;
}

const LAYER_NORM_OPTIONS: OptionNames<LayerNormOptions> = { weight: 1, bias: 1, eps: 1 };

function checkRows(
  op: string,
  x: Tensor,
  shape: Shape,
  parameters: Readonly<Record<string, Tensor | null>>,
): void {
  checkInput(op, x, 0);
  if (shape.length === 0) {
    throw new ShapeError(
      `[${op}] Expected normalizedShape to be at least 1-dimensional, got []; try [x.shape.at(-1)]`,
    );
  }
  const lead = x.shape.length - shape.length;
  if (lead < 0 || !sameShape(x.shape.slice(lead), shape)) {
    throw new ShapeError(
      `[${op}] Given normalizedShape=${show(shape)}, expected input with shape [*, ${shape.join(", ")}], but got input of size ${show(x.shape)}`,
    );
  }
  for (const [name, t] of Object.entries(parameters)) {
    if (t === null) continue;
    if (!sameShape(t.shape, shape)) {
      throw new ShapeError(
        `[${op}] Expected ${name} to be of same shape as normalizedShape, got ${show(t.shape)}, expected ${show(shape)}`,
      );
    }
    if (t.code !== x.code) {
      throw new DTypeError(
        `[${op}] ${name} is ${nameOf(t.code)}, expected ${nameOf(x.code)}, the dtype of the input ${show(x.shape)}; ` +
          `try x.to("${nameOf(t.code)}"), or model.${x.code === FLOAT64 ? "double" : "float"}()`,
      );
    }
  }
}

function runNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  rows: Rows,
  tell: Norm["tell"] = null,
): Tensor {
  const inputs = [contiguous(x)];
  if (weight !== null) inputs.push(contiguous(weight));
  if (bias !== null) inputs.push(contiguous(bias));
  const positions = { weight: weight === null ? 0 : 1, bias: bias === null ? 0 : inputs.length - 1 };
  return run(normOp, inputs, { ...rows, ...positions, tell });
}

/**
 * y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias over the last dimensions, whose sizes are `normalizedShape`.
 * Source: `torch.nn.functional.layer_norm`.
 * @throws ShapeError when x does not end in `normalizedShape`, or weight or bias have another shape.
 * @example
 * layerNorm(tensor([[1, 3], [10, 30]], { dtype: "float64" }), [2], { eps: 0 }).toArray(); // [[-1, 1], [-1, 1]]
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: Shape | number,
  options: LayerNormOptions = {},
): Tensor {
  needTensor("layerNorm", x);
  checkOptions("layerNorm", options, LAYER_NORM_OPTIONS);
  const { weight = null, bias = null, eps = 1e-5 } = options;
  const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
  checkRows("layerNorm", x, shape, { weight, bias });
  return runNorm(x, weight, bias, { centred: true, eps, shape });
}

/** Options of {@link rmsNorm}. */
export interface RMSNormOptions {
  /** Factor per normalised element (default 1). */
  weight?: Tensor | null;
  /** Added to the mean square under the root (default: the spacing of the dtype's numbers at 1). */
  eps?: number | null;
}

const RMS_NORM_OPTIONS: OptionNames<RMSNormOptions> = { weight: 1, eps: 1 };

/** The distance from 1 to the next number of a floating dtype. */
function spacing(code: number): number {
  return SIZES[code] === SIZES[FLOAT32] ? 2 ** -23 : 2 ** -52;
}

/**
 * y = x / sqrt(E[x^2] + eps) * weight over the last dimensions. Source: `torch.nn.functional.rms_norm`.
 * @throws ShapeError when x does not end in `normalizedShape`, or the weight has another shape.
 */
export function rmsNorm(x: Tensor, normalizedShape: Shape | number, options: RMSNormOptions = {}): Tensor {
  needTensor("rmsNorm", x);
  checkOptions("rmsNorm", options, RMS_NORM_OPTIONS);
  const { weight = null, eps = null } = options;
  const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
  checkRows("rmsNorm", x, shape, { weight });
  return runNorm(x, weight, null, { centred: false, eps: eps ?? spacing(x.code), shape });
}

function composed(
  centred: boolean,
  x: Tensor,
  shape: Shape,
  eps: number,
  weight: Tensor | null,
  bias: Tensor | null,
): Tensor {
  const dims = shape.map((_, i) => i - shape.length);
  const E = (t: Tensor) => meanOf(t, dims, { keepdim: true });
  const u = centred ? sub(x, E(x)) : x;
  const y = mul(u, pow(add(E(square(u)), eps), -0.5));
  const scaled = weight === null ? y : mul(y, weight);
  return bias === null ? scaled : add(scaled, bias);
}

/** {@link layerNorm} out of plain differentiable ops: its oracle. */
export function layerNormComposed(x: Tensor, normalizedShape: Shape, options: LayerNormOptions = {}): Tensor {
  const { weight = null, bias = null, eps = 1e-5 } = options;
  checkRows("layerNorm", x, normalizedShape, { weight, bias });
  return composed(true, x, normalizedShape, eps, weight, bias);
}

/** {@link rmsNorm} out of plain differentiable ops: its oracle. */
export function rmsNormComposed(x: Tensor, normalizedShape: Shape, options: RMSNormOptions = {}): Tensor {
  const { weight = null, eps = null } = options;
  checkRows("rmsNorm", x, normalizedShape, { weight });
  return composed(false, x, normalizedShape, eps ?? spacing(x.code), weight, null);
}

/**
 * Layer norm with positional arguments, and its statistics: [output, mean, rstd], the last two with sizes 1 in the
 * normalised dimensions and without gradients. Source: `torch.native_layer_norm`.
 */
export function nativeLayerNorm(
  x: Tensor,
  normalizedShape: Shape | number,
  weight: Tensor | null,
  bias: Tensor | null,
  eps: number,
): [Tensor, Tensor, Tensor] {
  const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
  checkRows("nativeLayerNorm", x, shape, { weight, bias });
  const lead = x.shape.length - shape.length;
  const kept = x.shape.map((size, d) => (d < lead ? size : 1));
  const [mean, rstd] = [full(kept, 0, x.code), full(kept, 0, x.code)];
  const y = runNorm(x, weight, bias, { centred: true, eps, shape }, (m, r) => {
    if (r.numel !== rstd.numel) return; // no values to normalise
    copyInto(mean, viewOf(m as Tensor, kept, null, 0));
    copyInto(rstd, viewOf(r, kept, null, 0));
  });
  return [y, mean, rstd];
}
