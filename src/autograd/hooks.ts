/** Hooks on the graph: on nodes, on several gradients at once, on saved tensors. Source: `torch.autograd.graph`. */

import type { DTypeCode, TypedArray } from "../tensor/dtype.js";
import { AutogradError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { fromTyped, toTyped } from "../tensor/raw.js";
import type { Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { GradientEdge } from "./edge.js";
import { type HookHandle, hookHandle } from "./methods.js";
import { during, type ModeScope, mode, type SavedTensorsHooks } from "./mode.js";
import { Node, type NodeHook, type NodePreHook } from "./node.js";
import { type Pass, running } from "./pass.js";
import { relink } from "./views.js";

export { GradientEdge } from "./edge.js";
export type { SavedTensorsHooks } from "./mode.js";
export type { HookResult, Node, NodeHook, NodePreHook } from "./node.js";
export type { InputGrads } from "./op.js";

/** What `gradFn` offers besides its name and `nextFunctions`. */
export interface NodeMethods {
  /**
   * Calls `hook(gradInputs, gradOutputs)` after the backward of this op; what it returns replaces the gradients of
   * the inputs. Source: `torch.autograd.graph.Node.register_hook`.
   * @example
   * const y = tensor([1, 2], { dtype: "float64", requiresGrad: true }).mul(3);
   * y.gradFn?.registerHook(([g]) => [g?.mul(10) ?? null]);
   */
  registerHook(hook: NodeHook): HookHandle;
  /**
   * Calls `hook(gradOutputs)` before the backward of this op; what it returns replaces the gradients of the outputs.
   * Source: `torch.autograd.graph.Node.register_prehook`.
   */
  registerPrehook(hook: NodePreHook): HookHandle;
}

declare module "./node.js" {
  interface Node extends NodeMethods {}
}

function addHook<T>(hooks: T[], hook: T, empty: () => void): HookHandle {
  hooks.push(hook);
  return hookHandle(() => {
    hooks.splice(hooks.indexOf(hook), 1);
    if (hooks.length === 0) empty();
  });
}

const nodeMethods: NodeMethods & ThisType<Node> = {
  registerHook(hook) {
    this.postHooks ??= [];
    return addHook(this.postHooks, hook, () => {
      this.postHooks = null;
    });
  },
  registerPrehook(hook) {
    this.preHooks ??= [];
    return addHook(this.preHooks, hook, () => {
      this.preHooks = null;
    });
  },
};

Object.assign(Node.prototype, nodeMethods);

/**
 * Where the gradient of a tensor flows to; `grad` and `backward({ inputs })` take it in place of the tensor, and it
 * does not keep the tensor's data. Source: `torch.autograd.graph.get_gradient_edge`.
 * @example
 * const x = tensor(3, { dtype: "float64", requiresGrad: true });
 * const y = x.mul(x);
 * const edge = autograd.graph.getGradientEdge(y);
 * grad(y.mul(2), edge)[0]?.item(); // 2
 * @throws AutogradError when the tensor does not require a gradient.
 */
export function getGradientEdge(tensor: Tensor): GradientEdge {
  relink(tensor);
  if (!tensor.requiresGrad) {
    throw new AutogradError(
      "[getGradientEdge] the tensor does not require a gradient, so no gradient flows to it; try requiresGrad: true",
    );
  }
  return new GradientEdge((tensor.node as Node | null) ?? tensor, tensor.outputNr);
}

/**
 * Counts a change of the tensors' data that was made behind autograd's back, so that backward passes that need the
 * earlier values throw. Source: `torch.autograd.graph.increment_version`.
 */
export function incrementVersion(tensors: Tensor | readonly Tensor[]): void {
  for (const t of tensors instanceof Tensor ? [tensors] : tensors) t.storage.version++;
}

/** Options of {@link registerMultiGradHook}. */
export interface MultiGradHookOptions {
  /** Call once all gradients are there (default), or once with the first. */
  mode?: "all" | "any";
}

const MULTI_GRAD_HOOK_OPTIONS: OptionNames<MultiGradHookOptions> = { mode: 1 };

/** Gradients of one backward pass, gathered until all that it reaches are there. */
interface Gathering {
  readonly grads: (Tensor | null)[];
  left: number;
}

/**
 * With mode "all" (the default) calls `fn(grads)` once in each backward pass, when the gradients of all tensors that
 * the pass reaches are known (null for the others); with "any", calls `fn(grad)` with the first of them.
 * Source: `torch.autograd.graph.register_multi_grad_hook`.
 * @example
 * const [a, b] = [2, 3].map((v) => tensor(v, { dtype: "float64", requiresGrad: true }));
 * const seen = [];
 * autograd.graph.registerMultiGradHook([a, b], (grads) => seen.push(grads.map((g) => g?.item())));
 * a.mul(b).backward();
 * seen; // [[3, 2]]
 */
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  fn: (grads: (Tensor | null)[]) => void,
  options?: { mode?: "all" },
): HookHandle;
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  fn: (grad: Tensor) => void,
  options: { mode: "any" },
): HookHandle;
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  fn: ((grads: (Tensor | null)[]) => void) | ((grad: Tensor) => void),
  options: MultiGradHookOptions = {},
): HookHandle {
  checkOptions("registerMultiGradHook", options, MULTI_GRAD_HOOK_OPTIONS);
  const gathered = new WeakMap<object, Gathering>();
  const all = fn as (grads: (Tensor | null)[]) => void;
  const begin = (pass: Pass): Gathering => {
    const left = options.mode === "any" ? 1 : tensors.filter((t) => pass.reaches(t)).length;
    const fresh = { grads: tensors.map(() => null), left };
    gathered.set(pass, fresh);
    if (options.mode !== "any") pass.whenDone(() => fresh.left > 0 && all(fresh.grads));
    return fresh;
  };
  const handles = tensors.map((t, i) =>
    t.registerHook((g) => {
      const { pass } = running;
      if (pass === null) return;
      const now = gathered.get(pass) ?? begin(pass);
      now.grads[i] = g;
      if (--now.left !== 0) return;
      if (options.mode === "any") (fn as (grad: Tensor) => void)(g);
      else all(now.grads);
    }),
  );
  return hookHandle(() => {
    for (const handle of handles) handle();
  });
}

