/** Derivatives of every normalization: numerically to the second order, against the composed twin to the fourth. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { autograd, nn, type Tensor, tensor } from "../../../src/index.js";
import { batchNorm, batchNormComposed } from "../../../src/ops/batchNorm.js";
import {
  groupNorm,
  groupNormComposed,
  instanceNorm,
  instanceNormComposed,
} from "../../../src/ops/groupNorm.js";
import { layerNorm, layerNormComposed, rmsNorm, rmsNormComposed } from "../../../src/ops/layerNorm.js";
import { gradcheck, gradgradcheck } from "../../../src/testing/index.js";
import { errorOf, noise, numbers } from "./reference.js";

const f64 = (shape: readonly number[], seed: number, requiresGrad = true) =>
  tensor(
    noise(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    { dtype: "float64" },
  )
    .reshape(shape)
    .detach()
    .requiresGrad_(requiresGrad);

type Norm = (x: Tensor, weight: Tensor | null, bias: Tensor | null) => Tensor;

interface Case {
  readonly shape: readonly number[];
  /** Shape of weight and bias. */
  readonly parameters: readonly number[];
  readonly hasBias?: boolean;
  readonly fused: Norm;
  readonly composed: Norm;
}

function batchCases(): Record<string, Case> {
  const cases: Record<string, Case> = {};
  for (const shape of [
    [5, 3],
    [70, 2],
    [3, 2, 5],
    [2, 3, 2, 3],
    [2, 2, 2, 1, 3],
  ]) {
    for (const training of [true, false]) {
      const C = shape[1] as number;
      const mean = f64([C], 5, false);
      const variance = f64([C], 6, false).square().add(0.5);
      const options = (weight: Tensor | null, bias: Tensor | null) => ({ weight, bias, training });
      cases[`batchNorm [${shape}], ${training ? "batch" : "running"} statistics`] = {
        shape,
        parameters: [C],
        fused: (x, w, b) => batchNorm(x, mean.clone(), variance.clone(), options(w, b)),
        composed: (x, w, b) => batchNormComposed(x, mean, variance, options(w, b)),
      };
    }
  }
  return cases;
}

const cases: Record<string, Case> = {
  ...batchCases(),
  "layerNorm over the last dimension": {
    shape: [3, 2, 5],
    parameters: [5],
    fused: (x, weight, bias) => layerNorm(x, [5], { weight, bias }),
    composed: (x, weight, bias) => layerNormComposed(x, [5], { weight, bias }),
  },
  "layerNorm over two dimensions": {
    shape: [2, 3, 5],
    parameters: [3, 5],
    fused: (x, weight, bias) => layerNorm(x, [3, 5], { weight, bias }),
    composed: (x, weight, bias) => layerNormComposed(x, [3, 5], { weight, bias }),
  },
  "layerNorm of long rows": {
    shape: [9, 67],
    parameters: [67],
    fused: (x, weight, bias) => layerNorm(x, [67], { weight, bias }),
    composed: (x, weight, bias) => layerNormComposed(x, [67], { weight, bias }),
  },
  rmsNorm: {
    shape: [3, 2, 5],
    parameters: [5],
    hasBias: false,
    fused: (x, weight) => rmsNorm(x, [5], { weight }),
    composed: (x, weight) => rmsNormComposed(x, [5], { weight }),
  },
  "groupNorm of 3 groups": {
    shape: [2, 6, 3],
    parameters: [6],
    fused: (x, weight, bias) => groupNorm(x, 3, { weight, bias }),
    composed: (x, weight, bias) => groupNormComposed(x, 3, { weight, bias }),
  },
  "groupNorm of 1 group, no positions": {
    shape: [3, 4],
    parameters: [4],
    fused: (x, weight, bias) => groupNorm(x, 1, { weight, bias }),
    composed: (x, weight, bias) => groupNormComposed(x, 1, { weight, bias }),
  },
  instanceNorm: {
    shape: [2, 3, 2, 3],
    parameters: [3],
    fused: (x, weight, bias) => instanceNorm(x, { weight, bias }),
    composed: (x, weight, bias) => instanceNormComposed(x, { weight, bias }),
  },
};

/** Which of weight and bias exist. */
const affine = {
  "weight and bias": [true, true],
  "weight alone": [true, false],
  "bias alone": [false, true],
  neither: [false, false],
} as const;

/** Inputs of a case, and fused and composed form as functions of them. */
function prepare(c: Case, [weight, bias]: readonly [boolean, boolean]) {
  const inputs = [f64(c.shape, 1)];
  if (weight) inputs.push(f64(c.parameters, 2));
  if (bias) inputs.push(f64(c.parameters, 3));
  const call =
    (norm: Norm) =>
    (x: Tensor, ...rest: Tensor[]) =>
      norm(x, weight ? (rest[0] as Tensor) : null, bias ? (rest.at(-1) as Tensor) : null);
  return { inputs, fused: call(c.fused), composed: call(c.composed) };
}

/** Gradients of all inputs, order after order: each order differentiates a function of all those before. */
function orders(f: (...inputs: Tensor[]) => Tensor, inputs: Tensor[], count: number): Tensor[][] {
  let values = [f(...inputs)];
  return Array.from({ length: count }, (_, order) => {
    const parts = values.map((v, i) => {
      // Within [-1, 1] the sine does not amplify rounding.
      const unit = 1 / Math.max(1, ...numbers(v).map(Math.abs));
      return v
        .mul(2 ** Math.floor(Math.log2(unit)))
        .sin()
        .mul(f64(v.shape, 100 * order + i, false))
        .sum();
    });
    const total = parts.reduce((a, b) => a.add(b));
    values = autograd.grad(total, inputs, { createGraph: true, materializeGrads: true });
    return values;
  });
}

