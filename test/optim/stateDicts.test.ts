/** State dicts of optimizers that do not fit are refused whole. */
import { nn, optim, randn, type Tensor, tensor, zeros } from "kindling";
import { describe, expect, test } from "vitest";
import { make, problem, train, values } from "./problem.js";

const leaf = (data: number[], dtype: "float32" | "float64" = "float64"): Tensor =>
  tensor(data, { dtype, requiresGrad: true });

describe("state dicts that do not fit are refused whole", () => {
  function trained(name: string, options: Record<string, unknown> = {}) {
    const { params, loss } = problem();
    const optimizer = make(name, params, options);
    train(optimizer, loss, 2);
    return optimizer;
  }
  const refused = (name: string, dict: unknown, options: Record<string, unknown> = {}): string => {
    const optimizer = trained(name, options);
    const before = JSON.stringify([
      optimizer.toString(),
      values(
        [...optimizer.state.values()]
          .flatMap((s) => Object.values(s))
          .filter((v): v is Tensor => typeof v === "object" && v !== null && !Array.isArray(v)),
      ),
    ]);
    let message = "";
    try {
      optimizer.loadStateDict(dict as optim.OptimizerStateDict);
    } catch (error) {
      message = (error as Error).message;
    }
    const after = JSON.stringify([
      optimizer.toString(),
      values(
        [...optimizer.state.values()]
          .flatMap((s) => Object.values(s))
          .filter((v): v is Tensor => typeof v === "object" && v !== null && !Array.isArray(v)),
      ),
    ]);
    expect(after).toBe(before);
    return message;
  };

  test("of another optimizer", () => {
    const message = refused("Adam", trained("RMSprop").stateDict());
    expect(message).toContain("the state dict does not fit Adam, nothing was loaded");
    expect(message).toContain(
      "state of parameter 0: unexpected square_avg, expected step, exp_avg, exp_avg_sq, max_exp_avg_sq",
    );
    expect(message).toContain("state of parameter 2: exp_avg_sq is missing");
  });

  test("of other groups", () => {
    const other = new optim.Adam([leaf([1])]).stateDict();
    expect(refused("Adam", other)).toContain("got groups of [1] parameters, expected [3]");
    expect(refused("Adam", {})).toContain("got no state dict: expected { state, param_groups }");
  });

  test("of other shapes, with names", () => {
    const model = new nn.Linear(2, 3);
    const optimizer = new optim.Adam(model.namedParameters());
    model(randn([4, 2]))
      .sum()
      .backward();
    optimizer.step();
    const dict = optimizer.stateDict();
    const other = new optim.Adam(new nn.Linear(3, 3).namedParameters());
    expect(() => other.loadStateDict(dict)).toThrow(
      "state of parameter 0 (weight): exp_avg has shape [3, 2], expected [3, 3]",
    );
    expect(other.state.size).toBe(0);
  });

  test("with options of the wrong kind or out of range, or state of nobody", () => {
    const dict = trained("Adam").stateDict();
    const changed = (change: object) => ({ ...dict, param_groups: [{ ...dict.param_groups[0], ...change }] });
    expect(refused("Adam", changed({ lr: "fast" }))).toContain("group 0: lr is a string, expected a number");
    expect(refused("Adam", changed({ betas: [0.9, 1] }))).toContain("invalid betas[1]: got 1");
    expect(refused("Adam", { ...dict, state: { ...dict.state, 7: dict.state[0] } })).toContain(
      "state of parameter 7: no group has such a parameter",
    );
    expect(
      refused("LBFGS", { state: { 0: { d: zeros([3]), nope: 1 } }, param_groups: [{ params: [0, 1, 2] }] }),
    ).toMatch(/d: got shape \[3\], expected shape \[18\][\s\S]*unexpected nope/);
  });

  test("a loaded state is a copy in the parameter's dtype", () => {
    const p = leaf([1], "float32");
    p.grad = tensor([2], { dtype: "float32" });
    const optimizer = new optim.Adam([p], { lr: 0.5, amsgrad: true });
    optimizer.step();
    const wide = new optim.Adam([leaf([1])]);
    wide.loadStateDict(optimizer.stateDict());
    const [state] = wide.state.values();
    expect(state?.expAvg.dtype).toBe("float64");
    expect(state?.step).toBe(1);
    expect(wide.paramGroups[0]).toMatchObject({ lr: 0.5, amsgrad: true });
    optimizer.step();
    expect(state?.expAvg.toArray()).toEqual([Math.fround(0.2)]);
  });
});
