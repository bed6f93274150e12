/** Attention: the fused op against its composed twin, masks, derivatives, long sequences. */
import { describe, expect, test } from "vitest";
import {
  grad,
  manualSeed,
  memory,
  nn,
  noGrad,
  ones,
  randn,
  scope,
  type Tensor,
  tensor,
} from "../../src/index.js";
import { type AttentionAttrs, attention, attentionComposed } from "../../src/ops/attention.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

const f64 = { dtype: "float64", requiresGrad: true } as const;
const mask = tensor(
  [
    [0, Number.NEGATIVE_INFINITY, 0.5],
    [0.25, 0, 0],
  ],
  { dtype: "float64" },
).unsqueeze(0);
/** One row for all queries: keys of one sequence that are padding. */
const padding = tensor([[[0, 0.5, 0, 0]], [[0, 0, 0.25, Number.NEGATIVE_INFINITY]]], { dtype: "float64" });
const cases: [string, number[], AttentionAttrs][] = [
  ["padding", [2, 3, 4, 2, 2], { scale: 0.5, isCausal: false, mask: padding }],
  ["plain", [2, 5, 3, 4, 2], { scale: 0.5, isCausal: false, mask: null }],
  ["causal", [2, 4, 4, 3, 3], { scale: 0.7, isCausal: true, mask: null }],
  ["causal, more keys", [1, 3, 5, 2, 2], { scale: 1, isCausal: true, mask: null }],
  ["causal, fewer keys", [1, 5, 3, 2, 2], { scale: 1, isCausal: true, mask: null }],
  ["masked", [2, 2, 3, 3, 2], { scale: 1, isCausal: false, mask }],
  ["several blocks of queries", [2, 150, 140, 8, 5], { scale: 0.3, isCausal: true, mask: null }],
  ["several shorter blocks", [2, 97, 90, 4, 3], { scale: 0.3, isCausal: true, mask: null }],
];

describe.each(cases)("%s", (_, [B, L, S, E, Ev], attrs) => {
  const make = () =>
    [
      randn([B as number, L as number, E as number], f64),
      randn([B as number, S as number, E as number], f64),
      randn([B as number, S as number, Ev as number], f64),
    ] as [Tensor, Tensor, Tensor];

  test("equals its composed twin, gradients too", () => {
    const list = make();
    const [a, b] = [attention(...list, attrs), attentionComposed(...list, attrs)];
    const seed = randn(a.shape, { dtype: "float64" });
    const ga = grad(a, list, { gradOutputs: seed });
    const gb = grad(b, list, { gradOutputs: seed });
    [a, ...ga].forEach((t, i) => {
      expect(
        t
          .sub([b, ...gb][i] as Tensor)
          .abs()
          .max()
          .item(),
      ).toBeLessThan(1e-13);
    });
  });

  test("first and second derivatives", () => {
    const list = make();
    const f = (...x: Tensor[]) => attention(...(x as [Tensor, Tensor, Tensor]), attrs);
    gradcheck(f, list, { fastMode: (L as number) > 10 });
    gradgradcheck(f, list, undefined, { fastMode: true });
  });
});

test("a query that sees no key gets zeros and no NaN", () => {
  const [q, k, v] = [randn([1, 2, 3], f64), randn([1, 2, 3], f64), randn([1, 2, 3], f64)];
  const out = nn.functional.scaledDotProductAttention(q, k, v, {
    attnMask: tensor([
      [true, true],
      [false, false],
    ]),
  });
  expect(out.select(1, 1).toArray()).toEqual([[0, 0, 0]]);
  for (const g of grad(out.sum(), [q, k, v])) expect(g.isfinite().all().item()).toBe(1);
});

