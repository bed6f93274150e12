/** What all ways to prune share: masks, the tensors they live in, and several after one another. */

import { noGrad } from "../../autograd/mode.js";
import { mul } from "../../ops/arithmetic.js";
import { cast, clone } from "../../ops/cast.js";
import { eq, ne } from "../../ops/compare.js";
import { indexCopy, indexSelect } from "../../ops/gather.js";
import { maskedScatter, maskedSelect, nonzero } from "../../ops/masked.js";
import { sum } from "../../ops/sum.js";
import { reshape } from "../../ops/view.js";
import { onesLike } from "../../tensor/create.js";
import { ShapeError, show, ValueError } from "../../tensor/errors.js";
import { checkOptions, type OptionNames } from "../../tensor/options.js";
import { sameShape, wrapDim } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";
import { Parameter, setData } from "../parameter.js";
import { forget, ownerOf, partOf, put, recompute, stopRecompute, tensorOf } from "./recompute.js";

/** Which elements a method chooses among: single ones, slices along its `dim`, or all, pruned ones too. */
export type PruningType = "unstructured" | "structured" | "global";

/** What elements are measured by. */
export interface ImportanceOptions {
  /** How important each element is, in the shape of the tensor (default: the tensor itself). */
  importanceScores?: Tensor | null;
}

/** @internal */
export const IMPORTANCE_OPTIONS: OptionNames<ImportanceOptions> = { importanceScores: 1 };

function checkScores(scores: Tensor, x: Tensor): void {
  if (!sameShape(scores.shape, x.shape))
    throw new ShapeError(
      `[prune] importanceScores must have the shape of the tensor: got ${show(scores.shape)}, expected ${show(x.shape)}`,
    );
}

/** The importance scores in the trailing options of a list of arguments, and the arguments without them. */
function splitScores(args: unknown[]): [unknown[], Tensor | null] {
  const last = args.at(-1);
  if (typeof last !== "object" || last === null || !("importanceScores" in last)) return [args, null];
  const { importanceScores, ...rest } = last as ImportanceOptions;
  const others = args.slice(0, -1);
  return [Object.keys(rest).length > 0 ? [...others, rest] : others, importanceScores ?? null];
}

const PRUNE_OPTIONS: OptionNames<ImportanceOptions & { defaultMask?: Tensor | null }> = {
  importanceScores: 1,
  defaultMask: 1,
};

/**
 * A way to prune. A subclass says what it chooses among, `pruningType`, and computes masks; applied to a parameter, it
 * keeps the values in `weight_orig` and the mask in `weight_mask`, and before each forward weight = weight_orig mask.
 * Source: `torch.nn.utils.prune.BasePruningMethod`.
 * @example
 * class Odd extends nn.utils.prune.BasePruningMethod {
 *   readonly pruningType = "unstructured";
 *   computeMask(t: Tensor, defaultMask: Tensor): Tensor {
 *     return defaultMask.mul(t.gt(0));
 *   }
 * }
 * const layer = new nn.Linear(2, 2);
 * Odd.apply(layer, "bias");
 * nn.utils.prune.isPruned(layer); // true
 */
export abstract class BasePruningMethod {
  /** What the method chooses among. Source: `PRUNING_TYPE`. */
  abstract readonly pruningType: PruningType;
  /** The dimension of the slices of a structured method. */
  readonly dim?: number;
  /** The field that is pruned, once the method was applied. */
  tensorName: string | null = null;

  /** The mask of ones (kept) and zeros for a tensor of scores; what `defaultMask` has pruned stays pruned. */
  abstract computeMask(t: Tensor, defaultMask: Tensor): Tensor;

  /** Where the mask and the values of the pruned tensor are. */
  private fields(module: AnyModule): { field: string; orig: string; mask: string } {
    const field = this.tensorName;
    if (field === null)
      throw new ValueError(`[prune] this method was not applied to ${module._getName()}; try apply first`);
    return { field, orig: partOf(module, field, "orig"), mask: partOf(module, field, "mask") };
  }

  /** The pruned tensor: mask times values. */
  applyMask(module: AnyModule): Tensor {
    const { orig, mask } = this.fields(module);
    const values = module._get(orig) as Tensor;
    return mul(cast(module._get(mask) as Tensor, values.code), values);
  }

  /**
   * Prunes a parameter by a new method of this class, on top of those that it is pruned by; returns what prunes it now.
   * The arguments after the name go to the constructor; `importanceScores` may be in trailing options.
   * Source: `torch.nn.utils.prune.BasePruningMethod.apply`.
   * @throws ValueError when there is no such parameter.
   */
  static apply<A extends unknown[]>(
    this: new (
      ...args: A
    ) => BasePruningMethod,
    module: AnyModule,
    name: string,
    ...args: A | [...A, ImportanceOptions]
  ): BasePruningMethod {
    const [own, scores] = splitScores(args);
    return new this(...(own as A)).applyTo(module, name, { importanceScores: scores });
  }

