/** Tensors in the arguments and results of samples: arrays and objects of them. */
import { Tensor } from "../../src/index.js";

/** The same arrays and objects with `f` applied to every tensor in them. */
export function mapTensors(value: unknown, f: (t: Tensor) => Tensor): unknown {
  if (value instanceof Tensor) return f(value);
  if (Array.isArray(value)) return value.map((v) => mapTensors(v, f));
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, mapTensors(v, f)]));
  }
  return value;
}

/** The tensors in arrays and objects, in order. */
export function tensorsIn(value: unknown): Tensor[] {
  const found: Tensor[] = [];
  mapTensors(value, (t) => {
    found.push(t);
    return t;
  });
  return found;
}

/** Whether gradients flow through the tensor. */
export const isFloating = (t: Tensor) => t.dtype === "float32" || t.dtype === "float64";
