/** The conformance runner itself: how Python calls are bound, values decoded and compared, on a stand-in library. */
import { describe, expect, test } from "vitest";
import { bindCall, bindForward, bindMethod, camelCase } from "../conformance/bind.js";
import { invoke } from "../conformance/calls.js";
import type { ModuleCase, OpCase, Recorded, RecordedTensor } from "../conformance/cases.js";
import { isClose } from "../conformance/compare.js";
import { Decoder } from "../conformance/decode.js";
import type { Library, TensorLike } from "../conformance/library.js";
import { replayCase } from "../conformance/replay.js";
import { asJson, Report } from "../conformance/report.js";

/** Just enough of a tensor: data, shape, dtype. */
class FakeTensor implements TensorLike {
  requiresGrad = false;
  constructor(
    readonly data: ArrayLike<number | bigint>,
    readonly shape: number[],
    readonly dtype: string,
  ) {}
  toTypedArray(): ArrayLike<number | bigint> {
    return this.data;
  }
  reshape(shape: number[]): FakeTensor {
    return new FakeTensor(this.data, shape, this.dtype);
  }
  requiresGrad_(requiresGrad: boolean): FakeTensor {
    this.requiresGrad = requiresGrad;
    return this;
  }
  view(shape: number[]): FakeTensor {
    return this.reshape(shape);
  }
  at(...indices: unknown[]): unknown {
    return indices;
  }
}

function elements(data: unknown): ArrayLike<number | bigint> {
  return typeof data === "number" ? [data] : Array.isArray(data) ? data : Array.from(data as Float64Array);
}

interface FakeState {
  weight: FakeTensor;
  calls: FakeTensor;
}

/** A module x + weight that counts its calls; modules are callable. */
function fakeShift(size: number): object {
  const state: FakeState = {
    weight: new FakeTensor(new Array<number>(size).fill(0), [size], "float64"),
    calls: new FakeTensor([0], [], "float64"),
  };
  const forward = (x: FakeTensor) => {
    state.calls = new FakeTensor([Number(state.calls.data[0]) + 1], [], "float64");
    const data = Array.from(x.data, (value, i) => Number(value) + Number(state.weight.data[i]));
    return new FakeTensor(data, x.shape, x.dtype);
  };
  const methods = {
    train: () => undefined,
    double: () => undefined,
    loadStateDict: (loaded: Partial<FakeState>) => Object.assign(state, loaded),
    stateDict: () => new Map(Object.entries(state)),
    namedParameters: () => [["weight", state.weight]],
  };
  return Object.assign(forward, methods);
}

/** `neg` works; `sub` and `F.pad` show how they were called. */
const fake: Library = {
  Tensor: FakeTensor,
  tensor: (data, { dtype }) => new FakeTensor(elements(data), [elements(data).length], String(dtype)),
  autograd: {
    grad: (_: unknown, inputs: unknown[], { gradOutputs }: { gradOutputs: unknown[] }) =>
      inputs.map(() => gradOutputs[0]),
  },
  neg: (x: FakeTensor) =>
    new FakeTensor(
      Array.from(x.data, (value) => -Number(value)),
      x.shape,
      x.dtype,
    ),
  sub: (...args: unknown[]) => args,
  nn: { functional: { pad: (...args: unknown[]) => args }, Shift: fakeShift },
};

const tensor = new FakeTensor([1, 2], [2], "float64");
const call = (args: unknown[], kwargs: Record<string, unknown> = {}) => ({ args, kwargs });
const recorded = (data: (number | string)[], dtype = "float64"): RecordedTensor => ({
  $: "tensor",
  dtype,
  shape: [data.length],
  data,
});

describe("names", () => {
  test.each([
    ["log_softmax", "logSoftmax"],
    ["atleast_1d", "atleast1d"],
    ["smooth_l1_loss", "smoothL1Loss"],
    ["_random_samples", "_randomSamples"],
    ["add_", "add_"],
    ["mT", "mT"],
  ])("%s is %s", (python, ours) => {
    expect(camelCase(python)).toBe(ours);
  });
});

