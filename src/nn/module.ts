/** Module: the base of all layers and models, callable, with hooks around its calls. */
import type { HookHandle } from "../autograd/methods.js";
import { KindlingError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { type AnyModule, ModuleBase } from "./base.js";
import {
  type BackwardHook,
  type BackwardPreHook,
  CallHooks,
  callWithHooks,
  type ForwardHook,
  type ForwardHookOptions,
  type ForwardHookWithOptions,
  type ForwardPreHook,
  type ForwardPreHookWithOptions,
  globalHooks,
  type HookOptions,
} from "./hooks.js";
import { formatModule } from "./print.js";

interface Located {
  message: string;
  module: AnyModule;
}

/** Where errors of layers were thrown first. */
const located = new WeakMap<Error, Located>();

function headline(module: AnyModule): string {
  return formatModule(module._getName(), module.extraRepr(), []).replaceAll(/\n\s*/g, " ");
}

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
  #calls: CallHooks | null = null;

  /** Computes the output; called through the module itself, which runs the hooks as well. */
  abstract override forward(...args: Args): Out;

  /** @internal */
  _invoke(args: Args): Out {
    try {
      return this.#calls === null && !globalHooks.any
        ? this.forward(...args)
        : (callWithHooks(this, args, this.#calls) as Out);
    } catch (error) {
      throw this.locate(error);
    }
  }

  /** Adds to an error of a layer the path at which the layer is found from here. */
  private locate(error: unknown): unknown {
    if (!(error instanceof KindlingError)) return error;
    const at = (located.get(error) ?? { message: error.message, module: this }) as Located;
    located.set(error, at);
    if (at.module !== this) {
      for (const [path, module] of this.namedModules()) {
        if (module === at.module) error.message = `${at.message}\n  in ${path}: ${headline(module)}`;
      }
    }
    return error;
  }

  /** @internal */
  override get _pure(): boolean {
    return Object.hasOwn(this.constructor, "pure") && !this._hooked;
  }

  private addCallHook(
    kind: keyof CallHooks & ("forwardPre" | "forward" | "backwardPre" | "backward"),
    fn: (...args: never[]) => unknown,
    options?: ForwardHookOptions,
  ): HookHandle {
    this.#calls ??= new CallHooks();
    const calls = this.#calls;
    return calls[kind].add(fn, options, () => {
      this.#calls = calls.empty ? null : calls;
    });
  }

  /** Whether a call of this module runs hooks. @internal */
  get _hooked(): boolean {
    return this.#calls !== null || globalHooks.any;
  }

  /**
   * Calls `hook(module, args)` before forward; what it returns replaces the arguments.
   * Source: `torch.nn.Module.register_forward_pre_hook`.
   */
  registerForwardPreHook(
    hook: ForwardPreHook<this, Args>,
    options?: HookOptions & { withKwargs?: false },
  ): HookHandle;
  registerForwardPreHook(
    hook: ForwardPreHookWithOptions<this>,
    options: HookOptions & { withKwargs: true },
  ): HookHandle;
  registerForwardPreHook(hook: (...args: never[]) => unknown, options?: HookOptions): HookHandle {
    return this.addCallHook("forwardPre", hook, options);
  }

  /**
   * Calls `hook(module, args, output)` after forward; what it returns replaces the output.
   * Source: `torch.nn.Module.register_forward_hook`.
   */
  registerForwardHook(
    hook: ForwardHook<this, Args, Out>,
    options?: ForwardHookOptions & { withKwargs?: false },
  ): HookHandle;
  registerForwardHook(
    hook: ForwardHookWithOptions<this, Out>,
    options: ForwardHookOptions & { withKwargs: true },
  ): HookHandle;
  registerForwardHook(hook: (...args: never[]) => unknown, options?: ForwardHookOptions): HookHandle {
    return this.addCallHook("forward", hook, options);
  }

  /**
   * Calls `hook(module, gradInput, gradOutput)` when the gradients of this module's tensor inputs are known; what it
   * returns replaces them. Source: `torch.nn.Module.register_full_backward_hook`.
   */
  registerFullBackwardHook(hook: BackwardHook<this>, options?: { prepend?: boolean }): HookHandle {
    return this.addCallHook("backward", hook, options);
  }

  /** The earlier name of {@link registerFullBackwardHook}, with the same meaning here. */
  registerBackwardHook(hook: BackwardHook<this>): HookHandle {
    return this.registerFullBackwardHook(hook);
  }

  /**
   * Calls `hook(module, gradOutput)` before the backward of this module; what it returns replaces the gradients.
   * Source: `torch.nn.Module.register_full_backward_pre_hook`.
   */
  registerFullBackwardPreHook(hook: BackwardPreHook<this>, options?: { prepend?: boolean }): HookHandle {
    return this.addCallHook("backwardPre", hook, options);
  }

  /** @internal */
  override _copyInternals(from: AnyModule): void {
    super._copyInternals(from);
    if (from instanceof Module) this.#calls = from.#calls?.copy() ?? null;
  }
}
