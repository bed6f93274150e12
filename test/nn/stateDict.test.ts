import { beforeEach, describe, expect, test } from "vitest";
import { manualSeed, nn, noGrad, ones, optim, type Tensor, tensor, zeros } from "../../src/index.js";
import { Net } from "./net.js";

const { Linear, Module, Parameter, Sequential } = nn;

beforeEach(() => {
  manualSeed(0);
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
