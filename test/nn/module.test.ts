/** Module: fields as state, names, hooks, state dicts, printing, copies, lazy modules. */
import fc from "fast-check";
import { beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import {
  manualSeed,
  memory,
  nn,
  noGrad,
  ones,
  optim,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.js";
import { toField, toKey } from "../../src/nn/naming.js";

const { Linear, Module, ModuleDict, ModuleList, Parameter, ParameterDict, ParameterList, ReLU, Sequential } =
  nn;

class Net extends Module {
  firstLayer = new Linear(3, 4);
  runningMean = this.registerBuffer("runningMean", zeros([4]));
  scale = new Parameter(ones([4]));
  blocks = new ModuleList([new Linear(4, 4), new Linear(4, 4)]);
  nothing: nn.Parameter | null = null;
  notAParameter = ones([2]);

  forward(x: Tensor): Tensor {
    let y = this.firstLayer(x).mul(this.scale);
    for (const block of this.blocks) y = block(y);
    return y;
  }
}

beforeEach(() => {
  manualSeed(0);
});

describe("a module", () => {
  test("is callable, an instance of its class, and has no name or length of its own", () => {
    const net = new Net();
    expect(typeof net).toBe("function");
    expect(net).toBeInstanceOf(Net);
    expect(net).toBeInstanceOf(Module);
    expect(Object.hasOwn(net, "name") || Object.hasOwn(net, "length")).toBe(false);
    expect(net(ones([2, 3])).shape).toEqual([2, 4]);
    expectTypeOf(net).toBeCallableWith(ones([1]));
    expectTypeOf(net(ones([2, 3]))).toEqualTypeOf<Tensor>();
  });

  test("walks parameters, buffers and submodules in order, by PyTorch's names", () => {
    const net = new Net();
    const blocks = ["blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"];
    const names = ["scale", "first_layer.weight", "first_layer.bias", ...blocks];
    expect([...net.namedParameters()].map(([name]) => name)).toEqual(names);
    expect([...net.namedBuffers()].map(([name]) => name)).toEqual(["running_mean"]);
    expect([...net.namedModules()].map(([name]) => name)).toEqual([
      "",
      "first_layer",
      "blocks",
      "blocks.0",
      "blocks.1",
    ]);
    expect([...net.namedChildren()].map(([name]) => name)).toEqual(["first_layer", "blocks"]);
    expect([...net.namedParameters({ recurse: false, prefix: "net" })].map(([name]) => name)).toEqual([
      "net.scale",
    ]);
    const first = names.slice(1);
    expect(Object.keys(net.stateDict())).toEqual(["scale", "running_mean", ...first]);
  });

  test("gives what is shared once, or with removeDuplicate: false each time", () => {
    const tied = new Sequential(new Linear(2, 2), new Linear(2, 2));
    const [a, b] = [tied.get<nn.Linear>(0), tied.get<nn.Linear>(1)];
    b.weight = a.weight;
    expect([...tied.parameters()].length).toBe(3);
    expect([...tied.namedParameters({ removeDuplicate: false })].length).toBe(4);
    const twice = new Sequential(a, a);
    expect([...twice.modules()].length).toBe(2);
    expect([...twice.namedModules({ removeDuplicate: false })].map(([name]) => name)).toEqual(["", "0", "1"]);
  });

  test("finds members by path, and names what is missing", () => {
    const net = new Net();
    expect(net.getSubmodule("blocks.1")).toBe(net.blocks.get(1));
    expect(net.getParameter("first_layer.weight")).toBe(net.firstLayer.weight);
    expect(net.getParameter("firstLayer.weight")).toBe(net.firstLayer.weight);
    expect(net.getBuffer("running_mean")).toBe(net.runningMean);
    expect(() => net.getSubmodule("blocks.7")).toThrow(
      '[getSubmodule] ModuleList has no submodule "7" (of "blocks.7"): expected one of 0, 1',
    );
    expect(() => net.getParameter("running_mean")).toThrow(
      '[getParameter] "running_mean" is no parameter of Net',
    );
    const other = new Linear(4, 4);
    net.setSubmodule("blocks.1", other);
    expect(net.blocks[1]).toBe(other);
    expect(() => net.setSubmodule("absent", other, { strict: true })).toThrow("[setSubmodule]");
  });

  test("registers members, refusing names that are taken or have dots", () => {
    const net = new Net();
    net.registerParameter("late", new Parameter(ones([1])));
    expect(net.getParameter("late").shape).toEqual([1]);
    expect(() => net.registerParameter("first_layer", null)).toThrow("already has an attribute");
    expect(() => net.registerBuffer("a.b", ones([1]))).toThrow("without dots");
    expect(() => net.registerModule("forward", new ReLU())).toThrow("already has an attribute");
    net.registerBuffer("temporary", ones([1]), { persistent: false });
    expect([...net.namedBuffers()].map(([name]) => name)).toContain("temporary");
    expect(Object.keys(net.stateDict())).not.toContain("temporary");
  });

  test("changes mode, gradients and dtype of the whole tree", () => {
    const net = new Net();
    net.eval();
    expect([...net.modules()].some((m) => m.training)).toBe(false);
    net.train();
    expect(net.blocks.get(0).training).toBe(true);
    const weight = net.firstLayer.weight;
    net.double();
    expect(net.firstLayer.weight).toBe(weight);
    expect([weight.dtype, net.runningMean.dtype]).toEqual(["float64", "float64"]);
    net(ones([1, 3], { dtype: "float64" }))
      .sum()
      .backward();
    expect(weight.grad?.dtype).toBe("float64");
    net.float();
    expect(weight.grad?.dtype).toBe("float32");
    net.zeroGrad({ setToNone: false });
    expect(weight.grad?.toArray()).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    net.zeroGrad();
    expect(weight.grad).toBe(null);
    net.requiresGrad_(false);
    expect(net(ones([1, 3])).requiresGrad).toBe(false);
    expect(() => net.to("int64")).toThrow("[to] a module can only be converted to a floating dtype");
    const seen: string[] = [];
    net.apply((m) => seen.push(m.constructor.name));
    expect(seen).toEqual(["Linear", "Linear", "Linear", "ModuleList", "Net"]);
  });

  test("says in errors where the layer is", () => {
    const net = new Net();
    net.setSubmodule("blocks.1", new Linear(5, 4));
    expect(() => net(ones([2, 3]))).toThrow(
      /\[linear\] .*\n {2}in blocks\.1: Linear\(inFeatures=5, outFeatures=4, bias=true\)$/s,
    );
  });
});

describe("names", () => {
  test("of PyTorch's parameters", () => {
    const pairs = {
      weight: "weight",
      runningMean: "running_mean",
      numBatchesTracked: "num_batches_tracked",
      weightIhL0: "weight_ih_l0",
      weightIhL0Reverse: "weight_ih_l0_reverse",
      biasHhL1: "bias_hh_l1",
      inProjWeight: "in_proj_weight",
      biasK: "bias_k",
      linear1: "linear1",
      layerNorm2d: "layer_norm2d",
      W: "W",
      LSTM: "LSTM",
      fc_1: "fc_1",
      to_QKV: "to_QKV",
      _weight: "_weight",
    };
    for (const [field, key] of Object.entries(pairs)) {
      expect([toKey(field), toField(key)]).toEqual([key, field]);
    }
  });

  const part = fc.stringMatching(/^[a-z][a-z0-9]{0,4}$/);
  test("go to keys and back", () => {
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 5 }),
        fc.constantFrom("", "_", "__"),
        (parts, lead) => {
          const key = lead + parts.join("_");
          expect(toKey(toField(key))).toBe(key);
        },
      ),
    );
    fc.assert(
      fc.property(fc.stringMatching(/^_{0,2}[a-z][A-Za-z0-9]{0,12}$/), (field) => {
        expect(toField(toKey(field))).toBe(field);
        expect(toKey(field)).not.toMatch(/[A-Z]/);
      }),
    );
    // Keys that no field in camelCase has are field names as they are.
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z_0-9]{1,12}$/), (key) => {
        if (!/^_*[a-z][A-Za-z0-9]*$/.test(key)) expect(toKey(toField(key))).toBe(key);
      }),
    );
  });

  test("of container members are never changed", () => {
    const dict = new ModuleDict({ camelCase: new ReLU(), snake_case: new Linear(1, 1), keys: new ReLU() });
    expect([...dict.namedChildren()].map(([name]) => name)).toEqual(["camelCase", "snake_case", "keys"]);
    expect(Object.keys(new Sequential({ myLayer: new Linear(1, 1) }).stateDict())).toEqual([
      "myLayer.weight",
      "myLayer.bias",
    ]);
    expect(dict.getSubmodule("camelCase")).toBe(dict.get("camelCase"));
  });
});

