/** What holds for every optimizer, whatever the parameters and gradients. */
import fc from "fast-check";
import { type optim, setNumThreads, type Tensor, tensor, zeros } from "kindling";
import { afterEach, describe, expect, test } from "vitest";
import { make, values } from "./problem.js";

/** Option sets of each optimizer; the second list has no decay of any kind. */
const ALL: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  SGD: [
    {},
    { momentum: 0.9 },
    { momentum: 0.8, nesterov: true, weightDecay: 0.1 },
    { momentum: 0.5, dampening: 0.3 },
  ],
  Adam: [{}, { amsgrad: true, weightDecay: 0.1 }, { decoupledWeightDecay: true, weightDecay: 0.1 }],
  AdamW: [{}, { amsgrad: true }],
  Adamax: [{}, { weightDecay: 0.1 }],
  NAdam: [{}, { weightDecay: 0.1, decoupledWeightDecay: true }],
  RAdam: [{}, { betas: [0.5, 0.6], weightDecay: 0.1 }],
  Adagrad: [{}, { lrDecay: 0.1, initialAccumulatorValue: 0.5, weightDecay: 0.1 }],
  Adadelta: [{}, { weightDecay: 0.1 }],
  RMSprop: [{}, { centered: true }, { momentum: 0.9, weightDecay: 0.1 }],
  Rprop: [{}],
  ASGD: [{}, { t0: 0, weightDecay: 0.1 }],
  Adafactor: [{}, { weightDecay: 0.1 }],
  Muon: [{}, { nesterov: false }],
};
const EACH = Object.entries(ALL).flatMap(([name, sets]) => sets.map((options) => ({ name, options })));
/** Options under which no weight moves by itself. */
const STILL = { ASGD: { lambd: 0 }, AdamW: { weightDecay: 0 }, Muon: { weightDecay: 0 } } as Record<
  string,
  object
>;

interface Scene {
  dtype: "float32" | "float64";
  shapes: number[][];
  weights: number[][];
  /** By step and parameter; null for a parameter without a gradient. */
  grads: (number[] | null)[][];
}

// float32 values without -0, which some formulas turn into 0, here as in PyTorch.
const number = fc.double({ min: -2, max: 2, noNaN: true }).map((v) => Math.fround(v) + 0);
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function scenes(name: string, missing = true): fc.Arbitrary<Scene> {
  const matrix = fc.constantFrom<number[]>([2, 3], [3, 2], [1, 4], [5, 5]);
  const shape =
    name === "Muon"
      ? matrix
      : fc.oneof(matrix, fc.constantFrom<number[]>([], [0], [3], [7], [2, 2, 3], [0, 3]));
  return fc
    .record({
      dtype: fc.constantFrom("float32" as const, "float64" as const),
      shapes: fc.array(shape, { minLength: 1, maxLength: 4 }),
    })
    .chain(({ dtype, shapes }) => {
      const flat = shapes.map((s) => fc.array(number, { minLength: size(s), maxLength: size(s) }));
      const step = fc.tuple(...flat.map((f) => (missing ? fc.option(f, { freq: 4 }) : f)));
      const grads = fc.array(step, { minLength: 1, maxLength: 4 });
      return fc.record({
        dtype: fc.constant(dtype),
        shapes: fc.constant(shapes),
        weights: fc.tuple(...flat),
        grads,
      });
    });
}

const filled = (data: readonly number[], shape: number[], dtype: Scene["dtype"]): Tensor =>
  tensor(data as number[], { dtype }).reshape(shape);

function paramsOf(s: Scene): Tensor[] {
  return s.shapes.map((shape, i) => filled(s.weights[i] as number[], shape, s.dtype).requiresGrad_());
}

function run(
  optimizer: optim.Optimizer,
  params: readonly Tensor[],
  s: Scene,
  from = 0,
  to = s.grads.length,
): void {
  for (const grads of s.grads.slice(from, to)) {
    grads.forEach((g, i) => {
      (params[i] as Tensor).grad = g === null ? null : filled(g, s.shapes[i] as number[], s.dtype);
    });
    optimizer.step();
  }
}

const check = (arbitrary: fc.Arbitrary<Scene>, property: (s: Scene) => void, numRuns = 25): void =>
  fc.assert(fc.property(arbitrary, property), { numRuns });

