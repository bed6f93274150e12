/** The base of the optimizers: groups, hooks, closures, subclasses, printing. */
import { nn, noGrad, ones, optim, randn, scope, type Tensor, tensor, zeros } from "kindling";
import { describe, expect, test } from "vitest";
import { leaf, problem, train, values, withGrad } from "./problem.js";

describe("what an optimizer takes", () => {
  test("groups with options of their own, named parameters, a bare rate", () => {
    const [a, b] = [withGrad([1], [1]), withGrad([1], [1])];
    const optimizer = new optim.SGD([{ params: a }, { params: [b], lr: 0.5 }], { lr: 0.25, momentum: 0.9 });
    expect(optimizer.paramGroups.map((g) => [g.lr, g.momentum])).toEqual([
      [0.25, 0.9],
      [0.5, 0.9],
    ]);
    optimizer.step();
    expect(values([a, b])).toEqual([[0.75], [0.5]]);
    expect(new optim.SGD([a], 0.125).paramGroups[0]?.lr).toBe(0.125);

    const model = new nn.Linear(2, 1);
    const named = new optim.Adam(model.namedParameters());
    expect(named.paramGroups[0]?.paramNames).toEqual(["weight", "bias"]);
    expect(named.stateDict().param_groups[0]?.param_names).toEqual(["weight", "bias"]);
  });

  test("under Nesterov's momentum a group may do without momentum", () => {
    const [a, b] = [withGrad([1], [1]), withGrad([1], [1])];
    const optimizer = new optim.SGD([{ params: a }, { params: b, momentum: 0 }], {
      lr: 0.25,
      momentum: 0.5,
      nesterov: true,
    });
    optimizer.step();
    expect(values([a, b])).toEqual([[0.625], [0.75]]); // 1 - 0.25 (1 + 0.5), 1 - 0.25
  });

  test("groups keep what else they are given", () => {
    const optimizer = new optim.SGD([
      { params: [leaf([1])], lrMult: 2 } as optim.ParamGroupInput<optim.SGDOptions>,
    ]);
    expect(optimizer.stateDict().param_groups[0]).toMatchObject({ lr_mult: 2, lr: 1e-3, weight_decay: 0 });
  });

  test.each<[string, () => unknown, string]>([
    [
      "one tensor",
      () => new optim.SGD(leaf([1]) as never),
      "expected a list of parameters, got one tensor; try [parameter]",
    ],
    [
      "one group",
      () => new optim.SGD({ params: [leaf([1])] } as never),
      "expected a list of groups, got one group",
    ],
    ["nothing", () => new optim.SGD([]), "got no parameters; try model.parameters()"],
    ["a number", () => new optim.SGD([1 as never]), "parameters must be tensors, got number"],
    [
      "no leaf",
      () => new optim.SGD([leaf([1]).mul(2)]),
      "cannot optimize a tensor that is no leaf; try detach()",
    ],
    [
      "integers",
      () => new optim.SGD([tensor([1])]),
      "cannot optimize a tensor of int64: expected float32 or float64",
    ],
    [
      "half the names",
      () => new optim.SGD([["a", leaf([1])], leaf([2])] as never),
      "either all parameters have names or none",
    ],
    [
      "a rate of two",
      () => new optim.SGD([leaf([1])], { lr: tensor([1, 2]) }),
      "lr as a tensor must have one element: got shape [2]",
    ],
    [
      "a lazy parameter",
      () => new optim.SGD([new nn.UninitializedParameter()]),
      "a parameter is not initialised yet; try a forward pass of the lazy module first",
    ],
    [
      "a vector for Muon",
      () => new optim.Muon([leaf([1])]),
      "takes matrices only: got a parameter of shape [1]; try AdamW",
    ],
    [
      "two groups for LBFGS",
      () => new optim.LBFGS([{ params: leaf([1]) }, { params: leaf([1]) }]),
      "got 2 groups, expected one",
    ],
  ])("refuses %s", (_what, build, message) => {
    expect(build).toThrow(message);
  });

  test("refuses a parameter twice", () => {
    const p = leaf([1]);
    expect(() => new optim.SGD([p, p])).toThrow("a parameter appears in more than one group, or twice");
    const optimizer = new optim.SGD([p]);
    expect(() => optimizer.addParamGroup({ params: [leaf([2]), p] })).toThrow("more than one group");
    expect(optimizer.paramGroups).toHaveLength(1);
  });

  test("options that choose PyTorch's implementation change nothing", () => {
    const p = withGrad([1], [1]);
    new optim.AdamW([p], { lr: 0.5, weightDecay: 0, foreach: true, fused: null, capturable: false }).step();
    expect(p.item()).toBeCloseTo(0.5, 6);
  });
});

