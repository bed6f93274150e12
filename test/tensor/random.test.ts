import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as k from "../../src/index.js";
import { standardGamma } from "../../src/ops/random.js";

interface Case {
  kind: string;
  dtype: k.DType;
  seed: number;
  n: number;
  args: { [name: string]: number } & { base?: number[]; order?: number[] };
  values: (number | string)[];
  next: number;
}

const fixture = JSON.parse(readFileSync(new URL("../fixtures/random.json", import.meta.url), "utf8")) as {
  state: { seed: number; state: string; randn: number[]; rand: number };
  cases: Case[];
};

type Draw = (c: Case) => k.Tensor;
const ramp = ({ n, dtype }: Case) => k.arange(n, { dtype });
const fresh = ({ n, dtype }: Case) => k.empty([n], { dtype });
const weights = (c: Case, plus: number) =>
  k
    .tensor(
      Array.from({ length: 30 }, (_, i) => (i % 7) + plus),
      { dtype: c.dtype },
    )
    .view([3, 10]);
const means = k.arange(20, { dtype: "float32" }).view([4, 5]);
const spreads = means.add(1);

function view({ args }: Case): k.Tensor {
  const base = k.zeros(args.base as number[]).permute(args.order as number[]);
  return k.slice(base, 0, { step: args.step as number });
}

const draws: Record<string, Draw> = {
  uniform: (c) => k.rand([c.n], { dtype: c.dtype }),
  uniformRange: (c) => fresh(c).uniform_(c.args.low, c.args.high),
  normal: (c) => fresh(c).normal_({ mean: c.args.mean as number, std: c.args.std as number }),
  bernoulli: (c) => fresh(c).bernoulli_(c.args.p),
  bernoulliTensor: (c) => k.bernoulli(ramp(c).div(39)),
  dropout: (c) =>
    k.ones([c.n], { dtype: c.dtype }).mul(
      fresh(c)
        .bernoulli_(1 - (c.args.p as number))
        .div(1 - (c.args.p as number)),
    ),
  exponential: (c) => fresh(c).exponential_(c.args.rate),
  cauchy: (c) => fresh(c).cauchy_({ median: c.args.median as number, sigma: c.args.sigma as number }),
  logNormal: (c) => fresh(c).logNormal_(c.args.mean, c.args.std),
  geometric: (c) => fresh(c).geometric_(c.args.p as number),
  random: (c) => fresh(c).random_(),
  randint: (c) => k.randint(c.args.low as number, c.args.high as number, [c.n], { dtype: c.dtype }),
  randperm: (c) => k.randperm(c.n),
  poisson: (c) => k.poisson(ramp(c)),
  binomial: (c) => k.binomial(ramp(c).mul(2), ramp(c).div(39)),
  gamma: (c) => standardGamma(ramp(c).add(1).div(8)),
  multinomial: (c) => k.multinomial(weights(c, 0), 10, { replacement: true }),
  multinomialDistinct: (c) => k.multinomial(weights(c, 0.5), c.n / 3),
  "view/uniform": (c) => view(c).uniform_(),
  "view/normal": (c) => view(c).normal_(),
  "view/exponential": (c) => view(c).exponential_(),
  "view/bernoulli": (c) => view(c).bernoulli_(0.3),
  "view/bernoulliTensor": (c) => {
    const t = view(c);
    return t.bernoulli_(k.linspace(0, 1, t.shape.at(-1) as number));
  },
  "view/randLike": (c) => k.randLike(view(c)),
  "view/randnLike": (c) => k.randnLike(view(c)),
  "normal/tensor,number": () => k.normal(means, 0.5),
  "normal/number,tensor": () => k.normal(2, spreads),
  "normal/tensor,tensor": () => k.normal(means, spreads),
  "normal/broadcast": () => k.normal(k.narrow(means, 1, 0, 1), spreads),
};

/** Logarithms, exponentials and tangents of the C library differ from ours in the last bits. */
const transcendental = new Set([
  "exponential",
  "view/exponential",
  "cauchy",
  "logNormal",
  "gamma",
  "normal",
  "view/normal",
  "view/randnLike",
]);

describe("draws are PyTorch's, value by value", () => {
  it.each(fixture.cases)("$kind $dtype n=$n seed $seed $args", (c) => {
    k.manualSeed(c.seed);
    const out = (draws[c.kind] as Draw)(c);
    const got = Array.from(out.toTypedArray() as ArrayLike<number | bigint>, Number);
    const want = c.values.map(Number);
    expect(got.length).toBe(want.length);
    const ulps = transcendental.has(c.kind) || c.kind.startsWith("normal/") ? 4 : 1;
    const tolerance = c.dtype === "float64" ? (ulps - 1) * 2 ** -52 : ulps * 2 ** -24;
    want.forEach((w, i) => {
      expect(Math.abs((got[i] as number) - w), `element ${i}: ${got[i]} for ${w}`).toBeLessThanOrEqual(
        tolerance * Math.abs(w),
      );
    });
    expect(k.randint(2 ** 32 - 1, [1]).item()).toBe(c.next);
  });
});

