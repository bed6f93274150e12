/** Whether ops are recorded: grad mode, inference mode, anomaly detection. */

import { checkOptions, type OptionNames } from "../tensor/options.js";
import { birth, INFERENCE } from "../tensor/storage.js";
import type { Tensor } from "../tensor/tensor.js";

/** What happens to tensors that are saved for the backward. */
export interface SavedTensorsHooks {
  /** Called with each tensor that an op saves, without recording; what it returns is kept in the tensor's place. */
  pack(tensor: Tensor): unknown;
  /** Called when the backward needs the tensor: makes one of the same values from what `pack` returned. */
  unpack(packed: unknown): Tensor;
}

/** A running backward pass, as those see it who are told of it. @internal */
export interface BackwardPass {
  /** Whether the gradients are recorded themselves (`createGraph`). */
  readonly create: boolean;
  /** Whether the pass has ended, with an error or without. */
  readonly over: boolean;
  /** Whether a gradient of this leaf, which has hooks, is still to come in the pass. */
  awaits(leaf: Tensor): boolean;
  /** Calls `fn` once all gradients have been accumulated, before `backward` returns. */
  whenDone(fn: () => void): void;
}

/** Told of the backward passes through the ops that were recorded under {@link observe}. @internal */
export interface PassObserver {
  /** Called before any gradient flows, once in each pass that accumulates gradients of such ops. */
  passStarts(pass: BackwardPass): void;
}

/** The modes that ops read. */
interface Modes {
  grad: boolean;
  inference: boolean;
  anomaly: boolean;
  checkNan: boolean;
  savedHooks: SavedTensorsHooks | null;
  /** Who is told of backward passes through what is recorded now. */
  observers: readonly PassObserver[] | null;
}

/** The current modes; ops read it, the functions here set it. @internal */
export const mode: Modes = {
  grad: true,
  inference: false,
  anomaly: false,
  checkNan: true,
  savedHooks: null,
  observers: null,
};

const dispose: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for("Symbol.dispose");
if (Symbol.dispose === undefined) Object.defineProperty(Symbol, "dispose", { value: dispose });

/** What the scoped forms return: restores the earlier mode on exit of a `using` block, or when called. */
export interface ModeScope extends Disposable {
  (): void;
}

function scoped(enter: () => () => void): ModeScope {
  const restore = enter();
  let done = false;
  const leave = () => {
    if (!done) restore();
    done = true;
  };
  return Object.assign(leave, { [dispose]: leave }) as ModeScope;
}

function setModes(grad: boolean, inference: boolean): () => void {
  const before = { grad: mode.grad, inference: mode.inference };
  const set = (to: typeof before) => {
    mode.grad = to.grad;
    mode.inference = to.inference;
    birth.flags = to.inference ? INFERENCE : 0;
  };
  set({ grad, inference });
  return () => set(before);
}

/** @internal Calls with a function run `fn` inside the mode; without one they enter it until it is restored. */
export function during<T>(enter: () => () => void, fn: (() => T) | undefined): T | ModeScope {
  if (fn === undefined) return scoped(enter);
  const restore = enter();
  try {
    return fn();
  } finally {
    restore();
  }
}

/**
 * Runs `fn` without recording ops; without an argument, `using _ = noGrad()` does so for a block.
 * Source: `torch.no_grad`.
 * @example
 * const x = ones([2], { requiresGrad: true });
 * noGrad(() => x.mul(2)).requiresGrad; // false
 */
export function noGrad(): ModeScope;
export function noGrad<T>(fn: () => T): T;
export function noGrad<T>(fn?: () => T): T | ModeScope {
  return during(() => setModes(false, mode.inference), fn);
}

/**
 * Runs `fn` with recording on, inside {@link noGrad} too; without an argument, for a `using` block.
 * Source: `torch.enable_grad`.
 * @example
 * const x = ones([2], { requiresGrad: true });
 * noGrad(() => enableGrad(() => x.mul(2))).requiresGrad; // true
 */
export function enableGrad(): ModeScope;
export function enableGrad<T>(fn: () => T): T;
export function enableGrad<T>(fn?: () => T): T | ModeScope {
  return during(() => setModes(true, mode.inference), fn);
}

/**
 * Runs `fn` in inference mode: nothing is recorded, and what is made inside cannot be saved for a backward pass later,
 * changed in place or require a gradient: that throws an AutogradError; its `clone()` may. Without an argument, for a
 * `using` block.
 * Source: `torch.inference_mode`.
 */
export function inferenceMode(): ModeScope;
export function inferenceMode<T>(fn: () => T): T;
export function inferenceMode<T>(fn?: () => T): T | ModeScope {
  return during(() => setModes(false, true), fn);
}

/**
 * Sets grad mode from here on; the result restores the earlier mode (`using _ = setGradEnabled(flag)`).
 * Source: `torch.set_grad_enabled`.
 */
export function setGradEnabled(enabled: boolean): ModeScope {
  return scoped(() => setModes(enabled, mode.inference));
}

/** Whether anything was ever recorded under {@link observe}. @internal */
export const observed = { any: false };

/** Runs `fn` so that `observer` is told of each backward pass through what it records. @internal */
export function observe<T>(observer: PassObserver, fn: () => T): T {
  const before = mode.observers;
  observed.any = true;
  mode.observers = before === null ? [observer] : [...before, observer];
  try {
    return fn();
  } finally {
    mode.observers = before;
  }
}

/** Whether ops are recorded now. Source: `torch.is_grad_enabled`. */
export function isGradEnabled(): boolean {
  return mode.grad;
}

/** Whether inference mode is on. Source: `torch.is_inference_mode_enabled`. */
export function isInferenceModeEnabled(): boolean {
  return mode.inference;
}

function setAnomaly(enabled: boolean, checkNan: boolean): () => void {
  const before = { anomaly: mode.anomaly, checkNan: mode.checkNan };
  mode.anomaly = enabled;
  mode.checkNan = checkNan;
  return () => {
    mode.anomaly = before.anomaly;
    mode.checkNan = before.checkNan;
  };
}

const DETECT_ANOMALY_OPTIONS: OptionNames<{ checkNan?: boolean }> = { checkNan: 1 };

/**
 * Runs `fn` with anomaly detection: each recorded op remembers where it was called, and a backward that fails or
 * yields NaN throws an error that shows that place. Slow; for debugging. Source: `torch.autograd.detect_anomaly`.
 */
export function detectAnomaly(): ModeScope;
export function detectAnomaly<T>(fn: () => T, options?: { checkNan?: boolean }): T;
export function detectAnomaly<T>(fn?: () => T, options: { checkNan?: boolean } = {}): T | ModeScope {
  checkOptions("detectAnomaly", options, DETECT_ANOMALY_OPTIONS);
  return during(() => setAnomaly(true, options.checkNan ?? true), fn);
}

/** Turns anomaly detection on or off; the result restores the earlier state. */
export function setDetectAnomaly(enabled: boolean, options: { checkNan?: boolean } = {}): ModeScope {
  checkOptions("setDetectAnomaly", options, DETECT_ANOMALY_OPTIONS);
  return scoped(() => setAnomaly(enabled, options.checkNan ?? true));
}
