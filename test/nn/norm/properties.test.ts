/** What holds for batch normalization whatever the numbers: invariances, conservation, linearity. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { autograd, nn, type Tensor, tensor } from "../../../src/index.js";
import { noise, numbers } from "./reference.js";

const F = nn.functional;

/** A float64 input (N, C, ...), with an incoming gradient and parameters of the same seed. */
const inputs = fc
  .record({
    N: fc.integer({ min: 2, max: 6 }),
    C: fc.integer({ min: 1, max: 5 }),
    rest: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
    seed: fc.integer({ min: 1, max: 1 << 20 }),
  })
  .map(({ N, C, rest, seed }) => {
    const shape = [N, C, ...rest];
    const make = (s: number, of: readonly number[] = shape) =>
      tensor(
        noise(
          of.reduce((a, b) => a * b, 1),
          seed + s,
        ),
        { dtype: "float64" },
      )
        .reshape(of)
        .detach();
    return { shape, x: make(0), g: make(1), h: make(2), weight: make(3, [C]), bias: make(4, [C]) };
  });

const others = (t: Tensor) => t.shape.flatMap((_, d) => (d === 1 ? [] : [d]));
const perChannel = (t: Tensor, like: Tensor) => t.reshape(like.shape.map((_, d) => (d === 1 ? -1 : 1)));
const normal = (x: Tensor, eps = 0) => F.batchNorm(x, null, null, { training: true, eps });
const distance = (a: Tensor, b: Tensor) => a.sub(b).abs().max().item();

/** Holds for every input whose channels all vary. */
function holds(
  name: string,
  check: (i: typeof inputs extends fc.Arbitrary<infer T> ? T : never) => void,
): void {
  test(name, () => {
    fc.assert(
      fc.property(inputs, (i) => {
        fc.pre(
          i.x
            .var({ dim: others(i.x) })
            .min()
            .item() > 1e-3,
        );
        check(i);
      }),
      { numRuns: 60 },
    );
  });
}

describe("batch norm by the statistics of the batch", () => {
  holds("the output has mean bias and variance weight^2", ({ x, weight, bias }) => {
    const y = F.batchNorm(x, null, null, { weight, bias, training: true, eps: 0 });
    expect(distance(y.mean(others(y)), bias)).toBeLessThan(1e-13);
    expect(distance(y.var({ dim: others(y), correction: 0 }), weight.square())).toBeLessThan(1e-12);
  });

  holds("scaling and shifting a channel changes nothing", ({ x, weight, bias }) => {
    const moved = x.mul(perChannel(weight.abs().add(0.5), x)).add(perChannel(bias, x));
    expect(distance(normal(moved), normal(x))).toBeLessThan(1e-11);
  });

  holds("a power of two as factor gives the same bits", ({ x }) => {
    expect(numbers(normal(x.mul(1024)))).toEqual(numbers(normal(x)));
  });

  holds("the order of the samples does not matter", ({ x }) => {
    expect(distance(normal(x.flip(0)), normal(x).flip(0))).toBeLessThan(1e-13);
  });

  holds("channels do not see each other", ({ x, shape }) => {
    const y = normal(x);
    for (let c = 0; c < (shape[1] as number); c++)
      expect(distance(normal(x.narrow(1, c, 1)), y.narrow(1, c, 1))).toBeLessThan(1e-13);
  });

  holds("the gradient of x is orthogonal to constants and to the normalised input", ({ x, g }) => {
    const leaf = x.clone().requiresGrad_();
    const y = normal(leaf);
    const [gx] = autograd.grad(y, [leaf], { gradOutputs: g }) as [Tensor];
    const scale = gx.abs().max().item() + 1;
    expect(gx.sum(others(gx)).abs().max().item() / scale).toBeLessThan(1e-11);
    expect(gx.mul(y).sum(others(gx)).abs().max().item() / scale).toBeLessThan(1e-11);
  });

  holds(
    "the gradient is linear in the incoming one, and zero for zero, exactly",
    ({ x, g, h, weight, bias }) => {
      const leaves = [x, weight, bias].map((t) => t.clone().requiresGrad_());
      const [a, w, b] = leaves as [Tensor, Tensor, Tensor];
      const y = F.batchNorm(a, null, null, { weight: w, bias: b, training: true });
      const of = (gradOutputs: Tensor) =>
        autograd.grad(y, leaves, { gradOutputs, retainGraph: true }) as Tensor[];
      const [left, right, both] = [of(g), of(h), of(g.add(h.mul(3)))];
      both.forEach((t, i) => {
        const expected = (left[i] as Tensor).add((right[i] as Tensor).mul(3));
        expect(distance(t, expected) / (1 + expected.abs().max().item())).toBeLessThan(1e-12);
      });
      for (const t of of(g.mul(0))) expect(t.abs().max().item()).toBe(0);
    },
  );

  holds("the derivative of the derivative is symmetric", ({ x, g, h }) => {
    const leaf = x.clone().requiresGrad_();
    const dot = (a: Tensor, b: Tensor) => a.mul(b).sum();
    const [gx] = autograd.grad(dot(normal(leaf, 1e-3).tanh(), g), [leaf], { createGraph: true }) as [Tensor];
    const times = (v: Tensor) =>
      autograd.grad(gx, [leaf], { gradOutputs: v, retainGraph: true })[0] as Tensor;
    const [a, b] = [dot(times(h), g).item(), dot(times(g), h).item()];
    expect(Math.abs(a - b) / (1 + Math.abs(a))).toBeLessThan(1e-10);
  });
});

