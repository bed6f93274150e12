/**
 * Turns a recorded Python call into the Kindling call by one rule: names in camelCase, required arguments
 * positional in PyTorch's order, every optional one in a trailing options object.
 */
import type { Parameter, Signature } from "./signatures.js";
import { forwardSignaturesOf, signaturesOf } from "./signatures.js";

/** The arguments of a call, Python's or Kindling's. */
export interface Arguments {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** Keywords that mean nothing in Kindling: every tensor is a dense one on the CPU. */
const IGNORED = new Set(["device", "layout", "memory_format", "pin_memory", "non_blocking", "out"]);
/** Keywords that every function which makes a tensor takes. */
const UNIVERSAL = new Set(["dtype", "requires_grad", "generator"]);

/** `log_softmax` to `logSoftmax`; leading and trailing underscores stay. */
export function camelCase(name: string): string {
  return name.replace(/(?<=[A-Za-z0-9])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function fitsKind(value: unknown, kind: string | undefined): boolean {
  switch (kind) {
    case undefined:
      return true;
    case "bool":
      return typeof value === "boolean";
    case "number":
      return typeof value === "number" || typeof value === "boolean";
    case "array":
      return Array.isArray(value);
    case "tensor":
      return typeof value === "object" && value !== null && "toTypedArray" in value;
    default:
      throw new Error(`unknown argument kind ${kind}`);
  }
}

/** Whether a value is Python's `None` for a parameter whose default is `None`: the same as leaving it out. */
function isDefaultNone(parameter: Parameter | undefined, value: unknown): boolean {
  return value === null && parameter?.default === "None";
}

/** Variadic arguments become one array, whether Python was given `f(1, 2)` or `f((1, 2))`. */
function gatherVariadic(rest: readonly unknown[]): readonly unknown[] {
  return rest.length === 1 && Array.isArray(rest[0]) ? rest[0] : rest;
}

/** The value of each named parameter, or undefined if this overload does not fit. */
function matchOverload(signature: Signature, call: Arguments): Map<string, unknown> | undefined {
  const values = new Map<string, unknown>();
  let next = 0;
  for (const parameter of signature.parameters) {
    if (parameter.variadic) {
      values.set(parameter.name, gatherVariadic(call.args.slice(next)));
      next = call.args.length;
    } else if (next < call.args.length && !parameter.keywordOnly) {
      values.set(parameter.name, call.args[next++]);
    }
  }
  if (next < call.args.length) {
    return undefined;
  }
  for (const [name, value] of Object.entries(call.kwargs)) {
    const known = signature.parameters.some((parameter) => parameter.name === name);
    if (values.has(name) || (!known && !UNIVERSAL.has(name) && !IGNORED.has(name))) {
      return undefined;
    }
    values.set(name, value);
  }
  const fits = signature.parameters.every((parameter) =>
    values.has(parameter.name)
      ? fitsKind(values.get(parameter.name), parameter.kind)
      : parameter.default !== undefined,
  );
  return fits ? values : undefined;
}

/** Losses took `size_average` and `reduce` before `reduction`; where the old pair is given it still decides. */
function foldLegacyReduction(values: Map<string, unknown>): void {
  const reduce = values.get("reduce") ?? null;
  if (!values.has("size_average") && typeof reduce !== "boolean") {
    return; // `reduce` is also the name of a reduction in index_reduce and its kin
  }
  const average = values.get("size_average") ?? null;
  values.delete("size_average");
  values.delete("reduce");
  if (average !== null || reduce !== null) {
    values.set("reduction", reduce === false ? "none" : average === false ? "sum" : "mean");
  }
}

function bindWith(signature: Signature, values: Map<string, unknown>): unknown[] {
  foldLegacyReduction(values);
  for (const { name, kind } of signature.parameters) {
    if (kind === "number" && values.has(name)) {
      values.set(name, Number(values.get(name)));
    }
  }
  const positional: unknown[] = [];
  const options: Record<string, unknown> = {};
  const parameters = new Map(signature.parameters.map((parameter) => [parameter.name, parameter]));
  for (const parameter of signature.parameters) {
    if (parameter.default === undefined) {
      positional.push(values.get(parameter.name));
      values.delete(parameter.name);
    }
  }
  for (const [name, value] of values) {
    if (!IGNORED.has(name) && !isDefaultNone(parameters.get(name), value)) {
      options[camelCase(name)] = value;
    }
  }
  return Object.keys(options).length > 0 ? [...positional, options] : positional;
}

/** Without a signature: everything positional is required, everything by keyword is optional. */
function bindUnlisted(call: Arguments): unknown[] {
  const named = Object.entries(call.kwargs).filter(([name]) => !IGNORED.has(name));
  const options = Object.fromEntries(named.map(([name, value]) => [camelCase(name), value]));
  return named.length > 0 ? [...call.args, options] : [...call.args];
}

function bind(name: string, overloads: readonly Signature[], call: Arguments): unknown[] {
  if (overloads.length === 0) {
    return bindUnlisted(call);
  }
  for (const signature of overloads) {
    const values = matchOverload(signature, call);
    if (values) {
      return bindWith(signature, values);
    }
  }
  const keywords = Object.keys(call.kwargs).join(", ");
  throw new Error(
    `[${name}] ${call.args.length} arguments and keywords (${keywords}) fit no known signature`,
  );
}

/** The arguments for a function or constructor named as in the signature table. */
export function bindCall(name: string, call: Arguments): unknown[] {
  return bind(name, signaturesOf(name), call);
}

/** The arguments for calling a module. */
export function bindForward(module: string, call: Arguments): unknown[] {
  return bind(module, forwardSignaturesOf(module), call);
}

/** The arguments of a Tensor method, `self` left out: its own signature, else that of the torch function. */
export function bindMethod(method: string, call: Arguments): unknown[] {
  const own = signaturesOf(`Tensor.${method}`);
  if (own.length > 0) {
    return bind(method, own, { args: call.args.slice(1), kwargs: call.kwargs });
  }
  return bind(method, signaturesOf(`torch.${method}`), call).slice(1);
}
