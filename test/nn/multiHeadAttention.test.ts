/** Multi-head attention: layouts, masks of several kinds, given keys, and what it refuses. */
import { describe, expect, test } from "vitest";
import { arange, grad, manualSeed, nn, ones, randn, type Tensor, triu, zeros } from "../../src/index.js";

const { functional: F } = nn;
const f64 = { dtype: "float64" } as const;
const largest = (a: Tensor, b: Tensor) => a.sub(b).abs().max().item();

/** Output and weights, and the gradients of the inputs and of the parameters. */
function evaluate(
  layer: nn.MultiheadAttention,
  inputs: [Tensor, Tensor, Tensor],
  call: nn.MultiheadAttentionCall,
): { out: Tensor; weights: Tensor | null; ofInputs: Tensor[]; ofParameters: Tensor[] } {
  const [out, weights] = layer(...inputs, call);
  const loss = out
    .square()
    .sum()
    .add(weights === null ? 0 : weights.square().sum());
  const leaves = [...new Set(inputs)];
  const grads = grad(loss, [...leaves, ...layer.parameters()]) as Tensor[];
  return { out, weights, ofInputs: grads.slice(0, leaves.length), ofParameters: grads.slice(leaves.length) };
}

type Evaluated = ReturnType<typeof evaluate>;

/** Sums are made in another order: float64 rounding of numbers up to 100. */
function expectClose(a: Evaluated, b: Evaluated, turn = (t: Tensor) => t): void {
  const listOf = ({ out, weights, ofInputs, ofParameters }: Evaluated, f: (t: Tensor) => Tensor) => [
    ...[out, ...ofInputs].map(f),
    ...ofParameters,
    ...(weights === null ? [] : [weights]),
  ];
  const others = listOf(b, turn);
  for (const [i, t] of listOf(a, (x) => x).entries()) {
    expect(largest(t, others[i] as Tensor)).toBeLessThan(1e-12);
  }
}

describe.each([
  ["weights", { needWeights: true }],
  ["fused", { needWeights: false }],
])("%s", (_, call) => {
  test.each(["one input", "three inputs"])("batchFirst gives the numbers of (L, B, E): %s", (kind) => {
    manualSeed(0);
    const layer = new nn.MultiheadAttention(12, 3, { addBiasKv: kind !== "one input" }).to("float64");
    const turned = new nn.MultiheadAttention(12, 3, { addBiasKv: kind !== "one input", batchFirst: true });
    turned.to("float64").loadStateDict(layer.stateDict());
    const make = (n: number) => randn([n, 2, 12], { ...f64, requiresGrad: true });
    const q = make(5);
    const k = kind === "one input" ? q : make(7);
    const v = kind === "one input" ? q : make(7);
    const flip = (t: Tensor) => t.transpose(0, 1);
    const flipped = new Map([q, k, v].map((t) => [t, flip(t.detach()).contiguous().requiresGrad_()]));
    const swap = (t: Tensor) => flipped.get(t) as Tensor;
    const b = evaluate(turned, [swap(q), swap(k), swap(v)], call);
    expectClose(evaluate(layer, [q, k, v], call), b, flip);
    expect(b.out.isContiguous()).toBe(true);
  });

  test("isCausal alone is the mask of later positions", () => {
    manualSeed(1);
    const layer = new nn.MultiheadAttention(8, 2).to("float64");
    const x = randn([6, 2, 8], { ...f64, requiresGrad: true });
    const attnMask = triu(ones([6, 6], { dtype: "bool" }), 1);
    const masked = evaluate(layer, [x, x, x], { ...call, attnMask });
    expectClose(evaluate(layer, [x, x, x], { ...call, isCausal: true }), masked);
    const keyPaddingMask = zeros([2, 6], { dtype: "bool" });
    expectClose(evaluate(layer, [x, x, x], { ...call, isCausal: true, keyPaddingMask }), masked);
  });

  test("masks of another floating dtype are cast", () => {
    const layer = new nn.MultiheadAttention(8, 2);
    const x = randn([4, 2, 8]);
    const attnMask = randn([4, 4]);
    const keyPaddingMask = randn([2, 4]);
    const [a] = layer(x, x, x, { ...call, attnMask, keyPaddingMask });
    const [b] = layer(x, x, x, {
      ...call,
      attnMask: attnMask.double(),
      keyPaddingMask: keyPaddingMask.double(),
    });
    expect(a.toArray()).toEqual(b.toArray());
    expect(b.dtype).toBe("float32");
  });
});

