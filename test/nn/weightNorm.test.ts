/** nn.utils: weight and spectral normalisation by hooks. */
import { describe, expect, test } from "vitest";
import { manualSeed, nn, noGrad, ones, randn, type Tensor } from "../../src/index.js";

const keysOf = (m: { stateDict(): object }) => Object.keys(m.stateDict());
const f64 = { dtype: "float64" } as const;

// torch.manual_seed(0); m = weight_norm(nn.Linear(4, 3)); y = m(torch.ones(2, 4)).pow(2).sum(); y.backward()
// y.item(), m.weight_g.grad.flatten().tolist(), m.weight_v.grad[0].tolist()
test("weightNorm gives PyTorch's values and gradients", () => {
  manualSeed(0);
  const m = nn.utils.weightNorm(new nn.Linear(4, 3));
  expect(keysOf(m)).toEqual(["bias", "weight_g", "weight_v"]);
  const y = m(ones([2, 4]))
    .pow(2)
    .sum();
  y.backward();
  expect(y.item()).toBeCloseTo(2.2410881519317627, 6);
  const g = m.getParameter("weight_g").grad?.toArray() as number[][];
  [3.3318722248077393, -0.008831611834466457, 1.0413234233856201].forEach((v, i) => {
    expect(g[i]?.[0]).toBeCloseTo(v, 5);
  });
  const v = m.getParameter("weight_v").grad?.toArray() as number[][];
  [-3.950430393218994, -5.426811695098877, -1.736774206161499, -1.9732048511505127].forEach((e, i) => {
    expect(v[0]?.[i]).toBeCloseTo(e, 5);
  });
});

describe("weightNorm", () => {
  test("keeps the weight, for every dim, and removing it too", () => {
    for (const [dim, shape] of [
      [0, [4, 1, 1, 1]],
      [1, [1, 3, 1, 1]],
      [3, [1, 1, 1, 2]],
      [null, []],
    ] as const) {
      const m = new nn.Conv2d(3, 4, 2).double();
      const before = m.weight.detach().clone();
      nn.utils.weightNorm(m, "weight", { dim });
      expect(m.getParameter("weight_g").shape).toEqual(shape);
      expect(m.weight.allclose(before, { rtol: 1e-12 })).toBe(true);
      nn.utils.removeWeightNorm(m);
      expect(keysOf(m)).toEqual(["bias", "weight"]);
      expect(m.weight).toBeInstanceOf(nn.Parameter);
      expect(m.weight.allclose(before, { rtol: 1e-12 })).toBe(true);
    }
  });

  test("finds the weights of recurrent layers by either spelling, and follows steps", () => {
    const m = nn.utils.weightNorm(new nn.LSTM(2, 3), "weight_hh_l0");
    expect(keysOf(m)).toContain("weight_hh_l0_g");
    expect(() => nn.utils.weightNorm(m, "weightHhL0")).toThrow("normalised already");
    const x = randn([4, 1, 2]);
    const total = () => (m(x)[0] as Tensor).sum().item();
    const before = total();
    noGrad(() => m.getParameter("weight_hh_l0_g").mul_(3));
    expect(total()).not.toBe(before);
  });

  test("refuses what it cannot act on", () => {
    const m = new nn.Linear(2, 2, { bias: false });
    expect(() => nn.utils.weightNorm(m, "bias")).toThrow(
      '[weightNorm] Linear has no parameter or buffer "bias"',
    );
    expect(() => nn.utils.removeWeightNorm(m)).toThrow("no weight normalisation");
    expect(() => nn.utils.weightNorm(new nn.LazyLinear(2))).toThrow("has no shape yet");
  });
});

describe("spectralNorm by a hook", () => {
  // torch.manual_seed(0); s = spectral_norm(nn.Conv2d(2, 3, 3)); s(torch.ones(1, 2, 4, 4)).pow(2).sum()
  test("gives PyTorch's values, in training and after removal", () => {
    manualSeed(0);
    const m = nn.utils.spectralNorm(new nn.Conv2d(2, 3, 3));
    expect(keysOf(m)).toEqual(["bias", "weight_orig", "weight_u", "weight_v"]);
    const x = ones([1, 2, 4, 4]);
    const y = m(x).pow(2).sum();
    y.backward();
    expect(y.item()).toBeCloseTo(7.5942792892456055, 5);
    const u = m.getBuffer("weight_u").toArray() as number[];
    [0.6814078688621521, -0.7138850688934326, -0.16140463948249817].forEach((v, i) => {
      expect(u[i]).toBeCloseTo(v, 6);
    });
    const g = m.getParameter("weight_orig").grad?.sum([1, 2, 3]).toArray() as number[];
    [-107.31487274169922, -255.11483764648438, 150.23892211914062].forEach((v, i) => {
      expect(g[i]).toBeCloseTo(v, 3);
    });
    nn.utils.removeSpectralNorm(m);
    expect(keysOf(m)).toEqual(["bias", "weight"]);
    expect(m(x).pow(2).sum().item()).toBeCloseTo(7.5942792892456055, 5);
  });

  test("finds the largest singular value, and rests in evaluation", () => {
    const m = nn.utils.spectralNorm(new nn.ConvTranspose1d(3, 4, 2).double(), { nPowerIterations: 200 });
    expect(m.getBuffer("weight_u").shape).toEqual([4]);
    m(ones([1, 3, 5], f64));
    const matrix = m.weight.detach().permute([1, 0, 2]).reshape([4, 6]);
    expect(matrix.matmul(matrix.t()).matrixPower(60).trace().item()).toBeCloseTo(1, 6);
    m.eval();
    const u = m.getBuffer("weight_u").toArray();
    m(ones([1, 3, 5], f64));
    expect(m.getBuffer("weight_u").toArray()).toEqual(u);
  });

  test("two forwards may come before a backward, and state goes round", () => {
    const m = nn.utils.spectralNorm(new nn.Linear(3, 3));
    const loss = m(randn([2, 3]))
      .sum()
      .sub(m(randn([2, 3])).sum());
    loss.backward();
    const other = nn.utils.spectralNorm(new nn.Linear(3, 3)).eval();
    other.loadStateDict(m.stateDict());
    const x = randn([2, 3]);
    m.eval();
    expect(other(x).toArray()).toEqual(m(x).toArray());
  });

  test("loads state dicts of before there was a v", () => {
    const m = nn.utils.spectralNorm(new nn.Linear(3, 2).double(), { nPowerIterations: 50 });
    m(ones([1, 3], f64));
    const { weight_v: v, ...state } = m.stateDict();
    state.weight = m.weight.detach();
    const other = nn.utils.spectralNorm(new nn.Linear(3, 2).double());
    other.loadStateDict(state);
    expect(other.getBuffer("weight_v").allclose(v as Tensor)).toBe(true);
  });

  test("refuses bad options", () => {
    expect(() => nn.utils.spectralNorm(new nn.Linear(2, 2), "weight", { nPowerIterations: 0 })).toThrow(
      "[spectralNorm] nPowerIterations must be a whole number > 0, got 0",
    );
    const m = nn.utils.spectralNorm(new nn.Linear(2, 2));
    expect(() => nn.utils.spectralNorm(m)).toThrow("normalised already");
    expect(() => nn.utils.removeSpectralNorm(new nn.Linear(2, 2))).toThrow("no spectral normalisation");
  });
});
