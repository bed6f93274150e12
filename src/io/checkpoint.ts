/**
 * Checkpoints: model, optimizer, scheduler and random state in one safetensors file, so that a resumed run goes on
 * with the same losses to the bit. Tensors have readable names (`model.fc.weight`, `optimizer.state.0.exp_avg`); what
 * is no tensor is JSON in the file's metadata.
 */

import { KindlingError, ValueError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { defaultGenerator, Generator } from "../tensor/random.js";
import { copyOf } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { readBytes, writeBytes } from "./files.js";
import { load, loadMetadata, save } from "./safetensors.js";

/** Anything with a state dict: modules, optimizers, schedulers, early stopping. */
export interface Stateful {
  /** What is to be saved: tensors, numbers, strings, lists and plain objects. */
  stateDict(): unknown;
  /** Takes it back, all or nothing. */
  loadStateDict(state: never): unknown;
}

/** What a checkpoint holds, by names of your choice; generators are saved by their state. */
export type CheckpointParts = Readonly<Record<string, Stateful | Generator>>;

/** Options of {@link saveCheckpoint}. */
export interface CheckpointOptions {
  /** Anything else to keep: numbers, strings, tensors, lists and plain objects of them (epoch, best loss). */
  extra?: Readonly<Record<string, unknown>>;
}

const CHECKPOINT_OPTIONS: OptionNames<CheckpointOptions> = { extra: 1 };

const FORMAT = "kindling checkpoint 1";
/** Where the default generator's state and the extra values are. */
const RANDOM = "random";
const EXTRA = "extra";

/** JSON with tensors by name, and with the numbers that JSON lacks. */
type Tree = null | boolean | number | string | Tree[] | { [key: string]: Tree };

/** A state dict's versions of modules, which are not enumerated. */
const metadataOf = (value: object): unknown => {
  const own = Object.getOwnPropertyDescriptor(value, "_metadata");
  return own === undefined || own.enumerable === true ? undefined : own.value;
};

class Packer {
  readonly tensors: Record<string, Tensor> = {};
  private readonly names = new Map<Tensor, string>();

  private nameTensor(t: Tensor, path: string): string {
    const known = this.names.get(t);
    if (known !== undefined) return known;
    let name = path;
    for (let i = 1; Object.hasOwn(this.tensors, name); i++) name = `${path}~${i}`;
    this.tensors[name] = t;
    this.names.set(t, name);
    return name;
  }

  pack(value: unknown, path: string): Tree {
    if (value === null || value === undefined) return null;
    if (value instanceof Tensor) return { $tensor: this.nameTensor(value, path) };
    if (typeof value === "number") {
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? "-0" : String(value) };
    }
    if (typeof value === "string" || typeof value === "boolean") return value;
    if (Array.isArray(value)) return value.map((v, i) => this.pack(v, `${path}.${i}`));
    const proto: unknown = Object.getPrototypeOf(value);
    if (typeof value !== "object" || (proto !== Object.prototype && proto !== null)) {
      const got = typeof value === "object" ? (value as object).constructor.name : typeof value;
      throw new ValueError(
        `[saveCheckpoint] ${path} is a ${got}, expected numbers, strings, tensors, lists or plain objects`,
      );
    }
    const out: { [key: string]: Tree } = {};
    for (const [key, v] of Object.entries(value))
      out[key] = this.pack(v, path === "" ? key : `${path}.${key}`);
    const metadata = metadataOf(value);
    if (metadata !== undefined) out.$metadata = this.pack(metadata, `${path}._metadata`);
    return out;
  }
}

function unpack(tree: Tree, tensors: Readonly<Record<string, Tensor>>): unknown {
  if (typeof tree !== "object" || tree === null) return tree;
  if (Array.isArray(tree)) return tree.map((v) => unpack(v, tensors));
  const { $tensor, $number, $metadata, ...entries } = tree;
  if ($tensor !== undefined) return tensors[$tensor as string];
  if ($number !== undefined) return Number($number);
  const out = Object.fromEntries(Object.entries(entries).map(([key, v]) => [key, unpack(v, tensors)]));
  if ($metadata !== undefined) {
    Object.defineProperty(out, "_metadata", {
      value: unpack($metadata, tensors),
      enumerable: false,
      writable: true,
    });
  }
  return out;
}

function stateOf(part: Stateful | Generator): unknown {
  return part instanceof Generator ? part.getState() : part.stateDict();
}

