/** nn.utils: clipping, vectors, calls with other parameters, layers without initial values. */
import { describe, expect, test } from "vitest";
import { getRngState, grad, manualSeed, nn, ones, type Tensor, tensor } from "../../src/index.js";

const { utils } = nn;

function withGrads(...grads: number[][]): nn.Parameter[] {
  return grads.map((g) => {
    const p = new nn.Parameter(ones([g.length]));
    p.grad = tensor(g, { dtype: "float32" });
    return p;
  });
}

describe("gradient clipping", () => {
  test("by norm scales all gradients alike, and returns the norm before", () => {
    const params = withGrads([3, 0], [0, 4]);
    expect(utils.clipGradNorm_(params, 1).item()).toBe(5);
    expect(utils.getTotalNorm(params.map((p) => p.grad as Tensor)).item()).toBeCloseTo(1, 5);
    expect(params.map((p) => p.grad?.sum().item().toFixed(4))).toEqual(["0.6000", "0.8000"]);
    expect(utils.clipGradNorm_(params, 10).item()).toBeCloseTo(1, 5);
    expect(utils.clipGradNorm_(withGrads([3, -7]), 1, { normType: Number.POSITIVE_INFINITY }).item()).toBe(7);
    expect(utils.clipGradNorm_([new nn.Parameter(ones([1]))], 1).item()).toBe(0);
    const bad = () => utils.clipGradNorm_(withGrads([Number.NaN]), 1, { errorIfNonfinite: true });
    expect(bad).toThrow("[clipGradNorm_] the total norm of order 2 is NaN");
  });

  test("by value cuts every element", () => {
    const [p] = withGrads([3, -0.5, -9]) as [nn.Parameter];
    utils.clipGradValue_(p, 2);
    expect(p.grad?.toArray()).toEqual([2, -0.5, -2]);
  });
});

test("parameters go into one vector and back", () => {
  const layer = new nn.Linear(2, 3);
  const vector = utils.parametersToVector(layer.parameters());
  expect(vector.shape).toEqual([9]);
  const other = new nn.Linear(2, 3);
  utils.vectorToParameters(vector.detach(), other.parameters());
  expect(other.weight.toArray()).toEqual(layer.weight.toArray());
  expect(other.weight.requiresGrad).toBe(true);
  expect(() => utils.vectorToParameters(ones([5]), other.parameters())).toThrow("expected [9]");
});

describe("functionalCall", () => {
  const { functionalCall } = utils.stateless;

  test("takes other parameters, gives gradients to them, and leaves the module as it was", () => {
    const model = new nn.Sequential(new nn.Linear(2, 1, { bias: false }));
    const before = model.get<nn.Linear>(0).weight;
    const weight = tensor([[2, 3]], { dtype: "float32", requiresGrad: true });
    const y = functionalCall(model, { "0.weight": weight }, ones([1, 2]));
    expect(y.item()).toBe(5);
    expect(grad(y, weight)[0]?.toArray()).toEqual([[1, 1]]);
    expect(model.get<nn.Linear>(0).weight === before).toBe(true);
    expect(() => functionalCall(model, { "0.w": weight }, ones([1, 2]))).toThrow("unexpected: 0.w");
    expect(() => functionalCall(model, {}, ones([1, 2]), { strict: true })).toThrow("missing: 0.weight");
    expect(() => functionalCall(model, { "0.weight": ones([1, 7]) }, ones([1, 2]))).toThrow("[linear]");
    expect(model.get<nn.Linear>(0).weight === before).toBe(true);
  });

  test("replaces tied weights together", () => {
    const model = new nn.Sequential(
      new nn.Linear(1, 1, { bias: false }),
      new nn.Linear(1, 1, { bias: false }),
    );
    model.get<nn.Linear>(1).weight = model.get<nn.Linear>(0).weight;
    const weight = tensor([[3]], { dtype: "float32" });
    expect(functionalCall(model, { "0.weight": weight }, ones([1, 1])).item()).toBe(9);
  });

  test("reaches parameters in containers", () => {
    class Scales extends nn.Module {
      list = new nn.ParameterList([ones([1])]);
      dict = new nn.ParameterDict({ a: ones([1]) });
      forward(x: Tensor): Tensor {
        return x.mul(this.list.get(0)).mul(this.dict.get("a") as Tensor);
      }
    }
    const two = tensor([2], { dtype: "float32", requiresGrad: true });
    const y = functionalCall(new Scales(), { "list.0": two, "dict.a": two }, ones([1]));
    expect([y.item(), grad(y, two)[0]?.item()]).toEqual([4, 4]);
  });
});

test("skipInit draws no random numbers", () => {
  manualSeed(5);
  const state = getRngState().toArray();
  expect(utils.skipInit(nn.Linear, 3, 4).weight.shape).toEqual([4, 3]);
  expect(getRngState().toArray()).toEqual(state);
});
