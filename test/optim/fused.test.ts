/** Steps over many parameters at once: the same bits as with an optimizer for each of them. */
import {
  getNumThreads,
  manualSeed,
  memory,
  ones,
  optim,
  randn,
  setMemoryLimit,
  setNumThreads,
  type Tensor,
  tensor,
} from "kindling";
import { afterEach, describe, expect, test } from "vitest";
import { make, values } from "./problem.js";

const OPTIMIZERS: Record<string, Record<string, unknown>[]> = {
  SGD: [{}, { momentum: 0.9, dampening: 0.5, weightDecay: 0.01 }],
  Adam: [{}, { amsgrad: true, maximize: true, weightDecay: 0.01 }],
  AdamW: [{}],
  Adamax: [{}],
  NAdam: [{}, { weightDecay: 0.01, decoupledWeightDecay: true }],
  RAdam: [{}],
  Adagrad: [{ lrDecay: 0.1 }],
  Adadelta: [{}],
  RMSprop: [{}, { centered: true, momentum: 0.5 }],
  Rprop: [{}],
  ASGD: [{}, { t0: 1, lambd: 0.1 }],
  Adafactor: [{}, { weightDecay: 0.1, maximize: true, d: 1.5, eps: [1e-3, 0.2] }],
};
const CASES = Object.entries(OPTIMIZERS).flatMap(([name, all]) =>
  all.map((options) => [name, options] as const),
);

/** Parameters of many kinds: small and large, of both dtypes, empty, and not contiguous. */
function parameters(): Tensor[] {
  manualSeed(11);
  const small = Array.from({ length: 300 }, (_, i) =>
    randn([i % 7, 1 + (i % 5)], { dtype: i % 50 === 3 ? "float64" : "float32" }),
  );
  const turned = [randn([40, 30]).t(), randn([200, 300]).t()];
  return [...small, randn([70_001]), ...turned, randn([]), randn([50_000], { dtype: "float64" })].map((t) =>
    t.requiresGrad_(),
  );
}

/** Some gradients are absent, some are not contiguous. */
function gradients(params: readonly Tensor[], step: number): (Tensor | null)[] {
  manualSeed(100 + step);
  return params.map((p, i) => {
    const [dtype, turned] = [p.dtype, p.ndim === 2 && i % 3 === 0];
    const grad = turned
      ? randn([p.shape[1] ?? 1, p.shape[0] ?? 1], { dtype }).t()
      : randn([...p.shape], { dtype });
    return (i + step) % 11 === 0 ? null : grad;
  });
}

/** Three steps, by one optimizer for all parameters or by one for each. */
function trained(
  name: string,
  options: Record<string, unknown>,
  groups: (params: Tensor[]) => Tensor[][],
): Buffer {
  const params = parameters();
  const optimizers = groups(params).map((group) => make(name, group, options));
  for (let step = 0; step < 3; step++) {
    const grads = gradients(params, step);
    params.forEach((p, i) => {
      p.grad = grads[i] ?? null;
    });
    for (const optimizer of optimizers) optimizer.step();
  }
  return Buffer.concat(params.map((p) => Buffer.from(p.detach().toTypedArray().buffer)));
}

const together = (params: Tensor[]) => [params];
const apart = (params: Tensor[]) => params.map((p) => [p]);

const THREADS = getNumThreads();
afterEach(() => setNumThreads(THREADS));

describe("many parameters of all kinds: the bits of an optimizer for each", () => {
  test.each(CASES)("%s %o", (name, options) => {
    setNumThreads(1);
    const expected = trained(name, options, apart);
    for (const threads of [1, 2, 3]) {
      setNumThreads(threads);
      expect(trained(name, options, together).equals(expected)).toBe(true);
    }
  });
});

test.each([{}, { nesterov: false, weightDecay: 0, adjustLrFn: "match_rms_adamw" }])(
  "Muon %o: matrices of one shape in batches have the bits of an optimizer for each",
  (options) => {
    const matrices = () => {
      manualSeed(13);
      const turned = [randn([12, 9]).t(), randn([9, 12]).t()];
      const shapes = [
        ...Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? [9, 12] : [12, 9])),
        [0, 3],
        [130, 90],
      ];
      const all = [
        ...shapes.map((s, i) => randn(s, { dtype: i % 5 === 4 ? "float64" : "float32" })),
        ...turned,
      ];
      return all.map((t) => t.requiresGrad_());
    };
    const run = (groups: (params: Tensor[]) => Tensor[][]): Buffer => {
      const params = matrices();
      const optimizers = groups(params).map((group) => make("Muon", group, { lr: 0.1, ...options }));
      for (let step = 0; step < 3; step++) {
        const grads = gradients(params, step);
        params.forEach((p, i) => {
          p.grad = grads[i] ?? null;
        });
        for (const optimizer of optimizers) optimizer.step();
      }
      return Buffer.concat(params.map((p) => Buffer.from(p.detach().contiguous().toTypedArray().buffer)));
    };
    setNumThreads(1);
    const expected = run(apart);
    for (const threads of [1, 2, 3]) {
      setNumThreads(threads);
      expect(run(together).equals(expected)).toBe(true);
    }
  },
);