/**
 * Gives every tensor that an op saves for its backward to `pack`, keeps what that returns, and has `unpack` make the
 * tensor again when the backward needs it: to compress saved tensors, move them elsewhere, or count them. With a
 * function it holds while that runs; without, for a `using` block. The innermost hooks apply. What a custom
 * {@link Function} saves itself is left alone. Source: `torch.autograd.graph.saved_tensors_hooks`.
 * @example
 * const x = tensor([1, 2], { dtype: "float64", requiresGrad: true });
 * const hooks = { pack: (t) => t.to("float32"), unpack: (t) => t.to("float64") };
 * const y = autograd.graph.savedTensorsHooks(hooks, () => x.mul(x).sum());
 */
export function savedTensorsHooks(hooks: SavedTensorsHooks): ModeScope;
export function savedTensorsHooks<T>(hooks: SavedTensorsHooks, fn: () => T): T;
export function savedTensorsHooks<T>(hooks: SavedTensorsHooks, fn?: () => T): T | ModeScope {
  if (disabled !== null) throw new AutogradError(`[savedTensorsHooks] ${disabled}`);
  return during(() => {
    const before = mode.savedHooks;
    mode.savedHooks = hooks;
    return () => {
      mode.savedHooks = before;
    };
  }, fn);
}

let disabled: string | null = null;

/**
 * Makes {@link savedTensorsHooks} throw with this message while `fn` runs, or for a `using` block.
 * Source: `torch.autograd.graph.disable_saved_tensors_hooks`.
 */
export function disableSavedTensorsHooks(message: string): ModeScope;
export function disableSavedTensorsHooks<T>(message: string, fn: () => T): T;
export function disableSavedTensorsHooks<T>(message: string, fn?: () => T): T | ModeScope {
  return during(() => {
    const before = disabled;
    disabled = message;
    return () => {
      disabled = before;
    };
  }, fn);
}

/**
 * Keeps saved tensors outside of the heap, as ordinary typed arrays, until the backward needs them: the tensors
 * themselves may be freed early. Source: `torch.autograd.graph.save_on_cpu`.
 */
export function saveOnCpu(): ModeScope;
export function saveOnCpu<T>(fn: () => T): T;
export function saveOnCpu<T>(fn?: () => T): T | ModeScope {
  const hooks: SavedTensorsHooks = {
    pack: (t) => ({ values: toTyped(t), shape: t.shape, code: t.code }),
    unpack: (packed) => {
      const { values, shape, code } = packed as { values: TypedArray; shape: Shape; code: DTypeCode };
      return fromTyped(values, shape, code);
    },
  };
  return fn === undefined ? savedTensorsHooks(hooks) : savedTensorsHooks(hooks, fn);
}