  /** Prunes a parameter by this method; see {@link BasePruningMethod.apply}. */
  applyTo(module: AnyModule, name: string, options: ImportanceOptions = {}): BasePruningMethod {
    const [field, values] = tensorOf("prune", module, name);
    const scores = options.importanceScores ?? values;
    checkScores(scores, values);
    const old = ownerOf(module, BasePruningMethod, field);
    if (old === null && !(values instanceof Parameter))
      throw new ValueError(`[prune] "${name}" of ${module._getName()} is no parameter`);
    this.tensorName = field;
    const method =
      old === null ? this : new PruningContainer(...(old instanceof PruningContainer ? old : [old]), this);
    const { orig, mask } = method.fields(module);
    const computed = noGrad(() => {
      const before = old === null ? onesLike(values) : clone(module._get(mask) as Tensor);
      return method.computeMask(scores.detach(), before).detach();
    });
    if (!sameShape(computed.shape, values.shape))
      throw new ShapeError(
        `[prune] computeMask gave a mask of shape ${show(computed.shape)}, expected ${show(values.shape)}`,
      );
    if (old === null) {
      forget(module, field);
      module.registerParameter(orig, values as Parameter);
    } else stopRecompute(module, old);
    module.registerBuffer(mask, computed);
    put(module, field, method.applyMask(module));
    recompute(module, field, method, (m) => method.applyMask(m));
    return method;
  }

  /** A pruned copy of a tensor, which no module needs to own. */
  prune(t: Tensor, options: ImportanceOptions & { defaultMask?: Tensor | null } = {}): Tensor {
    checkOptions("prune", options, PRUNE_OPTIONS);
    const scores = options.importanceScores ?? t;
    checkScores(scores, t);
    const mask = noGrad(() => this.computeMask(scores.detach(), options.defaultMask ?? onesLike(t)));
    return mul(t, mask);
  }

  /** Makes the pruned tensor the parameter again; what was pruned stays zero. */
  remove(module: AnyModule): void {
    const { field, orig, mask } = this.fields(module);
    const weight = noGrad(() => this.applyMask(module));
    const values = module._get(orig) as Parameter;
    forget(module, field, orig, mask);
    stopRecompute(module, this);
    setData(values, weight);
    module.registerParameter(field, values);
  }
}

/**
 * Several methods on the same tensor, in order; the last one acts on what the others have left.
 * Source: `torch.nn.utils.prune.PruningContainer`.
 */
export class PruningContainer extends BasePruningMethod {
  readonly pruningType = "global";
  private readonly methods: BasePruningMethod[] = [];

  constructor(...methods: BasePruningMethod[]) {
    super();
    this.tensorName = methods[0]?.tensorName ?? null;
    for (const method of methods) this.addPruningMethod(method);
  }

  /**
   * Adds a method at the end.
   * @throws ValueError when it acts on another tensor.
   */
  addPruningMethod(method: BasePruningMethod): void {
    if (!((method as unknown) instanceof BasePruningMethod))
      throw new ValueError("[PruningContainer] expected a BasePruningMethod");
    if (method.tensorName !== this.tensorName)
      throw new ValueError(
        `[PruningContainer] it acts on "${this.tensorName}": got a method that acts on "${method.tensorName}"`,
      );
    this.methods.push(method);
  }

  /** Number of methods. */
  get length(): number {
    return this.methods.length;
  }

  /** The methods, in the order in which they were added. */
  [Symbol.iterator](): IterableIterator<BasePruningMethod> {
    return this.methods.values();
  }

  /** The method at an index; negative ones count from the end. */
  get(index: number): BasePruningMethod | undefined {
    return this.methods.at(index);
  }

  /** The mask with the part replaced that the last method may choose from. */
  computeMask(t: Tensor, defaultMask: Tensor): Tensor {
    const method = this.methods.at(-1);
    if (method === undefined) throw new ValueError("[PruningContainer] it has no methods");
    const mask = cast(defaultMask, t.code);
    if (method.pruningType === "global") return method.computeMask(t, mask);
    if (method.pruningType === "unstructured") {
      const left = eq(mask, 1);
      const part = method.computeMask(maskedSelect(t, left), maskedSelect(mask, left));
      return maskedScatter(mask, left, cast(part, mask.code));
    }
    if (method.pruningType !== "structured")
      throw new ValueError(`[PruningContainer] unknown pruningType "${String(method.pruningType)}"`);
    if (method.dim === undefined)
      throw new ValueError("[PruningContainer] a structured method needs a field `dim`");
    const dim = wrapDim("PruningContainer", method.dim, t.shape.length);
    const others = t.shape.map((_, d) => d).filter((d) => d !== dim);
    const left = reshape(nonzero(ne(others.length === 0 ? mask : sum(mask, others), 0)), [-1]);
    const part = method.computeMask(indexSelect(t, dim, left), indexSelect(mask, dim, left));
    return indexCopy(mask, dim, left, cast(part, mask.code));
  }
}
