/** Modules: state dicts, names, lazy layers, utilities. */

import { expect, test } from "vitest";
import { nn, ones, optim, randn, zeros } from "../../src/index.js";
import { errorOf } from "./errorOf.js";

test("a state dict that does not fit, all at once", () => {
  expect(
    errorOf(() =>
      new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm1d(3)).loadStateDict({
        "0.weight": ones([3, 4]),
        "0.bias": ones([3]),
        "2.weight": ones([1]),
      }),
    ),
  ).toMatchInlineSnapshot(`
    "StateDictError: [loadStateDict] the state dict does not fit Sequential, nothing was loaded:
      0.weight: got shape [3, 4], expected [3, 2]
      unexpected keys: "2.weight"
      missing keys: "1.weight", "1.bias", "1.running_mean", "1.running_var""
  `);
});

test("missing keys", () => {
  expect(errorOf(() => new nn.Linear(2, 3).loadStateDict({ weight: ones([3, 2]) }))).toMatchInlineSnapshot(`
    "StateDictError: [loadStateDict] the state dict does not fit Linear, nothing was loaded; try { strict: false } to load what fits:
      missing keys: "bias""
  `);
});

test("unexpected keys", () => {
  expect(
    errorOf(() =>
      new nn.Linear(2, 3, { bias: false }).loadStateDict({ weight: ones([3, 2]), bias: ones([3]) }),
    ),
  ).toMatchInlineSnapshot(`
    "StateDictError: [loadStateDict] the state dict does not fit Linear, nothing was loaded; try { strict: false } to load what fits:
      unexpected keys: "bias""
  `);
});

test("an entry that is no tensor", () => {
  expect(
    errorOf(() => new nn.Linear(2, 3, { bias: false }).loadStateDict({ weight: 1 } as never)),
  ).toMatchInlineSnapshot(`
    "StateDictError: [loadStateDict] the state dict does not fit Linear, nothing was loaded:
      weight: got number, expected a tensor of shape [3, 2]"
  `);
});

test("no state dict", () => {
  expect(errorOf(() => new nn.Linear(2, 3).loadStateDict(null as never))).toMatchInlineSnapshot(
    `"ValueError: [loadStateDict] expected an object of tensors by name, got null"`,
  );
});

test("a module without forward", () => {
  expect(
    errorOf(() =>
      new (class Net extends (nn.Module as unknown as new () => (x: unknown) => unknown) {})()(ones([1])),
    ),
  ).toMatchInlineSnapshot(
    `"KindlingError: [Net] got no forward(), expected a method that computes the output"`,
  );
});

test("a Sequential of functions", () => {
  expect(errorOf(() => new nn.Sequential(((x: unknown) => x) as never))).toMatchInlineSnapshot(
    `"ValueError: [Sequential] expected modules, got function; try a layer such as new ReLU()"`,
  );
});

test("an unknown submodule", () => {
  expect(errorOf(() => new nn.Sequential(new nn.ReLU()).getSubmodule("1.x"))).toMatchInlineSnapshot(
    `"ValueError: [getSubmodule] Sequential has no submodule "1" (of "1.x"): expected one of 0"`,
  );
});

test("an unknown parameter", () => {
  expect(errorOf(() => new nn.Linear(1, 1).getParameter("weights"))).toMatchInlineSnapshot(
    `"ValueError: [getParameter] "weights" is no parameter of Linear: expected one of weight, bias"`,
  );
});

test("a buffer with the name of a parameter", () => {
  expect(errorOf(() => new nn.Linear(1, 1).registerBuffer("weight", ones([1])))).toMatchInlineSnapshot(
    `"ValueError: [registerBuffer] Linear already has an attribute "weight", and it is of another kind; try another name"`,
  );
});

test("a parameter that is none", () => {
  expect(errorOf(() => new nn.Linear(1, 1).registerParameter("w", ones([1]) as never))).toMatchInlineSnapshot(
    `"ValueError: [registerParameter] "w" is no Parameter; try new Parameter(tensor), or registerBuffer"`,
  );
});

test("a key with a dot", () => {
  expect(errorOf(() => new nn.ModuleDict({ "a.b": new nn.ReLU() }))).toMatchInlineSnapshot(
    `"ValueError: [ModuleDict] "a.b" is no key: expected a string without dots that is not empty"`,
  );
});

