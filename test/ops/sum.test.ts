import { expect, test } from "vitest";
import { type DType, full } from "../../src/index.js";

// Full sums of more than 65,536 elements go in chunks, for which only floating types have kernels.
test.each<DType>(["bool", "uint8", "int32", "int64", "float32", "float64"])(
  "the sum of 300,001 elements of %s",
  (dtype) => {
    const value = dtype === "bool" ? 1 : 3;
    const x = full([300_001], value, { dtype });
    expect(Number(x.sum().item())).toBe(value * 300_001);
    expect(Number(x.reshape([1, 300_001]).sum([0, 1]).item())).toBe(value * 300_001);
  },
);