describe("Generator", () => {
  it("goes on from a state that PyTorch wrote, the cached normal sample included", () => {
    const bytes = k.tensor(new Uint8Array(Buffer.from(fixture.state.state, "base64")));
    k.setRngState(bytes);
    expect(k.initialSeed()).toBe(123);
    expect(k.getRngState().toTypedArray()).toEqual(bytes.toTypedArray());
    expect(k.randn([2], { dtype: "float64" }).toArray()).toEqual(fixture.state.randn);
    expect(k.rand([700], { dtype: "float64" }).toTypedArray()[699]).toBe(fixture.state.rand);
  });

  it("has a state of its own, which clone copies", () => {
    k.manualSeed(1);
    const generator = new k.Generator({ seed: 0 });
    const first = k.rand([3], { generator });
    const twin = generator.clone();
    expect(k.rand([20], { generator }).toArray()).toEqual(k.rand([20], { generator: twin }).toArray());
    expect(k.rand([3]).toArray()).toEqual(k.rand([3], { generator: generator.manualSeed(1) }).toArray());
    expect(k.rand([3], { generator: new k.Generator().manualSeed(0) }).toArray()).toEqual(first.toArray());
    expect(new k.Generator().initialSeed()).toBe(67280421310721);
  });

  it("getState and setState resume a sequence at any point (property)", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.nat(2000),
        fc.nat(20),
        (seed, skip, odd) => {
          const generator = new k.Generator({ seed });
          expect(BigInt(generator.initialSeed())).toBe(BigInt.asUintN(64, seed));
          k.rand([skip], { generator });
          k.randn([odd], { generator });
          const state = generator.getState();
          const next = k.randn([17], { generator }).toArray();
          expect(k.randn([17], { generator: new k.Generator().setState(state) }).toArray()).toEqual(next);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("seed() takes a new seed each time", () => {
    const generator = new k.Generator();
    const a = generator.seed();
    expect(generator.initialSeed()).toBe(a);
    expect(generator.seed()).not.toBe(a);
  });

  it("forkRng leaves the default generator where it was, after errors and promises too", async () => {
    k.manualSeed(5);
    const plain = k.rand([3]).toArray();
    k.manualSeed(5);
    expect(k.forkRng(() => k.rand([3])).toArray()).toEqual(plain);
    expect(() =>
      k.forkRng(() => {
        k.rand([1]);
        throw new Error("inside");
      }),
    ).toThrow("inside");
    await k.forkRng(async () => {
      await Promise.resolve();
      k.rand([3]);
    });
    expect(k.rand([3]).toArray()).toEqual(plain);
  });

  it("survives scopes and eviction", () => {
    k.manualSeed(3);
    const plain = k.rand([8]).toArray();
    const generator = k.scope(() => ({ g: new k.Generator({ seed: 3 }) })).g;
    const limit = k.memory().limit;
    k.setMemoryLimit(0);
    k.setMemoryLimit(limit);
    expect(k.rand([8], { generator }).toArray()).toEqual(plain);
  });

  it("names what is wrong with seeds and states", () => {
    expect(() => k.manualSeed(0.5)).toThrow(/\[manualSeed\] expected a whole number .* got 0.5/);
    expect(() => k.manualSeed(2n ** 64n)).toThrow(/\[manualSeed\] expected a whole number/);
    expect(() => k.setRngState(k.zeros([5056]))).toThrow(
      /\[setState\] expected a uint8 tensor, got float32\[5056\]/,
    );
    expect(() => k.setRngState(k.zeros([7], { dtype: "uint8" }))).toThrow(/wrong state size: got 7 bytes/);
  });
});

describe("random tensors", () => {
  it("take dtype, generator and requiresGrad", () => {
    expect(k.rand([2], { dtype: "float64", requiresGrad: true })).toMatchObject({
      dtype: "float64",
      requiresGrad: true,
    });
    expect(k.randint(2, [100], { dtype: "bool" }).dtype).toBe("bool");
    expect(k.randintLike(k.zeros([2, 2]), 3, 5)).toMatchObject({ dtype: "float32", shape: [2, 2] });
    expect(k.randperm(4, { dtype: "float32" }).dtype).toBe("float32");
    expect(k.rand([0, 3]).shape).toEqual([0, 3]);
    expect(k.multinomial(k.rand([0, 3]), 1).shape).toEqual([0, 1]);
  });

  it("a single draw with replacement takes one number of the stream", () => {
    // torch.manual_seed(s); torch.multinomial(torch.tensor([1., 2, 3, 4, 5]), 1, True), s = 0 to 7
    const drawn = Array.from({ length: 8 }, (_, seed) => {
      k.manualSeed(seed);
      return Number(k.multinomial(k.tensor([1, 2, 3, 4, 5]).to("float32"), 1, { replacement: true }).item());
    });
    expect(drawn).toEqual([4, 0, 4, 0, 3, 3, 3, 2]);
  });

  it("random_ covers the ranges asked for", () => {
    const read = (t: k.Tensor) => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);
    expect(Math.max(...read(k.empty([200], { dtype: "int64" }).random_(5)))).toBe(4);
    expect(Math.min(...read(k.empty([200], { dtype: "int64" }).random_(-3, 5)))).toBe(-3);
    expect(new Set(read(k.empty([200], { dtype: "uint8" }).random_({ from: 250 })))).toEqual(
      new Set([250, 251, 252, 253, 254, 255]),
    );
    const wide = k
      .empty([50], { dtype: "int64" })
      .random_({ from: -(2n ** 63n) })
      .toTypedArray() as BigInt64Array;
    expect(wide.some((v) => v < 0n) && wide.some((v) => v > 0n)).toBe(true); // all 64 bits
  });

  it("reject parameters out of range, as PyTorch does", () => {
    const x = k.empty([3]);
    expect(() => x.uniform_(2, 1)).toThrow(/\[uniform_\] expected from <= to/);
    expect(() => x.normal_(0, -1)).toThrow(/\[normal_\] expected std >= 0, got -1/);
    expect(() => x.bernoulli_(1.5)).toThrow(/\[bernoulli_\] expected 0 <= p <= 1, got 1.5/);
    expect(() => x.geometric_(0)).toThrow(/\[geometric_\] expected 0 < p < 1/);
    expect(() => x.cauchy_(0, 0)).toThrow(/\[cauchy_\] expected sigma > 0/);
    expect(() => x.random_(-3)).toThrow(/\[random_\] expected low < high, got low 0 and high -3/);
    expect(() => k.randint(3, [2], { dtype: "bool" })).toThrow(/bounds that bool holds, 0 to 1/);
    expect(() => k.randint(3, 3, [2])).toThrow(/expected low < high/);
    expect(() => k.rand([2], { dtype: "int64" })).toThrow(/\[rand\] expected a floating dtype, got int64/);
    expect(() => k.empty([2], { dtype: "int64" }).uniform_()).toThrow(/\[uniform\] not defined for int64/);
    expect(() => k.zeros([1]).expand([3]).uniform_()).toThrow(/share their places/);
    expect(() => k.bernoulli(k.tensor([0.5, 2]))).toThrow(
      /probabilities from 0 to 1 everywhere, got 2 at element 1/,
    );
    expect(() => k.poisson(k.tensor([-1.5]))).toThrow(/\[poisson\] expected rates >= 0/);
    expect(() => k.normal(0, k.tensor([1, -2.5]))).toThrow(/\[normal\] expected std >= 0/);
    expect(() => k.normal(0, 1)).toThrow(/two numbers need a shape/);
    expect(() => k.multinomial(k.rand([3]), 4)).toThrow(/cannot draw 4 of 3 categories without replacement/);
    expect(() => k.multinomial(k.tensor([-1.5, 2]), 1)).toThrow(/\[multinomial\] expected weights/);
    expect(() => k.multinomial(k.zeros([2, 2]), 1)).toThrow(/positive sum, got zeros only in row 0/);
    expect(() => k.multinomial(k.zeros([2, 2], { dtype: "int64" }), 1)).toThrow(/floating dtype, got int64/);
  });
});

describe("fillers and autograd", () => {
  it("refuse leaves that require a gradient", () => {
    expect(() => k.zeros([2], { requiresGrad: true }).uniform_()).toThrow(
      /\[uniform_\] a leaf that requires a gradient/,
    );
    const w = k.zeros([2], { requiresGrad: true });
    k.noGrad(() => w.normal_());
    expect(w.version).toBe(1);
  });

  it("end the gradient of what they overwrite", () => {
    const x = k.ones([2, 3], { requiresGrad: true });
    const y = x.mul(2);
    y.select(0, 1).uniform_();
    y.sum().backward();
    expect(x.grad?.toArray()).toEqual([
      [2, 2, 2],
      [0, 0, 0],
    ]);
    const p = k.tensor([0.25, 0.75], { requiresGrad: true });
    k.bernoulli(p).sum().backward();
    expect(p.grad?.toArray()).toEqual([0, 0]);
  });
});
