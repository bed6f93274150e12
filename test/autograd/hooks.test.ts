/** Hooks on leaves, nodes, several gradients, saved tensors; gradient edges. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { autograd, grad, manualSeed, nn, type Tensor, tensor } from "../../src/index.js";

const leaf = (values: number | number[]) => tensor(values, { dtype: "float64", requiresGrad: true });
const numbers = (t: Tensor | null | undefined) => t?.toArray() ?? null;

describe("hooks on the graph", () => {
  const { graph } = autograd;

  test("a leaf used twice: its hooks see the whole gradient, once", () => {
    const x = leaf([3]);
    const seen: unknown[] = [];
    x.registerHook((g) => {
      seen.push(g.item());
    });
    x.registerPostAccumulateGradHook((t) => {
      seen.push(["grad", t.grad?.item()]);
    });
    x.mul(x).add(x).backward();
    expect(seen).toEqual([7, ["grad", 7]]);
    grad(x.mul(x), x);
    expect(seen).toEqual([7, ["grad", 7], 6]);
  });

  test("node hooks and prehooks see and replace gradients", () => {
    const [a, b] = [leaf([2]), leaf([5])];
    const y = a.mul(b);
    expect(y.gradFn?.nextFunctions[1]?.[0]).toBe(b);
    const handle = y.gradFn?.registerPrehook(([g]) => [g?.mul(10) ?? null]);
    y.gradFn?.registerHook(([ga, gb], [g]) => {
      expect(g?.item()).toBe(10);
      return [ga?.add(1) ?? null, gb ?? null];
    });
    y.backward({ retainGraph: true });
    expect([numbers(a.grad), numbers(b.grad)]).toEqual([[51], [20]]);
    handle?.remove();
  });

  test("a node prints its name, not the graph below it", () => {
    const y = leaf([2]).mul(3).exp();
    expect(inspect(y.gradFn)).toBe("<Exp>");
    expect(`${y.gradFn}`).toBe("<Exp>");
    expect(inspect(y.gradFn?.nextFunctions[0])).toBe("[ <Mul>, 0 ]");
  });

  test("gradient edges stand for tensors", () => {
    const x = leaf([2]);
    const y = x.mul(3);
    const edges = [graph.getGradientEdge(x), graph.getGradientEdge(y)];
    const z = y.square().sum();
    expect(grad(z, edges, { retainGraph: true }).map(numbers)).toEqual([[36], [12]]);
    autograd.backward(z, null, { inputs: edges.slice(0, 1) });
    expect(numbers(x.grad)).toEqual([36]);
    expect(() => autograd.backward(y.sum(), null, { inputs: graph.getGradientEdge(y) })).toThrow(
      "[backward] input 0 is the edge of an op, which has no grad",
    );
    expect(() => graph.getGradientEdge(x.detach())).toThrow("[getGradientEdge] the tensor does not require");
    const unused = grad(leaf([1]).sum(), graph.getGradientEdge(y), {
      materializeGrads: true,
      allowUnused: true,
    });
    expect(unused.map(numbers)).toEqual([[0]]);
  });

  test("registerMultiGradHook waits for all that the pass reaches, or for any", () => {
    const [a, b, c] = [leaf([2]), leaf([3]), leaf([4])];
    const h = a.mul(b);
    const seen: unknown[] = [];
    const handle = graph.registerMultiGradHook([a, b, c, h], (grads) => {
      seen.push(grads.map(numbers));
    });
    h.mul(a).backward();
    h.detach().requiresGrad_().mul(c).backward();
    const any = graph.registerMultiGradHook([a, b], (g) => seen.push(g.item()), { mode: "any" });
    a.mul(b).backward();
    expect(seen).toEqual([[[12], [4], null, [2]], [null, null, [6], null], 3, [[3], [2], null, null]]);
    handle();
    any();
    a.mul(b).backward();
    expect(seen.length).toBe(4);
  });

  test("incrementVersion makes stale backward passes throw", () => {
    const x = leaf([1, 2]);
    const y = x.exp();
    graph.incrementVersion([y]);
    expect(() => y.sum().backward()).toThrow(/output of Exp.*at version 1, expected version 0/);
  });

  test("saved tensors go through pack and unpack", () => {
    const x = leaf([1.1, 2.3]);
    const w = leaf([0.5, 4]);
    const f = () => nn.functional.dropout(x.mul(w).exp().sigmoid(), 0.3).square().sum();
    const results = (run: (f: () => Tensor) => Tensor) => {
      manualSeed(3);
      const y = run(f);
      const [g] = grad(y, x, { createGraph: true }) as [Tensor];
      const [h] = grad(g.sum(), w, { retainGraph: true }) as [Tensor];
      return [numbers(g.detach()), numbers(h), grad(y, [x, w]).map(numbers)];
    };
    const plain = results((fn) => fn());
    let packs = 0;
    const counted = {
      pack: (t: Tensor) => {
        packs++;
        return t;
      },
      unpack: (t: unknown) => t as Tensor,
    };
    expect(results((fn) => graph.savedTensorsHooks(counted, fn))).toEqual(plain);
    expect(packs).toBeGreaterThan(4);
    expect(results((fn) => graph.saveOnCpu(fn))).toEqual(plain);
    const rounded = {
      pack: (t: Tensor) => t.to("float32"),
      unpack: (t: unknown) => (t as Tensor).to("float64"),
    };
    const y = graph.savedTensorsHooks(rounded, () => x.mul(x).sum());
    y.backward();
    expect(numbers(x.grad)).toEqual([1.1, 2.3].map((v) => 2 * Math.fround(v)));
    expect(() => graph.disableSavedTensorsHooks("not here", () => graph.saveOnCpu(f))).toThrow(
      "[savedTensorsHooks] not here",
    );
    const bad = graph.savedTensorsHooks({ pack: () => 1, unpack: (v) => v as Tensor }, () => x.mul(x).sum());
    expect(() => bad.backward()).toThrow("[savedTensorsHooks] unpack gave number for Mul, expected a tensor");
  });
});