describe.each(EACH)("$name $options", ({ name, options }) => {
  const build = (params: Tensor[], more: object = {}) => make(name, params, { ...options, ...more });

  test("a step with zero gradients and no decay changes nothing", () => {
    check(scenes(name), (s) => {
      const params = paramsOf(s);
      const optimizer = build(params, {
        ...STILL[name],
        ...("weightDecay" in options ? { weightDecay: 0 } : {}),
      });
      const before = values(params);
      run(optimizer, params, {
        ...s,
        grads: s.grads.map((step) => step.map((g) => g?.map(() => 0) ?? null)),
      });
      expect(values(params)).toEqual(before);
    });
  });

  test("parameters without gradients are left alone and have no state", () => {
    check(scenes(name), (s) => {
      const params = paramsOf(s);
      const optimizer = build(params);
      const before = values(params);
      run(optimizer, params, s);
      params.forEach((p, i) => {
        const met = s.grads.some((step) => step[i] !== null);
        expect(optimizer.state.has(p)).toBe(met);
        if (!met) expect(values([p])[0]).toEqual(before[i]);
      });
    });
  });

  test("the order of parameters does not matter", () => {
    check(scenes(name), (s) => {
      const params = paramsOf(s);
      run(build(params), params, s);
      const again = paramsOf(s);
      run(build([...again].reverse()), again, s);
      expect(values(again)).toEqual(values(params));
    });
  });

  test("one group for each parameter is as one group", () => {
    check(scenes(name), (s) => {
      const params = paramsOf(s);
      run(build(params), params, s);
      const again = paramsOf(s);
      const groups = again.map((p) => ({ params: [p], ...options }));
      run(make(name, groups as unknown as Tensor[], {}), again, s);
      expect(values(again)).toEqual(values(params));
    });
  });

  test("save, load and continue is continue, to the bit", () => {
    check(scenes(name), (s) => {
      const half = s.grads.length >> 1;
      const params = paramsOf(s);
      const optimizer = build(params);
      run(optimizer, params, s, 0, half);
      const saved = optimizer.stateDict();
      const copies = values(params);
      const again = s.shapes.map((shape, i) => filled(copies[i] as number[], shape, s.dtype).requiresGrad_());
      const other = make(name, again, {});
      other.loadStateDict(saved);
      run(optimizer, params, s, half);
      run(other, again, s, half);
      expect(values(again)).toEqual(values(params));
    });
  });

  // Muon has no such option, in PyTorch neither.
  test.skipIf(name === "Muon")("maximize is minimize with the gradients negated", () => {
    check(scenes(name), (s) => {
      const up = paramsOf(s);
      run(build(up, { maximize: true }), up, s);
      const down = paramsOf(s);
      const negated = s.grads.map((step) => step.map((g) => g?.map((v) => -v) ?? null));
      run(build(down), down, { ...s, grads: negated });
      expect(values(up)).toEqual(values(down));
    });
  });

  test("transposed parameters and gradients are as straight ones", () => {
    check(scenes(name, false), (s) => {
      const params = paramsOf(s);
      run(build(params), params, s);
      const last = (t: Tensor) => (t.ndim < 2 ? t : t.transpose(-1, -2).clone().transpose(-1, -2));
      const turned = paramsOf(s).map((p) => last(p.detach()).requiresGrad_());
      const optimizer = build(turned);
      for (const grads of s.grads) {
        grads.forEach((g, i) => {
          (turned[i] as Tensor).grad = last(filled(g as number[], s.shapes[i] as number[], s.dtype));
        });
        optimizer.step();
      }
      const [a, b] = [values(turned), values(params)];
      // Reductions over turned matrices add in another order.
      if (name !== "Muon" && name !== "Adafactor") expect(a).toEqual(b);
      else {
        a.flat().forEach((v, i) => {
          expect(v).toBeCloseTo(b.flat()[i] as number, 4);
        });
      }
    });
  });
});

describe("large steps", () => {
  const names = Object.keys(ALL).filter((name) => name !== "Muon" && name !== "Adafactor");
  afterEach(() => setNumThreads(2));

  function large(name: string, counts: readonly number[], threads: number): number[] {
    setNumThreads(threads);
    const total = counts.reduce((a, b) => a + b, 0);
    const at = (i: number, k: number) => Math.sin(i * 0.37 + k);
    const whole = (k: number) =>
      tensor(
        Array.from({ length: total }, (_, i) => at(i, k)),
        { dtype: "float32" },
      );
    const params = whole(0)
      .splitWithSizes([...counts])
      .map((t) => t.clone().requiresGrad_());
    const optimizer = make(name, params, ALL[name]?.at(-1) ?? {});
    for (let step = 1; step <= 2; step++) {
      const grads = whole(step).splitWithSizes([...counts]);
      params.forEach((p, i) => {
        p.grad = (grads[i] as Tensor).clone();
      });
      optimizer.step();
    }
    return values(params).flat();
  }

  test.each(names)("%s: same bits in one tensor, in many, with one thread and with two", (name) => {
    const one = large(name, [200_003], 2);
    expect(large(name, [200_003], 1)).toEqual(one);
    const many = [1, 0, 99_999, ...Array.from({ length: 1000 }, () => 100), 3];
    expect(large(name, many, 2)).toEqual(one);
    expect(large(name, many, 1)).toEqual(one);
  });
});

