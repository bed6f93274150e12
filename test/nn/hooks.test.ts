import { beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import { manualSeed, nn, ones, type Tensor, tensor } from "../../src/index.js";

const { Linear, Module, ReLU, Sequential } = nn;

beforeEach(() => {
  manualSeed(0);
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
