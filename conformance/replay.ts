/** Replays one recorded case: calls, compares the output, then gradients and buffers. */
import { bindForward } from "./bind.js";
import { invoke } from "./calls.js";
import {
  type Case,
  isModuleCase,
  type ModuleCase,
  type OpCase,
  type Recorded,
  type RecordedGrads,
  type RecordedTensor,
} from "./cases.js";
import { compareTensor, type OutputLeaf, pairOutputs } from "./compare.js";
import { Decoder, decodeTensor, requireDtype } from "./decode.js";
import {
  isNamespace,
  isTensor,
  type Library,
  Missing,
  type ModuleLike,
  resolveFunction,
  type TensorLike,
  Unsupported,
} from "./library.js";
import { isShapeOnly, reasonToSkip } from "./unsupported.js";

/** How a case ended; `reason` says why it did not pass. */
export interface Outcome {
  readonly status: "passed" | "failed" | "unsupported";
  readonly reason: string;
  /** Whether the library lacks the function: a gap, where other unsupported cases are left out on purpose. */
  readonly missing: boolean;
}

/** A difference from the recording. */
class Mismatch extends Error {}

function check(difference: string | undefined): void {
  if (difference !== undefined) {
    throw new Mismatch(difference);
  }
}

/** Compares an output and returns its tensor leaves in recorded order. */
function checkOutput(
  library: Library,
  got: unknown,
  expected: Recorded,
  name: string,
  shapeOnly: boolean,
): OutputLeaf[] {
  const leaves: OutputLeaf[] = [];
  check(pairOutputs(got, expected, "output", leaves));
  for (const leaf of leaves) {
    check(compareTensor(library, leaf.got, leaf.expected, leaf.path, { name, shapeOnly }));
  }
  return leaves;
}

/** A tensor to differentiate with respect to, and the gradient it should get. */
interface Target {
  readonly path: string;
  readonly tensor: TensorLike;
  readonly expected: RecordedTensor | null;
}

function targetsOf(prefix: string, grads: RecordedGrads, tensors: ReadonlyMap<string, TensorLike>): Target[] {
  return Object.entries(grads).map(([path, expected]) => {
    const tensor = tensors.get(path);
    if (!tensor) {
      throw new Mismatch(`${prefix}.${path}: no such tensor to differentiate`);
    }
    return { path: `${prefix}.${path}`, tensor, expected };
  });
}

function checkGrads(
  library: Library,
  leaves: readonly OutputLeaf[],
  gradOutputs: readonly (RecordedTensor | null)[],
  targets: readonly Target[],
  name: string,
): void {
  const outputs: TensorLike[] = [];
  const cotangents: TensorLike[] = [];
  for (const [i, cotangent] of gradOutputs.entries()) {
    const got = leaves[i]?.got;
    if (cotangent && isTensor(library, got)) {
      outputs.push(got);
      cotangents.push(decodeTensor(library, cotangent));
    }
  }
  if (outputs.length === 0 || targets.length === 0) {
    return;
  }
  const inputs = targets.map(({ tensor }) => tensor);
  const grad = resolveFunction(library, "autograd.grad");
  const grads = grad(outputs, inputs, { gradOutputs: cotangents, allowUnused: true });
  if (!Array.isArray(grads)) {
    throw new Mismatch("autograd.grad did not return an array");
  }
  for (const [i, { path, expected }] of targets.entries()) {
    const got = grads[i] ?? null;
    if (expected) {
      check(compareTensor(library, got, expected, path, { name }));
    } else if (got !== null) {
      throw new Mismatch(`${path}: got a gradient, expected none (unused input)`);
    }
  }
}

function replayOp(library: Library, recorded: OpCase, name: string): void {
  const decoder = new Decoder(library);
  const got = invoke(library, recorded.fn, decoder.call(recorded));
  const leaves = checkOutput(library, got, recorded.output, name, isShapeOnly(recorded));
  if (recorded.grads && recorded.grad_outputs) {
    checkGrads(
      library,
      leaves,
      recorded.grad_outputs,
      targetsOf("grad", recorded.grads, decoder.leaves),
      name,
    );
  }
}

function isModule(value: unknown): value is ModuleLike {
  return typeof value === "function" && "loadStateDict" in value && "namedParameters" in value;
}

/** A state dict as name to tensor, whether the library returns a Map or an object. */
function stateOf(module: ModuleLike): Map<string, unknown> {
  const state = module.stateDict();
  if (state instanceof Map) {
    return state;
  }
  return new Map(Object.entries(isNamespace(state) ? state : {}));
}

function buildModule(library: Library, recorded: ModuleCase, forward: unknown[]): ModuleLike {
  const type = recorded.module ?? "";
  const module = new Decoder(library).module(type, recorded.ctor ?? { args: [], kwargs: {} });
  if (!isModule(module)) {
    throw new Mismatch(`new ${type}(): not a callable module`);
  }
  if (requireDtype(recorded.dtype) === "float64") {
    module.double();
  } else {
    module.float(); // tensors given to the constructor may have another dtype
  }
  module.train(recorded.training);
  if (recorded.lazy) {
    module(...forward); // makes its parameters, and makes it the class it stands for
    const become = recorded.lazy.slice(recorded.lazy.lastIndexOf(".") + 1);
    if (module.constructor.name !== become) {
      throw new Mismatch(`after the first call: class ${module.constructor.name}, expected ${become}`);
    }
  }
  const entries = Object.entries(recorded.state_dict ?? {});
  module.loadStateDict(
    Object.fromEntries(entries.map(([key, value]) => [key, decodeTensor(library, value)])),
  );
  return module;
}

function checkBuffers(library: Library, module: ModuleLike, recorded: ModuleCase, name: string): void {
  const state = stateOf(module);
  for (const [key, expected] of Object.entries(recorded.buffers_after ?? {})) {
    check(compareTensor(library, state.get(key), expected, `buffer ${key}`, { name }));
  }
}

function replayModule(library: Library, recorded: ModuleCase, name: string): void {
  const decoder = new Decoder(library);
  const call = decoder.call(recorded.forward);
  let got: unknown;
  let parameters = new Map<string, TensorLike>();
  if (recorded.kind === "functional") {
    got = invoke(library, recorded.fn ?? "", call);
  } else {
    const forward = bindForward(recorded.module ?? "", call);
    const module = buildModule(library, recorded, forward);
    got = module(...forward);
    checkBuffers(library, module, recorded, name);
    parameters = new Map(module.namedParameters());
  }
  const leaves = checkOutput(library, got, recorded.output, name, false);
  if (recorded.grads) {
    const inputs = targetsOf("grad", recorded.grads.inputs, decoder.leaves);
    const params = targetsOf("grad", recorded.grads.params, parameters);
    checkGrads(library, leaves, recorded.grad_outputs, [...inputs, ...params], name);
  }
}

/** Replays a case of the file `name`. */
export function replayCase(library: Library, recorded: Case, name: string): Outcome {
  const skipped = reasonToSkip(name, recorded);
  if (skipped) {
    return { status: "unsupported", reason: skipped, missing: false };
  }
  try {
    if (isModuleCase(recorded)) {
      replayModule(library, recorded, name);
    } else {
      replayOp(library, recorded, name);
    }
    return { status: "passed", reason: "", missing: false };
  } catch (error) {
    if (error instanceof Unsupported) {
      return { status: "unsupported", reason: error.message, missing: error instanceof Missing };
    }
    return {
      status: "failed",
      reason: error instanceof Error ? error.message : String(error),
      missing: false,
    };
  }
}
