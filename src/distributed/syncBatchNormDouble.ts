/**
 * The second derivative of a synchronised batch norm, by hand, and in differentiable ops for orders three and up. With
 * v, vw, vb the cotangents of dx, dw, db, h = g w, t = g vw, M the values of a channel on all ranks and E their mean, the
 * ranks together differentiate
 *   F = r M (E[v h] - E v E h - r^2 E[v u] E[h u]) + r M E[t u] + sum vb g
 * With a = E h, b = E[h u], P = E v, Q = E[v u], K = E[v h] - a P, T = E[t u] that gives
 *   gG = w r (v - P - r^2 Q u) + vw r u + vb
 *   gX = r (t - E t) - r^3 (Q (h - a) + b (v - P) + (K - 3 r^2 b Q + T) u)
 *   gW = r (sum v g - P sum g - r^2 Q sum g u) over the values of this rank
 */
import { grad } from "../autograd/engine.js";
import { enableGrad, mode } from "../autograd/mode.js";
import { defineMultiOp, type InputGrads, runMulti } from "../autograd/op.js";
import { add, mul, neg, sub } from "../ops/arithmetic.js";
import { doubleSums, mapDouble, rowsOf } from "../ops/batchNormBackward.js";
import { contiguous } from "../ops/cast.js";
import { div } from "../ops/division.js";
import { stack } from "../ops/join.js";
import { pow, square } from "../ops/powers.js";
import { sum } from "../ops/sum.js";
import { reshape, select, view } from "../ops/view.js";
import { FLOAT64 } from "../tensor/dtype.js";
import { nextOp, release } from "../tensor/heap.js";
import { detached, empty, full, ptr } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { allReduce } from "./functional.js";
import { checkRecorded, inBackwardOf, marksFor, recordedInputs } from "./recording.js";
import { elements, type SyncNormalization } from "./syncChannels.js";

/** weight, and the cotangents of dx, dweight, dbias. */
type Rest = readonly [Tensor | null, Tensor | null, Tensor | null, Tensor | null];

interface Double extends SyncNormalization {
  /** Which of {@link Rest} follow g and x among the inputs. */
  readonly has: readonly boolean[];
  readonly marks: readonly number[];
  /** Rows sum g, g u, v, v u, v g of this rank, float64 [5, C]; the forward frees them. */
  readonly own: Tensor;
  /** Rows sum h, h u, v, v u, v h, t, t u of all ranks, float64 [7, C]; the forward frees them. */
  readonly sums: Tensor;
}

function named(inputs: readonly Tensor[], has: readonly boolean[]): Rest {
  let k = 2;
  const next = (i: number) => (has[i] === true ? (inputs[k++] as Tensor) : null);
  return [next(0), next(1), next(2), next(3)];
}

const doubleOp = defineMultiOp<Double>({
  name: "SyncBatchNormDoubleBackward",
  saves: true,
  forward: (inputs, attrs, ctx) => {
    if (ctx.recording) ctx.keep(attrs.stats);
    const made = computeDouble(inputs[0] as Tensor, inputs[1] as Tensor, named(inputs, attrs.has), attrs);
    release(attrs.own.storage);
    release(attrs.sums.storage);
    return made;
  },
  backward: (cotangents, n) => {
    const { has, marks, group } = n.attrs;
    checkRecorded("SyncBatchNormDoubleBackward", group, marks);
    const inputs = n.shapes.map((_, i) => n.input(i)).slice(0, 2 + has.filter(Boolean).length);
    return gradientsOnAllRanks(
      (...given) => syncDoubleComposed(given[0] as Tensor, given[1] as Tensor, named(given, has), n.attrs),
      inputs,
      cotangents,
    );
  },
});

/** Gradients of g, x and weight, from the cotangents of dx, dweight and dbias. Every rank of the group calls it. */
export function syncDoubleBackward(
  g: Tensor,
  x: Tensor,
  weight: Tensor | null,
  cotangents: readonly (Tensor | null)[],
  norm: SyncNormalization,
): InputGrads {
  const cotangentOf = (i: number) => (cotangents[i] ? contiguous(cotangents[i]) : null);
  const rest: Rest = [weight, cotangentOf(0), cotangentOf(1), cotangentOf(2)];
  const [w, v, vw] = rest;
  nextOp();
  const C = x.shape[1] as number;
  const own = full([5, C], 0, FLOAT64);
  const sums = empty([7, C], FLOAT64);
  if (x.numel > 0) {
    const cotangent = v ?? full(x.shape, 0, x.code);
    doubleSums(x, g, cotangent, rowsOf(norm.stats, C).mean, ptr(own));
    if (v === null) release(cotangent.storage);
  }
  const [from, to, ws, vws] = elements(own, sums, w, vw);
  for (let c = 0; c < C; c++) {
    const at = (row: number) => from[row * C + c] as number;
    const [wc, vwc] = [ws?.[c] ?? 1, vws?.[c] ?? 0];
    const rows = [wc * at(0), wc * at(1), at(2), at(3), wc * at(4), vwc * at(0), vwc * at(1)];
    for (let row = 0; row < 7; row++) to[row * C + c] = rows[row] as number;
  }
  const inputs = [g, x, ...rest.filter((t) => t !== null)];
  const marks = marksFor(inputs);
  inBackwardOf(`SyncBatchNorm(${C})`, () => norm.group.allReduce(sums, { marks }));
  const has = rest.map((t) => t !== null);
  return runMulti(doubleOp, recordedInputs(inputs, marks.all), { ...norm, has, marks: marks.all, own, sums });
}