function setState(part: Stateful | Generator, state: unknown): void {
  if (part instanceof Generator) part.setState(state as Tensor);
  else part.loadStateDict(state as never);
}

/** The bytes of a checkpoint; see {@link saveCheckpoint}. */
export function packCheckpoint(parts: CheckpointParts, options: CheckpointOptions = {}): Uint8Array {
  checkOptions("packCheckpoint", options, CHECKPOINT_OPTIONS);
  const packer = new Packer();
  const tree: { [key: string]: Tree } = {};
  for (const [name, part] of Object.entries(parts)) {
    if (name === RANDOM || name === EXTRA) {
      throw new ValueError(`[saveCheckpoint] "${name}" is taken: try another name for this part`);
    }
    tree[name] = packer.pack(stateOf(part), name);
  }
  tree[RANDOM] = packer.pack(defaultGenerator.getState(), RANDOM);
  tree[EXTRA] = packer.pack(options.extra ?? {}, EXTRA);
  return save(packer.tensors, { metadata: { format: FORMAT, tree: JSON.stringify(tree) } });
}

/** A copy of a state that later changes of the part do not reach. */
function snapshot(state: unknown): unknown {
  const packer = new Packer();
  const tree = packer.pack(state, "");
  nextOp();
  return unpack(
    tree,
    Object.fromEntries(Object.entries(packer.tensors).map(([name, t]) => [name, copyOf(t)])),
  );
}

/** Loads a checkpoint from its bytes; see {@link loadCheckpoint}. */
export function unpackCheckpoint(bytes: Uint8Array, parts: CheckpointParts = {}): Record<string, unknown> {
  const metadata = loadMetadata(bytes);
  if (metadata.format !== FORMAT || metadata.tree === undefined) {
    throw new KindlingError(
      `[loadCheckpoint] not a checkpoint: got format "${metadata.format ?? "none"}", expected "${FORMAT}"; try loadFile for other safetensors files`,
    );
  }
  const tensors = load(bytes);
  const tree = JSON.parse(metadata.tree) as { [key: string]: Tree };
  const saved = Object.keys(tree).filter((name) => name !== RANDOM && name !== EXTRA);
  const missing = Object.keys(parts).filter((name) => !saved.includes(name));
  if (missing.length > 0) {
    throw new KindlingError(
      `[loadCheckpoint] got no ${missing.join(", ")} in the file, expected some of ${saved.join(", ")}`,
    );
  }
  const before: (() => void)[] = [];
  try {
    for (const [name, part] of Object.entries(parts)) {
      const state = snapshot(stateOf(part));
      before.push(() => setState(part, state));
      setState(part, unpack(tree[name] as Tree, tensors));
    }
    defaultGenerator.setState(unpack(tree[RANDOM] as Tree, tensors) as Tensor);
  } catch (error) {
    for (const undo of before) undo();
    throw error;
  }
  return unpack(tree[EXTRA] as Tree, tensors) as Record<string, unknown>;
}

/**
 * Saves parts of a training run and the state of the default generator in one file, which replaces an old one only
 * once it is complete.
 * @param parts modules, optimizers, schedulers, generators, anything with a state dict.
 * @example
 * const model = new nn.Linear(3, 2);
 * const optimizer = new optim.Adam(model.parameters());
 * saveCheckpoint("run.safetensors", { model, optimizer }, { extra: { epoch: 3 } });
 * @throws ValueError for an extra value that cannot be saved.
 */
export function saveCheckpoint(path: string, parts: CheckpointParts, options: CheckpointOptions = {}): void {
  checkOptions("saveCheckpoint", options, CHECKPOINT_OPTIONS);
  writeBytes("saveCheckpoint", path, packCheckpoint(parts, options));
}

/**
 * Puts parts back to where they were when they were saved, the default generator too, and returns the extra values. A
 * run that goes on from here has the losses of one that never stopped, to the bit. Parts of the file that are not asked
 * for are left out; when one does not fit, none is loaded.
 * @example
 * const model = new nn.Linear(3, 2);
 * saveCheckpoint("model.safetensors", { model }, { extra: { epoch: 3 } });
 * loadCheckpoint("model.safetensors", { model }).epoch; // 3
 * @throws KindlingError when the file is no checkpoint or lacks a part; StateDictError when a part does not fit.
 */
export function loadCheckpoint(path: string, parts: CheckpointParts = {}): Record<string, unknown> {
  return unpackCheckpoint(readBytes("loadCheckpoint", path), parts);
}