describe("step", () => {
  test("calls the closure once, with gradients, inside noGrad too, and returns its value", () => {
    const { params, loss } = problem();
    const optimizer = new optim.SGD(params, { lr: 0.1 });
    let calls = 0;
    const first = noGrad(() =>
      optimizer.step(() => {
        calls++;
        optimizer.zeroGrad();
        const l = loss();
        l.backward();
        return l;
      }),
    );
    expect(calls).toBe(1);
    expect(loss().item()).toBeLessThan(first.item());
  });

  test("L-BFGS without a closure says so", () => {
    expect(() => new optim.LBFGS([leaf([1])]).step()).toThrow("[LBFGS] step needs a closure");
  });

  test("two backward passes with half the loss step like one", () => {
    const once = problem();
    train(new optim.SGD(once.params, { lr: 0.1 }), once.loss, 1);
    const { params, loss } = problem();
    const optimizer = new optim.SGD(params, { lr: 0.1 });
    for (let i = 0; i < 2; i++) loss().div(2).backward();
    optimizer.step();
    optimizer.zeroGrad();
    expect(values(params)).toEqual(values(once.params));
  });

  test("bumps the version of a parameter: backward through what saved it throws", () => {
    const w = leaf([2]);
    const optimizer = new optim.SGD([w], { lr: 0.1 });
    const loss = w.mul(w).sum();
    w.grad = tensor([1], { dtype: "float64" });
    optimizer.step();
    expect(() => loss.backward()).toThrow("was changed in place");
  });

  test("zeroGrad forgets, or sets to zero in place", () => {
    const p = withGrad([1], [3]);
    const optimizer = new optim.SGD([p]);
    const { grad } = p;
    optimizer.zeroGrad({ setToNone: false });
    expect(p.grad).toBe(grad);
    expect(grad?.toArray()).toEqual([0]);
    optimizer.zeroGrad();
    expect(p.grad).toBeNull();
  });

  test("state survives the scope in which it was made", () => {
    for (const build of [
      (p: Tensor[]) => new optim.Adam(p, { amsgrad: true }),
      (p: Tensor[]) => new optim.SGD(p, { momentum: 0.9 }),
      (p: Tensor[]) => new optim.Muon(p),
      (p: Tensor[]) => new optim.LBFGS(p, { maxIter: 3 }),
    ]) {
      const w = randn([3, 3], { requiresGrad: true });
      const optimizer = build([w]) as optim.Optimizer;
      for (let i = 0; i < 3; i++) {
        scope(() => {
          optimizer.step(() => {
            optimizer.zeroGrad();
            const l = w.square().sum();
            l.backward();
            return l;
          });
        });
      }
      expect(Number.isFinite(w.sum().item())).toBe(true);
    }
  });

  test("a model converted after its state was made is an error that says so", () => {
    const model = new nn.Linear(2, 2);
    const optimizer = new optim.Adam(model.parameters());
    model.weight.grad = zeros([2, 2]);
    optimizer.step();
    model.double();
    model.weight.grad = zeros([2, 2], { dtype: "float64" });
    expect(() => optimizer.step()).toThrow(
      "[adam] the expAvg of a parameter is float32[2, 2], expected float64[2, 2]; try to convert",
    );
    expect(() => {
      model.weight.grad = zeros([3], { dtype: "float64" });
    }).toThrow("[grad] got a gradient float64[3], expected float64[2, 2] as the tensor has");
  });

  test("loading takes away what a scheduler noted in the groups since", () => {
    const optimizer = new optim.SGD([ones([1], { requiresGrad: true })], { lr: 0.1, momentum: 0.9 });
    const fresh = nn.deepCopy(optimizer.stateDict());
    new optim.lrScheduler.LambdaLR(optimizer, () => 0.5);
    expect(optimizer.paramGroups[0]?.initialLr).toBe(0.1);
    optimizer.loadStateDict(fresh);
    expect(optimizer.paramGroups[0]?.initialLr).toBeUndefined();
    expect(optimizer.paramGroups[0]).toMatchObject({ lr: 0.1, momentum: 0.9 });
    // PyTorch 1.13 walks this way: the rate that the next scheduler starts from is its own.
    new optim.lrScheduler.CyclicLR(optimizer, 0.01, 0.1);
    expect(optimizer.paramGroups[0]?.lr).toBe(0.01);
  });

  test("a subclass writes init and update only", () => {
    interface LionOptions extends optim.CommonOptions {
      beta: number;
    }
    class Lion extends optim.Optimizer<LionOptions, { m: Tensor }> {
      constructor(params: optim.ParamsInput<LionOptions>, options?: optim.OptionsInput<LionOptions>) {
        super(params, { lr: 0.5, beta: 0.9, maximize: false, differentiable: false }, options);
      }
      protected init(param: Tensor) {
        return { m: zeros([...param.shape], { dtype: param.dtype }) };
      }
      protected update(grad: Tensor, param: Tensor, state: { m: Tensor }, { lr, beta }: LionOptions) {
        state.m = state.m.mul(beta).add(grad, { alpha: 1 - beta });
        param.sub_(state.m.sign().mul(lr));
      }
    }
    const p = withGrad([1, 1], [3, -4]);
    const optimizer = new Lion([p], { maximize: true });
    optimizer.step();
    expect(p.toArray()).toEqual([1.5, 0.5]);
    const other = new Lion([leaf([0, 0])]);
    other.loadStateDict(optimizer.stateDict());
    expect(other.state.get(other.paramGroups[0]?.params[0] as Tensor)?.m.toArray()).toEqual(
      optimizer.state.get(p)?.m.toArray(),
    );
    expect(() => new Lion([p], { gamma: 1 } as never)).toThrow(`[Lion] unknown option "gamma"`);
  });
});

