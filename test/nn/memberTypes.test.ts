/** What the compiler knows of the members of modules, and what it refuses; checked by the type check of the tests. */
import { nn, ones, type Tensor } from "kindling";
import { describe, expect, test } from "vitest";

const { Linear, Parameter, Sequential } = nn;

describe("types of members", () => {
  test("of a Sequential are those that the constructor got, from both ends", () => {
    const model = new Sequential(new Linear(2, 8), new nn.ReLU(), new nn.GRU(8, 1));
    const widths: number[] = [model.get(0).inFeatures, model.get(-3).outFeatures, model.get(2).hiddenSize];
    expect([...widths, model.get(-1).numLayers]).toEqual([2, 8, 1, 1]);
    // @ts-expect-error: a ReLU has no weight
    expect(model.get(1).weight).toBeUndefined();
    const any: nn.Sequential = new Sequential(new Linear(2, 8), new nn.ReLU());
    expect(any.get(0)(ones([1, 2])).shape).toEqual([1, 8]);
    const grown = new Sequential(...[2, 3].map((n) => new Linear(n, n + 1)));
    expect(grown.get(1)(ones([1, 3])).shape).toEqual([1, 4]);
    const i: number = grown.length - 1;
    expect(grown.get<nn.Linear>(i).outFeatures).toBe(4);
  });

  test("of dictionaries are those of their keys", () => {
    const heads = new nn.ModuleDict({ a: new Linear(2, 3), b: new nn.Bilinear(2, 2, 4) });
    expect([heads.get("a").outFeatures, heads.get("b").in2Features]).toEqual([3, 2]);
    expect(heads.get("c")?.toString()).toBeUndefined();
    const held: nn.ModuleDict<nn.Linear> = new nn.ModuleDict({ a: new Linear(2, 3) });
    expect(held.get("a")?.outFeatures).toBe(3);
    const pairs = new nn.ModuleDict(["x", "y"].map((k) => [k, new Linear(1, 1)] as const));
    expect(pairs.get("y")?.inFeatures).toBe(1);
    const scales = new nn.ParameterDict({ s: ones([2]) });
    expect(scales.get("s").shape).toEqual([2]);
    expect(scales.get("t")?.shape).toBeUndefined();
  });

  test("a plain tensor does not compile in the place of a parameter", () => {
    const layer = new Linear(1, 1);
    // @ts-expect-error: it would not be learned
    layer.weight = ones([1, 1]);
    expect([...layer.namedParameters()].map(([name]) => name)).toEqual(["bias"]);
    layer.weight = new Parameter(ones([1, 1]));
    expect([...layer.parameters()]).toHaveLength(2);
  });

  test("a hook before forward may return a list of new arguments as it is written", () => {
    const layer = new Linear(2, 1);
    layer.registerForwardPreHook((_m, [x]) => [x.mul(0)]);
    expect(layer(ones([1, 2])).item()).toBe((layer.bias as Tensor).item());
  });
});