describe("running statistics", () => {
  holds(
    "after training with momentum 1, eval mode gives the training output but for the unbiased variance",
    ({ x, shape }) => {
      const bn = new nn.BatchNorm1d(shape[1] as number, {
        momentum: 1,
        eps: 0,
        affine: false,
        dtype: "float64",
      });
      const flat = x.reshape([shape[0] as number, shape[1] as number, -1]);
      const trained = bn(flat);
      const m = x.numel / (shape[1] as number);
      expect(
        distance(
          bn
            .eval()(flat)
            .mul(Math.sqrt(m / (m - 1))),
          trained,
        ),
      ).toBeLessThan(1e-12);
    },
  );

  holds("merging is the mean: two halves without momentum", ({ x, h, shape }) => {
    const bn = new nn.BatchNorm1d(shape[1] as number, { momentum: null, dtype: "float64" });
    const flat = (t: Tensor) => t.reshape([shape[0] as number, shape[1] as number, -1]);
    bn(flat(x));
    bn(flat(h));
    const mean = flat(x)
      .mean([0, 2])
      .add(flat(h).mean([0, 2]))
      .div(2);
    expect(distance(bn.runningMean as Tensor, mean)).toBeLessThan(1e-14);
  });
});

describe("the other norms", () => {
  holds("layer norm of (N, C) is batch norm of (C, N) transposed", ({ x, shape }) => {
    const flat = x.reshape([shape[0] as number, -1]);
    fc.pre((flat.shape[1] as number) > 1 && flat.var({ dim: 1 }).min().item() > 1e-3);
    expect(
      distance(F.layerNorm(flat, [flat.shape[1] as number], { eps: 0 }), normal(flat.t()).t()),
    ).toBeLessThan(1e-12);
  });

  holds("group norm of one group is layer norm over all but the batch", ({ x, shape }) => {
    fc.pre(x.numel / (shape[0] as number) > 1);
    expect(distance(F.groupNorm(x, 1), F.layerNorm(x, shape.slice(1)))).toBeLessThan(1e-12);
  });

  holds("group norm with as many groups as channels is instance norm", ({ x, shape }) => {
    fc.pre(shape.slice(2).reduce((a, b) => a * b, 1) > 1);
    expect(numbers(F.groupNorm(x, shape[1] as number))).toEqual(numbers(F.instanceNorm(x)));
  });

  holds("RMS norm of rows without mean is layer norm", ({ x, shape }) => {
    const flat = x.reshape([shape[0] as number, -1]);
    fc.pre((flat.shape[1] as number) > 1);
    const centred = flat.sub(flat.mean(1, { keepdim: true }));
    const D = [flat.shape[1] as number];
    expect(distance(F.rmsNorm(centred, D, { eps: 1e-5 }), F.layerNorm(flat, D))).toBeLessThan(1e-12);
  });
});