describe("multiHeadAttentionForward", () => {
  const [x, w, b] = [randn([3, 2, 4], f64), randn([12, 4], f64), randn([12], f64)];
  const out = randn([4, 4], f64);
  const call = (options: nn.functional.MultiHeadOptions, biasK: Tensor | null = null, biasV = biasK) =>
    F.multiHeadAttentionForward(x, x, x, 4, 2, w, b, biasK, biasV, false, 0, out, null, options);
  const one = randn([1, 1, 4], f64);

  test("given keys and values stand in place of the projected ones", () => {
    const heads = (from: number) =>
      F.linear(x, w.narrow(0, from, 4), b.narrow(0, from, 4))
        .reshape([3, 4, 2])
        .transpose(0, 1);
    const [plain] = call({});
    const [given, weights] = call({ staticK: heads(4), staticV: heads(8) });
    expect(largest(plain, given)).toBeLessThan(1e-14);
    expect(weights?.shape).toEqual([2, 3, 3]);
    const [more] = call({
      staticK: randn([4, 5, 2], f64),
      staticV: randn([4, 5, 2], f64),
      needWeights: false,
    });
    expect(more.shape).toEqual([3, 2, 4]);
  });

  test.each([
    ["one of biasK and biasV", () => call({}, one, null), "biasK and biasV go together: got biasK alone"],
    [
      "biases beside given keys",
      () => call({ staticK: randn([4, 3, 2], f64), staticV: randn([4, 3, 2], f64) }, one),
      "biasK and biasV cannot be added to staticK or staticV",
    ],
    [
      "given keys of another batch",
      () => call({ staticK: randn([3, 5, 2], f64), staticV: randn([4, 5, 2], f64) }),
      "staticK: expected shape [4, 5, 2], got [3, 5, 2]",
    ],
    [
      "as many given values as keys",
      () => call({ staticK: randn([4, 5, 2], f64), staticV: randn([4, 4, 2], f64) }),
      "staticV: expected shape [4, 5, 2], got [4, 4, 2]",
    ],
    [
      "separate weights that are missing",
      () => call({ useSeparateProjWeight: true }),
      "useSeparateProjWeight needs qProjWeight, kProjWeight and vProjWeight; got null",
    ],
    [
      "masks of integers",
      () => call({ attnMask: zeros([3, 3], { dtype: "int64" }) }),
      "attnMask must be bool or floating, got int64",
    ],
  ])("refuses %s", (_, f, message) => {
    expect(f).toThrow(`[multiHeadAttentionForward] ${message}`);
  });
});

describe("scaledDotProductAttention refuses", () => {
  const [q, k] = [randn([2, 3, 4]), randn([2, 5, 4])];
  const attend = (options: nn.functional.AttentionOptions) => () =>
    F.scaledDotProductAttention(q, k, k, options);

  test.each(["int64", "uint8"] as const)("masks of %s, which are neither bool nor added", (dtype) => {
    const attnMask = ones([3, 5], { dtype });
    for (const dropoutP of [0, 0.5])
      expect(attend({ attnMask, dropoutP })).toThrow(`attnMask must be bool or floating, got ${dtype}`);
  });

  test("a mask that would make the result larger, with dropout too", () => {
    const attnMask = ones([7, 1, 3, 5], { dtype: "bool" });
    for (const dropoutP of [0, 0.5])
      expect(attend({ attnMask, dropoutP })).toThrow("attnMask of shape [7, 1, 3, 5] does not broadcast");
  });

  test("a dropout that is no probability", () => {
    for (const dropoutP of [-1, 2, Number.NaN])
      expect(attend({ dropoutP })).toThrow(`p must be a probability, from 0 to 1: got ${dropoutP}`);
  });

  test("shared heads without heads", () => {
    const flat = [randn([3, 4]), randn([5, 4])] as const;
    expect(() => F.scaledDotProductAttention(flat[0], flat[1], flat[1], { enableGqa: true })).toThrow(
      "enableGqa needs heads, (..., heads, L, E): got [3, 4], [5, 4], [5, 4]",
    );
  });
});

test("a learned mask of another dtype gets its gradient", () => {
  const [q, k] = [randn([2, 3, 4]), randn([2, 5, 4])];
  const attnMask = randn([3, 5], { ...f64, requiresGrad: true });
  const out = F.scaledDotProductAttention(q, k, k, { attnMask });
  expect(out.dtype).toBe("float32");
  const [g] = grad(out.square().sum(), [attnMask]) as [Tensor];
  expect(g.dtype).toBe("float64");
  // The weights of a query sum to 1, so the slopes of its scores sum to 0.
  expect(g.sum(1).abs().max().item()).toBeLessThan(1e-5);
  expect(g.abs().max().item()).toBeGreaterThan(1e-3);
});

test("without a width all keys weigh the same", () => {
  const [q, k, v] = [zeros([1, 3, 0]), zeros([1, 5, 0]), arange(10, { dtype: "float32" }).reshape([1, 5, 2])];
  expect(F.scaledDotProductAttention(q, k, v).toArray()).toEqual([
    Array(3).fill([expect.closeTo(4, 6), expect.closeTo(5, 6)]),
  ]);
});
