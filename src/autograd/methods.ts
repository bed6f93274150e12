/** The autograd methods of Tensor: backward, hooks, retainGrad, requiresGrad_. */

import { isFloat, nameOf } from "../tensor/dtype.js";
import { AutogradError, DTypeError } from "../tensor/errors.js";
import { checkNames, checkOptions } from "../tensor/options.js";
import { type GradFn, Tensor, type TensorHook } from "../tensor/tensor.js";
import { BACKWARD_OPTIONS, type BackwardOptions, backward } from "./engine.js";
import { checkInference } from "./inplace.js";
import type { Node } from "./node.js";
import { leafHooks, running } from "./pass.js";
import { relink } from "./views.js";

/** Undoes a registration when called. */
export interface HookHandle {
  (): void;
  /** Same as calling the handle (`torch.utils.hooks.RemovableHandle.remove`). */
  remove(): void;
}

/** A handle that runs `undo` at most once. */
export function hookHandle(undo: () => void): HookHandle {
  let done = false;
  const remove = () => {
    if (!done) undo();
    done = true;
  };
  return Object.assign(() => remove(), { remove });
}

/** The autograd part of Tensor's methods. */
export interface AutogradMethods {
  /**
   * Sums the gradients of this tensor with respect to all leaves into their `grad`.
   * @param gradient gradient of this tensor; may be left out for one element.
   */
  backward(gradient?: Tensor | null, options?: BackwardOptions & { inputs?: readonly Tensor[] }): void;
  /** The same for a tensor of one element, with options only. */
  backward(options: BackwardOptions & { inputs?: readonly Tensor[] }): void;
  /** Turns recording for this leaf on (or off); returns the tensor. */
  requiresGrad_(requiresGrad?: boolean): this;
  /** Keeps `grad` on this tensor although it is no leaf. */
  retainGrad(): void;
  /** Calls `hook(grad)` when the gradient of this tensor is known; what it returns replaces the gradient. */
  registerHook(hook: TensorHook): HookHandle;
  /** Calls `hook(tensor)` after this leaf's gradient was accumulated. */
  registerPostAccumulateGradHook(hook: (tensor: Tensor) => void): HookHandle;
  /** Detaches this tensor from its graph, in place. */
  detach_(): Tensor;
}

function add<T>(list: T[], item: T): HookHandle {
  list.push(item);
  return hookHandle(() => {
    const at = list.indexOf(item);
    if (at >= 0) list.splice(at, 1);
  });
}

/** Tensors that retain their gradient, by the node that it comes from. */
const retaining = new WeakMap<Tensor, GradFn>();

/** Whether `x` is no leaf and keeps its gradient. @internal */
export function retainsGrad(x: Tensor): boolean {
  return x.node !== null && retaining.has(x);
}

const methods: AutogradMethods & ThisType<Tensor> = {
  backward(
    gradient?: Tensor | null | BackwardOptions,
    options?: BackwardOptions & { inputs?: readonly Tensor[] },
  ) {
    checkNames("backward", gradient, BACKWARD_OPTIONS);
    checkOptions("backward", options, BACKWARD_OPTIONS);
    if (gradient instanceof Tensor || gradient === null || gradient === undefined) {
      backward(this, gradient === undefined ? null : [gradient], options);
    } else backward(this, null, gradient);
  },
  requiresGrad_(requiresGrad = true) {
    relink(this);
    if (this.node !== null) {
      if (requiresGrad) return this;
      throw new AutogradError("[requiresGrad_] only leaves can stop requiring a gradient; try detach()");
    }
    if (requiresGrad && !isFloat(this.code)) {
      throw new DTypeError(
        `[requiresGrad_] only floating tensors can require gradients: got ${nameOf(this.code)}; try x.to("float32")`,
      );
    }
    if (requiresGrad) checkInference("requiresGrad_", this, "require a gradient");
    this.leafRequiresGrad = requiresGrad;
    return this;
  },
  retainGrad() {
    if (!this.requiresGrad)
      throw new AutogradError(
        "[retainGrad] the tensor does not require a gradient; try requiresGrad: true on the inputs",
      );
    relink(this);
    const { node } = this;
    if (node === null || retaining.get(this) === node) return;
    retaining.set(this, node);
    // An in-place op gives the tensor another node, whose gradient it then retains.
    this.registerHook((g) => {
      if (this.node === node) running.pass?.accumulate(this, g);
    });
  },
  registerHook(hook) {
    relink(this);
    if (!this.requiresGrad) {
      throw new AutogradError(
        "[registerHook] the tensor does not require a gradient: its hook would never be called; try requiresGrad: true on the inputs",
      );
    }
    if (this.node === null) {
      leafHooks.any = true;
      this.hooks ??= [];
      return add(this.hooks, hook);
    }
    const node = this.node as Node;
    node.hooks ??= new Map();
    const list = node.hooks.get(this.outputNr) ?? [];
    node.hooks.set(this.outputNr, list);
    return add(list, hook);
  },
  registerPostAccumulateGradHook(hook) {
    relink(this);
    if (this.node !== null)
      throw new AutogradError("[registerPostAccumulateGradHook] only leaves accumulate gradients");
    leafHooks.any = true;
    this.accumulateHooks ??= [];
    return add(this.accumulateHooks, hook);
  },
  detach_() {
    this.node = null;
    this.leafRequiresGrad = false;
    this.base = null;
    retaining.delete(this);
    return this;
  },
};

Object.assign(Tensor.prototype, methods);

declare module "../tensor/tensor.js" {
  interface Tensor extends AutogradMethods {}
}