describe.each(["float32", "float64"] as const)("large scores in %s", (dtype) => {
  const leaf = (shape: number[], factor: number) =>
    randn(shape, { dtype }).mul(factor).detach().requiresGrad_();

  test.each([false, true])("a weight of 1 gives query and key no gradient, causal: %s", (isCausal) => {
    manualSeed(3);
    const list = [leaf([2, 37, 16], 1e4), leaf([2, 41, 16], 1e4), leaf([2, 41, 7], 1e4)] as const;
    const out = attention(...list, { scale: 0.25, isCausal, mask: null });
    const [gq, gk, gv] = grad(out, [...list], { gradOutputs: randn(out.shape, { dtype }) }) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    // Exactly so: each slope of a score is 1 (dP - dP), or 0.
    expect(gq.countNonzero().item()).toBe(0);
    expect(gk.countNonzero().item()).toBe(0);
    expect(gv.countNonzero().item()).toBeGreaterThan(0);
  });

  test("the weights of equal keys are equal to the bit in the backward, too", () => {
    const [q, v] = [tensor([[[1000]]], { dtype }), leaf([1, 4, 3], 1)];
    const k = tensor([[[2000], [2000], [2000], [2000]]], { dtype });
    const out = attention(q, k, v, { scale: 1, isCausal: false, mask: null });
    const [gv] = grad(out.sum(), [v]) as [Tensor];
    expect(gv.flatten().toArray()).toEqual(Array(12).fill(0.25));
  });
});

test("memory grows with the sequence, not with its square", () => {
  const L = 4096;
  const [q, k, v] = [1, 2, 3].map(() => randn([1, 1, L, 16])) as [Tensor, Tensor, Tensor];
  const before = memory().peak;
  noGrad(() =>
    scope(() => nn.functional.scaledDotProductAttention(q, k, v, { isCausal: true }).sum().item()),
  );
  // The scores alone would be 64 MiB.
  expect(memory().peak - before).toBeLessThan(16 * 2 ** 20);
});

test("shared key heads", () => {
  const [q, k, v] = [randn([1, 4, 3, 2]), randn([1, 2, 3, 2]), randn([1, 2, 3, 2])];
  const shared = nn.functional.scaledDotProductAttention(q, k, v, { enableGqa: true });
  const wide = (t: Tensor) => t.repeatInterleave(2, { dim: 1 });
  expect(shared.toArray()).toEqual(nn.functional.scaledDotProductAttention(q, wide(k), wide(v)).toArray());
  expect(() =>
    nn.functional.scaledDotProductAttention(q, k, v, { isCausal: true, attnMask: ones([3, 3]) }),
  ).toThrow(/exclude each other/);
});

