/** State dicts: collecting a module's tensors by PyTorch's keys, and loading them, all or nothing. */

import { noGrad } from "../autograd/mode.js";
import { KindlingError, show, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import type { OptionNames } from "../tensor/options.js";
import { copyInto, detached } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import type { AnyModule } from "./base.js";
import { Parameter } from "./parameter.js";
import { isLazy } from "./uninitialized.js";

/** What a state dict knows besides tensors: the version of each module that wrote into it, by its path. */
export interface StateDictMetadata {
  [path: string]: {
    /** Version of what the module writes; nothing before versions were kept. */
    version?: number;
  };
}

/**
 * Tensors by their keys, in order of registration, PyTorch's spelling (`layer1.0.running_mean`). A plain object;
 * the versions of the modules are in a property that is not enumerated, `_metadata`.
 */
export type StateDict = { [key: string]: Tensor };

/** What `stateDict()` takes. */
export interface StateDictOptions {
  /** Write into this object (default: a new one). */
  destination?: StateDict;
  /** Put before every key (default none). */
  prefix?: string;
  /** Give the parameters themselves, in place of detached tensors that share their data (default false). */
  keepVars?: boolean;
}

/** @internal */
export const STATE_DICT_OPTIONS: OptionNames<StateDictOptions> = { destination: 1, prefix: 1, keepVars: 1 };

/** What `loadStateDict()` takes. */
export interface LoadStateDictOptions {
  /** Missing and unexpected keys are errors (default true). */
  strict?: boolean;
  /** Put the given tensors themselves into the module, in place of copying their values (default false). */
  assign?: boolean;
}

/** @internal */
export const LOAD_STATE_DICT_OPTIONS: OptionNames<LoadStateDictOptions> = { strict: 1, assign: 1 };

/** The keys that did not fit. */
export interface IncompatibleKeys {
  /** Keys of the module that the state dict lacks. */
  missingKeys: string[];
  /** Keys of the state dict that the module lacks. */
  unexpectedKeys: string[];
}

/**
 * A state dict that does not fit its module: everything that is wrong, by name. Nothing was loaded, unless hooks that
 * run after loading left keys that do not fit.
 */
export class StateDictError extends KindlingError {
  /** The name of the class. */
  override name = "StateDictError";
  /** Keys of the module that the state dict lacks. */
  readonly missingKeys: readonly string[];
  /** Keys of the state dict that the module lacks. */
  readonly unexpectedKeys: readonly string[];
  /** Sentences about single entries: shapes, kinds of value. */
  readonly mismatches: readonly string[];

  constructor(
    module: string,
    missing: readonly string[],
    unexpected: readonly string[],
    mismatches: readonly string[],
    done = "nothing was loaded",
  ) {
    const quoted = (keys: readonly string[]) => keys.map((k) => `"${k}"`).join(", ");
    const lines = [
      ...mismatches,
      ...(unexpected.length > 0 ? [`unexpected keys: ${quoted(unexpected)}`] : []),
      ...(missing.length > 0 ? [`missing keys: ${quoted(missing)}`] : []),
    ];
    const hint = mismatches.length === 0 ? "; try { strict: false } to load what fits" : "";
    super(`[loadStateDict] the state dict does not fit ${module}, ${done}${hint}:\n  ${lines.join("\n  ")}`);
    this.missingKeys = missing;
    this.unexpectedKeys = unexpected;
    this.mismatches = mismatches;
  }
}

/** @internal The metadata of a state dict, made when missing. */
export function metadataOf(state: object): StateDictMetadata {
  const given = (state as { _metadata?: StateDictMetadata })._metadata;
  if (given !== undefined && Object.getOwnPropertyDescriptor(state, "_metadata")?.enumerable !== true)
    return given;
  const made: StateDictMetadata = {};
  Object.defineProperty(state, "_metadata", {
    value: made,
    enumerable: false,
    configurable: true,
    writable: true,
  });
  return made;
}

/** A loading in progress: modules check their part and plan what to do; everything is done at the end, or nothing. */
export class StateLoad {
  /** The entries; a hook or an older version's migration may add, rename or remove some. */
  readonly state: Map<string, unknown>;
  /** The versions with which the modules were saved, by path. */
  readonly metadata: StateDictMetadata;
  /** Whether the keys must be the same (default true). */
  readonly strict: boolean;
  /** Whether entries take the place of the tensors, not of their values (default false). */
  readonly assign: boolean;
  /** Keys asked for and not found so far. */
  readonly missing: string[] = [];
  /** Sentences about entries that do not fit, so far. */
  readonly mismatches: string[] = [];
  private readonly used = new Set<string>();
  private readonly plans: (() => void)[] = [];

  constructor(state: Readonly<Record<string, unknown>>, options: LoadStateDictOptions) {
    if (typeof state !== "object" || state === null)
      throw new ValueError(`[loadStateDict] expected an object of tensors by name, got ${String(state)}`);
    this.state = new Map(Object.entries(state));
    this.metadata = (state as { _metadata?: StateDictMetadata })._metadata ?? {};
    this.state.delete("_metadata");
    this.strict = options.strict ?? true;
    this.assign = options.assign ?? false;
  }

  /** The version with which the module at `prefix` was saved, if it is known. */
  version(prefix: string): number | undefined {
    return this.metadata[prefix.replace(/\.$/, "")]?.version;
  }

  /** Takes the entry at `key`: undefined, and noted as missing, when there is none. */
  take(key: string): unknown {
    if (!this.state.has(key)) {
      this.missing.push(key);
      return undefined;
    }
    this.used.add(key);
    return this.state.get(key);
  }

  /** Notes that something does not fit. */
  mismatch(text: string): void {
    this.mismatches.push(text);
  }

  /** Does `action` once everything was found to fit. */
  plan(action: () => void): void {
    this.plans.push(action);
  }

  /** Keys that no module has asked for. */
  get unexpected(): string[] {
    return [...this.state.keys()].filter((key) => !this.used.has(key));
  }

  /**
   * Does what was planned, all or nothing. `after` are the hooks that see the keys that do not fit, once the others are
   * loaded; what they leave of them counts. @internal
   */
  finish(module: string, after: readonly ((keys: IncompatibleKeys) => void)[]): IncompatibleKeys {
    const { mismatches } = this;
    const keys = { missingKeys: this.missing, unexpectedKeys: this.unexpected };
    if (mismatches.length > 0) {
      const [missing, unexpected] = this.strict ? [keys.missingKeys, keys.unexpectedKeys] : [[], []];
      throw new StateDictError(module, missing, unexpected, mismatches);
    }
    if (after.length === 0) this.refuse(module, keys);
    noGrad(() => {
      for (const action of this.plans) action();
    });
    for (const hook of after) hook(keys);
    this.refuse(module, keys, "what fits was loaded");
    return keys;
  }

  private refuse(module: string, { missingKeys, unexpectedKeys }: IncompatibleKeys, done?: string): void {
    if (this.strict && missingKeys.length + unexpectedKeys.length > 0)
      throw new StateDictError(module, missingKeys, unexpectedKeys, [], done);
  }
}

/** Copies values into a tensor that a module owns. @internal */
export function overwrite(target: Tensor, source: Tensor): void {
  nextOp();
  copyInto(target, source);
  target.storage.version++;
}

/** Plans to load one tensor into `target`, or to put it in its place with `assign`. @internal */
export function loadTensor(load: StateLoad, key: string, target: Tensor, put: (t: Tensor) => void): void {
  const value = load.take(key);
  if (value === undefined) return;
  if (isLazy(target) || isLazy(value)) {
    loadLazy(load, key, target, value, put);
    return;
  }
  if (!(value instanceof Tensor)) {
    load.mismatch(
      `${key}: got ${value === null ? "null" : typeof value}, expected a tensor of shape ${show(target.shape)}`,
    );
    return;
  }
  // Old checkpoints hold 0-d tensors with one dimension.
  const scalar = target.shape.length === 0 && value.shape.length === 1 && value.numel === 1;
  if (!scalar && !sameShape(value.shape, target.shape)) {
    load.mismatch(`${key}: got shape ${show(value.shape)}, expected ${show(target.shape)}`);
    return;
  }
  load.plan(() => {
    if (!load.assign) return overwrite(target, value);
    if (target instanceof Parameter)
      put(value instanceof Parameter ? value : new Parameter(value, target.requiresGrad));
    else put(value);
  });
}

/** Loads where the module's tensor, or the one to load, has no shape yet. */
function loadLazy(
  load: StateLoad,
  key: string,
  target: Tensor,
  value: unknown,
  put: (t: Tensor) => void,
): void {
  if (isLazy(value)) {
    if (isLazy(target)) return;
    load.mismatch(
      `${key}: the value was saved before it was initialised; try a forward pass before stateDict()`,
    );
  } else if (!(value instanceof Tensor)) load.mismatch(`${key}: got ${typeof value}, expected a tensor`);
  else if (isLazy(target)) {
    load.plan(() => {
      const { requiresGrad } = target;
      target.materialize(value.shape);
      if (!load.assign) overwrite(target, value);
      else put(target instanceof Parameter ? new Parameter(value, requiresGrad) : value);
    });
  }
}

/** Puts a tensor into a state dict. @internal */
export function saveTensor(into: StateDict, key: string, t: Tensor, keepVars: boolean): void {
  into[key] = keepVars || isLazy(t) ? t : detached(t);
}

/** Loads every part of a module tree. @internal */
export function loadTree(module: AnyModule, prefix: string, load: StateLoad): void {
  module._loadFromStateDict(load, prefix);
  for (const [name, child] of module._namedChildren()) loadTree(child, `${prefix}${name}.`, load);
}