test("train without a boolean", () => {
  expect(errorOf(() => new nn.Linear(1, 1).train("yes" as never))).toMatchInlineSnapshot(
    `"ValueError: [train] got yes: expected true or false"`,
  );
});

test("a lazy parameter before its first use", () => {
  expect(errorOf(() => new nn.LazyLinear(3).weight.add(1))).toMatchInlineSnapshot(
    `"AutogradError: [UninitializedParameter] it has no shape and no values yet; try a forward pass with an input of the final shape first, or materialize(shape)"`,
  );
});

test("an optimizer of lazy parameters", () => {
  expect(errorOf(() => new optim.SGD(new nn.LazyLinear(3).parameters(), { lr: 0.1 }))).toMatchInlineSnapshot(
    `"ValueError: [SGD] a parameter is not initialised yet; try a forward pass of the lazy module first"`,
  );
});

test("Xavier for a vector", () => {
  expect(errorOf(() => nn.init.xavierUniform_(zeros([3])))).toMatchInlineSnapshot(
    `"ShapeError: [init] fan in and fan out need at least 2 dimensions, got [3]"`,
  );
});

test("an unknown gain", () => {
  expect(errorOf(() => nn.init.calculateGain("swish" as never))).toMatchInlineSnapshot(
    `"ValueError: [calculateGain] unknown nonlinearity "swish": expected linear, sigmoid, tanh, relu, leakyRelu, selu or a convolution"`,
  );
});

test("a negative deviation", () => {
  expect(errorOf(() => nn.init.normal_(zeros([3]), 0, -1))).toMatchInlineSnapshot(
    `"ValueError: [normal_] expected std >= 0, got -1"`,
  );
});

test("clipping gradients that are NaN", () => {
  expect(
    errorOf(() => {
      const w = ones([2], { requiresGrad: true });
      w.grad = ones([2]).mul(Number.NaN);
      nn.utils.clipGradNorm_([w], 1, { errorIfNonfinite: true });
    }),
  ).toMatchInlineSnapshot(
    `"ValueError: [clipGradNorm_] the total norm of order 2 is NaN, so gradients cannot be scaled by it; try { errorIfNonfinite: false } to scale them all the same"`,
  );
});

test("a vector for other parameters", () => {
  expect(errorOf(() => nn.utils.vectorToParameters(ones([3]), [ones([2])]))).toMatchInlineSnapshot(
    `"ShapeError: [vectorToParameters] got a vector of shape [3], expected [2]"`,
  );
});

test("pruning more than everything", () => {
  expect(
    errorOf(() => nn.utils.prune.l1Unstructured(new nn.Linear(2, 2), "weight", 1.5)),
  ).toMatchInlineSnapshot(
    `"ValueError: [L1Unstructured] amount must be a whole number >= 0 (a count) or between 0 and 1 (a share), got 1.5"`,
  );
});

test("pruning an unknown parameter", () => {
  expect(
    errorOf(() => nn.utils.prune.l1Unstructured(new nn.Linear(2, 2), "weights", 0.5)),
  ).toMatchInlineSnapshot(
    `"ValueError: [prune] Linear has no parameter or buffer "weights"; try the name of one of its tensors"`,
  );
});

test("weight norm twice", () => {
  expect(errorOf(() => nn.utils.weightNorm(nn.utils.weightNorm(new nn.Linear(2, 2))))).toMatchInlineSnapshot(
    `"ValueError: [weightNorm] "weight" of Linear is normalised already; try removeWeightNorm first"`,
  );
});

test("fusing in training mode", () => {
  expect(
    errorOf(() => nn.utils.fuseConvBnEval(new nn.Conv2d(1, 1, 1), new nn.BatchNorm2d(1))),
  ).toMatchInlineSnapshot(
    `"ValueError: [fuseConvBnEval] fusion only for eval: got layers in training mode; try model.eval() first"`,
  );
});

test("functionalCall with an unknown name", () => {
  expect(
    errorOf(() =>
      nn.utils.stateless.functionalCall(new nn.Linear(1, 1), { scale: ones([1]) }, [randn([1, 1])]),
    ),
  ).toMatchInlineSnapshot(
    `"ValueError: [functionalCall] the names do not fit Linear, expected those of namedParameters() and namedBuffers(); unexpected: scale"`,
  );
});
