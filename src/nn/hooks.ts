/** Hooks around a module's call: before and after forward, before and after its part of a backward pass. */

import { type HookHandle, hookHandle } from "../autograd/methods.js";
import { mode } from "../autograd/mode.js";
import { defineMultiOp, runMulti } from "../autograd/op.js";
import { AutogradError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { viewOf } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import type { AnyModule } from "./base.js";

/** Gradients of a module's tensor inputs or outputs, null where there is none. */
export type ModuleGrads = readonly (Tensor | null)[];

/** What a hook returns that changes nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: so that a hook needs no return
export type Nothing = undefined | void;

/** The trailing options object of a call, `{}` where there is none. */
export type CallOptions = Record<string, unknown>;

/** Called before forward; returns nothing, the arguments to use instead, or the one argument. */
export type ForwardPreHook<M, Args extends unknown[]> = (module: M, args: Args) => Args | Args[0] | Nothing;

/** As {@link ForwardPreHook}, with the options apart; returns `[args, options]` to replace both. */
export type ForwardPreHookWithOptions<M> = (
  module: M,
  args: unknown[],
  options: CallOptions,
) => readonly [unknown[], CallOptions] | Nothing;

/** Called after forward; what it returns replaces the output. */
export type ForwardHook<M, Args extends unknown[], Out> = (
  module: M,
  args: Args,
  output: Out,
) => Out | Nothing;

/** As {@link ForwardHook}, with the options apart. */
export type ForwardHookWithOptions<M, Out> = (
  module: M,
  args: unknown[],
  options: CallOptions,
  output: Out,
) => Out | Nothing;

/** Called with the gradients of inputs and outputs; what it returns replaces the gradients of the inputs. */
export type BackwardHook<M> = (
  module: M,
  gradInput: ModuleGrads,
  gradOutput: ModuleGrads,
) => ModuleGrads | Tensor | Nothing;

/** Called with the gradients of the outputs; what it returns replaces them. */
export type BackwardPreHook<M> = (module: M, gradOutput: ModuleGrads) => ModuleGrads | Tensor | Nothing;

/** Options of hooks before forward. */
export interface HookOptions {
  /** Run before the hooks already registered (default false). */
  prepend?: boolean;
  /** Give the hook the trailing options object of the call apart from the arguments (default false). */
  withKwargs?: boolean;
}

/** Options of hooks after forward. */
export interface ForwardHookOptions extends HookOptions {
  /** Run also when forward threw, before the error goes on (default false). */
  alwaysCall?: boolean;
}

type AnyFn = (...args: never[]) => unknown;

interface Entry {
  readonly fn: AnyFn;
  readonly withKwargs: boolean;
  readonly alwaysCall: boolean;
}

/** Hooks of one kind, in calling order. @internal */
export class HookList {
  entries: readonly Entry[] = [];

  /** Adds a hook; `changed` is told after it was added or removed. */
  add(fn: AnyFn, options: ForwardHookOptions | undefined, changed?: () => void): HookHandle {
    const entry: Entry = {
      fn,
      withKwargs: options?.withKwargs ?? false,
      alwaysCall: options?.alwaysCall ?? false,
    };
    // A new array each time: a running call keeps the hooks that it started with.
    this.entries = options?.prepend === true ? [entry, ...this.entries] : [...this.entries, entry];
    changed?.();
    return hookHandle(() => {
      this.entries = this.entries.filter((e) => e !== entry);
      changed?.();
    });
  }

  copy(): HookList {
    const out = new HookList();
    out.entries = this.entries;
    return out;
  }
}

/** The hooks of one module's calls, or the global ones. @internal */
export class CallHooks {
  readonly forwardPre = new HookList();
  readonly forward = new HookList();
  readonly backwardPre = new HookList();
  readonly backward = new HookList();

  get empty(): boolean {
    return (
      this.forwardPre.entries.length +
        this.forward.entries.length +
        this.backwardPre.entries.length +
        this.backward.entries.length ===
      0
    );
  }

  copy(): CallHooks {
    const out = new CallHooks();
    for (const key of ["forwardPre", "forward", "backwardPre", "backward"] as const)
      out[key].entries = this[key].entries;
    return out;
  }
}

/** Hooks of every module's calls. @internal */
export const globalHooks = { calls: new CallHooks(), any: false };

const NONE = new CallHooks();

function isOptions(value: unknown): value is CallOptions {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function splitOptions(args: unknown[]): [unknown[], CallOptions] {
  const last = args.at(-1);
  return isOptions(last) ? [args.slice(0, -1), last] : [args, {}];
}

function joinOptions(args: readonly unknown[], options: CallOptions): unknown[] {
  return Object.keys(options).length > 0 ? [...args, options] : [...args];
}

function applyPre(entry: Entry, module: AnyModule, args: unknown[]): unknown[] {
  const fn = entry.fn as (...args: unknown[]) => unknown;
  if (entry.withKwargs) {
    const result = fn(module, ...splitOptions(args)) as readonly [unknown[], CallOptions] | undefined;
    return result === undefined || result === null ? args : joinOptions(result[0], result[1]);
  }
  const result = fn(module, args);
  return result === undefined || result === null ? args : Array.isArray(result) ? result : [result];
}

function applyPost(entry: Entry, module: AnyModule, args: unknown[], output: unknown): unknown {
  const fn = entry.fn as (...args: unknown[]) => unknown;
  const result = entry.withKwargs ? fn(module, ...splitOptions(args), output) : fn(module, args, output);
  return result ?? output;
}

/** Runs forward between the hooks, global ones first. @internal */
export function callWithHooks(module: AnyModule, given: unknown[], own: CallHooks | null): unknown {
  const { calls } = globalHooks;
  const mine = own ?? NONE;
  const after = [...calls.forward.entries, ...mine.forward.entries];
  const called = new Set<Entry>();
  let args = given;
  let output: unknown;
  try {
    for (const entry of calls.forwardPre.entries) args = applyPre(entry, module, args);
    for (const entry of mine.forwardPre.entries) args = applyPre(entry, module, args);
    const backward = BackwardCall.of(module, calls, mine);
    if (backward !== null) args = backward.inputs(args);
    output = module.forward(...(args as never[]));
    for (const entry of after) {
      called.add(entry);
      output = applyPost(entry, module, args, output);
    }
    return backward === null ? output : backward.outputs(output);
  } catch (error) {
    for (const entry of after) {
      if (!entry.alwaysCall || called.has(entry)) continue;
      // The first error is the one to report.
      try {
        output = applyPost(entry, module, args, output);
      } catch {}
    }
    throw error;
  }
}

/** The identity on tensors; its backward shows the gradients that pass. */
const gate = defineMultiOp<(grads: ModuleGrads) => ModuleGrads>({
  name: "BackwardHook",
  foreign: true,
  forward: (x) => x.map((t) => viewOf(t, t.shape, t.contig ? null : t.strides, t.storageOffset)),
  backward: (grads, n) => n.attrs(grads),
});

/** The tensors in a value, at the top or one level down, as PyTorch looks for them. */
function tensorsOf(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  return Array.isArray(value) ? value.filter((v) => v instanceof Tensor) : [];
}

function replaceTensors(value: unknown, by: readonly Tensor[]): unknown {
  if (value instanceof Tensor) return by[0];
  let next = 0;
  return (value as unknown[]).map((v) => (v instanceof Tensor ? by[next++] : v));
}

function throughGate(value: unknown, seen: (grads: ModuleGrads) => ModuleGrads): unknown {
  const tensors = tensorsOf(value);
  if (!mode.grad || !tensors.some((t) => t.requiresGrad)) return null;
  return replaceTensors(value, runMulti(gate, tensors, seen));
}

/** One call's backward hooks: gates before and after forward. */
class BackwardCall {
  private readonly module: AnyModule;
  private readonly pre: readonly Entry[];
  private readonly post: readonly Entry[];
  private gradOutput: ModuleGrads = [];
  /** Number of tensor inputs when none of them needs a gradient; then hooks run when the outputs' are known. */
  private lone: number | null = null;

  private constructor(module: AnyModule, pre: readonly Entry[], post: readonly Entry[]) {
    this.module = module;
    this.pre = pre;
    this.post = post;
  }

  static of(module: AnyModule, calls: CallHooks, own: CallHooks): BackwardCall | null {
    const pre = [...calls.backwardPre.entries, ...own.backwardPre.entries];
    const post = [...calls.backward.entries, ...own.backward.entries];
    return pre.length + post.length === 0 ? null : new BackwardCall(module, pre, post);
  }

  inputs(args: unknown[]): unknown[] {
    const gated = throughGate(args, (grads) => this.runPost(grads));
    if (gated === null) this.lone = tensorsOf(args).length;
    return (gated ?? args) as unknown[];
  }

  outputs(output: unknown): unknown {
    return throughGate(output, (grads) => this.runPre(grads)) ?? output;
  }

  private runPre(grads: ModuleGrads): ModuleGrads {
    let now = grads;
    for (const entry of this.pre) {
      const given = (entry.fn as (...a: unknown[]) => unknown)(this.module, now);
      now = replaced(this.module, given as never, now);
    }
    this.gradOutput = now;
    if (this.lone !== null) this.runPost(new Array<null>(this.lone).fill(null));
    return now;
  }

  private runPost(grads: ModuleGrads): ModuleGrads {
    let now = grads;
    for (const entry of this.post) {
      const given = (entry.fn as (...a: unknown[]) => unknown)(this.module, now, this.gradOutput);
      now = replaced(this.module, given as never, now);
    }
    return now;
  }
}

/** The gradients that a hook leaves: what it returned, one for each of those it got, or those themselves. */
function replaced(
  module: AnyModule,
  result: ModuleGrads | Tensor | undefined | null,
  before: ModuleGrads,
): ModuleGrads {
  if (result === undefined || result === null) return before;
  const now = result instanceof Tensor ? [result] : result;
  if (Array.isArray(now) && now.length === before.length) return now;
  throw new AutogradError(
    `[${module._getName()}] a backward hook returned ${Array.isArray(now) ? `${now.length} gradients` : typeof now}, ` +
      `expected ${before.length}, one for each that it got, or nothing`,
  );
}

function addGlobal(list: HookList, fn: AnyFn, options?: ForwardHookOptions): HookHandle {
  return list.add(fn, options, () => {
    globalHooks.any = !globalHooks.calls.empty;
  });
}

/** Adds a hook before the forward of every module. Source: `torch.nn.modules.module.register_module_forward_pre_hook`. */
export function registerModuleForwardPreHook(hook: ForwardPreHook<AnyModule, unknown[]>): HookHandle {
  return addGlobal(globalHooks.calls.forwardPre, hook);
}

const REGISTER_MODULE_FORWARD_HOOK_OPTIONS: OptionNames<{ alwaysCall?: boolean }> = { alwaysCall: 1 };

/** Adds a hook after the forward of every module. Source: `torch.nn.modules.module.register_module_forward_hook`. */
export function registerModuleForwardHook<A extends unknown[] = unknown[], Out = unknown>(
  hook: ForwardHook<AnyModule, A, Out>,
  options?: { alwaysCall?: boolean },
): HookHandle {
  checkOptions("registerModuleForwardHook", options, REGISTER_MODULE_FORWARD_HOOK_OPTIONS);
  return addGlobal(globalHooks.calls.forward, hook, options);
}

/** Adds a hook on the gradients of every module. Source: `torch.nn.modules.module.register_module_full_backward_hook`. */
export function registerModuleFullBackwardHook(hook: BackwardHook<AnyModule>): HookHandle {
  return addGlobal(globalHooks.calls.backward, hook);
}

/** The earlier name of {@link registerModuleFullBackwardHook}, with the same meaning here. */
export function registerModuleBackwardHook(hook: BackwardHook<AnyModule>): HookHandle {
  return registerModuleFullBackwardHook(hook);
}

/** Adds a hook before the backward of every module. Source: `torch.nn.modules.module.register_module_full_backward_pre_hook`. */
export function registerModuleFullBackwardPreHook(hook: BackwardPreHook<AnyModule>): HookHandle {
  return addGlobal(globalHooks.calls.backwardPre, hook);
}

/** Called when a parameter, buffer or submodule is registered; what it returns takes its place. */
export type RegistrationHook<T> = (module: AnyModule, name: string, value: T) => T | Nothing;

const registrations = { parameter: new HookList(), buffer: new HookList(), module: new HookList() };

/** @internal */
export function runRegistrationHooks<T>(
  kind: keyof typeof registrations,
  module: AnyModule,
  name: string,
  value: T,
): T {
  let now = value;
  for (const entry of registrations[kind].entries) {
    now = (entry.fn as unknown as RegistrationHook<T>)(module, name, now) ?? now;
  }
  return now;
}

/**
 * Adds a hook called by every `registerParameter`; assigning a field calls nothing, since fields are plain.
 * Source: `torch.nn.modules.module.register_module_parameter_registration_hook`.
 */
export function registerModuleParameterRegistrationHook(hook: RegistrationHook<Tensor | null>): HookHandle {
  return registrations.parameter.add(hook, undefined);
}

/** Adds a hook called by every `registerBuffer`. Source: `torch.nn.modules.module.register_module_buffer_registration_hook`. */
export function registerModuleBufferRegistrationHook(hook: RegistrationHook<Tensor | null>): HookHandle {
  return registrations.buffer.add(hook, undefined);
}

/** Adds a hook called by every `registerModule`. Source: `torch.nn.modules.module.register_module_module_registration_hook`. */
export function registerModuleModuleRegistrationHook(hook: RegistrationHook<AnyModule | null>): HookHandle {
  return registrations.module.add(hook, undefined);
}
