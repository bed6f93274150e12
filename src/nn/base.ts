/** What all modules are, whatever they take and give: callable, with hooks around the call, and printed. */

import type { HookHandle } from "../autograd/methods.js";
import { DTypeError, KindlingError } from "../tensor/errors.js";
import { INSPECT } from "../tensor/format.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
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
import { ModuleTree } from "./tree.js";

/** A module whatever it takes and gives. */
export type AnyModule = ModuleBase;

interface Located {
  message: string;
  module: AnyModule;
}

/** Where errors of layers were thrown first. */
const located = new WeakMap<Error, Located>();

function headline(module: AnyModule): string {
  return formatModule(module._getName(), module.extraRepr(), []).replaceAll(/\n\s*/g, " ");
}

/** Whether something is an array of numbers where a tensor of them may be meant. */
function isNumbers(x: unknown): boolean {
  return Array.isArray(x) && (typeof x[0] === "number" || isNumbers(x[0]));
}

const REGISTER_FULL_BACKWARD_HOOK_OPTIONS: OptionNames<{ prepend?: boolean }> = { prepend: 1 };

const FORWARD_HOOK_OPTIONS: OptionNames<ForwardHookOptions> = { alwaysCall: 1, prepend: 1, withKwargs: 1 };

const HOOK_OPTIONS: OptionNames<HookOptions> = { prepend: 1, withKwargs: 1 };

/** A module without the types of its forward; {@link Module} adds them. */
export abstract class ModuleBase extends ModuleTree {
  #calls: CallHooks | null = null;

  /** Computes the output; called through the module itself, which runs the hooks as well. */
  abstract forward(...args: never[]): unknown;

  /** @internal */
  _invoke(args: unknown[]): unknown {
    try {
      return this.#calls === null && !globalHooks.any
        ? this.forward(...(args as never[]))
        : callWithHooks(this, args, this.#calls);
    } catch (error) {
      throw this.locate(error, args);
    }
  }

  /** Adds to an error of a layer the path at which the layer is found from here. */
  private locate(thrown: unknown, args: readonly unknown[]): unknown {
    const error = located.has(thrown as Error) ? thrown : this.explain(thrown, args);
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

  /** What an error says of a module without forward, or one that was called without a tensor. */
  private explain(error: unknown, args: readonly unknown[]): unknown {
    const label = `[${this._getName()}]`;
    if (typeof (this.forward as unknown) !== "function")
      return new KindlingError(`${label} got no forward(), expected a method that computes the output`);
    const [first] = args;
    const none = first === undefined || first === null;
    const asArray = isNumbers(first) && (error instanceof TypeError || error instanceof DTypeError);
    const asked = error instanceof DTypeError && error.message.includes("expected a tensor");
    const missing = none && (error instanceof TypeError || asked);
    if (this.forward.length === 0 || !(asArray || missing)) return error;
    const got = none ? `${String(first)} as the input` : "an array";
    return new DTypeError(`${label} got ${got}, expected a tensor; try tensor(values)`, { cause: error });
  }

  /** @internal */
  get _pure(): boolean {
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

  /** @internal The functions called before forward, in order. */
  get _preHooks(): readonly unknown[] {
    return this.#calls?.forwardPre.entries.map((entry) => entry.fn) ?? [];
  }

  /** @internal Removes a function called before forward. */
  _removePreHook(fn: unknown): void {
    const calls = this.#calls;
    if (calls === null) return;
    calls.forwardPre.entries = calls.forwardPre.entries.filter((entry) => entry.fn !== fn);
    if (calls.empty) this.#calls = null;
  }

  /**
   * Calls `hook(module, args)` before forward; what it returns replaces the arguments.
   * Source: `torch.nn.Module.register_forward_pre_hook`.
   */
  // Generic so that a hook may name the types that it expects of a module whose own are not known.
  registerForwardPreHook<A extends unknown[] | [] = unknown[]>(
    hook: ForwardPreHook<this, A>,
    options?: HookOptions & { withKwargs?: false },
  ): HookHandle;
  /** With `{ withKwargs: true }` the hook gets the options of the call apart: `hook(module, args, options)`. */
  registerForwardPreHook(
    hook: ForwardPreHookWithOptions<this>,
    options: HookOptions & { withKwargs: true },
  ): HookHandle;
  registerForwardPreHook(hook: (...args: never[]) => unknown, options?: HookOptions): HookHandle {
    checkOptions("registerForwardPreHook", options, HOOK_OPTIONS);
    return this.addCallHook("forwardPre", hook, options);
  }

  /**
   * Calls `hook(module, args, output)` after forward; what it returns replaces the output.
   * Source: `torch.nn.Module.register_forward_hook`.
   */
  registerForwardHook<A extends unknown[] = unknown[], Out = unknown>(
    hook: ForwardHook<this, A, Out>,
    options?: ForwardHookOptions & { withKwargs?: false },
  ): HookHandle;
  /** With `{ withKwargs: true }` the hook gets the options apart: `hook(module, args, options, output)`. */
  registerForwardHook(
    hook: ForwardHookWithOptions<this, unknown>,
    options: ForwardHookOptions & { withKwargs: true },
  ): HookHandle;
  registerForwardHook(hook: (...args: never[]) => unknown, options?: ForwardHookOptions): HookHandle {
    checkOptions("registerForwardHook", options, FORWARD_HOOK_OPTIONS);
    return this.addCallHook("forward", hook, options);
  }

  /**
   * Calls `hook(module, gradInput, gradOutput)` when the gradients of this module's tensor inputs are known; what it
   * returns replaces them. Source: `torch.nn.Module.register_full_backward_hook`.
   */
  registerFullBackwardHook(hook: BackwardHook<this>, options?: { prepend?: boolean }): HookHandle {
    checkOptions("registerFullBackwardHook", options, REGISTER_FULL_BACKWARD_HOOK_OPTIONS);
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
    checkOptions("registerFullBackwardPreHook", options, REGISTER_FULL_BACKWARD_HOOK_OPTIONS);
    return this.addCallHook("backwardPre", hook, options);
  }

  /** @internal */
  override _copyInternals(from: AnyModule): void {
    super._copyInternals(from);
    this.#calls = from.#calls?.copy() ?? null;
  }

  /** What stands between the parentheses when the module is printed. Source: `torch.nn.Module.extra_repr`. */
  extraRepr(): string {
    return "";
  }

  /** @internal The printed children, with the names under which they are found. */
  _childLines(): (readonly [string, string])[] {
    const lines: [string, string][] = [];
    for (const field of this._fields()) {
      const value = this._get(field);
      if (value instanceof ModuleBase) lines.push([field, value.toString()]);
    }
    return lines;
  }

  /** The text of the module and what it is made of, as PyTorch prints it. */
  override toString(): string {
    return formatModule(this._getName(), this.extraRepr(), this._childLines());
  }

  /** @internal What `console.log` shows in Node. */
  [INSPECT](): string {
    return this.toString();
  }
}
