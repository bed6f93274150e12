/** Losses of two tensors elementwise, as ops of one pass forward and one backward that are right at every order. */
import { defineOp, type Op, run } from "../autograd/op.js";
import { SIZES } from "../tensor/dtype.js";
import { enqueue, GRAIN, inPieces, kernelFor, kernelTable } from "../tensor/launch.js";
import { contiguous, empty, full, ptr, readAt } from "../tensor/raw.js";
import { broadcastShapes, sameShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { mul, neg } from "./arithmetic.js";
import { cast } from "./cast.js";
import { promote } from "./core.js";
import { checkFloat, chunkedSum, freeCopy, type Reduction } from "./lossCore.js";
import { expand } from "./view.js";

/** How one call reduces, and its parameters. */
export interface Pair {
  readonly reduction: Reduction;
  /** Further kernel arguments: delta or beta, if any. */
  readonly params: readonly number[];
}

/** One loss l(a, b): its kernels, and its derivatives in plain ops for the second and higher orders. */
export interface PairLoss {
  readonly name: string;
  readonly kernel: string;
  /** Time per element relative to an addition. */
  readonly cost: number;
  /** dl/da. */
  slope(a: Tensor, b: Tensor, p: number): Tensor;
  /** d2l/da2, or null for 0. */
  curvature(a: Tensor, b: Tensor, p: number): Tensor | number | null;
  /** Where l does not depend on a - b alone: dl/db and d2l/dadb. */
  readonly target?: {
    slope(a: Tensor, b: Tensor): Tensor;
    cross(a: Tensor, b: Tensor): Tensor | number;
  };
}

const MUL = kernelTable("mul");

/** ga *= g over contiguous data. */
function scaleBy(ga: Tensor, g: Tensor): void {
  const size = SIZES[ga.code] as number;
  const [to, from] = [ptr(ga), ptr(g)];
  inPieces(ga.numel, GRAIN, (first, count) => {
    const at = to + first * size;
    enqueue(MUL, ga.code, at, from + first * size, at, 1, count, 0, 1, 0, 1);
  });
}

const perElement = (n: number, { reduction }: Pair): number => (reduction === "mean" ? 1 / n : 1);

/** The op of a loss: one pass forward, one backward, and the second order from the derivatives given. */
export function pairLoss(loss: PairLoss): Op<Pair> {
  const elements = kernelTable(loss.kernel);
  const chunks = kernelTable(`${loss.kernel}Chunks`);
  const slopes = kernelTable(`${loss.kernel}Backward`);

  const backwardOp: Op<Pair> = defineOp<Pair>({
    name: `${loss.name}Backward`,
    saves: true,
    forward: ([g, x, y], { reduction, params }) => {
      const [a, b] = [contiguous(x as Tensor), contiguous(y as Tensor)];
      const grad = g as Tensor;
      const out = empty(a.shape, a.code);
      const n = out.numel;
      const shared = reduction === "none" ? 1 : readAt(grad, grad.storageOffset);
      const scale = reduction === "mean" ? shared / n : shared;
      const size = SIZES[a.code] as number;
      const at = [ptr(a), ptr(b), ptr(out)];
      if (n * loss.cost < 2 * GRAIN) kernelFor(slopes, a.code)(...at, n, ...params, scale);
      else {
        inPieces(n, Math.ceil(GRAIN / loss.cost), (first, count) =>
          enqueue(slopes, a.code, ...at.map((p) => p + first * size), count, ...params, scale),
        );
      }
      freeCopy(a, x as Tensor);
      freeCopy(b, y as Tensor);
      if (reduction === "none") {
        const flat = contiguous(grad);
        scaleBy(out, flat);
        freeCopy(flat, grad);
      }
      return out;
    },
    // ga = s g l'(a, b): dg = s l' gg, da = s g l'' gg
    backward: (gg, n) => {
      const [g, a, b] = [n.input(0), n.input(1), n.input(2)];
      const p = n.attrs.params[0] ?? 1;
      const scaled = mul(gg, perElement(a.numel, n.attrs));
      const forG = n.needs(0) ? mul(scaled, loss.slope(a, b, p)) : null;
      const pull = mul(scaled, g);
      const bend = n.needs(1) || n.needs(2) ? loss.curvature(a, b, p) : null;
      const forA = bend === null ? null : mul(pull, bend);
      if (!n.needs(2)) return [forG, forA];
      if (loss.target !== undefined) return [forG, forA, mul(pull, loss.target.cross(a, b))];
      return [forG, forA, forA === null ? null : neg(forA)];
    },
  });

  return defineOp<Pair>({
    name: loss.name,
    saves: true,
    forward: ([x, y], { reduction, params }) => {
      const [a, b] = [contiguous(x as Tensor), contiguous(y as Tensor)];
      const n = a.numel;
      let out: Tensor;
      if (reduction === "none") {
        out = empty(a.shape, a.code);
        const size = SIZES[a.code] as number;
        const at = [ptr(a), ptr(b), ptr(out)];
        if (n * loss.cost < 2 * GRAIN) kernelFor(elements, a.code)(...at, n, ...params);
        else {
          inPieces(n, Math.ceil(GRAIN / loss.cost), (first, count) =>
            enqueue(elements, a.code, ...at.map((p) => p + first * size), count, ...params),
          );
        }
      } else {
        const total = chunkedSum(chunks, [a, b], [n], params);
        out = full([], reduction === "mean" ? total / n : total, a.code);
      }
      freeCopy(a, x as Tensor);
      freeCopy(b, y as Tensor);
      return out;
    },
    backward: (g, n) => {
      const [a, b] = [n.input(0), n.input(1)];
      if (loss.target !== undefined) {
        return [
          n.needs(0) ? run(backwardOp, [g, a, b], n.attrs) : null,
          n.needs(1) ? mul(mul(g, loss.target.slope(a, b)), perElement(a.numel, n.attrs)) : null,
        ];
      }
      const ga = run(backwardOp, [g, a, b], n.attrs); // dl/db = -dl/da
      return [ga, n.needs(1) ? neg(ga) : null];
    },
  });
}

/** Runs a fused loss on operands broadcast to one shape and cast to one floating dtype. */
export function fused(op: Op<Pair>, name: string, a: Tensor, b: Tensor, pair: Pair): Tensor {
  const code = promote(a, b);
  const shape = broadcastShapes(name, a.shape, b.shape);
  const fit = (t: Tensor) => {
    const same = cast(t, code);
    return sameShape(same.shape, shape) ? same : expand(same, shape);
  };
  const inputs = [fit(a), fit(b)];
  checkFloat(name, "input", inputs[0] as Tensor);
  return run(op, inputs, pair);
}
