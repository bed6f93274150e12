/** Rates as tensors, and steps that are differentiated. */
import { autograd, manualSeed, optim, randn, type Tensor, tensor } from "kindling";
import { gradcheck } from "kindling/testing";
import { describe, expect, test } from "vitest";
import { leaf, make, withGrad } from "./problem.js";

describe("rates as tensors and steps that are differentiated", () => {
  test("a rate given as a tensor is read and written through the group", () => {
    const lr = tensor(0.5, { dtype: "float64" });
    const p = withGrad([1], [1]);
    const optimizer = new optim.SGD([p], { lr });
    optimizer.step();
    lr.mul_(0.5);
    optimizer.step();
    expect(p.item()).toBe(0.25);
    (optimizer.paramGroups[0] as { lr: number }).lr = 0.125;
    expect(lr.item()).toBe(0.125);
    expect(optimizer.stateDict().param_groups[0]?.lr).toBe(0.125);
  });

  const NAMES = [
    "SGD",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "ASGD",
  ];
  test.each(NAMES)("%s: gradients flow through two steps", (name) => {
    manualSeed(0);
    const step = (p: Tensor, g: Tensor, h: Tensor): Tensor => {
      const w = p.clone();
      const more =
        name === "SGD" || name === "RMSprop" ? { momentum: 0.9, weightDecay: 0.1 } : { weightDecay: 0.1 };
      const optimizer = make(name, [w], { ...more, lr: 0.1, differentiable: true });
      for (const grad of [g, h]) {
        w.grad = grad.clone();
        optimizer.step();
      }
      return w;
    };
    const inputs = [0, 1, 2].map(() => randn([4], { dtype: "float64" }).add(0.1).requiresGrad_());
    expect(gradcheck(step as (...x: Tensor[]) => Tensor, inputs)).toBe(true);
  });

  test("the rate gets a gradient", () => {
    const lr = tensor(0.25, { dtype: "float64", requiresGrad: true });
    const w = leaf([3]).clone();
    const optimizer = new optim.SGD([w], { lr, differentiable: true });
    w.grad = tensor([2], { dtype: "float64" });
    optimizer.step();
    // w = 3 - 2 lr, so d(w^2)/dlr = 2 w (-2).
    const [g] = autograd.grad([w.square().sum()], [lr]);
    expect(g?.item()).toBe(2 * 2.5 * -2);
  });
});
