/**
 * The derivative of batch norm as an op of its own, and the derivative of that one: both by hand, one pass over memory
 * each after their sums. With m values per channel, u = x - mean, r = invstd:
 *   dbias = sum g, dweight = r sum g u, dx = w r (g - sum g / m - u r^2 (sum g u) / m)
 * where mean and r are constants (eval mode), dx = w r g. The second derivative is in normDouble.ts and, as a
 * composition for orders three and up, in {@link doubleBackwardComposed}.
 */
import { defineMultiOp, type InputGrads, runMulti } from "../autograd/op.js";
import { FLOAT64 } from "../tensor/dtype.js";
import { release } from "../tensor/heap.js";
import { enqueue, GRAIN, inPieces, kernelFor, kernelTable } from "../tensor/launch.js";
import { castTo, empty, full, ptr, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { add, mul, neg, sub } from "./arithmetic.js";
import { contiguous } from "./cast.js";
import { channelGradientSums, channelsOf, mapChannels } from "./channelSums.js";
import { gradientsOf } from "./composition.js";
import { pow, square } from "./powers.js";
import { mean as meanOf, sum } from "./sum.js";
import { reshape } from "./view.js";

const FORWARD_FACTORS = kernelTable("bnForwardFactors");
const BACKWARD_FACTORS = kernelTable("bnBackwardFactors");
const BACKWARD = kernelTable("bnBackward");
const BACKWARD_EVAL = kernelTable("bnBackwardEval");
const PARAM_GRADS = kernelTable("bnParamGrads");
const DOUBLE_SUMS = kernelTable("bnDoubleSums");
const DOUBLE_FACTORS = kernelTable("bnDoubleFactors");
const DOUBLE_BACKWARD = kernelTable("bnDoubleBackward");

/** What every derivative of batch norm knows. */
export interface Normalization {
  /** Whether the statistics are those of x, and so depend on it. */
  readonly training: boolean;
  readonly eps: number;
  /** Rows mean, m2 = sum (x - mean)^2, invstd: float64 [3, C]. In eval mode the second row means nothing. */
  readonly stats: Tensor;
}

/** Addresses of the rows of the statistics. */
export function rowsOf(stats: Tensor, C: number): { mean: number; m2: number; invstd: number } {
  const mean = ptr(stats);
  return { mean, m2: mean + 8 * C, invstd: mean + 16 * C };
}

interface Backward extends Normalization {
  /** Which of dx, dweight, dbias are made. */
  readonly wants: readonly [boolean, boolean, boolean];
}

const backwardOp = defineMultiOp<Backward>({
  name: "BatchNormBackward",
  saves: true,
  forward: ([g, x, w], attrs, ctx) => {
    if (ctx.recording) ctx.keep(attrs.stats);
    return computeBackward(g as Tensor, x as Tensor, w ?? null, attrs);
  },
  backward: (cotangents, n) => {
    const w = n.shapes.length > 2 ? n.input(2) : null;
    const given: (Tensor | null)[] = [null, null, null];
    let k = 0;
    n.attrs.wants.forEach((wanted, i) => {
      if (wanted) given[i] = cotangents[k++] ?? null;
    });
    return doubleBackward({ ...n.attrs, stats: n.extra[0] as Tensor }, n.input(0), n.input(1), w, given);
  },
});

/** [dx, dweight, dbias], null where not wanted; differentiable again. */
export function batchNormBackward(
  g: Tensor,
  x: Tensor,
  weight: Tensor | null,
  norm: Normalization,
  wants: readonly [boolean, boolean, boolean],
): (Tensor | null)[] {
  const inputs = [contiguous(g), x, ...(weight === null ? [] : [weight])];
  const made = runMulti(backwardOp, inputs, { ...norm, wants });
  let k = 0;
  return wants.map((wanted) => (wanted ? (made[k++] as Tensor) : null));
}

function computeBackward(
  g: Tensor,
  x: Tensor,
  w: Tensor | null,
  { training, stats, wants }: Backward,
): Tensor[] {
  const of = channelsOf(x.shape);
  const { C, count } = of;
  const { code } = x;
  const gx = wants[0] ? empty(x.shape, code) : null;
  const gw = wants[1] ? empty([C], code) : null;
  const gb = wants[2] ? empty([C], code) : null;
  const out = [gx, gw, gb].filter((t) => t !== null);
  if (x.numel === 0) return out.map((t) => full(t.shape, 0, code));
  const table = empty([4, C], code);
  const sums = empty([2, C], FLOAT64);
  const sumG = ptr(sums);
  const sumGU = sumG + 8 * C;
  const { mean, m2, invstd } = rowsOf(stats, C);
  const weight = w === null ? 0 : ptr(w);
  if (training || gw !== null || gb !== null)
    channelGradientSums(x, g, of, mean, training ? m2 : 0, sumG, sumGU);
  if (gx !== null && training) {
    kernelFor(BACKWARD_FACTORS, code)(mean, invstd, weight, sumG, sumGU, count, ptr(table), C);
    mapChannels(BACKWARD, code, [ptr(x), ptr(g), ptr(gx), ptr(table)], of);
  } else if (gx !== null) {
    kernelFor(FORWARD_FACTORS, code)(mean, invstd, weight, 0, ptr(table), C);
    mapChannels(BACKWARD_EVAL, code, [ptr(g), ptr(gx), ptr(table)], of);
  }
  if (gw !== null || gb !== null) {
    kernelFor(PARAM_GRADS, code)(
      invstd,
      sumG,
      sumGU,
      gw === null ? 0 : ptr(gw),
      gb === null ? 0 : ptr(gb),
      C,
    );
  }
  release(table.storage);
  release(sums.storage);
  return out;
}

interface DoubleBackward extends Normalization {
  /** Which inputs follow g, x: weight, and the cotangents of dx, dweight, dbias. */
  readonly has: readonly [boolean, boolean, boolean, boolean];
}

/** The inputs after g and x by name. */
function named(rest: readonly Tensor[], has: DoubleBackward["has"]): (Tensor | null)[] {
  let k = 0;
  return has.map((present) => (present ? (rest[k++] as Tensor) : null));
}

const doubleOp = defineMultiOp<DoubleBackward>({
  name: "BatchNormDoubleBackward",
  saves: true,
  forward: ([g, x, ...rest], attrs, ctx) => {
    if (ctx.recording) ctx.keep(attrs.stats);
    return computeDouble(g as Tensor, x as Tensor, rest, attrs);
  },
  backward: (cotangents, n) => {
    const inputs = n.shapes.map((_, i) => n.input(i));
    const attrs = { ...n.attrs, stats: n.extra[0] as Tensor };
    const composed = (g: Tensor, x: Tensor, ...rest: Tensor[]) => doubleBackwardComposed(attrs, g, x, rest);
    return gradientsOf(
      composed as (...x: Tensor[]) => (Tensor | null)[],
      inputs,
      inputs.map((_, i) => n.needs(i)),
      cotangents,
    );
  },
});

/** Gradients of g, x and weight, from the cotangents of dx, dweight and dbias. */
function doubleBackward(
  { training, eps, stats }: Normalization,
  g: Tensor,
  x: Tensor,
  weight: Tensor | null,
  cotangents: readonly (Tensor | null)[],
): InputGrads {
  if (cotangents.every((t) => t === null)) return [null, null, null];
  const rest = [weight, ...cotangents.map((t) => (t === null ? null : contiguous(t)))];
  const has = rest.map((t) => t !== null) as unknown as DoubleBackward["has"];
  return runMulti(doubleOp, [g, x, ...rest.filter((t) => t !== null)], { training, eps, stats, has });
}

function computeDouble(g: Tensor, x: Tensor, rest: readonly Tensor[], attrs: DoubleBackward): Tensor[] {
  const [w, given, vw, vb] = named(rest, attrs.has);
  const { C, count } = channelsOf(x.shape);
  const { code } = x;
  const gG = empty(x.shape, code);
  const gX = empty(x.shape, code);
  const gW = w === null || w === undefined ? null : full([C], 0, code);
  const out = gW === null ? [gG, gX] : [gG, gX, gW];
  if (x.numel === 0) return out;
  const v = given ?? full(x.shape, 0, code);
  const sums = empty([5, C], FLOAT64);
  const table = empty([8, C], code);
  const { mean, invstd } = rowsOf(attrs.stats, C);
  const at = (t: Tensor | null | undefined) => (t === null || t === undefined ? 0 : ptr(t));
  doubleSums(x, g, v, mean, ptr(sums));
  const training = attrs.training ? 1 : 0;
  kernelFor(DOUBLE_FACTORS, code)(
    training,
    mean,
    invstd,
    at(w),
    at(vw),
    at(vb),
    ptr(sums),
    count,
    ptr(table),
    at(gW),
    C,
  );
  mapDouble(x, g, v, ptr(table), gG, gX);
  for (const t of [sums, table, ...(v === given ? [] : [v])]) release(t.storage);
  return out;
}

/** Writes the sums of g, g u, v, v u, v g over each channel, u = x - mean, float64 [5, C], to an address. @internal */
export function doubleSums(x: Tensor, g: Tensor, v: Tensor, mean: number, sums: number): void {
  const { N, C, S, count } = channelsOf(x.shape);
  const [px, pg, pv] = [ptr(x), ptr(g), ptr(v)];
  inPieces(C, Math.ceil(GRAIN / (4 * count)), (first, channels) => {
    enqueue(DOUBLE_SUMS, x.code, px, pg, pv, mean, sums, N, C, S, first, first + channels);
  });
}

/**
 * gG = v t2 + u t3 + t4 and gX = g t3 + v t6 + u t5 + t7 with u = x - t0 - t1, for the rows of a table [8, C] of the
 * element type. @internal
 */
export function mapDouble(x: Tensor, g: Tensor, v: Tensor, table: number, gG: Tensor, gX: Tensor): void {
  const pointers = [ptr(x), ptr(g), ptr(v), table, ptr(gG), ptr(gX)];
  mapChannels(DOUBLE_BACKWARD, x.code, pointers, channelsOf(x.shape));
}

/**
 * The second derivative in differentiable ops. With E the mean over a channel, a = E g, b = E g u, P = E v, Q = E v u,
 * K = E v g - a P, and v, vw, vb the cotangents of dx, dweight, dbias:
 *   gG = w r (v - P) + c u + vb                        c = vw r - w r^3 Q
 *   gX = c (g - a) - w r^3 b (v - P) + d u             d = -w r^3 (K - 3 r^2 b Q) - vw r^3 b
 *   gW = m r (K - r^2 b Q)
 * where mean and r are constants: gG = w r v + vw r u + vb, gX = vw r g, gW = m r E v g.
 */
function doubleBackwardComposed(
  attrs: DoubleBackward,
  g: Tensor,
  x: Tensor,
  rest: readonly Tensor[],
): (Tensor | null)[] {
  const C = x.shape[1] as number;
  const row = [1, C, ...x.shape.slice(2).map(() => 1)];
  const { count } = channelsOf(x.shape);
  const [weight, v, vWeight, vBias] = named(rest, attrs.has);
  // The mean of nothing is NaN; there is nothing to differentiate.
  if (x.numel === 0) return [mul(g, 0), mul(x, 0), weight ? mul(weight, 0) : null];
  const [w, vw, vb] = [weight, vWeight, vBias].map((t, i) => (t ? reshape(t, row) : i === 0 ? 1 : 0));
  const dims = row.flatMap((_, d) => (d === 1 ? [] : [d]));
  const E = (t: Tensor) => meanOf(t, dims, { keepdim: true });
  const zero = () => mul(g, 0);
  if (!attrs.training) {
    const { mean, invstd } = constantsOf(attrs.stats, row, x);
    const vr = mul(vw as Tensor | number, invstd);
    const gG = add(
      add(mul(v ?? zero(), mul(w as Tensor | number, invstd)), mul(vr, sub(x, mean))),
      vb as Tensor | number,
    );
    const gW = weight ? sum(mul(mul(v ?? zero(), g), invstd), dims) : null;
    return [gG, mul(vr, g), gW];
  }
  const u = sub(x, E(x));
  const r = pow(add(E(square(u)), attrs.eps), -0.5);
  const r3 = pow(r, 3);
  const wr3 = mul(w as Tensor | number, r3);
  const [a, b] = [E(g), E(mul(g, u))];
  const cotangent = v ?? zero();
  const [P, Q] = [E(cotangent), E(mul(cotangent, u))];
  const K = sub(E(mul(cotangent, g)), mul(a, P));
  const bQ = mul(mul(square(r), b), Q);
  const vr = mul(vw as Tensor | number, r);
  const c = sub(vr, mul(wr3, Q));
  const d = neg(add(mul(wr3, sub(K, mul(bQ, 3))), mul(mul(vw as Tensor | number, r3), b)));
  const away = sub(cotangent, P);
  const gG = add(add(mul(mul(w as Tensor | number, r), away), mul(c, u)), vb as Tensor | number);
  const gX = add(sub(mul(c, sub(g, a)), mul(mul(wr3, b), away)), mul(d, u));
  const gW = weight ? reshape(mul(mul(r, count), sub(K, bQ)), [C]) : null;
  return [gG, gX, gW];
}

/** Mean and invstd of eval mode as tensors like x, of shape `row`. */
function constantsOf(stats: Tensor, row: readonly number[], x: Tensor): { mean: Tensor; invstd: Tensor } {
  const C = x.shape[1] as number;
  const part = (k: number) => castTo(viewOf(stats, row, null, k * C), x.code);
  return { mean: part(0), invstd: part(2) };
}