test("parameters and state that the heap has moved out come back, also within a step", () => {
  const { limit } = memory();
  const run = (bytes: number): unknown[] => {
    setMemoryLimit(bytes);
    manualSeed(5);
    const params = Array.from({ length: 24 }, () => randn([300_000], { requiresGrad: true }));
    const optimizer = new optim.Adam(params, { lr: 0.1 });
    for (let step = 0; step < 2; step++) {
      for (const p of params) p.grad = randn([300_000]);
      optimizer.step();
    }
    return params.map((p) => [p.detach().sum().item(), p.detach().select(0, 299_999).item()]);
  };
  try {
    const expected = run(1024 ** 3);
    const before = memory().evictions;
    expect(run(4 * 1024 ** 2)).toEqual(expected);
    expect(memory().evictions).toBeGreaterThan(before);
  } finally {
    setMemoryLimit(limit);
  }
});

test("a state array that is not contiguous is changed where it lies", () => {
  const run = (turned: boolean): unknown[] => {
    manualSeed(2);
    const p = randn([4, 6], { requiresGrad: true });
    const optimizer = new optim.Adam([p], { lr: 0.1 });
    for (let step = 0; step < 3; step++) {
      p.grad = randn([4, 6]);
      optimizer.step();
      const state = optimizer.state.get(p) as optim.AdamState;
      if (turned && step === 0) state.expAvg = state.expAvg.t().contiguous().t();
    }
    return [p.toArray(), optimizer.state.get(p)?.expAvg.toArray()];
  };
  expect(run(true)).toEqual(run(false));
});

test("nothing is changed when the state of one parameter does not fit", () => {
  const params = Array.from({ length: 3 }, () => ones([2], { requiresGrad: true }));
  for (const p of params) p.grad = ones([2]);
  const optimizer = new optim.Adam(params, { lr: 0.5 });
  optimizer.step();
  const states = params.map(
    (p) => optimizer.state.get(p) as NonNullable<ReturnType<typeof optimizer.state.get>>,
  );
  const before = values(params);
  const state = states[1] as (typeof states)[0];
  const { expAvg } = state;
  state.expAvg = ones([3]);
  expect(() => optimizer.step()).toThrow(
    "[adam] the expAvg of a parameter is float32[3], expected float32[2]",
  );
  expect(values(params)).toEqual(before);
  expect(states.map((s) => s.step)).toEqual([1, 1, 1]);
  state.expAvg = expAvg;
  optimizer.step();
  expect(states.map((s) => s.step)).toEqual([2, 2, 2]);
});

test("a state of Adafactor that does not fit is refused before anything changes", () => {
  const params = [ones([2, 3], { requiresGrad: true }), ones([4], { requiresGrad: true })];
  for (const p of params) p.grad = ones([...p.shape]);
  const optimizer = new optim.Adafactor(params);
  optimizer.step();
  const before = values(params);
  const [first, second] = params.map((p) => optimizer.state.get(p) as optim.AdafactorState);
  (second as optim.AdafactorState).variance = ones([5]);
  expect(() => optimizer.step()).toThrow(
    "[adafactor] the variance of a parameter is float32[5], expected float32[4]",
  );
  expect(values(params)).toEqual(before);
  expect([first?.step, second?.step]).toEqual([1, 1]);
});

test("reading a rate that is a tensor lets no parameter go before it is updated", () => {
  const params = Array.from({ length: 40 }, () => ones([5000], { requiresGrad: true }));
  for (const p of params) p.grad = ones([5000]);
  const optimizer = new optim.SGD(params, { lr: tensor(0.5, { dtype: "float64" }) });
  const { limit } = memory();
  try {
    setMemoryLimit(0);
    optimizer.step();
  } finally {
    setMemoryLimit(limit);
  }
  for (const p of params) expect(p.detach().sum().item()).toBe(2500);
});