test("a subclass of a built-in optimizer may write an update of its own", () => {
  class SignAdam extends optim.Adam {
    protected override update(
      grad: Tensor,
      param: Tensor,
      state: optim.AdamState,
      { lr }: optim.AdamOptions,
    ) {
      state.step++;
      param.sub_(grad.sign().mul(lr));
    }
  }
  const p = withGrad([1, 1], [3, -4]);
  const optimizer = new SignAdam([p], { lr: 0.5 });
  optimizer.step();
  expect(p.toArray()).toEqual([0.5, 1.5]);
  expect(optimizer.state.get(p)?.step).toBe(1);
});

describe("hooks", () => {
  test("run before and after a step, global ones outside, and can be removed", () => {
    const optimizer = new optim.SGD([withGrad([1], [1])], { lr: 0.5 });
    const seen: string[] = [];
    const handles = [
      optim.registerOptimizerStepPreHook(
        (o, args) => void seen.push(`global pre ${o === optimizer} ${args.length}`),
      ),
      optimizer.registerStepPreHook((o) => void seen.push(`pre ${o.paramGroups[0]?.lr}`)),
      optimizer.registerStepPostHook(() => void seen.push("post")),
      optim.registerOptimizerStepPostHook(() => void seen.push("global post")),
    ];
    optimizer.step(() => seen.push("closure"));
    expect(seen).toEqual(["global pre true 1", "pre 0.5", "closure", "post", "global post"]);
    for (const handle of handles) handle.remove();
    optimizer.step();
    expect(seen).toHaveLength(5);
  });

  test("a hook before the step may replace the closure", () => {
    const optimizer = new optim.SGD([leaf([1])]);
    optimizer.registerStepPreHook(() => [() => 7]);
    expect(optimizer.step(() => 1)).toBe(7);
  });

  test("on saving and loading", () => {
    const optimizer = new optim.SGD([leaf([1])], { lr: 0.5 });
    const seen: string[] = [];
    optimizer.registerStateDictPreHook(() => void seen.push("second"));
    optimizer.registerStateDictPreHook(() => void seen.push("first"), { prepend: true });
    optimizer.registerStateDictPostHook(
      (_o, dict) => ({ ...dict, note: "kept" }) as optim.OptimizerStateDict,
    );
    const dict = optimizer.stateDict();
    expect(seen).toEqual(["first", "second"]);
    expect(dict).toHaveProperty("note", "kept");
    optimizer.registerLoadStateDictPreHook((_o, d) => {
      const [group] = d.param_groups;
      return { ...d, param_groups: [{ ...(group as { params: number[] }), lr: 0.25 }] };
    });
    optimizer.registerLoadStateDictPostHook((o) => void seen.push(`loaded ${o.paramGroups[0]?.lr}`));
    optimizer.loadStateDict(dict);
    expect(seen.at(-1)).toBe("loaded 0.25");
  });
});

test("prints its groups", () => {
  const optimizer = new optim.Rprop([{ params: leaf([1]) }, { params: leaf([1]), lr: 1 }]);
  expect(String(optimizer)).toBe(`Rprop (
Parameter Group 0
    differentiable: false
    etas: [0.5,1.2]
    lr: 0.01
    maximize: false
    stepSizes: [0.000001,50]

Parameter Group 1
    differentiable: false
    etas: [0.5,1.2]
    lr: 1
    maximize: false
    stepSizes: [0.000001,50]
)`);
});