describe("state dicts", () => {
  test("share data, carry versions, and load back", () => {
    const [a, b] = [new Net(), new Net()];
    const state = a.stateDict();
    expect(state.scale?.requiresGrad).toBe(false);
    expect(a.stateDict({ keepVars: true }).scale).toBe(a.scale);
    expect(Object.keys(state)).not.toContain("_metadata");
    expect((state as { _metadata?: unknown })._metadata).toMatchObject({
      "": { version: 1 },
      "blocks.0": { version: 1 },
    });
    expect(b.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(b.firstLayer.weight.toArray()).toEqual(a.firstLayer.weight.toArray());
    expect(b.firstLayer.weight === a.firstLayer.weight).toBe(false);
  });

  test("report everything at once and load nothing when something does not fit", () => {
    const net = new Net();
    const before = net.scale.toArray();
    const { "blocks.1.bias": _, ...state } = net.stateDict();
    const wrong = {
      ...state,
      scale: tensor([9, 9, 9, 9]),
      "first_layer.weight": zeros([2, 2]),
      extra: ones([1]),
      running_mean: 3,
    };
    expect(() => net.loadStateDict(wrong)).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: [loadStateDict] the state dict does not fit Net, nothing was loaded:
        running_mean: got number, expected a tensor of shape [4]
        first_layer.weight: got shape [2, 2], expected [4, 3]
        unexpected keys: "extra"
        missing keys: "blocks.1.bias"]
    `);
    expect(net.scale.toArray()).toEqual(before);
    const fits = { ...state, scale: tensor([9, 9, 9, 9]), extra: ones([1]) };
    expect(() => net.loadStateDict(fits)).toThrow("try { strict: false }");
    const report = net.loadStateDict(fits, { strict: false });
    expect(report).toEqual({ missingKeys: ["blocks.1.bias"], unexpectedKeys: ["extra"] });
    expect(net.scale.toArray()).toEqual([9, 9, 9, 9]);
    expect(net.scale.dtype).toBe("float32");
  });

  test("assign puts the given tensors in place", () => {
    const net = new Linear(2, 2);
    const weight = ones([2, 2], { dtype: "float64" });
    net.loadStateDict({ weight, bias: zeros([2]) }, { assign: true });
    expect(net.weight).toBeInstanceOf(Parameter);
    expect(net.weight.dtype).toBe("float64");
    expect(net.weight.storage).toBe(weight.storage);
  });

  test("keep extra state, and run hooks", () => {
    class Counter extends Module {
      count = 0;
      forward(x: Tensor): Tensor {
        this.count++;
        return x;
      }
      override getExtraState() {
        return { count: this.count };
      }
      override setExtraState(state: { count: number }) {
        this.count = state.count;
      }
    }
    const counter = new Counter();
    counter(ones([1]));
    const state = counter.stateDict();
    expect(Object.keys(state)).toEqual(["_extra_state"]);
    const other = new Counter();
    other.loadStateDict(state);
    expect(other.count).toBe(1);

    const layer = new Linear(1, 1);
    layer.registerLoadStateDictPreHook((_, load, prefix) => {
      const old = load.state.get(`${prefix}w`);
      if (old === undefined) return;
      load.state.delete(`${prefix}w`);
      load.state.set(`${prefix}weight`, old);
    });
    const seen: string[][] = [];
    layer.registerLoadStateDictPostHook((_, keys) => seen.push(keys.missingKeys));
    new Sequential(layer).loadStateDict({ "0.w": ones([1, 1]), "0.bias": ones([1]) });
    expect([layer.weight.item(), seen]).toEqual([1, [[]]]);
    layer.registerStateDictPostHook((_, saved, prefix) => {
      delete saved[`${prefix}bias`];
    });
    expect(Object.keys(new Sequential(layer).stateDict())).toEqual(["0.weight"]);
  });

  test("hooks after loading run children first, and decide which keys do not fit", () => {
    const model = new Sequential(new Linear(2, 2), new Sequential(new Linear(2, 1)));
    const order: string[] = [];
    for (const [path, module] of model.namedModules()) {
      module.registerLoadStateDictPostHook((_, keys) => {
        order.push(`${path}: ${keys.missingKeys} ${keys.unexpectedKeys}`);
      });
    }
    const { "0.bias": _bias, ...state } = model.stateDict();
    const odd = { ...state, "0.weight": ones([2, 2]), more: ones([1]) };
    expect(() => model.loadStateDict(odd)).toThrow(
      'does not fit Sequential, what fits was loaded; try { strict: false } to load what fits:\n  unexpected keys: "more"\n  missing keys: "0.bias"',
    );
    // PyTorch 1.13 calls them in this order.
    expect(order).toEqual(["0", "1.0", "1", ""].map((path) => `${path}: 0.bias more`));
    expect(model.get(0).weight.sum().item()).toBe(4);
    model.registerLoadStateDictPostHook((_, keys) => {
      keys.missingKeys.length = 0;
      keys.unexpectedKeys.length = 0;
    });
    expect(model.loadStateDict(odd)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    const layer = new Linear(2, 1);
    layer.registerLoadStateDictPostHook((_, keys) => void keys.missingKeys.push("mine"));
    expect(() => layer.loadStateDict(layer.stateDict())).toThrow('missing keys: "mine"');
    expect(() => layer.loadStateDict({ ...layer.stateDict(), weight: ones([3]) })).toThrow(
      "nothing was loaded",
    );
  });
});

describe("hooks", () => {
  test("a backward hook that returns another number of gradients is refused", () => {
    const layer = new Linear(2, 1);
    const x = ones([1, 2], { requiresGrad: true });
    const handle = layer.registerFullBackwardHook((_m, [g]) => [g as Tensor, g as Tensor]);
    expect(() => layer(x).sum().backward()).toThrow(
      "[Linear] a backward hook returned 2 gradients, expected 1, one for each that it got, or nothing",
    );
    handle.remove();
    layer.registerFullBackwardPreHook(() => []);
    expect(() => layer(x).sum().backward()).toThrow(
      "[Linear] a backward hook returned 0 gradients, expected 1",
    );
  });

  test("before and after forward see and replace arguments and output, in order", () => {
    const layer = new ReLU();
    const order: string[] = [];
    layer.registerForwardPreHook((_, [x]) => {
      order.push("pre");
      return x.mul(-1);
    });
    const first = layer.registerForwardPreHook(() => void order.push("first"), { prepend: true });
    layer.registerForwardHook((_, [x], y) => {
      order.push(`post ${x.item()}`);
      return y.add(1);
    });
    expect(layer(tensor([-2])).item()).toBe(3);
    expect(order).toEqual(["first", "pre", "post 2"]);
    first.remove();
    layer(tensor([-2]));
    expect(order.slice(3)).toEqual(["pre", "post 2"]);
  });

  test("hooks on any module may name the types that they expect", () => {
    const model = new Sequential(new ReLU(), new ReLU());
    const shapes: (readonly number[])[] = [];
    for (const layer of model.children()) {
      layer.registerForwardPreHook((_, [x]: [Tensor]) => x.mul(2));
      layer.registerForwardHook((_, __, y: Tensor) => void shapes.push(y.shape));
      layer.registerForwardHook((_, __, y) => expectTypeOf(y).toEqualTypeOf<unknown>() && undefined);
    }
    expect(model(tensor([1])).item()).toBe(4);
    expect(shapes).toEqual([[1], [1]]);
  });

  test("with options, and called although forward threw", () => {
    class Scale extends Module<[Tensor, { by?: number }?]> {
      forward(x: Tensor, options: { by?: number } = {}): Tensor {
        if (options.by === 0) throw new Error("zero");
        return x.mul(options.by ?? 1);
      }
    }
    const layer = new Scale();
    layer.registerForwardPreHook((_, args, options) => [args, { ...options, by: 5 }], { withKwargs: true });
    expect(layer(tensor([2]), { by: 3 }).item()).toBe(10);
    let calls = 0;
    const failing = new Scale();
    failing.registerForwardHook(() => void calls++, { alwaysCall: true });
    failing.registerForwardHook(() => {
      calls += 10;
    });
    expect(() => failing(tensor([2]), { by: 0 })).toThrow("zero");
    expect(calls).toBe(1);
  });

  test("on gradients see and replace them; they fire once each", () => {
    const layer = new Linear(2, 1, { bias: false });
    layer.loadStateDict({ weight: tensor([[3, 4]]) });
    const seen: unknown[] = [];
    layer.registerFullBackwardPreHook((_, gradOutput) => gradOutput.map((g) => g?.mul(2) ?? null));
    layer.registerFullBackwardHook((_, gradInput, gradOutput) => {
      seen.push(
        gradInput.map((g) => g?.toArray()),
        gradOutput.map((g) => g?.toArray()),
      );
      return [tensor([[1, 1]]).to("float32")];
    });
    const x = ones([1, 2], { requiresGrad: true });
    layer(x).sum().backward();
    expect(seen).toEqual([[[[6, 8]]], [[[2]]]]);
    expect(x.grad?.toArray()).toEqual([[1, 1]]);
    expect(layer.weight.grad?.toArray()).toEqual([[2, 2]]);
    layer(ones([1, 2]))
      .sum()
      .backward();
    expect(seen.slice(2)).toEqual([[undefined], [[[2]]]]);
  });

  test("keep the gradients that they are given", () => {
    const layer = new Linear(2, 2);
    let held: Tensor | null = null;
    layer.registerFullBackwardHook((_, [g]) => {
      held = g ?? null;
    });
    layer(ones([1, 2], { requiresGrad: true }))
      .sum()
      .backward();
    expect((held as unknown as Tensor).toArray()).toEqual([layer.weight.sum(0).toArray()]);
  });

  test("of all modules", () => {
    const seen: string[] = [];
    const handles = [
      nn.registerModuleForwardPreHook((m) => void seen.push(`pre ${m.constructor.name}`)),
      nn.registerModuleForwardHook((m) => void seen.push(`post ${m.constructor.name}`)),
      nn.registerModuleFullBackwardHook((m) => void seen.push(`back ${m.constructor.name}`)),
      nn.registerModuleParameterRegistrationHook((_, name) => void seen.push(`param ${name}`)),
    ];
    const model = new Sequential(new Linear(1, 1), new ReLU());
    model(ones([1, 1], { requiresGrad: true }))
      .sum()
      .backward();
    expect(seen).toEqual([
      "pre Sequential",
      "pre Linear",
      "post Linear",
      "pre ReLU",
      "post ReLU",
      "post Sequential",
      "back ReLU",
      "back Linear",
      "back Sequential",
    ]);
    model.get(0).registerParameter("more", null);
    expect(seen.at(-1)).toBe("param more");
    for (const handle of handles) handle.remove();
    model(ones([1, 1]));
    expect(seen.length).toBe(10);
  });
});

describe("printing", () => {
  test("nests as PyTorch does", () => {
    expect(String(new Net())).toMatchInlineSnapshot(`
      "Net(
        (firstLayer): Linear(inFeatures=3, outFeatures=4, bias=true)
        (blocks): ModuleList(
          (0-1): 2 x Linear(inFeatures=4, outFeatures=4, bias=true)
        )
      )"
    `);
    expect(String(new Sequential())).toBe("Sequential()");
    expect(String(new ParameterList([ones([2, 3])]))).toBe(
      "ParameterList(  (0): Parameter containing: [float32 of size 2x3])",
    );
    expect(String(new nn.Dropout(0.1))).toBe("Dropout(p=0.1, inplace=false)");
    const inspect = Symbol.for("nodejs.util.inspect.custom");
    expect((new ReLU() as unknown as Record<symbol, () => string>)[inspect]?.()).toBe("ReLU()");
  });
});

describe("containers", () => {
  test("Sequential reads and changes like a list", () => {
    const [a, b, c] = [new Linear(2, 2), new ReLU(), new Linear(2, 1)];
    const model = new Sequential(a, b);
    expect(model.append(c).length).toBe(3);
    expect([model[0], model.get(-1)]).toEqual([a, c]);
    expect(model(ones([4, 2])).shape).toEqual([4, 1]);
    model.insert(1, new nn.Identity());
    expect([...model].map((m) => m.constructor.name)).toEqual(["Linear", "Identity", "ReLU", "Linear"]);
    expect(model.pop(1)).toBeInstanceOf(nn.Identity);
    model.delete(0);
    expect(Object.keys(model.stateDict())).toEqual(["1.weight", "1.bias"]);
    expect(model.slice(1).get(0)).toBe(c);
    expect(model.add([a]).length).toBe(3);
    expect(new Sequential(b).mul(3).length).toBe(3);
    expect(() => model.get(5)).toThrow("[Sequential] index 5 is out of range: it has 2 members");
    expect(() => new Sequential({ forward: a })).toThrow('cannot be called "forward"');
    expect(() => new Sequential(3 as never)).toThrow("expected modules, got number");
    model[0] = a;
    expect(model.get(0)).toBe(a);
  });

  test("ModuleList and ModuleDict hold modules, and are not callable", () => {
    const list = new ModuleList([new Linear(1, 1)]).extend([new Linear(1, 2)]);
    expect([list.length, list.get(1).outFeatures]).toEqual([2, 2]);
    expect(() => (list as unknown as (x: Tensor) => Tensor)(ones([1]))).toThrow(
      "[ModuleList] it has no forward",
    );
    const dict = new ModuleDict<nn.Module>({ a: new ReLU() });
    dict.set("b", new Linear(1, 1)).update({ a: new nn.Tanh() });
    expect([...dict.keys()]).toEqual(["a", "b"]);
    expect(dict.has("b") && dict.get("a") instanceof nn.Tanh).toBe(true);
    expect(dict.pop("a")).toBeInstanceOf(nn.Tanh);
    expect([dict.length, [...dict.values()].length]).toEqual([1, 1]);
    expect(() => dict.set("x.y", new ReLU())).toThrow("without dots");
  });

  test("ParameterList and ParameterDict turn tensors into parameters", () => {
    const list = new ParameterList([ones([1]), new Parameter(ones([2]))]);
    list.append(ones([3]));
    expect([...list.parameters()].map((p) => p.shape[0])).toEqual([1, 2, 3]);
    expect(list[2]).toBeInstanceOf(Parameter);
    expect(Object.keys(list.stateDict())).toEqual(["0", "1", "2"]);
    const dict = new ParameterDict({ left: ones([1]) });
    expect(dict.setdefault("right", zeros([2])).shape).toEqual([2]);
    expect([...dict.reversed()]).toEqual(["right", "left"]);
    expect([...dict.or({ left: ones([5]) }).values()].map((p) => p.shape[0])).toEqual([5, 2]);
    expect(dict.popitem()[0]).toBe("right");
  });

  test("Sequential frees intermediates that nobody can reach, and only those", () => {
    const width = 65536;
    const layers = () => new Sequential(new nn.Tanh(), new nn.ReLU(), new nn.Flatten(), new nn.Tanh());
    const x = ones([8, width]);
    const peakOf = (run: () => Tensor) => {
      const before = memory().resident;
      const y = run();
      const grown = memory().resident - before;
      expect(y.sum().item()).toBeCloseTo(8 * width * Math.tanh(Math.tanh(1)), -2);
      return grown / x.nbytes;
    };
    expect(peakOf(() => noGrad(() => layers()(x)))).toBeLessThan(1.5);
    expect(x.sum().item()).toBe(8 * width);

    // A hook or a layer that is not the library's may hold what it sees.
    const kept: Tensor[] = [];
    const watched = layers();
    watched.get(0).registerForwardHook((_, __, y) => void kept.push(y));
    class Spy extends Module {
      forward(v: Tensor): Tensor {
        kept.push(v);
        return v.mul(1);
      }
    }
    watched.insert(2, new Spy());
    watched(x);
    for (const t of kept) expect(t.sum().item()).toBeCloseTo(8 * width * Math.tanh(1), -2);

    // Gradients are those of the layers called one by one.
    const [a, b] = [ones([2, 3], { requiresGrad: true }), ones([2, 3], { requiresGrad: true })];
    const model = new Sequential(
      new Linear(3, 3),
      new ReLU(),
      new Linear(3, 3),
      new nn.GELU(),
      new nn.Dropout(0),
    );
    model(a).sum().backward();
    let y: Tensor = b;
    for (const layer of model) y = layer(y);
    y.sum().backward();
    expect(a.grad?.toArray()).toEqual(b.grad?.toArray());
  });
});

describe("copies", () => {
  test("of state dicts keep the values; objects of other classes are refused", () => {
    const model = new Linear(2, 1);
    const before = nn.deepCopy(model.stateDict());
    const value = (before.weight as Tensor).toArray();
    noGrad(() => model.weight.zero_());
    expect((before.weight as Tensor).toArray()).toEqual(value);
    model.loadStateDict(before);
    expect(model.weight.toArray()).toEqual(value);
    expect(() => nn.deepCopy(new optim.SGD(model.parameters()))).toThrow(
      "[deepCopy] expected a module, a tensor, or a list or plain object of them, got SGD; try a new SGD",
    );
  });

  test("have their own parameters and the same hooks, and share inside what was shared", () => {
    const net = new Net();
    net.blocks.get(1).weight = net.blocks.get(0).weight;
    let calls = 0;
    net.registerForwardHook(() => void calls++);
    const copy = nn.deepCopy(net);
    expect(copy).toBeInstanceOf(Net);
    expect(copy(ones([1, 3])).toArray()).toEqual(net(ones([1, 3])).toArray());
    expect(calls).toBe(2);
    expect(copy.scale === net.scale).toBe(false);
    expect(copy.blocks.get(1).weight === copy.blocks.get(0).weight).toBe(true);
    expect(Object.keys(copy.stateDict())).toEqual(Object.keys(net.stateDict()));
    expect([...copy.buffers()].length).toBe(1);
    noGrad(() => copy.scale.zero_());
    expect(net.scale.sum().item()).toBe(4);
  });
});

describe("lazy modules", () => {
  test("become the plain class at the first call", () => {
    const layer = new nn.LazyLinear(3);
    expect(layer.hasUninitializedParams()).toBe(true);
    expect(() => layer.weight.shape).toThrow(
      "[UninitializedParameter] it has no shape and no values yet; try a forward pass",
    );
    expect(() => layer.weight.sum()).toThrow("try a forward pass");
    expect(String(layer)).toBe("LazyLinear(inFeatures=0, outFeatures=3, bias=true)");
    manualSeed(1);
    expect(layer(ones([2, 5])).shape).toEqual([2, 3]);
    expect(Object.getPrototypeOf(layer)).toBe(Linear.prototype);
    manualSeed(1);
    expect(layer.weight.toArray()).toEqual(new Linear(5, 3).weight.toArray());
    expect(nn.isLazy(layer.weight)).toBe(false);
  });

  test("resetting before the first call does nothing, as model.apply(reset) expects", () => {
    const linear = new nn.LazyLinear(3);
    const layers = [
      linear,
      new nn.LazyConv2d(2, 3),
      new nn.LazyConvTranspose1d(2, 3),
      new nn.LazyBatchNorm2d(),
    ];
    for (const layer of layers) {
      layer.resetParameters();
      expect(layer.hasUninitializedParams()).toBe(true);
    }
    linear(ones([2, 4]));
    const before = linear.weight.toArray();
    linear.resetParameters();
    expect(linear.weight.toArray()).not.toEqual(before);
  });

  test("stay as they are when the first call fails", () => {
    const model = new Sequential(new nn.LazyLinear(3));
    expect(() => model(tensor([1, 2], { dtype: "int64" }))).toThrow("[linear]");
    const layer = model.get<nn.LazyLinear>(0);
    expect(layer).toBeInstanceOf(nn.LazyLinear);
    expect([layer.hasUninitializedParams(), layer.inFeatures]).toEqual([true, 0]);
    expect(model(ones([1, 2])).shape).toEqual([1, 3]);
  });

  test("convert, copy, save and load before and after", () => {
    const layer = new nn.LazyLinear(3).double();
    const early = new nn.LazyLinear(3).stateDict();
    const copy = nn.deepCopy(layer);
    const full = new Linear(4, 3, { dtype: "float64" });
    layer.loadStateDict(full.stateDict());
    expect(layer.weight.toArray()).toEqual(full.weight.toArray());
    expect(layer(ones([1, 4], { dtype: "float64" })).dtype).toBe("float64");
    expect(layer.inFeatures).toBe(4);
    expect(copy(ones([1, 6], { dtype: "float64" })).shape).toEqual([1, 3]);
    expect(() => full.loadStateDict(early)).toThrow("the value was saved before it was initialised");
  });
});

test("scope frees neither parameters nor buffers", () => {
  const net = scope(() => {
    const made = new Net();
    keepAlive.push(made);
    return 1;
  });
  expect(net).toBe(1);
  const [model] = keepAlive as [Net];
  expect(model(ones([1, 3])).shape).toEqual([1, 4]);
  expect(model.runningMean.toArray()).toEqual([0, 0, 0, 0]);
});

const keepAlive: Net[] = [];
