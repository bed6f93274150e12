/** gradcheck: compares the gradients that formulas give with central differences, as `torch.autograd.gradcheck`. */

import { mem } from "../kernels/index.js";
import { FLOAT64, isFloat, nameOf, SIZES } from "../tensor/dtype.js";
import { KindlingError, show } from "../tensor/errors.js";
import { address, nextOp } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { fromTyped, full, toNumbers } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { grad } from "./engine.js";
import { enableGrad, noGrad } from "./mode.js";

/** Thrown by {@link gradcheck} with the input, the output and both matrices. */
export class GradcheckError extends KindlingError {
  /** The name of the class. */
  override name = "GradcheckError";
}

/** Options of {@link gradcheck}, with PyTorch's defaults. */
export interface GradcheckOptions {
  /** Step of the central differences (default 1e-6). */
  eps?: number;
  /** Absolute tolerance (default 1e-5). */
  atol?: number;
  /** Relative tolerance (default 1e-3). */
  rtol?: number;
  /** How far two runs of the same backward may differ (default 0: bit-identical). */
  nondetTol?: number;
  /** Also check that outputs without a gradient are handled (default true). */
  checkUndefinedGrad?: boolean;
  /** Throw on failure (default), or return false. */
  raiseException?: boolean;
  /** Check one random projection in place of whole Jacobians (default false): much faster for large inputs. */
  fastMode?: boolean;
  /** Seed of random cotangents; printed on failure (default 0). */
  seed?: number;
  /** Name shown in messages. */
  name?: string;
}

const GRADCHECK_OPTIONS: OptionNames<GradcheckOptions> = {
  eps: 1,
  atol: 1,
  rtol: 1,
  nondetTol: 1,
  checkUndefinedGrad: 1,
  raiseException: 1,
  fastMode: 1,
  seed: 1,
  name: 1,
};

/** A function under test: tensors in, one tensor or several out. */
export type CheckedFunction = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/** Small generator (mulberry32), so that checks do not touch the global random state. */
function randomFrom(seed: number): () => number {
  let s = (seed + 0x9e3779b9) >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tensor of values in [-1, 1), away from zero by at least 0.1. */
function cotangent(shape: readonly number[], next: () => number): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Float64Array.from({ length: n }, () => {
    const v = 2 * next() - 1;
    return v + Math.sign(v || 1) * 0.1;
  });
  return fromTyped(values, shape, FLOAT64);
}

/** Storage indexes of the elements in row-major order. */
function places(t: Tensor): number[] {
  let at = [t.storageOffset];
  t.shape.forEach((size, d) => {
    const stride = t.strides[d] as number;
    at = at.flatMap((i) => Array.from({ length: size }, (_, k) => i + k * stride));
  });
  return at;
}

function poke(t: Tensor, index: number, value: number): void {
  nextOp();
  mem.f64[address(t.storage) / (SIZES[FLOAT64] as number) + index] = value;
}

function peek(t: Tensor, index: number): number {
  return mem.f64[address(t.storage) / (SIZES[FLOAT64] as number) + index] as number;
}

function listOf(out: Tensor | readonly Tensor[]): readonly Tensor[] {
  return out instanceof Tensor ? [out] : out;
}

class Check {
  readonly eps: number;
  readonly atol: number;
  readonly rtol: number;
  readonly seed: number;
  readonly label: string;
  readonly leaves: Tensor[];
  readonly fn: CheckedFunction;
  readonly inputs: readonly Tensor[];
  readonly options: GradcheckOptions;

  constructor(fn: CheckedFunction, inputs: readonly Tensor[], options: GradcheckOptions) {
    this.fn = fn;
    this.inputs = inputs;
    this.options = options;
    this.eps = options.eps ?? 1e-6;
    this.atol = options.atol ?? 1e-5;
    this.rtol = options.rtol ?? 1e-3;
    this.seed = options.seed ?? 0;
    this.label = options.name ?? (fn.name || "function");
    this.leaves = inputs.filter((t) => t instanceof Tensor && t.requiresGrad);
    if (this.leaves.length === 0) throw this.failure("no input requires a gradient; try requiresGrad: true");
    for (const [i, t] of inputs.entries()) {
      if (!(t instanceof Tensor) || !t.requiresGrad) continue;
      if (t.code !== FLOAT64) {
        throw this.failure(
          `input ${i} is ${nameOf(t.code)}, expected float64: central differences need its digits`,
        );
      }
      if (new Set(places(t)).size !== t.numel)
        throw this.failure(`input ${i} has elements that share memory; try clone()`);
    }
  }

  failure(what: string): GradcheckError {
    return new GradcheckError(`[gradcheck] ${this.label}: ${what} (seed ${this.seed})`);
  }

  outputs(): Tensor[] {
    return enableGrad(() => listOf(this.fn(...this.inputs)).filter((t) => isFloat(t.code)));
  }

