import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import {
  formatTensor,
  getPrintOptions,
  setPrintOptions,
  toExponentialExact,
  toFixedExact,
} from "../../src/tensor/format.js";

interface Case {
  name: string;
  dtype: string;
  shape: number[];
  data: (number | string | boolean)[] | "arange" | "arange/8";
  suffixes: string[];
  options: Record<string, never>;
  text: string;
}

const cases = JSON.parse(readFileSync(new URL("../fixtures/print.json", import.meta.url), "utf8")) as Case[];
const words: Record<string, number> = { nan: Number.NaN, inf: Infinity, "-inf": -Infinity };

function dataOf({ data, shape }: Case): (number | bigint | boolean)[] {
  if (typeof data === "string") {
    const step = data === "arange" ? 1 : 1 / 8;
    return Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i * step);
  }
  return data.map((v) => (typeof v === "string" ? (words[v] ?? BigInt(v)) : v));
}

afterEach(() => setPrintOptions({ profile: "default" }));

describe("tensors print as PyTorch prints them", () => {
  it.each(cases)("$name", (c) => {
    setPrintOptions(c.options);
    const gradFn = c.suffixes.find((s) => s.startsWith("gradFn"))?.slice(8, -1);
    const text = formatTensor(dataOf(c), c.shape, c.dtype, {
      ...(gradFn === undefined ? {} : { gradFn }),
      requiresGrad: c.suffixes.includes("requiresGrad=true"),
    });
    expect(text).toBe(c.text);
  });
});

describe("numbers print as C's printf writes them", () => {
  it("rounds ties of the exact binary value to even", () => {
    expect([0.5, 1.5, 2.5].map((v) => toFixedExact(v, 0))).toEqual(["0", "2", "2"]);
    expect(toFixedExact(0.03125, 4)).toBe("0.0312");
    expect(toFixedExact(1.005, 2)).toBe("1.00");
  });
  it("writes large and small values out in full", () => {
    expect(toFixedExact(1e22, 1)).toBe("10000000000000000000000.0");
    expect(toExponentialExact(5e-324, 4)).toBe("4.9407e-324");
    expect(toExponentialExact(9.99996, 4)).toBe("1.0000e+01");
    expect(toExponentialExact(-0, 2)).toBe("-0.00e+00");
  });
});

describe("setPrintOptions", () => {
  it("takes profiles, and resets sciMode when it is not given", () => {
    setPrintOptions({ profile: "short", sciMode: true });
    expect(getPrintOptions()).toEqual({
      precision: 2,
      threshold: 1000,
      edgeitems: 2,
      linewidth: 80,
      sciMode: true,
    });
    setPrintOptions({ precision: 3 });
    expect(getPrintOptions()).toMatchObject({ precision: 3, edgeitems: 2, sciMode: null });
  });

  it("leaves zeros, NaN and infinities as they are, whatever sciMode says", () => {
    // torch.set_printoptions(sci_mode=True); print(torch.zeros(2)); print(torch.tensor([0., 2.]))
    setPrintOptions({ sciMode: true });
    expect(formatTensor([0, 0], [2], "float32", {})).toBe("tensor([0., 0.])");
    expect(formatTensor([0, 2], [2], "float32", {})).toBe("tensor([0.0000e+00, 2.0000e+00])");
  });
});
