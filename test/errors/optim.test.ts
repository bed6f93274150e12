/** Optimizers and schedulers: options out of range, parameters that are none. */

import { expect, test } from "vitest";
import { nn, ones, optim, type Tensor } from "../../src/index.js";
import { errorOf } from "./errorOf.js";

const { lrScheduler: S } = optim;
const params = (): Tensor[] => [ones([1], { requiresGrad: true })];
const sgd = () => new optim.SGD(params(), { lr: 0.1, momentum: 0.9 });

test("a negative rate", () => {
  expect(errorOf(() => new optim.SGD(params(), { lr: -1 }))).toMatchInlineSnapshot(
    `"ValueError: [SGD] invalid lr: got -1, expected >= 0"`,
  );
});

test("a rate that is NaN", () => {
  expect(errorOf(() => new optim.Adam(params(), { lr: Number.NaN }))).toMatchInlineSnapshot(
    `"ValueError: [Adam] invalid lr: got NaN, expected >= 0"`,
  );
});

test("a rate as text", () => {
  expect(errorOf(() => new optim.Adam(params(), { lr: "0.1" as never }))).toMatchInlineSnapshot(
    `"ValueError: [Adam] invalid lr: got "0.1", expected a number >= 0"`,
  );
});

test("a beta of 1", () => {
  expect(errorOf(() => new optim.Adam(params(), { betas: [1, 0.9] }))).toMatchInlineSnapshot(
    `"ValueError: [Adam] invalid betas[0]: got 1, expected from 0 up to but not 1"`,
  );
});

test("a negative eps", () => {
  expect(errorOf(() => new optim.Adam(params(), { eps: -1 }))).toMatchInlineSnapshot(
    `"ValueError: [Adam] invalid eps: got -1, expected >= 0"`,
  );
});

test("a negative weight decay", () => {
  expect(errorOf(() => new optim.AdamW(params(), { weightDecay: -1 }))).toMatchInlineSnapshot(
    `"ValueError: [AdamW] invalid weightDecay: got -1, expected >= 0"`,
  );
});

test("nesterov without momentum", () => {
  expect(errorOf(() => new optim.SGD(params(), { lr: 0.1, nesterov: true }))).toMatchInlineSnapshot(
    `"ValueError: [SGD] nesterov: got momentum 0 and dampening 0, expected momentum > 0 and dampening 0"`,
  );
});

test("an unknown option", () => {
  expect(errorOf(() => new optim.Adam(params(), { beta1: 0.9 } as never))).toMatchInlineSnapshot(
    `"ValueError: [Adam] unknown option "beta1": expected one of lr, betas, eps, weightDecay, amsgrad, decoupledWeightDecay, maximize, differentiable; try betas"`,
  );
});

test("no parameters", () => {
  expect(errorOf(() => new optim.SGD([], { lr: 0.1 }))).toMatchInlineSnapshot(
    `"ValueError: [SGD] got no parameters; try model.parameters() of a model that has some"`,
  );
});

test("numbers as parameters", () => {
  expect(errorOf(() => new optim.SGD([1] as never, { lr: 0.1 }))).toMatchInlineSnapshot(
    `"ValueError: [SGD] parameters must be tensors, got number"`,
  );
});

test("one tensor", () => {
  expect(errorOf(() => new optim.SGD(ones([1]) as never, { lr: 0.1 }))).toMatchInlineSnapshot(
    `"ValueError: [SGD] expected a list of parameters, got one tensor; try [parameter]"`,
  );
});

test("a module", () => {
  expect(errorOf(() => new optim.SGD(new nn.Linear(1, 1) as never, { lr: 0.1 }))).toMatchInlineSnapshot(
    `"ValueError: [SGD] expected parameters, got a module; try module.parameters()"`,
  );
});

test("nothing", () => {
  expect(errorOf(() => new optim.SGD(undefined as never, { lr: 0.1 }))).toMatchInlineSnapshot(
    `"ValueError: [SGD] expected a list of parameters, got undefined; try model.parameters()"`,
  );
});

test("a result as a parameter", () => {
  expect(
    errorOf(() => new optim.SGD([ones([1], { requiresGrad: true }).exp()], { lr: 0.1 })),
  ).toMatchInlineSnapshot(
    `"ValueError: [SGD] cannot optimize a tensor that is no leaf; try detach(), or { differentiable: true }"`,
  );
});