describe("scaledDotProductAttention on views", () => {
  const heads = (t: Tensor) => t.reshape([2, 40, 3, 8]).transpose(1, 2);
  const attend = (t: Tensor) => {
    const [q, k, v] = t.split(24, { dim: -1 }).map(heads) as [Tensor, Tensor, Tensor];
    return nn.functional.scaledDotProductAttention(q, k, v, { isCausal: true });
  };

  test("frees its own copies, and walks its graph twice all the same", () => {
    manualSeed(0);
    const x = randn([2, 40, 72], { dtype: "float64", requiresGrad: true });
    const y = attend(x);
    const copies = x.split(24, { dim: -1 }).map((t) => heads(t).contiguous()) as [Tensor, Tensor, Tensor];
    const plain = nn.functional.scaledDotProductAttention(...copies, { isCausal: true });
    expect(y.sub(plain).abs().max().item()).toBe(0);
    const [first] = grad(y.square().sum(), [x], { retainGraph: true }) as [Tensor];
    const [second] = grad(y.square().sum(), [x]) as [Tensor];
    expect(first.sub(second).abs().max().item()).toBe(0);
  });

  test("lays the output out as the query, and gives the gradients of contiguous copies", () => {
    for (const dtype of ["float32", "float64"] as const) {
      manualSeed(0);
      const x = randn([2, 40, 72], { dtype, requiresGrad: true });
      const y = attend(x);
      expect(y.transpose(1, 2).isContiguous()).toBe(true);
      const copies = x.split(24, { dim: -1 }).map((t) => heads(t).contiguous()) as [Tensor, Tensor, Tensor];
      const plain = nn.functional.scaledDotProductAttention(...copies, { isCausal: true });
      expect(plain.isContiguous()).toBe(true);
      const seed = randn(y.shape, { dtype });
      const [a] = grad(y, [x], { gradOutputs: seed }) as [Tensor];
      const [b] = grad(plain, [x], { gradOutputs: seed.transpose(1, 2).contiguous().transpose(1, 2) }) as [
        Tensor,
      ];
      expect(a.toArray()).toEqual(b.toArray());
    }
  });

  test("a gradient that a hook keeps is not that of the projection", () => {
    const x = randn([1, 4, 12], { requiresGrad: true });
    const [q, k, v] = x.split(4, { dim: -1 }).map((t) => t.reshape([1, 4, 2, 2]).transpose(1, 2)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const seen: Tensor[] = [];
    for (const t of [q, k, v]) t.registerHook((g) => void seen.push(g));
    nn.functional.scaledDotProductAttention(q, k, v).square().sum().backward();
    const before = seen.map((g) => g.toArray());
    noGrad(() => (x.grad as Tensor).zero_());
    expect(seen.map((g) => g.toArray())).toEqual(before);
    expect(before.flat(3).some((value) => value !== 0)).toBe(true);
  });

  test("a mask of each head", () => {
    const [L, S] = [3, 4];
    const list = [L, S, S].map((n) => randn([2, n, 2, 3], f64).transpose(1, 2)) as [Tensor, Tensor, Tensor];
    const perHead = randn([4, L, S], { dtype: "float64" });
    const attrs: AttentionAttrs = { scale: 0.5, isCausal: false, mask: perHead };
    const [a, b] = [attention(...list, attrs), attentionComposed(...list, attrs)];
    expect(a.sub(b).abs().max().item()).toBeLessThan(1e-14);
    const one = attention(...(list.map((t) => t.select(0, 1)) as [Tensor, Tensor, Tensor]), {
      ...attrs,
      mask: perHead.slice(0, { start: 2 }),
    });
    expect(one.sub(a.select(0, 1)).abs().max().item()).toBe(0);
    const f = (...x: Tensor[]) => attention(...(x as [Tensor, Tensor, Tensor]), attrs);
    gradcheck(
      f,
      list.map((t) => t.detach().requiresGrad_()),
    );
    gradgradcheck(
      f,
      list.map((t) => t.detach().requiresGrad_()),
      undefined,
      { fastMode: true },
    );
  });

  test("keeps its output alone without a graph", () => {
    const x = randn([4, 256, 192]);
    const views = x.split(64, { dim: -1 }).map((t) => t.reshape([4, 256, 4, 16]).transpose(1, 2));
    const [q, k, v] = views as [Tensor, Tensor, Tensor];
    const before = memory().live;
    noGrad(() => {
      for (let i = 0; i < 10; i++) nn.functional.scaledDotProductAttention(q, k, v);
    });
    // Outputs are 256 KiB, and so would each of three copies be.
    expect(memory().live - before).toBeLessThan(10 * 400 * 1024);
  });
});

test("a keyPaddingMask has a batch exactly where the query has one", () => {
  const layer = new nn.MultiheadAttention(4, 2);
  const [single, batch] = [randn([3, 4]), randn([3, 1, 4])];
  const [one, many] = [tensor([false, false, true]), tensor([[false, false, true]])];
  expect(() => layer(single, single, single, { keyPaddingMask: many })).toThrow(
    "expected a keyPaddingMask of shape [3], got [1, 3]",
  );
  expect(() => layer(batch, batch, batch, { keyPaddingMask: one })).toThrow(
    "expected a keyPaddingMask of shape [1, 3], got [3]",
  );
});
