/** nn.utils.prune: masks of every method, alone, in turn and over several modules; state, removal, errors. */
import { describe, expect, test } from "vitest";
import { manualSeed, nn, noGrad, ones, type Tensor, tensor } from "../../src/index.js";

const { prune } = nn.utils;
const maskOf = (m: nn.Module, name = "weight_mask") => m.getBuffer(name).toArray();
const keysOf = (m: nn.Module) => Object.keys(m.stateDict());

function linear(values: number[][]): nn.Linear {
  const m = new nn.Linear((values[0] as number[]).length, values.length);
  noGrad(() => m.weight.copy_(tensor(values, { dtype: "float32" })));
  return m;
}

describe("as PyTorch, with the same seed", () => {
  // torch.manual_seed(0); m = nn.Linear(4, 5)
  // prune.random_unstructured(m, "weight", 0.25); prune.random_structured(m, "weight", 1, 0)
  // prune.l1_unstructured(m, "weight", 3); prune.ln_structured(m, "weight", 0.3, 2, 1); each time m.weight_mask
  test("one method after another", () => {
    manualSeed(0);
    const m = new nn.Linear(4, 5);
    prune.randomUnstructured(m, "weight", 0.25);
    expect(maskOf(m)).toEqual([
      [1, 0, 1, 1],
      [1, 1, 0, 1],
      [1, 1, 1, 1],
      [0, 0, 0, 1],
      [1, 1, 1, 1],
    ]);
    prune.randomStructured(m, "weight", 1, 0);
    expect(maskOf(m)).toEqual([
      [0, 0, 0, 0],
      [1, 1, 0, 1],
      [1, 1, 1, 1],
      [0, 0, 0, 1],
      [1, 1, 1, 1],
    ]);
    prune.l1Unstructured(m, "weight", 3);
    expect(maskOf(m)).toEqual([
      [0, 0, 0, 0],
      [1, 1, 0, 1],
      [0, 1, 1, 0],
      [0, 0, 0, 0],
      [1, 1, 1, 1],
    ]);
    prune.lnStructured(m, "weight", 0.3, 2, 1);
    expect(maskOf(m)).toEqual([
      [0, 0, 0, 0],
      [0, 1, 0, 1],
      [0, 1, 1, 0],
      [0, 0, 0, 0],
      [0, 1, 1, 1],
    ]);
    expect(keysOf(m)).toEqual(["bias", "weight_orig", "weight_mask"]);
    const y = m(ones([2, 4])).sum();
    y.backward();
    expect(y.item()).toBeCloseTo(2.084998607635498, 5);
    expect(m.getParameter("weight_orig").grad?.toArray()).toEqual(
      m.getBuffer("weight_mask").mul(2).toArray(),
    );
    prune.remove(m, "weight");
    expect(
      m(ones([2, 4]))
        .sum()
        .item(),
    ).toBeCloseTo(2.084998607635498, 5);
    expect(prune.isPruned(m)).toBe(false);
    expect(keysOf(m)).toEqual(["bias", "weight"]);
  });

  // torch.manual_seed(1); a, b = nn.Linear(4, 3), nn.Linear(3, 2); prune.l1_unstructured(a, "weight", 2)
  // prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=0.4)
  test("several parameters together, one of them pruned before", () => {
    manualSeed(1);
    const [a, b] = [new nn.Linear(4, 3), new nn.Linear(3, 2)];
    prune.l1Unstructured(a, "weight", 2);
    prune.globalUnstructured(
      [
        [a, "weight"],
        [b, "weight"],
      ],
      prune.L1Unstructured,
      { amount: 0.4 },
    );
    expect(maskOf(a)).toEqual([
      [1, 1, 0, 1],
      [1, 1, 0, 1],
      [0, 0, 1, 0],
    ]);
    expect(maskOf(b)).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
  });
});