test("a parameter in two groups", () => {
  expect(
    errorOf(() => {
      const [w] = params() as [Tensor];
      new optim.SGD([{ params: [w] }, { params: [w] }], { lr: 0.1 });
    }),
  ).toMatchInlineSnapshot(
    `"ValueError: [SGD] a parameter appears in more than one group, or twice: expected each once"`,
  );
});

test("LBFGS without a closure", () => {
  expect(errorOf(() => new optim.LBFGS(params()).step(undefined as never))).toMatchInlineSnapshot(
    `"ValueError: [LBFGS] step needs a closure: it evaluates the loss several times; try step(() => { ...; return loss; })"`,
  );
});

test("LBFGS with groups", () => {
  expect(errorOf(() => new optim.LBFGS([{ params: params() }, { params: params() }]))).toMatchInlineSnapshot(
    `"ValueError: [LBFGS] got 2 groups, expected one: its state is common to all parameters"`,
  );
});

test("a state dict of other groups", () => {
  expect(
    errorOf(() => {
      const o = sgd();
      const state = o.stateDict();
      state.param_groups.push({ params: [1] });
      o.loadStateDict(state);
    }),
  ).toMatchInlineSnapshot(`
    "StateDictError: [loadStateDict] the state dict does not fit SGD, nothing was loaded:
      got groups of [1, 1] parameters, expected [1]"
  `);
});

test("a state dict of other shapes", () => {
  expect(
    errorOf(() => {
      const w = ones([2], { requiresGrad: true });
      const a = new optim.SGD([w], { lr: 0.1, momentum: 0.9 });
      w.grad = ones([2]);
      a.step();
      sgd().loadStateDict(a.stateDict());
    }),
  ).toMatchInlineSnapshot(`
    "StateDictError: [loadStateDict] the state dict does not fit SGD, nothing was loaded:
      state of parameter 0: momentum_buffer has shape [2], expected [1]"
  `);
});

test("StepLR: no step", () => {
  expect(errorOf(() => new S.StepLR(sgd(), 0))).toMatchInlineSnapshot(
    `"ValueError: [StepLR] invalid stepSize: got 0, expected >= 1"`,
  );
});

test("a scheduler without optimizer", () => {
  expect(errorOf(() => new S.StepLR(1 as never, 1))).toMatchInlineSnapshot(
    `"ValueError: [StepLR] expected an optimizer, got number"`,
  );
});

test("OneCycleLR: no length", () => {
  expect(errorOf(() => new S.OneCycleLR(sgd(), 1, {}))).toMatchInlineSnapshot(
    `"ValueError: [OneCycleLR] expected totalSteps, or epochs and stepsPerEpoch: epochs is missing"`,
  );
});

test("ReduceLROnPlateau: factor", () => {
  expect(errorOf(() => new S.ReduceLROnPlateau(sgd(), "min", { factor: 1 }))).toMatchInlineSnapshot(
    `"ValueError: [ReduceLROnPlateau] invalid factor: got 1, expected from 0 up to but not 1"`,
  );
});

test("ReduceLROnPlateau: an unknown mode", () => {
  expect(errorOf(() => new S.ReduceLROnPlateau(sgd(), "up" as never))).toMatchInlineSnapshot(
    `"ValueError: [ReduceLROnPlateau] invalid mode: got up, expected "min" or "max""`,
  );
});

test("ReduceLROnPlateau: no metric", () => {
  expect(errorOf(() => new S.ReduceLROnPlateau(sgd()).step(undefined as never))).toMatchInlineSnapshot(
    `"ValueError: [ReduceLROnPlateau] step: got undefined, expected the metric; try step(loss)"`,
  );
});

test("CyclicLR: no momentum to cycle", () => {
  expect(
    errorOf(() => new S.CyclicLR(new optim.Adagrad(params(), { lr: 0.1 }), 0.1, 1)),
  ).toMatchInlineSnapshot(
    `"ValueError: [CyclicLR] Adagrad has neither momentum nor betas; try { cycleMomentum: false }"`,
  );
});

test("LambdaLR: too many functions", () => {
  expect(errorOf(() => new S.LambdaLR(sgd(), [(step) => step, (step) => step]))).toMatchInlineSnapshot(
    `"ValueError: [LambdaLR] lrLambda: got 2 functions, expected 1, one for each group"`,
  );
});

test("SequentialLR: milestones", () => {
  expect(
    errorOf(() => {
      const o = sgd();
      new S.SequentialLR(o, [new S.ConstantLR(o)], [1, 2]);
    }),
  ).toMatchInlineSnapshot(`"ValueError: [SequentialLR] got 2 milestones for 1 schedulers, expected 0"`);
});