  /** Values of all outputs, without a graph. */
  values(): number[][] {
    return noGrad(() =>
      listOf(this.fn(...this.inputs))
        .filter((t) => isFloat(t.code))
        .map((t) => toNumbers(t)),
    );
  }

  gradients(outs: readonly Tensor[], cotangents: readonly (Tensor | null)[]): (Tensor | null)[] {
    const used = outs.flatMap((o, i) => (cotangents[i] !== null && o.requiresGrad ? [i] : []));
    if (used.length === 0) return this.leaves.map(() => null);
    return grad(
      used.map((i) => outs[i] as Tensor),
      this.leaves,
      { gradOutputs: used.map((i) => cotangents[i] as Tensor), retainGraph: true, allowUnused: true },
    );
  }

  checkMeta(grads: readonly (Tensor | null)[]): void {
    grads.forEach((g, i) => {
      const x = this.leaves[i] as Tensor;
      if (g === null) return;
      if (!sameShape(g.shape, x.shape)) {
        throw this.failure(`gradient of input ${i} has shape ${show(g.shape)}, expected ${show(x.shape)}`);
      }
      if (g.code !== x.code) throw this.failure(`gradient of input ${i} is ${g.dtype}, expected ${x.dtype}`);
    });
  }

  /** d output[o][k] / d leaf[i][j] by central differences: [leaf][output][j][k]. */
  numeric(): number[][][][] {
    return this.leaves.map((leaf) => {
      const columns = places(leaf).map((at) => {
        const before = peek(leaf, at);
        poke(leaf, at, before + this.eps);
        const up = this.values();
        poke(leaf, at, before - this.eps);
        const down = this.values();
        poke(leaf, at, before);
        return up.map((u, o) => u.map((v, k) => (v - (down[o]?.[k] as number)) / (2 * this.eps)));
      });
      const outs = columns[0]?.length ?? 0;
      return Array.from({ length: outs }, (_, o) => columns.map((c) => c[o] as number[]));
    });
  }

  compare(i: number, o: number, analytic: readonly number[][], numeric: readonly number[][]): void {
    for (const [j, row] of numeric.entries()) {
      for (const [k, expected] of row.entries()) {
        const got = analytic[j]?.[k] ?? 0;
        if (got === expected || Math.abs(got - expected) <= this.atol + this.rtol * Math.abs(expected))
          continue;
        throw this.failure(
          `gradient of output ${o} with respect to input ${i} differs at input element ${j}, output element ${k}: ` +
            `formula ${got}, central difference ${expected}\nformula:\n${matrix(analytic)}\nnumeric:\n${matrix(numeric)}`,
        );
      }
    }
  }

  slow(): void {
    const outs = this.outputs();
    const numeric = this.numeric();
    for (const [o, out] of outs.entries()) {
      // [leaf][j][k]
      const jacobian = this.leaves.map((leaf) =>
        Array.from({ length: leaf.numel }, () => new Array<number>(out.numel).fill(0)),
      );
      for (let k = 0; k < out.numel; k++) {
        const hot = new Float64Array(out.numel);
        hot[k] = 1;
        const seed = fromTyped(hot, out.shape, out.code);
        const pick = outs.map((_, q) => (q === o ? seed : null));
        const first = this.gradients(outs, pick);
        this.checkMeta(first);
        this.sameTwice(first, this.gradients(outs, pick));
        first.forEach((g, i) => {
          if (g === null) return;
          toNumbers(g).forEach((v, j) => {
            ((jacobian[i] as number[][])[j] as number[])[k] = v;
          });
        });
      }
      jacobian.forEach((m, i) => {
        this.compare(i, o, m, numeric[i]?.[o] ?? []);
      });
    }
  }

  fast(): void {
    const next = randomFrom(this.seed);
    const outs = this.outputs();
    const v = outs.map((o) => cotangent(o.shape, next));
    const u = this.leaves.map((x) => toNumbers(cotangent(x.shape, next)));
    const grads = this.gradients(outs, v);
    this.checkMeta(grads);
    this.sameTwice(grads, this.gradients(outs, v));
    this.leaves.forEach((leaf, i) => {
      const at = places(leaf);
      const before = at.map((p) => peek(leaf, p));
      const direction = u[i] as number[];
      const shifted = (sign: number) => {
        at.forEach((p, j) => {
          poke(leaf, p, (before[j] as number) + sign * this.eps * (direction[j] as number));
        });
        return this.values();
      };
      const up = shifted(1);
      const down = shifted(-1);
      at.forEach((p, j) => {
        poke(leaf, p, before[j] as number);
      });
      let numeric = 0;
      v.forEach((t, o) => {
        toNumbers(t).forEach((c, k) => {
          numeric += (c * ((up[o]?.[k] as number) - (down[o]?.[k] as number))) / (2 * this.eps);
        });
      });
      const g = grads[i] ?? null;
      const got =
        g === null ? 0 : toNumbers(g).reduce((s, value, j) => s + value * (direction[j] as number), 0);
      const scale = Math.sqrt(leaf.numel);
      if (Math.abs(got - numeric) > (this.atol + this.rtol * Math.abs(numeric)) * scale) {
        throw this.failure(
          `projected gradient with respect to input ${i} differs: formula ${got}, central difference ${numeric}; ` +
            "try fastMode: false to see both Jacobians",
        );
      }
    });
  }

