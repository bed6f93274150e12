/** Adafactor and Muon: passes of kernels against the formulas in ordinary ops, at sizes where work is cut. */
import { getNumThreads, manualSeed, optim, randn, setNumThreads, type Tensor } from "kindling";
import { assertClose } from "kindling/testing";
import { describe, expect, test } from "vitest";

type Kind = "Adafactor" | "Muon";
type DType = "float32" | "float64";

/** Three steps from a seed; `formula` takes the kernels away. */
function steps(kind: Kind, shape: readonly number[], dtype: DType, options: object, formula = false): Tensor {
  manualSeed(7);
  const param = randn([...shape], { dtype }).requiresGrad_();
  const optimizer = new optim[kind]([param], { lr: 0.1, ...options });
  if (formula) Object.assign(optimizer, { fused: undefined });
  for (let i = 0; i < 3; i++) {
    param.grad = randn([...shape], { dtype });
    optimizer.step();
  }
  return param.detach();
}

// Vectors and matrices below and above a piece, many small matrices, rows that end in a part of a vector.
const SHAPES: Record<Kind, number[][]> = {
  Adafactor: [
    [],
    [1],
    [5],
    [40_001],
    [3, 5],
    [1, 7],
    [9, 1],
    [300, 401],
    [9000, 3],
    [64, 48, 3, 3],
    [3, 200, 151],
  ],
  Muon: [
    [3, 5],
    [1, 7],
    [40, 24],
    [130, 257],
  ],
};
const OPTIONS: Record<Kind, object[]> = {
  Adafactor: [{}, { weightDecay: 0.1, maximize: true, d: 1.5, eps: [1e-3, 0.2] }],
  Muon: [{}, { nesterov: false, adjustLrFn: "match_rms_adamw", weightDecay: 0 }],
};

describe.each(["Adafactor", "Muon"] as const)("%s", (kind) => {
  for (const shape of SHAPES[kind]) {
    for (const options of OPTIONS[kind]) {
      test(`kernels and formula agree on [${shape}] ${JSON.stringify(options)}`, () => {
        // Newton-Schulz iterations magnify what is lost in the first products.
        const rtol = kind === "Muon" ? 1e-10 : 1e-12;
        const fused = steps(kind, shape, "float64", options);
        assertClose(fused, steps(kind, shape, "float64", options, true), { rtol, atol: rtol });
        const single = steps(kind, shape, "float32", options);
        assertClose(single.to("float64"), steps(kind, shape, "float32", options, true).to("float64"), {
          rtol: 1e-4,
          atol: kind === "Muon" ? 1e-4 : 1e-5,
        });
      });
    }
    test(`same bits for every number of threads on [${shape}]`, () => {
      const before = getNumThreads();
      try {
        const results = [1, 2, 3].map((threads) => {
          setNumThreads(threads);
          return steps(kind, shape, "float32", {}).toArray();
        });
        expect(results[1]).toEqual(results[0]);
        expect(results[2]).toEqual(results[0]);
      } finally {
        setNumThreads(before);
      }
    });
  }

  test("a parameter that is not contiguous is stepped as its copy", () => {
    manualSeed(3);
    const base = randn([24, 40], { dtype: "float64" });
    const start = base.t().toArray();
    const grad = randn([40, 24], { dtype: "float64" });
    const results = [base.t(), base.t().contiguous()].map((x) => {
      const param = x.detach().requiresGrad_();
      param.grad = grad;
      new optim[kind]([param], { lr: 0.1 }).step();
      return param.detach().clone();
    });
    expect((results[0] as Tensor).toArray()).toEqual((results[1] as Tensor).toArray());
    expect((results[0] as Tensor).toArray()).not.toEqual(start);
  });
});