describe("methods", () => {
  const values = [
    [1, -5, 3],
    [2, 4, -6],
  ];

  test("smallest magnitudes, by count and by share, half to even", () => {
    expect(maskOf(prune.l1Unstructured(linear(values), "weight", 2))).toEqual([
      [0, 1, 1],
      [0, 1, 1],
    ]);
    expect(maskOf(prune.l1Unstructured(linear(values), "weight", 0.4))).toEqual([
      [0, 1, 1],
      [0, 1, 1],
    ]);
    // 0.75 of 6 is 4.5, and 0.25 of 6 is 1.5
    expect(maskOf(prune.l1Unstructured(linear(values), "weight", 0.75))).toEqual([
      [0, 1, 0],
      [0, 0, 1],
    ]);
    expect(maskOf(prune.l1Unstructured(linear(values), "weight", 0.25))).toEqual([
      [0, 1, 1],
      [0, 1, 1],
    ]);
    expect(maskOf(prune.l1Unstructured(linear(values), "weight", 0))).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
  });

  test("slices by every norm", () => {
    for (const [n, mask] of [
      [1, [0, 1, 1]],
      [2, [0, 1, 1]],
      [Number.POSITIVE_INFINITY, [0, 1, 1]],
      [Number.NEGATIVE_INFINITY, [0, 1, 1]],
      ["fro", [0, 1, 1]],
    ] as const) {
      expect(maskOf(prune.lnStructured(linear(values), "weight", 1, n, 1))).toEqual([mask, mask]);
    }
    const conv = prune.lnStructured(new nn.Conv1d(3, 4, 2), "weight", 0.5, "nuc", -3);
    expect(conv.getBuffer("weight_mask").sum().item()).toBe(12);
    const conv2d = prune.lnStructured(new nn.Conv2d(3, 4, 2), "weight", 2, 2, 0);
    expect(conv2d.getBuffer("weight_mask").sum().item()).toBe(24);
  });

  test("scores take the place of values", () => {
    const importanceScores = tensor(
      [
        [9, 8, 7],
        [0, 1, 2],
      ],
      { dtype: "float32" },
    );
    const scored = prune.l1Unstructured(linear(values), "weight", 3, { importanceScores });
    expect(maskOf(scored)).toEqual([
      [1, 1, 1],
      [0, 0, 0],
    ]);
    const rows = prune.lnStructured(linear(values), "weight", 1, 1, 0, { importanceScores });
    expect(maskOf(rows)).toEqual([
      [1, 1, 1],
      [0, 0, 0],
    ]);
    const m = linear(values);
    prune.L1Unstructured.apply(m, "weight", 3, { importanceScores });
    expect(maskOf(m)).toEqual([
      [1, 1, 1],
      [0, 0, 0],
    ]);
    const g = linear(values);
    prune.globalUnstructured([[g, "weight"]], prune.L1Unstructured, {
      amount: 3,
      importanceScores: [importanceScores],
    });
    expect(maskOf(g)).toEqual([
      [1, 1, 1],
      [0, 0, 0],
    ]);
  });

  test("random ones prune as many as they are told, among what is left", () => {
    const m = prune.randomUnstructured(new nn.Linear(10, 10), "weight", 30);
    expect(m.getBuffer("weight_mask").sum().item()).toBe(70);
    prune.randomUnstructured(m, "weight", 0.5);
    expect(m.getBuffer("weight_mask").sum().item()).toBe(35);
    const rows = prune.randomStructured(new nn.Linear(4, 10), "weight", 0.3, 0);
    prune.randomStructured(rows, "weight", 0.5, 0);
    // 7 rows are left, of which 3.5 are 4
    expect(rows.getBuffer("weight_mask").sum(1).eq(4).sum().item()).toBe(3);
  });

  test("masks of one's own, none, and a tensor that no module owns", () => {
    const m = prune.customFromMask(new nn.Linear(5, 3), "bias", tensor([0, 1, 0]));
    expect(m.getBuffer("bias_mask").dtype).toBe("float32");
    expect(maskOf(m, "bias_mask")).toEqual([0, 1, 0]);
    expect(maskOf(prune.identity(new nn.Linear(5, 3), "bias"), "bias_mask")).toEqual([1, 1, 1]);
    const x = tensor(values, { dtype: "float32" });
    expect(new prune.L1Unstructured(2).prune(x).toArray()).toEqual([
      [0, -5, 3],
      [0, 4, -6],
    ]);
  });

  test("a method of one's own", () => {
    class Negative extends prune.BasePruningMethod {
      readonly pruningType = "unstructured";
      computeMask(t: Tensor, defaultMask: Tensor): Tensor {
        return defaultMask.mul(t.gt(0));
      }
    }
    const m = linear(values);
    Negative.apply(m, "weight");
    // -5 times 0 is -0, as in PyTorch
    expect(m.weight.add(0).toArray()).toEqual([
      [1, 0, 3],
      [2, 4, 0],
    ]);
    const both = prune.L1Unstructured.apply(m, "weight", 1);
    expect(both).toBeInstanceOf(prune.PruningContainer);
    expect([...(both as InstanceType<typeof prune.PruningContainer>)].map((p) => p.constructor.name)).toEqual(
      ["Negative", "L1Unstructured"],
    );
    expect(m.weight.add(0).toArray()).toEqual([
      [0, 0, 3],
      [2, 4, 0],
    ]);
  });
});

