/** Trees of tensors: what functions under a transform take and give. The leaves are tensors, the rest is kept. */
import { Tensor } from "../tensor/tensor.js";

function isPlain(value: object): boolean {
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

/** The same arrays and plain objects with `f` applied to every tensor in them; other values stay as they are. */
export function mapTensors<T>(value: T, f: (t: Tensor) => unknown): T {
  if (value instanceof Tensor) return f(value) as T;
  if (Array.isArray(value)) return value.map((v) => mapTensors(v as unknown, f)) as T;
  if (typeof value !== "object" || value === null || !isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, mapTensors(v as unknown, f)])) as T;
}

/** The tensors in a tree, in order. */
export function tensorsIn(value: unknown): Tensor[] {
  const found: Tensor[] = [];
  mapTensors(value, (t) => {
    found.push(t);
    return t;
  });
  return found;
}

/** The tree with its tensors replaced, in the order of {@link tensorsIn}. */
export function withTensors<T>(tree: T, tensors: readonly unknown[]): T {
  let next = 0;
  return mapTensors(tree, () => tensors[next++]);
}
