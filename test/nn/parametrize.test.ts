/** nn.utils.parametrize and parametrizations: own ones, orthogonal weights, spectral and weight normalisation. */
import { describe, expect, test } from "vitest";
import { eye, manualSeed, nn, noGrad, ones, randn, type Tensor, tensor } from "../../src/index.js";
import { gradcheck } from "../../src/testing/index.js";

const { parametrizations, parametrize } = nn.utils;
const keysOf = (m: { stateDict(): object }) => Object.keys(m.stateDict());
const f64 = { dtype: "float64" } as const;

class Symmetric extends nn.Module {
  calls = 0;

  forward(x: Tensor): Tensor {
    this.calls++;
    return x.triu().add(x.triu(1).t());
  }

  rightInverse(x: Tensor): Tensor {
    return x.triu();
  }
}

class RankOne extends nn.Module<[Tensor, Tensor]> {
  forward(x: Tensor, y: Tensor): Tensor {
    return x.unsqueeze(-1).matmul(y.unsqueeze(-2));
  }

  rightInverse(z: Tensor): Tensor[] {
    return [z.select(1, 0).clone(), z.select(0, 0).div(z.select(0, 0).select(0, 0)).clone()];
  }
}

class Scale extends nn.Module {
  forward(x: Tensor): Tensor {
    return x.mul(2);
  }
}

describe("registerParametrization", () => {
  test("computes the tensor at each use, with gradients to the original", () => {
    const m = parametrize.registerParametrization(new nn.Linear(3, 3), "weight", new Symmetric());
    expect(keysOf(m)).toEqual(["bias", "parametrizations.weight.original"]);
    expect(m.weight.equal(m.weight.t())).toBe(true);
    expect(m.constructor.name).toBe("ParametrizedLinear");
    expect(parametrize.typeBeforeParametrizations(m)).toBe(nn.Linear);
    expect(m).toBeInstanceOf(nn.Linear);
    m(ones([1, 3]))
      .sum()
      .backward();
    expect(m.parametrizations.get("weight")?.original.grad?.toArray()).toEqual([
      [1, 2, 2],
      [0, 1, 2],
      [0, 0, 1],
    ]);
    expect([...m.parameters()].length).toBe(2);
    expect(m.double()(ones([1, 3], f64)).dtype).toBe("float64");
    expect(String(m)).toContain("(weight): ParametrizationList(\n      (0): Symmetric()");
  });

  test("assigning goes through rightInverse", () => {
    const m = parametrize.registerParametrization(new nn.Linear(2, 2), "weight", new Symmetric());
    const original = m.parametrizations.get("weight")?.original;
    Object.assign(m, {
      weight: tensor(
        [
          [1, 2],
          [2, 3],
        ],
        { dtype: "float32" },
      ),
    });
    expect(m.weight.toArray()).toEqual([
      [1, 2],
      [2, 3],
    ]);
    expect(m.parametrizations.get("weight")?.original).toBe(original);
    parametrize.registerParametrization(m, "weight", new Scale());
    expect(m.weight.toArray()).toEqual([
      [2, 4],
      [4, 6],
    ]);
    expect(() => Object.assign(m, { weight: ones([2, 2]) })).toThrow("Scale has no rightInverse");
  });

  test("a first one may take several tensors", () => {
    const m = parametrize.registerParametrization(new nn.Linear(3, 2), "weight", new RankOne());
    expect(keysOf(m).slice(1)).toEqual([
      "parametrizations.weight.original0",
      "parametrizations.weight.original1",
    ]);
    expect(() => parametrize.removeParametrizations(m, "weight", false)).toThrow("comes from 2 tensors");
    const value = m.weight.toArray();
    parametrize.removeParametrizations(m, "weight");
    expect(m.weight.toArray()).toEqual(value);
    expect(m.weight).toBeInstanceOf(nn.Parameter);
  });

  test("acts on buffers, and on several tensors of one module", () => {
    const m = new nn.BatchNorm1d(2);
    parametrize.registerParametrization(m, "running_mean", new Scale());
    parametrize.registerParametrization(m, "weight", new Scale());
    expect(keysOf(m)).toContain("parametrizations.running_mean.original");
    expect(m.weight?.toArray()).toEqual([2, 2]);
    expect(parametrize.isParametrized(m, "runningMean")).toBe(true);
    parametrize.removeParametrizations(m, "weight", { leaveParametrized: false });
    expect(m.weight?.toArray()).toEqual([1, 1]);
    expect(parametrize.isParametrized(m)).toBe(true);
    parametrize.removeParametrizations(m, "running_mean");
    expect(m.constructor).toBe(nn.BatchNorm1d);
    expect(keysOf(m).sort()).toEqual(keysOf(new nn.BatchNorm1d(2)).sort());
  });

  test("state dicts go round, copies are of their own, other tensors can be given", () => {
    const make = () => parametrize.registerParametrization(new nn.Linear(3, 3), "weight", new Symmetric());
    const [m, other] = [make(), make()];
    other.loadStateDict(m.stateDict());
    expect(other.weight.toArray()).toEqual(m.weight.toArray());
    const copy = nn.deepCopy(m);
    noGrad(() => copy.parametrizations.get("weight")?.original.zero_());
    expect(copy.weight.sum().item()).toBe(0);
    expect(other.weight.toArray()).toEqual(m.weight.toArray());
    parametrize.removeParametrizations(copy, "weight");
    expect(copy.weight.sum().item()).toBe(0);
    expect(m.weight.toArray()).toEqual(other.weight.toArray());
    const given = { "parametrizations.weight.original": eye(3) };
    const y = nn.utils.stateless.functionalCall(m, given, ones([1, 3]));
    expect(y.sub(m.bias as Tensor).toArray()).toEqual([[1, 1, 1]]);
  });

  test("cached computes once", () => {
    const symmetric = new Symmetric();
    const m = parametrize.registerParametrization(new nn.Linear(3, 3), "weight", symmetric);
    symmetric.calls = 0;
    parametrize.cached(() => [m(ones([1, 3])), m(ones([1, 3]))]);
    expect(symmetric.calls).toBe(1);
    m(ones([1, 3]));
    expect(symmetric.calls).toBe(2);
  });

  test("transfers to another module, which shares the tensors", () => {
    const from = parametrize.registerParametrization(new nn.Linear(3, 3), "weight", new Symmetric());
    const to = new nn.Linear(3, 3);
    parametrize.transferParametrizationsAndParams(from, to);
    expect(to.weight.toArray()).toEqual(from.weight.toArray());
    expect(parametrize.isParametrized(to) && to.parametrizations.get("weight")?.original).toBe(
      from.parametrizations.get("weight")?.original,
    );
  });

  test("refuses what changes the tensor's kind, and leaves the module as it was", () => {
    class Cut extends nn.Module {
      forward(x: Tensor): Tensor {
        return x.narrow(0, 0, 1);
      }
    }
    const m = new nn.Linear(2, 2);
    expect(() => parametrize.registerParametrization(m, "weight", new Cut())).toThrow(
      "may not change the shape: got [1, 2], expected [2, 2]; try { unsafe: true }",
    );
    expect(keysOf(m)).toEqual(["weight", "bias"]);
    expect(() => parametrize.registerParametrization(m, "w", new Cut())).toThrow(
      'no parameter or buffer "w"',
    );
    expect(() => parametrize.removeParametrizations(m, "weight")).toThrow("has no parametrization");
    parametrize.registerParametrization(m, "weight", new Cut(), { unsafe: true });
    expect(m.weight.shape).toEqual([1, 2]);
  });
});

