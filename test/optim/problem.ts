/** What the tests of optimizers share: PyTorch's recordings, the problem they were made on, spelled-out options. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type DType, optim, type Tensor, tensor } from "kindling";
import { toField } from "../../src/nn/naming.js";

/** Reads a recording of `test/fixtures/optim`. */
export function recording<T>(name: string): T {
  return JSON.parse(
    gunzipSync(readFileSync(new URL(`../fixtures/optim/${name}`, import.meta.url))).toString(),
  ) as T;
}

function sines(start: number, shape: number[], scale: number, dtype: DType): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Array.from({ length: n }, (_, i) => Math.sin(start + 0.7 * i) * scale),
    { dtype },
  ).reshape(shape);
}

/** The problem of record.py: fit a sine with tanh(x W + b) v. */
export function problem(dtype: DType = "float64"): { params: Tensor[]; loss: () => Tensor } {
  const x = sines(1, [8, 4], 1, dtype);
  const y = sines(0, [8], 0.5, dtype);
  const params = [sines(2, [4, 3], 1, dtype), sines(3, [3], 0.1, dtype), sines(4, [3], 1, dtype)];
  for (const p of params) p.requiresGrad_();
  const [w, b, v] = params as [Tensor, Tensor, Tensor];
  const loss = () => x.matmul(w).add(b).tanh().matmul(v).sub(y).square().mean();
  return { params, loss };
}

/** Options by PyTorch's names as Kindling spells them. */
export function spelled(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [toField(key), value]));
}

/** An optimizer by its class name. */
export function make(
  name: string,
  params: Tensor[],
  options: Readonly<Record<string, unknown>>,
): optim.Optimizer {
  const all = optim as unknown as Record<string, new (p: Tensor[], o: object) => optim.Optimizer>;
  const Class = all[name];
  if (Class === undefined) throw new Error(`no optimizer ${name}`);
  return new Class(params, options);
}

/** The values of tensors, each flat. */
export function values(tensors: readonly Tensor[]): number[][] {
  return tensors.map((t) => Array.from(t.detach().toTypedArray() as Float64Array));
}

/** Steps the optimizer with a closure, `steps` times; the losses before each step. */
export function train(optimizer: optim.Optimizer, loss: () => Tensor, steps: number): number[] {
  const losses: number[] = [];
  const closure = () => {
    optimizer.zeroGrad();
    const l = loss();
    l.backward();
    return l;
  };
  for (let i = 0; i < steps; i++) losses.push(optimizer.step(closure).item());
  return losses;
}

/** The largest relative difference between two lists of numbers; absolute below 1. */
export function distance(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) throw new Error(`lengths ${a.length} and ${b.length}`);
  return a.reduce((worst, x, i) => {
    const y = b[i] as number;
    const d = Math.abs(x - y) / Math.max(1e-3, Math.abs(y));
    return Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(worst, d);
  }, 0);
}

/** A parameter. */
export const leaf = (data: number[], dtype: "float32" | "float64" = "float64"): Tensor =>
  tensor(data, { dtype, requiresGrad: true });

/** A parameter of float64 with its gradient. */
export function withGrad(data: number[], grad: number[]): Tensor {
  const p = leaf(data);
  p.grad = tensor(grad, { dtype: "float64" });
  return p;
}