describe("arguments", () => {
  test("optional ones go into one options object, required ones stay positional", () => {
    expect(bindCall("torch.sum", call([tensor], { dim: 1, keepdim: true }))).toEqual([
      tensor,
      { dim: 1, keepdim: true },
    ]);
    expect(bindCall("nn.Conv2d", call([4, 6, 3, 2, [1, 1]]))).toEqual([
      4,
      6,
      3,
      { stride: 2, padding: [1, 1] },
    ]);
    expect(bindCall("F.prelu", call([tensor], { weight: tensor }))).toEqual([tensor, tensor]);
    expect(bindCall("torch.softmax", call([tensor, 1], { dtype: "float64" }))).toEqual([
      tensor,
      1,
      { dtype: "float64" },
    ]);
  });

  test("None is left out where it is the default, and null where it is not", () => {
    expect(bindCall("nn.BatchNorm1d", call([10, 0.001, null]))).toEqual([10, { eps: 0.001, momentum: null }]);
    expect(bindCall("F.batch_norm", call([tensor, null, null, null, null], { training: true }))).toEqual([
      tensor,
      null,
      null,
      { training: true },
    ]);
  });

  test("an overload is chosen by the kinds of its arguments", () => {
    expect(bindCall("torch.max", call([tensor, tensor]))).toEqual([tensor, tensor]);
    expect(bindCall("torch.max", call([tensor, 1, true]))).toEqual([tensor, { dim: 1, keepdim: true }]);
    expect(bindCall("torch.std", call([tensor, false]))).toEqual([tensor, { unbiased: false }]);
    expect(bindCall("torch.std", call([tensor], { dim: null, correction: 2 }))).toEqual([
      tensor,
      { correction: 2 },
    ]);
    expect(bindCall("torch.arange", call([0], { end: 4.5 }))).toEqual([0, 4.5]);
    expect(bindCall("torch.arange", call([0, 4, 2]))).toEqual([0, 4, { step: 2 }]);
    expect(bindCall("torch.arange", call([false, true, true]))).toEqual([0, 1, { step: 1 }]);
  });

  test("varargs become one array", () => {
    expect(bindCall("torch.zeros", call([2, 3]))).toEqual([[2, 3]]);
    expect(bindCall("torch.zeros", call([[2, 3]], { dtype: "int64" }))).toEqual([[2, 3], { dtype: "int64" }]);
    expect(bindCall("torch.meshgrid", call([tensor, tensor], { indexing: "ij" }))).toEqual([
      [tensor, tensor],
      { indexing: "ij" },
    ]);
    expect(bindMethod("sum_to_size", call([tensor, 3]))).toEqual([[3]]);
  });

  test("size_average and reduce become a reduction", () => {
    expect(bindCall("nn.NLLLoss", call([null, null, 2]))).toEqual([{ ignoreIndex: 2 }]);
    expect(bindCall("F.mse_loss", call([tensor, tensor], { reduce: false }))).toEqual([
      tensor,
      tensor,
      { reduction: "none" },
    ]);
    expect(bindCall("F.mse_loss", call([tensor, tensor, false]))).toEqual([
      tensor,
      tensor,
      { reduction: "sum" },
    ]);
    expect(bindCall("torch.scatter_reduce", call([tensor, 0, tensor, tensor, "sum"]))).toEqual([
      tensor,
      0,
      tensor,
      tensor,
      "sum",
    ]);
  });

  test("modules are called by their forward's signature", () => {
    expect(bindForward("nn.LSTM", call([tensor, [tensor, tensor]]))).toEqual([
      tensor,
      { hx: [tensor, tensor] },
    ]);
    expect(bindForward("nn.Linear", call([], { input: tensor }))).toEqual([tensor]);
    expect(bindForward("nn.MSELoss", call([tensor, tensor]))).toEqual([tensor, tensor]);
  });

  test("arguments that fit no signature are an error that names the function", () => {
    expect(() => bindCall("torch.softmax", call([tensor]))).toThrow("[torch.softmax] 1 arguments");
  });
});

describe("values", () => {
  const decode = (value: Recorded) => new Decoder(fake).value(value, "args.0");

  test("numbers that JSON cannot hold", () => {
    expect(decode({ $: "float", value: "NaN" })).toBeNaN();
    expect(decode({ $: "float", value: "-Infinity" })).toBe(-Infinity);
    expect(decode({ $: "tuple", items: [1, null] })).toEqual([1, null]);
  });

  test("tensors keep dtype and shape, and are found by leaf path", () => {
    const decoder = new Decoder(fake);
    const x: Recorded = {
      $: "tensor",
      dtype: "int64",
      shape: [1, 2],
      data: [1, "9007199254740993"],
      requires_grad: false,
    };
    const { kwargs } = decoder.call({ args: [], kwargs: { x: [x] } });
    expect(kwargs).toMatchObject({ x: [{ shape: [1, 2], dtype: "int64", data: [1n, 9007199254740993n] }] });
    expect([...decoder.leaves.keys()]).toEqual(["kwargs.x.0"]);
  });

  test("indices: slices as text, lists of integers as tensors, a mixed list as one index for each dimension", () => {
    const index = (value: Recorded) => {
      const { args } = new Decoder(fake).call({ args: [value], kwargs: {} });
      return invoke(fake, "Tensor.__getitem__", { args: [tensor, ...args], kwargs: {} });
    };
    const all: Recorded = { $: "slice", start: null, stop: null, step: null };
    expect(index({ $: "slice", start: 0, stop: 3, step: null })).toEqual(["0:3"]);
    expect(index({ $: "slice", start: null, stop: null, step: 2 })).toEqual(["::2"]);
    expect(index([all, { $: "ellipsis" }, null, [0, 3]])).toMatchObject([
      ":",
      "...",
      null,
      { dtype: "int64" },
    ]);
    expect(index([0, 3])).toMatchObject([{ dtype: "int64", data: [0, 3] }]);
  });
});