function computeDouble(g: Tensor, x: Tensor, [w, given, vw, vb]: Rest, attrs: Double): Tensor[] {
  const C = x.shape[1] as number;
  const { code } = x;
  const gG = empty(x.shape, code);
  const gX = empty(x.shape, code);
  const gW = w === null ? null : empty([C], code);
  const table = empty([8, C], code);
  const v = given ?? full(x.shape, 0, code);
  doubleFactors(attrs, [w, vw, vb], table, gW, C);
  if (x.numel > 0) mapDouble(x, g, v, ptr(table), gG, gX);
  release(table.storage);
  if (v !== given) release(v.storage);
  return gW === null ? [gG, gX] : [gG, gX, gW];
}

/** The table of {@link mapDouble}, and gW. */
function doubleFactors(
  { stats, own, sums, total }: Double,
  [w, vw, vb]: readonly [Tensor | null, Tensor | null, Tensor | null],
  table: Tensor,
  gW: Tensor | null,
  C: number,
): void {
  const [s, mine, all, out, ws, vws, vbs, gws] = elements(stats, own, sums, table, w, vw, vb, gW);
  for (let c = 0; c < C; c++) {
    const [mean, r] = [s[c] as number, s[2 * C + c] as number];
    const [wc, vwc, vbc] = [ws?.[c] ?? 1, vws?.[c] ?? 0, vbs?.[c] ?? 0];
    const E = (row: number) => (all[row * C + c] as number) / total;
    const [a, b, P, Q, vh, t, T] = [E(0), E(1), E(2), E(3), E(4), E(5), E(6)];
    const r3 = r * r * r;
    const put = (row: number, value: number) => {
      out[row * C + c] = value;
    };
    put(0, mean);
    put(1, mean - (out[c] as number));
    put(2, wc * r);
    put(3, vwc * r - wc * r3 * Q);
    put(4, vbc - wc * r * P);
    put(5, -r3 * (vh - a * P - 3 * r * r * b * Q + T));
    put(6, -r3 * b);
    put(7, r3 * (Q * a + b * P) - r * t);
    const sumOf = (row: number) => mine[row * C + c] as number;
    // A rank without values adds 0, also where there are none at all and the means are 0 / 0.
    if (gws !== null) gws[c] = total === 0 ? 0 : r * (sumOf(4) - P * sumOf(0) - r * r * Q * sumOf(1));
  }
}

/** The second derivative in differentiable ops. Absent cotangents are zeros: every rank runs the same collectives. */
function syncDoubleComposed(
  g: Tensor,
  x: Tensor,
  [weight, given, vWeight, vBias]: Rest,
  { group, eps, total }: SyncNormalization,
): (Tensor | null)[] {
  const C = x.shape[1] as number;
  const row = [1, C, ...x.shape.slice(2).map(() => 1)];
  const dims = row.flatMap((_, d) => (d === 1 ? [] : [d]));
  const own = (t: Tensor) => reshape(sum(t, dims), [C]);
  const means = (...of: Tensor[]) => {
    const all = div(allReduce(stack(of.map(own)), { group }), total);
    return of.map((_, i) => reshape(select(all, 0, i), row));
  };
  const [w, vw, vb] = [weight, vWeight, vBias].map((t, i) =>
    t === null ? full(row, i === 0 ? 1 : 0, x.code) : reshape(t, row),
  ) as [Tensor, Tensor, Tensor];
  const v = given ?? full(x.shape, 0, x.code);
  const [mean] = means(x) as [Tensor];
  const u = sub(x, mean);
  const [variance] = means(square(u)) as [Tensor];
  const r = pow(add(variance, eps), -0.5);
  const r2 = square(r);
  const r3 = mul(r2, r);
  const [h, t] = [mul(g, w), mul(g, vw)];
  const [a, b, P, Q, vh, meanT, T] = means(h, mul(h, u), v, mul(v, u), mul(v, h), t, mul(t, u)) as Tensor[] &
    [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const away = sub(v, P);
  const r2Q = mul(r2, Q);
  const gG = add(add(mul(mul(w, r), sub(away, mul(r2Q, u))), mul(mul(vw, r), u)), vb);
  const along = add(sub(sub(vh, mul(a, P)), mul(mul(r2Q, b), 3)), T);
  const across = add(add(mul(Q, sub(h, a)), mul(b, away)), mul(along, u));
  const gX = add(mul(r, sub(t, meanT)), neg(mul(r3, across)));
  if (weight === null) return [gG, gX, null];
  const part = (f: Tensor, factor: Tensor) => mul(own(f), reshape(factor, [C]));
  const inner = sub(sub(own(mul(v, g)), part(g, P)), part(mul(g, u), r2Q));
  return [gG, gX, mul(reshape(r, [C]), inner)];
}

/**
 * Gradients of a composition with collectives in it. All inputs get a gradient, whichever are asked for, so that on every
 * rank the same collectives run backward.
 */
function gradientsOnAllRanks(
  fn: (...inputs: Tensor[]) => readonly (Tensor | null)[],
  inputs: readonly Tensor[],
  cotangents: readonly (Tensor | null)[],
): (Tensor | null)[] {
  const again = mode.grad;
  return enableGrad(() => {
    const handles = inputs.map((t) => {
      if (again && t.requiresGrad) return view(t, t.shape);
      const leaf = detached(t);
      leaf.leafRequiresGrad = true;
      return leaf;
    });
    const results = fn(...handles);
    const used = results.flatMap((y, i) => (y !== null && (cotangents[i] ?? null) !== null ? [i] : []));
    return grad(
      used.map((i) => results[i] as Tensor),
      handles,
      { gradOutputs: used.map((i) => cotangents[i] as Tensor), createGraph: again, allowUnused: true },
    );
  });
}
