/** Muon: momentum made orthogonal by Newton-Schulz iterations. */

import { norm } from "../ops/statistics.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { checkRange, type OptionsInput, type ParamsInput, type RateOptions } from "./groups.js";
import { MuonUpdate, ratioOf } from "./muonBatches.js";
import { Optimizer, type StateValue, zerosFor } from "./optimizer.js";

/** Options of {@link Muon}. */
export interface MuonOptions extends RateOptions {
  /** Learning rate (default 1e-3). */
  lr: number;
  /** Decoupled weight decay (default 0.1). */
  weightDecay: number;
  /** Momentum factor (default 0.95). */
  momentum: number;
  /** Nesterov's momentum (default true). */
  nesterov: boolean;
  /** Coefficients of the iteration's polynomial (default [3.4445, -4.775, 2.0315]). */
  nsCoefficients: readonly [number, number, number];
  /** Least norm by which is divided (default 1e-7). */
  eps: number;
  /** Iterations (default 5). */
  nsSteps: number;
  /** Factor of the rate: sqrt(max(1, rows / columns)) for null and "original", 0.2 sqrt(max(rows, columns)) else. */
  adjustLrFn: "original" | "match_rms_adamw" | null;
}

/** What Muon keeps of a parameter. */
export interface MuonState {
  [key: string]: StateValue;
  /** Mean of the gradients. */
  momentumBuffer: Tensor;
}

const DEFAULTS: MuonOptions = {
  lr: 1e-3,
  weightDecay: 0.1,
  momentum: 0.95,
  nesterov: true,
  nsCoefficients: [3.4445, -4.775, 2.0315],
  eps: 1e-7,
  nsSteps: 5,
  adjustLrFn: null,
};

/**
 * Brings the singular values of a matrix near 1: X = a X + (b X X' + c (X X')^2) X, `steps` times, from a matrix of
 * norm 1. Source: Jordan 2024.
 */
function newtonSchulz(g: Tensor, coefficients: readonly number[], steps: number, eps: number): Tensor {
  const [a, b, c] = coefficients as [number, number, number];
  const [rows, columns] = g.shape as [number, number];
  let x = rows > columns ? g.transpose(0, 1) : g;
  x = x.div(norm(x).clamp({ min: eps }));
  for (let i = 0; i < steps; i++) {
    const gram = x.matmul(x.transpose(0, 1));
    const polynomial = gram.mul(b).add(gram.matmul(gram), { alpha: c });
    x = x.mul(a).add(polynomial.matmul(x));
  }
  return rows > columns ? x.transpose(0, 1) : x;
}

const UPDATE = new MuonUpdate();

/**
 * Muon: B = momentum B + (1 - momentum) g, U = orthogonal(g + momentum (B - g)) with Nesterov or orthogonal(B),
 * p = p (1 - lr decay) - lr ratio U. For the matrices of hidden layers; optimize the rest with AdamW. The iterations
 * run in the parameter's dtype, where PyTorch's round to bfloat16.
 * Source: Jordan 2024; Liu et al. 2025 for the ratio; `torch.optim.Muon`.
 * @throws ShapeError for a parameter that is no matrix; ValueError for options out of range.
 */
export class Muon extends Optimizer<MuonOptions, MuonState> {
  protected override readonly fused = this.update === Muon.prototype.update ? UPDATE : undefined;

  constructor(params: ParamsInput<MuonOptions>, options?: OptionsInput<MuonOptions> | number) {
    super(params, DEFAULTS, options);
  }

  protected override checkOptions(o: MuonOptions): void {
    for (const name of ["lr", "weightDecay", "momentum", "eps"] as const)
      checkRange("Muon", name, o[name], 0);
    checkRange("Muon", "nsSteps", o.nsSteps, 0, 100);
    if (o.nsCoefficients.length !== 3) {
      throw new ValueError(
        `[Muon] invalid nsCoefficients: got ${o.nsCoefficients.length} of them, expected 3`,
      );
    }
    if (o.adjustLrFn !== null && o.adjustLrFn !== "original" && o.adjustLrFn !== "match_rms_adamw") {
      throw new ValueError(
        `[Muon] invalid adjustLrFn: got ${String(o.adjustLrFn)}, expected "original", "match_rms_adamw" or null`,
      );
    }
  }

  protected override checkParam(param: Tensor): void {
    if (param.shape.length === 2) return;
    throw new ShapeError(
      `[Muon] takes matrices only: got a parameter of shape ${show(param.shape)}; try AdamW for biases and embeddings`,
    );
  }

  protected init(param: Tensor): MuonState {
    return { momentumBuffer: zerosFor(param) };
  }

  protected update(grad: Tensor, param: Tensor, state: MuonState, o: MuonOptions): void {
    const b = state.momentumBuffer.lerp_(grad, 1 - o.momentum);
    const u = newtonSchulz(o.nesterov ? grad.lerp(b, o.momentum) : b, o.nsCoefficients, o.nsSteps, o.eps);
    if (o.weightDecay !== 0) param.mul_(1 - o.lr * o.weightDecay);
    param.sub_(u.mul(o.lr * ratioOf(param, o)));
  }
}
