/** Elementwise functions whose derivative has a kernel too: one kernel forward, one backward, right at all orders. */
import { defineOp, run } from "../autograd/op.js";
import type { DTypeCode } from "../tensor/dtype.js";
import { kernelTable } from "../tensor/launch.js";
import { full } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { mul } from "./arithmetic.js";
import { mapFlat, mapUnary } from "./core.js";

/** Up to three numbers that a kernel takes. */
export type Params = readonly [number?, number?, number?];

/** How a function and its slope are computed. */
export interface Sloped {
  /** Kernel of the function: `out = f(x)`. */
  readonly kernel: string;
  /** Kernel of the slope: `out = g f'(at)`, where `at` is the input or the output. */
  readonly slope: string;
  readonly at: "input" | "output";
  /** Time per element relative to an addition (default 1). */
  readonly cost?: number;
  /** The derivative of the slope by what it is evaluated at, in plain ops; null where it is zero (the default). */
  readonly curve?: (at: Tensor, p: Params) => Tensor;
  /** Address of what both kernels look up, given to them in place of the first parameter. */
  readonly lookup?: (code: DTypeCode) => number;
}

const title = (kernel: string) => kernel.charAt(0).toUpperCase() + kernel.slice(1);

/** The slope as an op: B(g, at) = g s(at). */
export function slopeOp({
  slope,
  cost = 1,
  curve,
  lookup,
}: Omit<Sloped, "kernel" | "at">): (g: Tensor, at: Tensor, p: Params) => Tensor {
  const table = kernelTable(slope);
  const op = defineOp<Params>({
    name: title(slope),
    saves: curve === undefined ? [1] : true,
    forward: ([g, at], p) => {
      const [a, b] = [g as Tensor, at as Tensor];
      const first = lookup?.(a.code) ?? p[0] ?? 0;
      return mapFlat(table, [a, b], a.shape, a.code, cost, first, p[1] ?? 0, p[2] ?? 0);
    },
    // dB = s(at) dg + g s'(at) d at
    backward: (gg, n) => {
      const p = n.attrs;
      const at = n.input(1);
      let toAt: Tensor | null = null;
      if (n.needs(1)) {
        toAt =
          curve === undefined
            ? full(at.shape, 0, at.code as DTypeCode)
            : mul(mul(gg, n.input(0)), curve(at, p));
      }
      return [n.needs(0) ? apply(gg, at, p) : null, toAt];
    },
  });
  function apply(g: Tensor, at: Tensor, p: Params): Tensor {
    return run(op, [g, at], p);
  }
  return apply;
}

/** The function as an op. */
export function sloped(spec: Sloped): (x: Tensor, p: Params) => Tensor {
  const table = kernelTable(spec.kernel);
  const slope = slopeOp(spec);
  const atInput = spec.at === "input";
  const op = defineOp<Params>({
    name: title(spec.kernel),
    saves: atInput,
    savesOutput: !atInput,
    forward: ([x], p) => {
      const t = x as Tensor;
      const first = spec.lookup?.(t.code) ?? p[0] ?? 0;
      return mapUnary(table, t, spec.cost ?? 1, t.code, first, p[1] ?? 0, p[2] ?? 0);
    },
    backward: (g, n) => [slope(g, atInput ? n.input(0) : n.output(), n.attrs)],
  });
  return (x, p) => run(op, [x], p);
}
