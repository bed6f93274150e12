/** Hooks of optimizers: around steps (of one optimizer, or of all), and around saving and loading. */

import { type HookHandle, hookHandle } from "../autograd/methods.js";
import type { OptionNames } from "../tensor/options.js";
import type { Optimizer, OptimizerStateDict } from "./optimizer.js";

/** What a hook returns that changes nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: so that a hook needs no return
export type Nothing = undefined | void;

/** The arguments of `step`: the closure, if there is one. */
export type StepArgs = readonly [closure?: () => unknown];

/** Called before a step; what it returns replaces the arguments of the step. */
export type StepPreHook<Self = Optimizer> = (optimizer: Self, args: StepArgs) => StepArgs | Nothing;
/** Called after a step. */
export type StepPostHook<Self = Optimizer> = (optimizer: Self, args: StepArgs) => void;
/** Called before the optimizer is saved. */
export type StateDictPreHook<Self = Optimizer> = (optimizer: Self) => void;
/** Called with the state dict; what it returns replaces it. */
export type StateDictPostHook<Self = Optimizer> = (
  optimizer: Self,
  stateDict: OptimizerStateDict,
) => OptimizerStateDict | Nothing;
/** Called before a state dict is loaded; what it returns replaces it. */
export type LoadStateDictPreHook<Self = Optimizer> = (
  optimizer: Self,
  stateDict: OptimizerStateDict,
) => OptimizerStateDict | Nothing;
/** Called after a state dict was loaded. */
export type LoadStateDictPostHook<Self = Optimizer> = (optimizer: Self) => void;

/** Options of hooks on saving and loading. */
export interface StateHookOptions {
  /** Run before the hooks already registered (default false). */
  prepend?: boolean;
}

/** @internal */
export const STATE_HOOK_OPTIONS: OptionNames<StateHookOptions> = { prepend: 1 };

/** Hooks of one kind, in calling order. @internal */
export class Hooks<F> {
  /** A new array after each change: a running call keeps the hooks that it started with. */
  list: readonly F[] = [];

  add(hook: F, options: StateHookOptions = {}): HookHandle {
    const entry = hook;
    this.list = options.prepend === true ? [entry, ...this.list] : [...this.list, entry];
    return hookHandle(() => {
      const at = this.list.indexOf(entry);
      this.list = this.list.filter((_, i) => i !== at);
    });
  }
}

/** @internal */
export const globalPre: Hooks<StepPreHook> = new Hooks();
/** @internal */
export const globalPost: Hooks<StepPostHook> = new Hooks();

/** Calls `hook(optimizer, args)` before every step of every optimizer. Source: `register_optimizer_step_pre_hook`. */
export function registerOptimizerStepPreHook(hook: StepPreHook): HookHandle {
  return globalPre.add(hook);
}

/** Calls `hook(optimizer, args)` after every step of every optimizer. Source: `register_optimizer_step_post_hook`. */
export function registerOptimizerStepPostHook(hook: StepPostHook): HookHandle {
  return globalPost.add(hook);
}