describe("orthogonal", () => {
  // torch.manual_seed(0); m = orthogonal(nn.Linear(k, n, bias=False).double(), "weight", map, use_trivialization=t)
  // o = m.parametrizations.weight.original
  // with torch.no_grad(): o.add_(torch.randn(n, k, dtype=torch.double).tril(-1) * 0.1)
  // y = (m.weight ** 3).sum(); y.backward(); y.item(), (o.grad ** 2).sum().item()
  const expected = [
    [3, 3, "matrixExp", true, -0.89289, 0.808594],
    [3, 3, "matrixExp", false, 1.424947, 7.116794],
    [3, 3, "cayley", true, -0.892574, 0.791979],
    [3, 3, "householder", false, 0.671134, 14.94458],
    [4, 2, "matrixExp", true, -0.153789, 0.619174],
    [4, 2, "cayley", false, 1.047299, 2.639319],
    [4, 2, "householder", true, -0.034786, 2.116833],
    [4, 2, "householder", false, -0.298943, 0.399338],
    [2, 4, "householder", true, -0.110633, 18.112022],
    [2, 4, "householder", false, -0.110633, 10.49058],
  ] as const;
  test.each(expected)(
    "%i x %i by %s, trivialized %s, as PyTorch",
    (n, k, orthogonalMap, useTrivialization, y, g) => {
      manualSeed(0);
      const layer = new nn.Linear(k, n, { bias: false }).double();
      const m = parametrizations.orthogonal(layer, { orthogonalMap, useTrivialization });
      const original = m.parametrizations.get("weight")?.original as Tensor;
      noGrad(() => original.add_(randn([n, k], f64).tril(-1).mul(0.1)));
      const tall = n < k ? m.weight.t() : m.weight;
      expect(
        tall
          .t()
          .matmul(tall)
          .allclose(eye(Math.min(n, k), f64), { atol: 1e-12 }),
      ).toBe(true);
      const loss = m.weight.pow(3).sum();
      loss.backward();
      expect(loss.item()).toBeCloseTo(y, 5);
      expect(original.grad?.pow(2).sum().item()).toBeCloseTo(g, 5);
    },
  );

  test("has the derivative of its map", () => {
    for (const orthogonalMap of ["matrixExp", "cayley", "householder"] as const) {
      const layer = new nn.Linear(2, 4).double();
      const m = parametrizations.orthogonal(layer, { orthogonalMap });
      const map = m.parametrizations.get("weight")?.get(0) as nn.Module;
      const x = randn([4, 2], f64)
        .tril(-1)
        .sub(eye(4, 2, f64))
        .requiresGrad_();
      expect(gradcheck((t) => map(t.tril(-1).sub(eye(4, 2, f64))), [x])).toBe(true);
    }
  });

  test("any orthogonal matrix can be assigned, where there is an inverse", () => {
    const turn = tensor(
      [
        [0, 1],
        [-1, 0],
      ],
      { dtype: "float32" },
    );
    for (const options of [{}, { orthogonalMap: "householder", useTrivialization: false }] as const) {
      const m = parametrizations.orthogonal(new nn.Linear(2, 2), options);
      Object.assign(m, { weight: turn });
      expect(m.weight.allclose(turn, { atol: 1e-6 })).toBe(true);
    }
    const m = parametrizations.orthogonal(new nn.Linear(2, 2), { useTrivialization: false });
    expect(() => Object.assign(m, { weight: turn })).toThrow("has no rightInverse");
    expect(() => parametrizations.orthogonal(new nn.Linear(2, 2), "bias")).toThrow(
      "[orthogonal] expected a matrix",
    );
  });

  test("state dicts carry the base", () => {
    const make = () => parametrizations.orthogonal(new nn.Linear(3, 2));
    const [m, other] = [make(), make()];
    expect(keysOf(m).slice(1)).toEqual([
      "parametrizations.weight.original",
      "parametrizations.weight.0.base",
    ]);
    other.loadStateDict(m.stateDict());
    expect(other.weight.toArray()).toEqual(m.weight.toArray());
  });
});