describe("calls", () => {
  test("functions, methods, reflected operators and slices find their place", () => {
    expect(invoke(fake, "Tensor.view", call([tensor, 2, 1]))).toMatchObject({ shape: [2, 1] });
    expect(invoke(fake, "Tensor.__rsub__", call([tensor, 3]))).toMatchObject([
      { data: [3], dtype: "float64" },
      tensor,
    ]);
    expect(invoke(fake, "torch.nn.functional.pad", call([tensor, [1, 1], "circular"]))).toEqual([
      tensor,
      [1, 1],
      { mode: "circular" },
    ]);
    expect(invoke(fake, "aten.slice", call([tensor, 0, 1, null]))).toEqual(["1::1"]);
  });
});

describe("outcomes", () => {
  const neg = (output: Recorded | RecordedTensor, fn = "torch.neg"): OpCase => ({
    id: "neg.0",
    fn,
    args: [{ ...recorded([1, 2]) }],
    kwargs: {},
    output: output as Recorded,
  });

  test("a matching output passes; the first difference is named", () => {
    expect(replayCase(fake, neg(recorded([-1, -2])), "neg").status).toBe("passed");
    expect(replayCase(fake, neg(recorded([-1, "NaN"])), "neg").reason).toBe(
      "output[1]: got -2, expected NaN",
    );
    expect(replayCase(fake, neg(recorded([-1, -2], "float32")), "neg").reason).toBe(
      "output: dtype float64, expected float32",
    );
    expect(replayCase(fake, neg(recorded([-1])), "neg").reason).toBe("output: shape [2], expected [1]");
  });

  test("a module is built, loaded and called; its gradients and buffers are compared", () => {
    const shift = (weightGrad: number[], calls: number): ModuleCase => ({
      id: "nn.Shift.0",
      kind: "module",
      module: "nn.Shift",
      ctor: { args: [2], kwargs: {} },
      state_dict: { weight: recorded([10, 20]) },
      training: true,
      dtype: "float64",
      forward: { args: [{ ...recorded([1, 2]) }], kwargs: {} },
      output: { ...recorded([11, 22]) },
      grad_outputs: [recorded([3, 4])],
      grads: { inputs: { "args.0": recorded([3, 4]) }, params: { weight: recorded(weightGrad) } },
      buffers_after: { calls: { $: "tensor", dtype: "float64", shape: [], data: [calls] } },
    });
    expect(replayCase(fake, shift([3, 4], 1), "nn.Shift")).toMatchObject({ status: "passed", reason: "" });
    expect(replayCase(fake, shift([3, 5], 1), "nn.Shift").reason).toBe("grad.weight[1]: got 4, expected 5");
    expect(replayCase(fake, shift([3, 4], 2), "nn.Shift").reason).toBe("buffer calls[]: got 1, expected 2");
  });

  test("what the library lacks is unsupported, and says so", () => {
    expect(replayCase(fake, neg(recorded([-1, -2]), "torch.nope"), "nope")).toEqual({
      status: "unsupported",
      reason: "no such function: nope",
      missing: true,
    });
    expect(replayCase(fake, neg(recorded([-1, -2], "float16")), "neg")).toMatchObject({ missing: false });
  });

  test("NaN equals NaN and an infinity only itself", () => {
    const exact = { relative: 1, absolute: 1 };
    expect(isClose(Number.NaN, Number.NaN, exact)).toBe(true);
    expect(isClose(0, Number.NaN, exact)).toBe(false);
    expect(isClose(Number.NaN, 0, exact)).toBe(false);
    expect(isClose(1e308, Infinity, exact)).toBe(false);
    expect(isClose(Infinity, Infinity, exact)).toBe(true);
    expect(isClose(Infinity, 1, exact)).toBe(false);
  });

  test("the JSON report counts by name", () => {
    const report = new Report();
    report.add("neg", "neg.0", { status: "failed", reason: "output: wrong", missing: false });
    expect(JSON.parse(asJson(report))).toMatchObject({
      total: { passed: 0, failed: 1, unsupported: 0 },
      byName: { neg: { passed: 0, failed: 1, unsupported: 0 } },
    });
  });
});
