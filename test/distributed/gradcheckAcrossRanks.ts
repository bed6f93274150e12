/**
 * gradcheck for functions of all ranks: every rank has inputs and outputs of its own, and what is differentiated is the
 * sum over ranks of <cotangents, outputs>. One rank's input is moved, all ranks compute, and the change of the sum is
 * compared with that rank's gradient.
 */

import { autograd, enableGrad, noGrad, type Tensor, tensor } from "kindling";
import { allReduce, getRank, getWorldSize, type ProcessGroup } from "kindling/distributed";

/** A function of this rank's tensors that calls collectives. */
export type RankFunction = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/** Options of the checks. */
export interface AcrossRanksOptions {
  /** Step of the central differences (default 1e-6). */
  eps?: number;
  /** How far gradient and difference may lie apart, relative to 1 and the larger one (default 1e-6). */
  tolerance?: number;
  /** The ranks that take part (default: all). */
  group?: ProcessGroup;
}

function listOf(out: Tensor | readonly Tensor[]): readonly Tensor[] {
  return Array.isArray(out) ? out : [out as Tensor];
}

/** Numbers in [-1, 1] away from 0, the same for the same seed. */
export function cotangentOf(t: Tensor, seed: number): Tensor {
  let s = (seed * 0x9e3779b1 + 0x7f4a7c15) >>> 0;
  const values = Float64Array.from({ length: t.numel }, () => {
    s = (Math.imul(s ^ (s >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const v = ((s ^ (s >>> 13)) >>> 0) / 2 ** 31 - 1;
    return v + Math.sign(v || 1) * 0.1;
  });
  return tensor(values, { dtype: "float64" }).reshape(t.shape).detach();
}

/** The sum of a number over the ranks. */
function overRanks(value: number, group: ProcessGroup | undefined): number {
  const t = tensor([value], { dtype: "float64" });
  allReduce(t, group === undefined ? {} : { group });
  return t.item();
}

/** The largest of a number over the ranks. */
function mostOverRanks(value: number, group: ProcessGroup | undefined): number {
  const t = tensor([value], { dtype: "float64" });
  allReduce(t, { op: "max", ...(group === undefined ? {} : { group }) });
  return t.item();
}

/** Checks the gradients of all ranks' inputs that require one. Every rank of the group calls it with its own inputs. */
export function gradcheckAcrossRanks(
  fn: RankFunction,
  inputs: readonly Tensor[],
  { eps = 1e-6, tolerance = 1e-6, group }: AcrossRanksOptions = {},
): void {
  const [rank, size] = [getRank(group), getWorldSize(group)];
  const leaves = inputs.filter((t) => t.requiresGrad);
  const outs = listOf(fn(...inputs));
  const cotangents = outs.map((y, i) => cotangentOf(y, 31 * rank + i + 1));
  const recorded = outs.flatMap((y, i) => (y.requiresGrad ? [i] : []));
  const gradients = () =>
    autograd.grad(
      recorded.map((i) => outs[i] as Tensor),
      leaves,
      {
        gradOutputs: recorded.map((i) => cotangents[i] as Tensor),
        retainGraph: true,
        allowUnused: true,
        materializeGrads: true,
      },
    ) as Tensor[];
  const analytic = gradients().map((g) => Array.from(g.toTypedArray() as Float64Array));
  const again = gradients().map((g) => Array.from(g.toTypedArray() as Float64Array));
  const value = () =>
    noGrad(() =>
      listOf(fn(...inputs)).reduce(
        (sum, y, i) =>
          sum +
          y
            .mul(cotangents[i] as Tensor)
            .sum()
            .item(),
        0,
      ),
    );
  let wrong = JSON.stringify(analytic) === JSON.stringify(again) ? "" : "two runs of the backward differ";
  for (let mover = 0; mover < size; mover++) {
    const own = mover === rank;
    const count = mostOverRanks(own ? leaves.length : 0, group);
    for (let i = 0; i < count; i++) {
      const leaf = own ? (leaves[i] as Tensor) : null;
      const elements = mostOverRanks(leaf?.numel ?? 0, group);
      const before = leaf?.detach().clone();
      for (let j = 0; j < elements; j++) {
        const at = (step: number) => {
          if (leaf !== null) {
            noGrad(() => {
              leaf.copy_(before as Tensor);
              leaf.view([-1]).narrow(0, j, 1).add_(step);
            });
          }
          return overRanks(value(), group);
        };
        const expected = (at(eps) - at(-eps)) / (2 * eps);
        if (leaf === null) continue;
        noGrad(() => leaf.copy_(before as Tensor));
        const got = (analytic[i] as number[])[j] as number;
        const scale = Math.max(1, Math.abs(expected), Math.abs(got));
        if (!(Math.abs(got - expected) / scale <= tolerance))
          wrong ||= `rank ${rank}, input ${i}, element ${j}: formula ${got}, central difference ${expected}`;
      }
    }
  }
  // All ranks fail together: none is left waiting for one that has thrown.
  const failed = overRanks(wrong === "" ? 0 : 1, group);
  if (failed > 0)
    throw new Error(`gradients across ranks: ${wrong === "" ? `wrong on ${failed} other ranks` : wrong}`);
}

/** {@link gradcheckAcrossRanks} of the gradient, as a function of this rank's inputs and of the gradients that arrive. */
export function gradgradcheckAcrossRanks(
  fn: RankFunction,
  inputs: readonly Tensor[],
  options: AcrossRanksOptions = {},
): void {
  const rank = getRank(options.group);
  const arriving = listOf(fn(...inputs)).flatMap((y, i) =>
    y.requiresGrad ? [cotangentOf(y, 17 * rank + i + 5).requiresGrad_()] : [],
  );
  const gradient = (...all: Tensor[]) => {
    const xs = all.slice(0, inputs.length);
    return enableGrad(() => {
      const outs = listOf(fn(...xs)).filter((y) => y.requiresGrad);
      return autograd.grad(
        outs,
        xs.filter((x) => x.requiresGrad),
        {
          gradOutputs: all.slice(inputs.length),
          createGraph: true,
          allowUnused: true,
          materializeGrads: true,
        },
      ) as Tensor[];
    });
  };
  gradcheckAcrossRanks(gradient, [...inputs, ...arriving], options);
}