describe.each(Object.entries(cases))("%s", (_, c) => {
  for (const [name, has] of Object.entries(affine)) {
    if (has[1] && c.hasBias === false) continue;
    const { inputs, fused, composed } = prepare(c, has);
    test(`${name}: first derivatives`, () => {
      gradcheck(fused, inputs);
    });
    test(`${name}: second derivatives`, () => {
      gradgradcheck(fused, inputs);
    });
    test(`${name}: orders one to four equal those of the composed form, to 1e-10`, () => {
      const expected = orders(composed, inputs, 4);
      orders(fused, inputs, 4).forEach((gradients, order) => {
        gradients.forEach((g, i) => {
          const reference = (expected[order] as Tensor[])[i] as Tensor;
          // A gradient that is 0 in exact arithmetic has no digits of its own: measured against 1 too.
          const scale = Math.max(1, ...numbers(reference).map(Math.abs));
          expect(g.sub(reference).abs().max().item() / scale, `order ${order + 1}, input ${i}`).toBeLessThan(
            1e-10,
          );
        });
      });
    });
  }
});

describe("a layer's whole derivative", () => {
  const layers: Record<string, [nn.Module<[Tensor], Tensor>, number[]]> = {
    BatchNorm1d: [new nn.BatchNorm1d(3, { dtype: "float64" }), [4, 3]],
    BatchNorm2d: [new nn.BatchNorm2d(2, { dtype: "float64" }), [2, 2, 2, 2]],
    BatchNorm3d: [new nn.BatchNorm3d(2, { dtype: "float64" }), [2, 2, 1, 2, 2]],
    "BatchNorm1d in eval mode": [new nn.BatchNorm1d(3, { dtype: "float64" }).eval(), [4, 3]],
    LocalResponseNorm: [new nn.LocalResponseNorm(3, { alpha: 0.5 }), [2, 5, 3]],
    "LocalResponseNorm of even size": [new nn.LocalResponseNorm(4, { alpha: 0.5 }), [2, 5, 2, 2]],
  };
  test.each(Object.entries(layers))("%s", (name, [layer, shape]) => {
    const inputs = [f64(shape, 1), ...layer.parameters()];
    gradcheck((x) => layer(x as Tensor), inputs, { name });
    gradgradcheck((x) => layer(x as Tensor), inputs, undefined, { name });
  });
});

describe("third and fourth order beside PyTorch's", () => {
  // test/fixtures/batchNormOrders.py: PyTorch's fused batch norm and the same formula in its plain ops.
  const fixture = JSON.parse(
    readFileSync(new URL("../../fixtures/batchNormOrders.json", import.meta.url), "utf8"),
  ) as Record<"x" | "weight" | "bias", number[]> & Record<"cotangents" | "fused" | "composed", number[][]>;
  const read = (values: number[], shape: number[]) =>
    tensor(values, { dtype: "float64" }).reshape(shape).detach();

  const ours = () => {
    const x = read(fixture.x, [4, 2, 3]).requiresGrad_();
    const options = { weight: read(fixture.weight, [2]), bias: read(fixture.bias, [2]), training: true };
    let y = batchNorm(x, null, null, options);
    return fixture.cotangents.map((c) => {
      [y] = autograd.grad(
        y
          .sin()
          .mul(read(c, [4, 2, 3]))
          .sum(),
        [x],
        { createGraph: true },
      ) as [Tensor];
      return y;
    });
  };

  test.each([1, 2, 3, 4])("order %i is that of PyTorch's plain ops, to 1e-11", (order) => {
    expect(errorOf(ours()[order - 1] as Tensor, fixture.composed[order - 1] as number[])).toBeLessThan(1e-11);
  });

  test.each([1, 2])("order %i is that of PyTorch's fused batch norm, to 1e-11", (order) => {
    expect(errorOf(ours()[order - 1] as Tensor, fixture.fused[order - 1] as number[])).toBeLessThan(1e-11);
  });

  test.each([3, 4])(
    "order %i of PyTorch's fused batch norm is wrong by more than half, silently",
    (order) => {
      expect(errorOf(ours()[order - 1] as Tensor, fixture.fused[order - 1] as number[])).toBeGreaterThan(0.5);
    },
  );
});

test("gradients reach x, weight and bias one by one as they do together", () => {
  const [x, w, b] = [f64([4, 3, 2], 1), f64([3], 2), f64([3], 3)];
  const y = () => batchNorm(x, null, null, { weight: w, bias: b, training: true }).sin().sum();
  const together = autograd.grad(y(), [x, w, b]);
  for (const [i, leaf] of [x, w, b].entries()) {
    for (const t of [x, w, b]) t.requiresGrad_(t === leaf);
    expect(numbers(autograd.grad(y(), [leaf])[0] as Tensor)).toEqual(numbers(together[i] as Tensor));
  }
});

test.each(Object.entries(cases))("%s: orders one to four with hooks on saved tensors, to 1e-10", (_, c) => {
  const { inputs, fused } = prepare(c, [true, c.hasBias !== false]);
  const expected = orders(fused, inputs, 4);
  const copies = { pack: (t: Tensor) => t.clone(), unpack: (t: Tensor) => t };
  const got = autograd.graph.savedTensorsHooks(copies, () => orders(fused, inputs, 4));
  got.flat().forEach((g, i) => {
    const reference = expected.flat()[i] as Tensor;
    const scale = Math.max(1, ...numbers(reference).map(Math.abs));
    expect(g.sub(reference).abs().max().item() / scale).toBeLessThan(1e-10);
  });
});
