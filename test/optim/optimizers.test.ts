/** Every optimizer against PyTorch: 50 steps in float64, kernels and formulas, and its state halfway. */
import { type optim, type Tensor, tensor } from "kindling";
import { describe, expect, test } from "vitest";
import { distance, make, problem, recording, spelled, train, values } from "./problem.js";

interface SavedTensor {
  dtype: "float32" | "float64";
  shape: number[];
  data: number[];
}

interface Case {
  name: string;
  optimizer: string;
  options: Record<string, unknown>;
  losses: number[];
  middle: {
    weights: number[][];
    optimizer: { state: Record<string, Record<string, unknown>>; param_groups: Record<string, unknown>[] };
  };
  weights: number[][];
}

const cases = recording<Case[]>("optimizers.json.gz");
const HALF = 25;

function optionsOf(c: Case): Record<string, unknown> {
  const options = spelled(c.options);
  return c.name.endsWith("decoupled") ? { ...options, decoupledWeightDecay: true } : options;
}

/** Muon takes matrices only. */
function learned(c: Case, params: Tensor[]): Tensor[] {
  return c.optimizer === "Muon" ? params.slice(0, 1) : params;
}

/** PyTorch's state dict as it was recorded, with tensors. */
function stateDictOf(c: Case): optim.OptimizerStateDict {
  const revive = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(revive);
    if (typeof value !== "object" || value === null) return value;
    const t = value as SavedTensor;
    if (t.dtype !== undefined) return tensor(t.data, { dtype: t.dtype }).reshape(t.shape);
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, revive(v)]));
  };
  return revive(c.middle.optimizer) as optim.OptimizerStateDict;
}

function expectClose(params: Tensor[], weights: number[][], tolerance: number): void {
  values(params).forEach((v, i) => {
    expect(distance(v, weights[i] as number[])).toBeLessThan(tolerance);
  });
}

describe.each(cases)("$name", (c) => {
  // L-BFGS divides by products of small differences.
  const tolerance = c.optimizer === "LBFGS" ? 1e-10 : 1e-11;

  test("50 steps as in PyTorch", () => {
    const { params, loss } = problem();
    const optimizer = make(c.optimizer, learned(c, params), optionsOf(c));
    expect(distance(train(optimizer, loss, 50), c.losses)).toBeLessThan(tolerance);
    expectClose(params, c.weights, 1e-10);
  });

  test("the kernel and the formula agree", () => {
    const { params, loss } = problem();
    const optimizer = make(c.optimizer, learned(c, params), optionsOf(c));
    Object.assign(optimizer, { fused: undefined });
    expect(distance(train(optimizer, loss, 50), c.losses)).toBeLessThan(tolerance);
    expectClose(params, c.weights, 1e-10);
  });

  test("float32 stays near", () => {
    const { params, loss } = problem("float32");
    const optimizer = make(c.optimizer, learned(c, params), optionsOf(c));
    // Signs of gradients near zero decide whole steps in Rprop; L-BFGS ends early in float32.
    const steps = c.optimizer === "LBFGS" ? 3 : c.optimizer === "Rprop" ? 15 : 50;
    expect(distance(train(optimizer, loss, steps), c.losses.slice(0, steps))).toBeLessThan(2e-4);
    for (const p of params) expect(p.dtype).toBe("float32");
  });

  test("goes on from PyTorch's state dict", () => {
    const { params, loss } = problem();
    params.forEach((p, i) => {
      p.detach().copy_(tensor(c.middle.weights[i] as number[], { dtype: "float64" }).reshape([...p.shape]));
    });
    const optimizer = make(c.optimizer, learned(c, params), {});
    optimizer.loadStateDict(stateDictOf(c));
    // PyTorch 1.13 has no such option: its recording wrote the decay into the step.
    if (c.name.endsWith("decoupled")) Object.assign(optimizer.paramGroups[0] as object, optionsOf(c));
    expect(distance(train(optimizer, loss, 50 - HALF), c.losses.slice(HALF))).toBeLessThan(tolerance);
    expectClose(params, c.weights, 1e-10);
  });

  test("its state dict is PyTorch's", () => {
    const { params, loss } = problem();
    const optimizer = make(c.optimizer, learned(c, params), optionsOf(c));
    train(optimizer, loss, HALF);
    const ours = optimizer.stateDict();
    const theirs = stateDictOf(c);
    // Without momentum PyTorch 1.13 saves null buffers, later versions nothing.
    const filled = Object.entries(theirs.state).filter(([, s]) => Object.values(s).some((v) => v !== null));
    expect(Object.keys(ours.state)).toEqual(filled.map(([position]) => position));
    for (const [position, state] of filled) {
      const mine = ours.state[Number(position)] as optim.SavedState;
      const { al: _workspace, ...rest } = state;
      expect(Object.keys(mine).sort()).toEqual(Object.keys(rest).sort());
      for (const [key, value] of Object.entries(rest)) expectSame(mine[key], value);
    }
    const [group] = theirs.param_groups;
    for (const key of Object.keys(c.options)) {
      if (c.name.endsWith("decoupled") && key === "weight_decay") continue;
      expect(ours.param_groups[0]?.[key]).toEqual(group?.[key]);
    }
    expect(ours.param_groups[0]?.params).toEqual(group?.params);
  });
});

function expectSame(mine: unknown, theirs: unknown): void {
  if (Array.isArray(theirs)) {
    expect(mine).toHaveLength(theirs.length);
    theirs.forEach((t, i) => {
      expectSame((mine as unknown[])[i], t);
    });
    return;
  }
  const a = mine as Tensor | number;
  const b = theirs as Tensor | number;
  if (typeof a !== "number" && typeof b !== "number") {
    expect(a.dtype).toBe(b.dtype);
    expect(a.shape).toEqual(b.shape);
  }
  const flat = (x: Tensor | number) => (typeof x === "number" ? [x] : (values([x])[0] as number[]));
  expect(distance(flat(a), flat(b))).toBeLessThan(1e-8);
}
