/** Calls in the forms that PyTorch code has them: options by position, devices, sizes without brackets. */
import { describe, expect, test } from "vitest";
import { manualSeed, multinomial, nn, ones, randn, type Tensor, tensor } from "../../src/index.js";

const F = nn.functional;
/** The call as a script without types would make it. */
const untyped = (x: Tensor) => x as unknown as Record<string, (...args: unknown[]) => Tensor>;

describe("the device", () => {
  test('"cpu" changes nothing, in tensors and modules', () => {
    const x = ones([2]);
    expect(x.to("cpu")).toBe(x);
    expect(x.to({ device: "cpu" })).toBe(x);
    expect(x.to({ device: "cpu", dtype: "float64" }).dtype).toBe("float64");
    const layer = new nn.Linear(2, 1);
    expect(layer.to("cpu")).toBe(layer);
    expect(layer.to({ device: "cpu", dtype: "float64" }).weight.dtype).toBe("float64");
  });

  test("another one is an error", () => {
    expect(() => untyped(ones([2])).to?.("cuda")).toThrow("unknown dtype: got cuda");
  });
});

describe("options by position", () => {
  test("pad: mode and value", () => {
    const x = tensor([[1, 2, 3]], { dtype: "float32" });
    expect(F.pad(x, [1, 1], "constant", 9).toArray()).toEqual([[9, 1, 2, 3, 9]]);
    expect(F.pad(x, [1, 1], "constant").toArray()).toEqual([[0, 1, 2, 3, 0]]);
    expect(F.pad(x, [1, 1], "constant", null).toArray()).toEqual([[0, 1, 2, 3, 0]]);
    expect(F.pad(x, [1, 1], "reflect").toArray()).toEqual([[2, 1, 2, 3, 2]]);
    expect(() => F.pad(x, [1, 1], "reflect", 1)).toThrow('a value is only for mode "constant"');
  });

  test("multinomial: replacement", () => {
    const only = tensor([0, 0.5, 0]);
    expect(multinomial(only, 3, true).toArray()).toEqual([1, 1, 1]);
    expect(() => multinomial(tensor([1, 1]).float(), 3, false)).toThrow("[multinomial]");
    manualSeed(0);
    const byName = multinomial(ones([5]), 4, { replacement: true });
    manualSeed(0);
    expect(multinomial(ones([5]), 4, true).equal(byName)).toBe(true);
  });
});

test("sizes and dims without brackets: the message shows the brackets", () => {
  const x = randn([2, 3]);
  expect(() => untyped(x).view?.(3, 2)).toThrow(
    "[view] expected a list of sizes, got 3; try view([3]), all sizes in one list",
  );
  expect(() => untyped(x).permute?.(1, 0)).toThrow(
    "[permute] expected a list of dims, got 1; try permute([1, …])",
  );
});
