/** Module: fields as state, walks, names, modes, dtypes, printing. */
import fc from "fast-check";
import { beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import { manualSeed, nn, ones, scope, type Tensor } from "../../src/index.js";
import { toField, toKey } from "../../src/nn/naming.js";
import { Net } from "./net.js";

const { Linear, Module, ModuleDict, Parameter, ParameterList, ReLU, Sequential } = nn;

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