describe("pruned modules", () => {
  test("follow steps: the mask holds, and the pruned values come back by no gradient", () => {
    const m = prune.l1Unstructured(
      linear([
        [1, 2],
        [3, 4],
      ]),
      "weight",
      2,
    );
    noGrad(() => m.getParameter("weight_orig").add_(10));
    m(ones([1, 2]));
    expect(m.weight.toArray()).toEqual([
      [0, 0],
      [13, 14],
    ]);
    expect(prune.isPruned(new nn.Sequential(new nn.ReLU(), m))).toBe(true);
    const weight = m.getParameter("weight_orig");
    prune.remove(m, "weight");
    expect(m.weight).toBe(weight);
    expect(m.weight.toArray()).toEqual([
      [0, 0],
      [13, 14],
    ]);
  });

  test("state dicts go round", () => {
    const make = () => prune.randomUnstructured(new nn.Linear(6, 4), "weight", 0.5);
    const [m, other] = [make(), make()];
    other.loadStateDict(m.stateDict());
    const x = ones([1, 6]);
    expect(other(x).toArray()).toEqual(m(x).toArray());
    noGrad(() => m(x));
    prune.remove(nn.deepCopy(m), "weight");
    expect(prune.isPruned(m)).toBe(true);
  });

  test("recurrent weights by their keys", () => {
    const m = prune.l1Unstructured(new nn.LSTM(2, 3), "weight_ih_l0", 24);
    expect(m.getBuffer("weight_ih_l0_mask").sum().item()).toBe(0);
    expect(prune.isPruned(m)).toBe(true);
    const [y] = m(ones([2, 1, 2]));
    (y as Tensor).sum().backward();
    expect(m.getParameter("weight_ih_l0_orig").grad?.abs().sum().item()).toBe(0);
  });
});

describe("errors leave the module as it was", () => {
  test.each<[string, (m: nn.Linear) => unknown]>([
    ["[L1Unstructured] amount must be a whole number >= 0", (m) => prune.l1Unstructured(m, "weight", 1.5)],
    ["[RandomUnstructured] amount must be", (m) => prune.randomUnstructured(m, "weight", -1)],
    ["amount = 7 is more than the 6 there are", (m) => prune.l1Unstructured(m, "weight", 7)],
    ['has no parameter or buffer "w"', (m) => prune.identity(m, "w")],
    ["slices need 2 dimensions or more, got shape [2]", (m) => prune.lnStructured(m, "bias", 1, 2, 0)],
    ["dim = 2 is out of range", (m) => prune.randomStructured(m, "weight", 1, 2)],
    ["expected a mask of shape [2, 3], got [2]", (m) => prune.customFromMask(m, "weight", ones([2]))],
    ['[prune.remove] "weight" of Linear is not pruned', (m) => prune.remove(m, "weight")],
    [
      "importanceScores must have the shape of the tensor",
      (m) => prune.l1Unstructured(m, "weight", 1, { importanceScores: ones([2]) }),
    ],
    [
      "the method must be unstructured, got RandomStructured, which is structured",
      (m) => prune.globalUnstructured([[m, "weight"]], prune.RandomStructured, { amount: 1 }),
    ],
  ])("%s", (message, act) => {
    const m = new nn.Linear(3, 2);
    expect(() => act(m)).toThrow(message);
    expect(keysOf(m)).toEqual(["weight", "bias"]);
    expect(prune.isPruned(m)).toBe(false);
  });

  test("a container takes only methods on its tensor", () => {
    const [a, b] = [new prune.Identity(), new prune.Identity()];
    a.tensorName = "weight";
    expect(() => new prune.PruningContainer(a, b)).toThrow(
      'it acts on "weight": got a method that acts on "null"',
    );
  });
});