  sameTwice(a: readonly (Tensor | null)[], b: readonly (Tensor | null)[]): void {
    const tolerance = this.options.nondetTol ?? 0;
    a.forEach((g, i) => {
      const h = b[i] ?? null;
      if (g === null || h === null) return;
      const y = toNumbers(h);
      toNumbers(g).forEach((v, j) => {
        const w = y[j] as number;
        if (!Object.is(v, w) && !(Math.abs(v - w) <= tolerance)) {
          throw this.failure(`two runs of the backward differ for input ${i}, element ${j}: ${v} and ${w}`);
        }
      });
    });
  }

  zeroCotangent(): void {
    const outs = this.outputs();
    const grads = this.gradients(
      outs,
      outs.map((o) => full(o.shape, 0, o.code)),
    );
    grads.forEach((g, i) => {
      if (g !== null && toNumbers(g).some((v) => v !== 0)) {
        throw this.failure(
          `a zero gradient of the output must give zero for input ${i}: the backward is not a multiple of it`,
        );
      }
    });
  }

  undefinedGradients(): void {
    const outs = this.outputs();
    const next = randomFrom(this.seed + 1);
    if (outs.length < 2) return;
    outs.forEach((_, o) => {
      this.checkMeta(
        this.gradients(
          outs,
          outs.map((t, q) => (q === o ? null : cotangent(t.shape, next))),
        ),
      );
    });
  }
}

function matrix(rows: readonly (readonly number[])[]): string {
  return rows.map((r) => `  [${r.map((v) => v.toPrecision(6)).join(", ")}]`).join("\n");
}

/**
 * Checks the gradients of `fn` at `inputs` (float64, requiring gradients) against central differences:
 * whole Jacobians, twice the same bits, zero in gives zero out, missing gradients, shapes and dtypes.
 * @returns true, or false with `raiseException: false`.
 * @throws GradcheckError naming input, output, element and both matrices.
 * @example
 * gradcheck((x) => x.mul(x).sum(), [tensor([1, 2, 3], { dtype: "float64", requiresGrad: true })]); // true
 */
export function gradcheck(
  fn: CheckedFunction,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): boolean {
  checkOptions("gradcheck", options, GRADCHECK_OPTIONS);
  try {
    const check = new Check(fn, inputs, options);
    if (options.fastMode === true) check.fast();
    else check.slow();
    check.zeroCotangent();
    if (options.checkUndefinedGrad !== false) check.undefinedGradients();
    return true;
  } catch (error) {
    if (options.raiseException === false && error instanceof GradcheckError) return false;
    throw error;
  }
}

/**
 * Checks the second derivatives of `fn`: {@link gradcheck} of its gradient, as a function of the inputs and of the
 * gradients of the outputs (random ones unless given).
 */
export function gradgradcheck(
  fn: CheckedFunction,
  inputs: readonly Tensor[],
  gradOutputs?: readonly Tensor[],
  options: GradcheckOptions = {},
): boolean {
  checkOptions("gradgradcheck", options, GRADCHECK_OPTIONS);
  const next = randomFrom((options.seed ?? 0) + 7);
  const outs = listOf(fn(...inputs)).filter((t) => isFloat(t.code) && t.requiresGrad);
  const cotangents = gradOutputs ?? outs.map((o) => cotangent(o.shape, next));
  for (const c of cotangents) c.leafRequiresGrad = c.node === null;
  const leaves = inputs.flatMap((t, i) => (t instanceof Tensor && t.requiresGrad ? [i] : []));
  const gradient = (...all: Tensor[]): Tensor[] => {
    const xs = all.slice(0, inputs.length);
    const vs = all.slice(inputs.length);
    return enableGrad(() => {
      const ys = listOf(fn(...xs)).filter((t) => isFloat(t.code) && t.requiresGrad);
      const grads = grad(
        ys,
        leaves.map((i) => xs[i] as Tensor),
        { gradOutputs: vs, createGraph: true, allowUnused: true },
      );
      return grads.filter((g): g is Tensor => g !== null);
    });
  };
  return gradcheck(gradient, [...inputs, ...cotangents], {
    ...options,
    name: `gradient of ${options.name ?? (fn.name || "function")}`,
  });
}