describe("spectralNorm and weightNorm as parametrizations", () => {
  // torch.manual_seed(0); s = spectral_norm(nn.Conv2d(2, 3, 3)); y = s(torch.ones(1, 2, 4, 4)).pow(2).sum(); y.backward()
  test("spectralNorm gives PyTorch's values", () => {
    manualSeed(0);
    const m = parametrizations.spectralNorm(new nn.Conv2d(2, 3, 3));
    expect(keysOf(m).slice(2)).toEqual(["parametrizations.weight.0._u", "parametrizations.weight.0._v"]);
    const y = m(ones([1, 2, 4, 4]))
      .pow(2)
      .sum();
    y.backward();
    expect(y.item()).toBeCloseTo(6.398114204406738, 5);
    const g = m.parametrizations.get("weight")?.original.grad as Tensor;
    expect(g.abs().sum().item()).toBeCloseTo(411.34844970703125, 2);
  });

  test("spectralNorm of a vector is its direction", () => {
    const m = parametrizations.spectralNorm(new nn.Linear(3, 2), "bias");
    expect(m.bias?.norm().item()).toBeCloseTo(1, 6);
  });

  test("weightNorm is the one by hooks, whose state dicts it loads", () => {
    for (const dim of [0, 1, null]) {
      const hooked = nn.utils.weightNorm(new nn.Linear(4, 3), "weight", dim);
      const m = parametrizations.weightNorm(new nn.Linear(4, 3), "weight", dim);
      m.loadStateDict(hooked.stateDict());
      expect(keysOf(m).at(-1)).toBe("parametrizations.weight.original1");
      const x = randn([2, 4]);
      const [a, b] = [m(x), hooked(x)];
      expect(a.toArray()).toEqual(b.toArray());
      a.sum().backward();
      b.sum().backward();
      const g = m.parametrizations.get("weight")?.originals()[0];
      expect(g?.grad?.toArray()).toEqual(hooked.getParameter("weight_g").grad?.toArray());
    }
  });
});