describe("invalid options are refused with name, value and range", () => {
  const w = () => [zeros([2, 2], { requiresGrad: true })];
  test.each([
    ["SGD", { lr: -1 }, "[SGD] invalid lr: got -1, expected >= 0"],
    ["SGD", { lr: Number.NaN }, "[SGD] invalid lr: got NaN, expected >= 0"],
    ["SGD", { momentum: -0.5 }, "[SGD] invalid momentum: got -0.5, expected >= 0"],
    [
      "SGD",
      { nesterov: true },
      "[SGD] nesterov: got momentum 0 and dampening 0, expected momentum > 0 and dampening 0",
    ],
    ["Adam", { betas: [1, 0.9] }, "[Adam] invalid betas[0]: got 1, expected from 0 up to but not 1"],
    ["Adam", { betas: [0.9, -1] }, "[Adam] invalid betas[1]: got -1, expected from 0 up to but not 1"],
    ["AdamW", { weightDecay: -1 }, "[AdamW] invalid weightDecay: got -1, expected >= 0"],
    ["Adamax", { eps: -1 }, "[Adamax] invalid eps: got -1, expected >= 0"],
    ["NAdam", { momentumDecay: -1 }, "[NAdam] invalid momentumDecay: got -1, expected >= 0"],
    ["RAdam", { betas: [0.9] }, "[RAdam] invalid betas: got 0.9, expected two numbers"],
    ["Adagrad", { lrDecay: -1 }, "[Adagrad] invalid lrDecay: got -1, expected >= 0"],
    ["Adadelta", { rho: 1.5 }, "[Adadelta] invalid rho: got 1.5, expected from 0 to 1"],
    ["RMSprop", { alpha: -1 }, "[RMSprop] invalid alpha: got -1, expected >= 0"],
    [
      "Rprop",
      { etas: [1.5, 1.2] },
      "[Rprop] invalid etas: got 1.5 and 1.2, expected 0 < etas[0] < 1 < etas[1]",
    ],
    [
      "Rprop",
      { stepSizes: [2, 1] },
      "[Rprop] invalid stepSizes: got 2 and 1, expected the smaller one first",
    ],
    ["Rprop", { etas: 2 }, "[Rprop] invalid etas: got 2, expected two numbers"],
    ["ASGD", { weightDecay: -1 }, "[ASGD] invalid weightDecay: got -1, expected >= 0"],
    ["LBFGS", { historySize: 0 }, "[LBFGS] invalid historySize: got 0, expected >= 1"],
    [
      "LBFGS",
      { lineSearchFn: "armijo" },
      '[LBFGS] invalid lineSearchFn: got armijo, expected "strong_wolfe" or null',
    ],
    ["Adafactor", { beta2Decay: 1 }, "[Adafactor] invalid beta2Decay: got 1, expected <= 0"],
    ["Adafactor", { d: 0.5 }, "[Adafactor] invalid d: got 0.5, expected >= 1"],
    ["Muon", { nsSteps: 100 }, "[Muon] invalid nsSteps: got 100, expected from 0 up to but not 100"],
    [
      "Muon",
      { adjustLrFn: "x" },
      '[Muon] invalid adjustLrFn: got x, expected "original", "match_rms_adamw" or null',
    ],
    ["SGD", { learningRate: 1 }, '[SGD] unknown option "learningRate": expected one of lr, momentum'],
  ])("%s %o", (name, options, message) => {
    expect(() => make(name, w(), options)).toThrow(message);
    if (name === "LBFGS" || "learningRate" in options) return;
    const optimizer = make(name, w(), {});
    expect(() =>
      optimizer.addParamGroup({ params: w(), ...options } as optim.ParamGroupInput<optim.RateOptions>),
    ).toThrow(message);
    expect(optimizer.paramGroups).toHaveLength(1);
  });
});
