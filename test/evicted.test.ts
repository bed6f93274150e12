/**
 * Every op and every layer of the registries under a heap limit of nothing, so that everything is evicted all the time:
 * values, gradients and second gradients have the bits that they have with room for all.
 */
import { afterAll, expect, test } from "vitest";
import * as kindling from "../src/index.js";
import { grad, manualSeed, memory, setMemoryLimit, Tensor } from "../src/index.js";
import { registry } from "./registry/index.js";
import { layers } from "./registry/layers/index.js";

type Call = (...args: unknown[]) => unknown;
const library = kindling as unknown as Record<string, Call>;
const ROOM = 256 * 1024 * 1024;
afterAll(() => setMemoryLimit(ROOM));

/** All tensors in an argument or a result. */
function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  return Object.values(value).flatMap(tensorsIn);
}

const bits = (t: Tensor | null) =>
  t === null
    ? null
    : [t.dtype, t.shape, Buffer.from(t.detach().toTypedArray().slice().buffer).toString("base64")];

/**
 * What a call gives, with the gradients of its results, and the gradients of these. Each step starts with `between`.
 */
function everything(
  between: () => void,
  fn: Call,
  args: unknown[],
  { parameters = [], order = 2 }: Options,
): unknown[] {
  between();
  const outputs = tensorsIn(fn(...args));
  const leaves = [...new Set([...tensorsIn(args), ...parameters])].filter((t) => t.requiresGrad && t.isLeaf);
  between();
  const seen = outputs.map(bits);
  let roots = outputs.filter((t) => t.requiresGrad);
  for (let k = 1; k <= order && leaves.length > 0 && roots.length > 0; k++) {
    const given = roots.map((t) => t.detach().sign().mul(0.5).add(1)); // finite, and not the same everywhere
    between();
    const gradients = grad(roots, leaves, { gradOutputs: given, createGraph: true, allowUnused: true });
    between();
    seen.push(...gradients.map(bits));
    roots = gradients.filter((g) => g?.requiresGrad === true) as Tensor[];
  }
  return seen;
}

interface Options {
  parameters?: Iterable<Tensor>;
  /** Order of the highest derivatives. */
  order?: number;
}

function bothWays(run: (between: () => void) => unknown[]): void {
  setMemoryLimit(ROOM);
  const expected = run(() => {});
  const { evictions } = memory();
  const evict = () => setMemoryLimit(0);
  evict();
  expect(run(evict)).toEqual(expected);
  expect(memory().evictions).toBeGreaterThan(evictions);
}

test.each(Object.entries(registry))("%s", (name, { samples, differentiable, skips }) => {
  const order = differentiable === false || skips?.gradcheck !== undefined ? 0 : 2;
  for (const sample of samples) {
    bothWays((between) => {
      manualSeed(0);
      return everything(between, library[name] as Call, sample.args(), { order });
    });
  }
});

test.each(Object.entries(layers))("%s", (_, { samples }) => {
  for (const sample of Object.values(samples)) {
    bothWays((between) => {
      manualSeed(0);
      const layer = sample.make().double();
      const fn = layer as unknown as Call;
      fn(...sample.inputs()); // lazy layers get their weights
      const parameters = layer.parameters();
      return everything(between, fn, [...sample.inputs()], { parameters });
    });
  }
});
