/** Checkpointing: the same values and gradients as the plain call, at every order, with less saved. */
import { describe, expect, test } from "vitest";
import {
  checkpoint,
  checkpointSequential,
  func,
  grad,
  manualSeed,
  memory,
  nn,
  noGrad,
  rand,
  randn,
  type Tensor,
  tensor,
} from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

const leaf = (values: number | number[] | number[][]) =>
  tensor(values, { dtype: "float64", requiresGrad: true });
const numbers = (t: Tensor | null | undefined) => t?.toArray() ?? null;

describe("checkpoint", () => {
  test("gradients of arguments and of what the function captures", () => {
    const run = (wrap: boolean) => {
      const [x, w] = [leaf([1, 2]), leaf([3, 4])];
      const h = w.square();
      const f = (t: Tensor) => t.mul(h).sin().mul(w).sum();
      const y = wrap ? checkpoint(f, [x]) : f(x);
      y.backward();
      return [y.item(), numbers(x.grad), numbers(w.grad)];
    };
    expect(run(true)).toEqual(run(false));
  });

  test("hooks on arguments and on what the function captures are called once", () => {
    const [x, w] = [leaf([1, 1]), leaf([3, 4])];
    const h = x.mul(1);
    h.retainGrad();
    for (const t of [x, h, w]) t.registerHook((g) => g.mul(2));
    checkpoint((t) => t.mul(w), [h])
      .sum()
      .backward();
    expect([h.grad, x.grad, w.grad].map(numbers)).toEqual([
      [3, 4],
      [12, 16],
      [2, 2],
    ]);
  });

  test("the arguments are those of the call, though their list grows afterwards", () => {
    const x = leaf([0.3, 0.5]);
    const features: Tensor[] = [x];
    for (let i = 0; i < 3; i++) {
      features.push(checkpoint((...xs: Tensor[]) => xs.reduce((a, b) => a.add(b)).sin(), features));
    }
    const sin = (v: number[]) => v.map(Math.sin);
    (features.at(-1) as Tensor).sum().backward();
    const a = sin([0.3, 0.5]);
    const b = sin([0.3, 0.5].map((v, i) => v + (a[i] as number)));
    const slope = [0.3, 0.5].map((v, i) => {
      const d1 = Math.cos(v);
      const d2 = Math.cos(v + (a[i] as number)) * (1 + d1);
      return Math.cos(v + (a[i] as number) + (b[i] as number)) * (1 + d1 + d2);
    });
    ((x.grad as Tensor).toArray() as number[]).forEach((g, i) => {
      expect(g).toBeCloseTo(slope[i] as number, 14);
    });
  });

  test("derivatives of all orders", () => {
    const f = (x: Tensor, w: Tensor) => checkpoint((t: Tensor) => t.mul(w).tanh().mul(t), [x]);
    gradcheck(f, [leaf([0.3, -0.7]), leaf([1.5, 0.5])]);
    gradgradcheck(f, [leaf([0.3, -0.7]), leaf([1.5, 0.5])]);
    const third = func.grad(func.grad(func.grad((x: Tensor) => checkpoint((t: Tensor) => t.pow(5), [x]))));
    expect(third(tensor(2, { dtype: "float64" })).item()).toBe(240);
  });

  test("arguments that depend on one another are counted once", () => {
    const run = (wrap: boolean) => {
      const x = leaf([1, 2]);
      const y = x.square();
      const z = y.exp();
      const f = (a: Tensor, b: Tensor) => a.mul(b).add(y).mul(z).sum();
      const out = wrap ? checkpoint(f, [y, z]) : f(y, z);
      const [g] = grad(out, x, { createGraph: true }) as [Tensor];
      const [h] = grad(g.sum(), x) as [Tensor];
      return [numbers(g.detach()), numbers(h)];
    };
    expect(run(true)).toEqual(run(false));
  });

  test("several outputs, in trees, some without gradients", () => {
    const x = leaf([3, 1, 2]);
    const out = checkpoint(
      (t: Tensor, k: number) => ({ list: [t.mul(k), t.argmax()], text: "kept", x: t.detach() }),
      [x, 10],
    );
    expect([out.text, out.list[1]?.item(), out.x.requiresGrad]).toEqual(["kept", 0, false]);
    out.list[0]?.sum().backward();
    expect(numbers(x.grad)).toEqual([10, 10, 10]);
  });

  test("random draws repeat, and the generator goes on as if nothing had happened", () => {
    const drop = (x: Tensor) => nn.functional.dropout(x, 0.5).mul(x);
    const run = (wrap: boolean) => {
      manualSeed(7);
      const x = leaf([1, 2, 3, 4, 5, 6, 7, 8]);
      const y = wrap ? checkpoint(drop, [x]) : drop(x);
      rand([3]);
      y.sum().backward();
      return [numbers(y.detach()), numbers(x.grad), rand([1]).item()];
    };
    expect(run(true)).toEqual(run(false));
    manualSeed(7);
    const x = leaf(new Array<number>(64).fill(1));
    const y = checkpoint(drop, [x], { preserveRngState: false });
    y.sum().backward();
    expect(numbers(x.grad)).not.toEqual(numbers(y.detach().mul(2)));
  });

  test("of a model: the parameters' gradients, autograd.grad, retainGraph", () => {
    manualSeed(0);
    const model = new nn.Sequential(new nn.Linear(3, 5), new nn.Tanh(), new nn.Linear(5, 2)).double();
    const x = randn([4, 3], { dtype: "float64" });
    const names = [...model.parameters()];
    const plain = grad(model(x).square().sum(), names).map(numbers);
    const y = checkpoint(model, [x]).square().sum();
    expect(grad(y, names, { retainGraph: true }).map(numbers)).toEqual(plain);
    y.backward();
    expect(names.map((p) => numbers(p.grad))).toEqual(plain);
    expect(() => y.backward()).toThrow(/the graph of \w+ was already freed/);
  });

  test("nested, and under noGrad", () => {
    const x = leaf([0.5]);
    const y = checkpoint((t: Tensor) => checkpoint((u: Tensor) => u.exp(), [t.square()]).sin(), [x]);
    y.backward();
    const e = Math.exp(0.25);
    expect((x.grad as Tensor).item()).toBeCloseTo(Math.cos(e) * e, 14);
    expect(noGrad(() => checkpoint((t: Tensor) => t.mul(2), [x])).requiresGrad).toBe(false);
    const constant = tensor([1, 2]);
    expect(checkpoint((t: Tensor) => t.add(1), [constant]).toArray()).toEqual([2, 3]);
    expect(checkpoint((t: Tensor) => t, [x])).toBe(x);
  });

  test("refuses arguments changed in place, and functions that change their mind", () => {
    const x = leaf([1, 2]).mul(1);
    const y = checkpoint((t: Tensor) => t.exp(), [x]).sum();
    x.add_(1);
    expect(() => y.backward()).toThrow(/\[backward\] input 0 of Checkpoint.*changed in place/s);
    let calls = 0;
    const fickle = (t: Tensor) => (calls++ === 0 ? t.exp() : t.exp().unsqueeze(0));
    const z = checkpoint(fickle, [leaf([1, 2])]).sum();
    expect(() => z.backward()).toThrow(
      "[checkpoint] the second run of the function gave float64[1, 2] as output 0, expected shape [2] as in the first",
    );
  });

  test("by-products and activations are gone after the forward", () => {
    const x = randn([64, 1024], { requiresGrad: true });
    const f = (t: Tensor) => {
      let y = t;
      for (let i = 0; i < 10; i++) y = nn.functional.dropout(y, 0.5);
      return y;
    };
    const used = (run: () => Tensor) => {
      const before = memory().live;
      const y = run();
      const after = memory().live - before;
      y.sum().backward();
      return after;
    };
    const masks = 10 * 64 * 1024;
    expect(used(() => f(x)) - used(() => checkpoint(f, [x]))).toBeGreaterThan(masks);
  });
});

describe("checkpointSequential", () => {
  test("the same as the plain call, in any number of segments", () => {
    manualSeed(1);
    const layers = Array.from({ length: 5 }, () => new nn.Sequential(new nn.Linear(4, 4), new nn.Tanh()));
    const model = new nn.Sequential(...layers).double();
    const x = randn([2, 4], { dtype: "float64", requiresGrad: true });
    const wanted = [...model.parameters(), x];
    const plain = grad(model(x).sum(), wanted).map(numbers);
    for (const segments of [1, 2, 3, 5]) {
      expect(grad(checkpointSequential(model, segments, x).sum(), wanted).map(numbers)).toEqual(plain);
    }
    expect(() => checkpointSequential(model, 6, x)).toThrow(
      "[checkpointSequential] got 6 segments for 5 functions",
    );
  });
});
