import { beforeEach, describe, expect, test } from "vitest";
import { manualSeed, memory, nn, noGrad, ones, type Tensor, zeros } from "../../src/index.js";

const { Linear, Module, ModuleDict, ModuleList, Parameter, ParameterDict, ParameterList, ReLU, Sequential } =
  nn;

beforeEach(() => {
  manualSeed(0);
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
