/** Module: the base of all layers and models, with the types of what it takes and gives. */
import type { HookHandle } from "../autograd/methods.js";
import type { Tensor } from "../tensor/tensor.js";
import { ModuleBase } from "./base.js";
import type {
  ForwardHook,
  ForwardHookOptions,
  ForwardHookWithOptions,
  ForwardPreHook,
  ForwardPreHookWithOptions,
  HookOptions,
} from "./hooks.js";

/**
 * The call of a module: runs the hooks and `forward`.
 */
export interface Module<Args extends unknown[] = [Tensor], Out = Tensor> {
  // biome-ignore lint/style/useShorthandFunctionType: merged with the class
  (...args: Args): Out;
}

/**
 * The base of layers and models. A subclass has parameters, buffers and submodules as fields and a `forward`;
 * calling it, `model(x)`, runs hooks and `forward`. Fields in camelCase have state-dict keys in snake_case, as
 * PyTorch's: `this.runningMean` is `running_mean`. Source: `torch.nn.Module`.
 * @example
 * class Net extends Module {
 *   fc1 = new Linear(4, 3);
 *   fc2 = new Linear(3, 2);
 *   forward(x: Tensor): Tensor {
 *     return this.fc2(this.fc1(x));
 *   }
 * }
 */
export abstract class Module<Args extends unknown[] = [Tensor], Out = Tensor> extends ModuleBase {
  /** Computes the output; called through the module itself, which runs the hooks as well. */
  abstract override forward(...args: Args): Out;

  /**
   * Calls `hook(module, args)` before forward; what it returns replaces the arguments.
   * Source: `torch.nn.Module.register_forward_pre_hook`.
   */
  // Generic in the arguments only so that a layer with more optional ones stays assignable to a plain Module.
  override registerForwardPreHook<A extends unknown[] | [] = Args>(
    hook: ForwardPreHook<this, A>,
    options?: HookOptions & { withKwargs?: false },
  ): HookHandle;
  /** With `{ withKwargs: true }` the hook gets the options of the call apart: `hook(module, args, options)`. */
  override registerForwardPreHook(
    hook: ForwardPreHookWithOptions<this>,
    options: HookOptions & { withKwargs: true },
  ): HookHandle;
  override registerForwardPreHook(hook: (...args: never[]) => unknown, options?: HookOptions): HookHandle {
    return super.registerForwardPreHook(hook as never, options as never);
  }

  /**
   * Calls `hook(module, args, output)` after forward; what it returns replaces the output.
   * Source: `torch.nn.Module.register_forward_hook`.
   */
  override registerForwardHook<A extends unknown[] = Args>(
    hook: ForwardHook<this, A, Out>,
    options?: ForwardHookOptions & { withKwargs?: false },
  ): HookHandle;
  /** With `{ withKwargs: true }` the hook gets the options apart: `hook(module, args, options, output)`. */
  override registerForwardHook(
    hook: ForwardHookWithOptions<this, Out>,
    options: ForwardHookOptions & { withKwargs: true },
  ): HookHandle;
  override registerForwardHook(
    hook: (...args: never[]) => unknown,
    options?: ForwardHookOptions,
  ): HookHandle {
    return super.registerForwardHook(hook as never, options as never);
  }
}
