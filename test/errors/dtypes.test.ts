/** Wrong dtypes, and things that are no tensors. */

import { expect, test } from "vitest";
import {
  cat,
  full,
  linalg,
  matmul,
  nn,
  ones,
  randn,
  setDefaultDtype,
  tensor,
  where,
  zeros,
} from "../../src/index.js";
import { errorOf, index } from "./errorOf.js";

test("integers into a linear layer", () => {
  expect(errorOf(() => new nn.Linear(2, 2)(tensor([[1, 2]])))).toMatchInlineSnapshot(
    `"DTypeError: [linear] expected input, weight and bias of one dtype, got int64, float32, float32; try input.to("float32")"`,
  );
});

test("float64 into a linear layer", () => {
  expect(errorOf(() => new nn.Linear(2, 2)(randn([1, 2], { dtype: "float64" })))).toMatchInlineSnapshot(
    `"DTypeError: [linear] expected input, weight and bias of one dtype, got float64, float32, float32; try input.to("float32"), or module.to("float64")"`,
  );
});

test("integers into a convolution", () => {
  expect(errorOf(() => new nn.Conv2d(1, 1, 2)(ones([1, 1, 3, 3], { dtype: "int64" })))).toMatchInlineSnapshot(
    `"DTypeError: [conv2d] expected input, weight and bias of one dtype, got int64, float32, float32; try input.to("float32")"`,
  );
});

test("integers into batch norm", () => {
  expect(errorOf(() => new nn.BatchNorm1d(2)(ones([2, 2], { dtype: "int64" })))).toMatchInlineSnapshot(
    `"DTypeError: [batchNorm] not defined for int64: expected float32 or float64; try x.to("float32")"`,
  );
});

test("float64 into batch norm", () => {
  expect(errorOf(() => new nn.BatchNorm1d(2)(ones([2, 2], { dtype: "float64" })))).toMatchInlineSnapshot(
    `"DTypeError: [batchNorm] running_mean is float32, expected float64, the dtype of the input [2, 2]; try x.to("float32"), or model.double()"`,
  );
});

test("float64 into layer norm", () => {
  expect(errorOf(() => new nn.LayerNorm(2)(ones([2, 2], { dtype: "float64" })))).toMatchInlineSnapshot(
    `"DTypeError: [layerNorm] weight is float32, expected float64, the dtype of the input [2, 2]; try x.to("float32"), or model.double()"`,
  );
});

test("float64 into an LSTM", () => {
  expect(errorOf(() => new nn.LSTM(2, 2)(ones([2, 2, 2], { dtype: "float64" })))).toMatchInlineSnapshot(
    `"DTypeError: [LSTM] input is float64, expected float32, the parameters' dtype; try input.to("float32")"`,
  );
});

test("matmul of two dtypes", () => {
  expect(errorOf(() => randn([2, 3]).matmul(randn([3, 2], { dtype: "float64" })))).toMatchInlineSnapshot(
    `"DTypeError: [matmul] expected operands of one dtype, got float32 and float64; try .to("float64")"`,
  );
});

test("the mean of integers", () => {
  expect(errorOf(() => index([1, 2]).mean())).toMatchInlineSnapshot(
    `"DTypeError: [mean] expected a floating dtype, got int64; try x.to("float32"), or { dtype: "float32" }"`,
  );
});

test("the variance of integers", () => {
  expect(errorOf(() => index([1, 2]).var())).toMatchInlineSnapshot(
    `"DTypeError: [var] expected a floating dtype, got int64; try x.to("float32")"`,
  );
});

test("subtracting booleans", () => {
  expect(errorOf(() => tensor([true]).sub(tensor([false])))).toMatchInlineSnapshot(
    `"DTypeError: [sub] not defined for bool; try logicalXor, logicalNot or bitwiseXor"`,
  );
});

test("bits of floats", () => {
  expect(errorOf(() => randn([2]).bitwiseAnd(randn([2])))).toMatchInlineSnapshot(
    `"DTypeError: [bitwiseAnd] not defined for float32: expected integers or bool; try .to("int64")"`,
  );
});

test("a fraction added to integers in place", () => {
  expect(errorOf(() => index([1]).add_(0.5))).toMatchInlineSnapshot(
    `"DTypeError: [add_] the result is float32, which cannot be cast to int64 in place; try x.to("float32") first"`,
  );
});

test("dividing integers by zero", () => {
  expect(errorOf(() => index([1]).floorDivide(index([0])))).toMatchInlineSnapshot(
    `"ZeroDivisionError: [floorDivide] integers cannot be divided by zero; try x.to("float32")"`,
  );
});

test("integers to a negative power", () => {
  expect(errorOf(() => index([2]).pow(-1))).toMatchInlineSnapshot(
    `"ValueError: [pow] integers to negative integer powers are not allowed: got -1; try x.to("float32")"`,
  );
});

test("a gradient of integers", () => {
  expect(errorOf(() => index([1]).requiresGrad_())).toMatchInlineSnapshot(
    `"DTypeError: [requiresGrad_] only floating tensors can require gradients: got int64; try x.to("float32")"`,
  );
});

test("integers made to require a gradient", () => {
  expect(errorOf(() => ones([2], { dtype: "int64", requiresGrad: true }))).toMatchInlineSnapshot(
    `"DTypeError: [requiresGrad] only floating tensors can require gradients: got int64; try dtype: "float32""`,
  );
});

test("an unsupported dtype", () => {
  expect(errorOf(() => tensor([1], { dtype: "float16" as never }))).toMatchInlineSnapshot(
    `"DTypeError: [dtype] unknown dtype: got float16, expected one of bool, uint8, int32, int64, float32, float64"`,
  );
});

test("a module to integers", () => {
  expect(errorOf(() => new nn.Linear(2, 3).to("int64"))).toMatchInlineSnapshot(
    `"DTypeError: [to] a module can only be converted to a floating dtype: got int64; try "float32" or "float64""`,
  );
});

test("an integer default", () => {
  expect(errorOf(() => setDefaultDtype("int64"))).toMatchInlineSnapshot(
    `"DTypeError: [setDefaultDtype] got int64, expected a floating dtype: "float32" or "float64""`,
  );
});

test("inverting integers", () => {
  expect(
    errorOf(() =>
      linalg.inv(
        index([
          [1, 0],
          [0, 1],
        ]),
      ),
    ),
  ).toMatchInlineSnapshot(
    `"DTypeError: [linalg.inv] expected a floating dtype, got int64; try x.to("float32")"`,
  );
});

test("adding undefined", () => {
  expect(errorOf(() => randn([2]).add(undefined as never))).toMatchInlineSnapshot(
    `"DTypeError: [operand] expected a tensor or a number, got undefined"`,
  );
});

test("adding an array", () => {
  expect(errorOf(() => randn([2]).add([1, 2] as never))).toMatchInlineSnapshot(
    `"DTypeError: [operand] expected a tensor or a number, got an array; try tensor([...])"`,
  );
});

test("adding text", () => {
  expect(errorOf(() => randn([2]).add("1" as never))).toMatchInlineSnapshot(
    `"DTypeError: [operand] expected a tensor or a number, got "1""`,
  );
});

test("filling with text", () => {
  expect(errorOf(() => zeros([2]).fill_("x" as never))).toMatchInlineSnapshot(
    `"DTypeError: [operand] expected a tensor or a number, got "x""`,
  );
});

test("full of text", () => {
  expect(errorOf(() => full([2], "x" as never))).toMatchInlineSnapshot(
    `"DTypeError: [full] expected a number or a boolean as the value, got string"`,
  );
});

test("text as data", () => {
  expect(errorOf(() => tensor(["a"] as never))).toMatchInlineSnapshot(
    `"DTypeError: [tensor] cannot hold string a: expected numbers, booleans or bigints"`,
  );
});

test("a condition that is no bool", () => {
  expect(errorOf(() => where(ones([2]), randn([2]), randn([2])))).toMatchInlineSnapshot(
    `"DTypeError: [where] the mask must be bool: got float32; try mask.ne(0)"`,
  );
});

test("a layer called with an array", () => {
  expect(errorOf(() => new nn.Linear(2, 2)([[1, 2]] as never))).toMatchInlineSnapshot(
    `"DTypeError: [Linear] got an array, expected a tensor; try tensor(values)"`,
  );
});

test("a model called with nothing", () => {
  expect(errorOf(() => new nn.Sequential(new nn.Linear(2, 2))(undefined as never))).toMatchInlineSnapshot(`
    "DTypeError: [Linear] got undefined as the input, expected a tensor; try tensor(values)
      in 0: Linear(inFeatures=2, outFeatures=2, bias=true)"
  `);
});

test("dropout of integers", () => {
  expect(errorOf(() => new nn.Dropout(0.5)(index([1, 2])))).toMatchInlineSnapshot(
    `"DTypeError: [dropout] expected a floating dtype, got int64; try x.to("float32")"`,
  );
});

test("a number or a list where a product takes a tensor", () => {
  expect(errorOf(() => matmul(ones([2, 2]), 2 as never))).toMatchInlineSnapshot(
    `"DTypeError: [matmul] expected a tensor as second operand, got 2"`,
  );
  expect(errorOf(() => ones([2, 2]).mm([[1, 2]] as never))).toMatchInlineSnapshot(
    `"DTypeError: [mm] expected a tensor as second operand, got an array; try tensor([...])"`,
  );
});

test("tensors that are not in a list", () => {
  expect(errorOf(() => cat(ones([2]) as never, ones([2]) as never))).toMatchInlineSnapshot(
    `"DTypeError: [cat] expected a list of tensors, got one tensor; try cat([a, b])"`,
  );
});
