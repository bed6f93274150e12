/** torch.nn.attention: functions of positions against the same attention written out, and the choice of backends. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allclose, manualSeed, nn, noGrad, randn, Tensor, tensor, tril } from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

const { attention, functional: F } = nn;
const { createBlockMask, createMask, flexAttention, sdpaKernel, SDPBackend } = attention;

const f64 = (...shape: number[]) => randn(shape, { dtype: "float64" });
const causal: nn.attention.MaskMod = (_b, _h, q, k) => q.ge(k);
const sliding =
  (width: number): nn.attention.MaskMod =>
  (_b, _h, q, k) =>
    q.sub(k).abs().le(width);

function close(a: Tensor, b: Tensor): void {
  expect(a.shape).toEqual(b.shape);
  // Both are float64 sums of at most 50 terms, in another order.
  expect(allclose(a, b, { rtol: 1e-10, atol: 1e-12 })).toBe(true);
}

describe("flexAttention", () => {
  it("is plain attention without functions, causal attention with the causal mask", () => {
    const [q, k, v] = [f64(2, 3, 10, 4), f64(2, 3, 10, 4), f64(2, 3, 10, 5)];
    close(flexAttention(q, k, v), F.scaledDotProductAttention(q, k, v));
    for (const blockSize of [1, 3, 4, 128]) {
      const blockMask = createBlockMask(causal, null, null, 10, 10, { blockSize });
      close(flexAttention(q, k, v, { blockMask }), F.scaledDotProductAttention(q, k, v, { isCausal: true }));
    }
  });

  it("any mask and score function, in blocks of any size, equal the scores written out", () => {
    const sizes = fc.record({
      B: fc.integer({ min: 1, max: 2 }),
      H: fc.integer({ min: 1, max: 2 }),
      L: fc.integer({ min: 1, max: 9 }),
      S: fc.integer({ min: 1, max: 9 }),
      rows: fc.integer({ min: 1, max: 5 }),
      columns: fc.integer({ min: 1, max: 5 }),
      width: fc.integer({ min: 0, max: 4 }),
      seed: fc.integer({ min: 0, max: 1000 }),
    });
    fc.assert(
      fc.property(sizes, ({ B, H, L, S, rows, columns, width, seed }) => {
        manualSeed(seed);
        const [q, k, v, bias] = [f64(B, H, L, 3), f64(B, H, S, 3), f64(B, H, S, 2), f64(H, L, S)];
        const scoreMod: nn.attention.ScoreMod = (score, _b, h, i, j) => score.tanh().add(bias.at(h, i, j));
        const blockMask = createBlockMask(sliding(width), B, H, L, S, { blockSize: [rows, columns] });
        const seen = createMask(sliding(width), B, H, L, S);
        const scores = q.mul(0.7).matmul(k.transpose(-2, -1)).tanh().add(bias);
        const hidden = scores.maskedFill(seen.logicalNot(), Number.NEGATIVE_INFINITY);
        const weights = hidden.softmax(-1).nanToNum();
        const [out, lse] = flexAttention(q, k, v, { scoreMod, blockMask, scale: 0.7, returnLse: true });
        close(out, weights.matmul(v));
        close(lse.exp(), hidden.exp().sum(-1));
        close(flexAttention(q, k, v, { scoreMod, blockMask, scale: 0.7 }), out);
      }),
      { numRuns: 60 },
    );
  });

  it("gives right gradients of both orders, to what the score function captures too", () => {
    const blockMask = createBlockMask(sliding(1), null, null, 4, 5, { blockSize: 2 });
    const f = (q: Tensor, k: Tensor, v: Tensor, slope: Tensor) => {
      const scoreMod: nn.attention.ScoreMod = (score, _b, h, i, j) => score.add(slope.at(h).mul(j.sub(i)));
      return flexAttention(q, k, v, { scoreMod, blockMask, returnLse: true });
    };
    const inputs = [f64(1, 2, 4, 3), f64(1, 2, 5, 3), f64(1, 2, 5, 2), f64(2)].map((t) => t.requiresGrad_());
    expect(gradcheck(f, inputs)).toBe(true);
    expect(gradgradcheck((...x) => f(...(x as [Tensor, Tensor, Tensor, Tensor]))[0], inputs)).toBe(true);
  });

  it("a query that sees no key gets zeros, no gradient, and -Infinity for its log-sum", () => {
    const blockMask = createBlockMask((_b, _h, q) => q.ge(2), null, null, 4, 4, { blockSize: 2 });
    const q = f64(1, 1, 4, 3).requiresGrad_();
    const [k, v] = [f64(1, 1, 4, 3), f64(1, 1, 4, 3)];
    const [out, lse] = flexAttention(q, k, v, { blockMask, returnLse: true });
    expect(out.at(0, 0, ":2").toArray()).toEqual([new Array(3).fill(0), new Array(3).fill(0)]);
    expect(lse.at(0, 0, ":2").toArray()).toEqual([-Infinity, -Infinity]);
    out.sum().backward();
    expect((q.grad as Tensor).at(0, 0, ":2").toArray()).toEqual([new Array(3).fill(0), new Array(3).fill(0)]);
  });

  it("shares heads of keys among queries with enableGqa", () => {
    const [q, k, v] = [f64(1, 4, 3, 2), f64(1, 2, 3, 2), f64(1, 2, 3, 2)];
    const same = F.scaledDotProductAttention(q, k, v, { enableGqa: true });
    close(flexAttention(q, k, v, { enableGqa: true }), same);
    expect(() => flexAttention(q, k, v)).toThrow(/batch and heads differ.*enableGqa/s);
  });

  it("refuses shapes, masks and dtypes that do not fit", () => {
    const [q, k] = [f64(1, 1, 4, 2), f64(1, 1, 6, 2)];
    const blockMask = createBlockMask(causal, null, null, 4, 4);
    expect(() => flexAttention(q, k, k, { blockMask })).toThrow(/blockMask was made for .*\[1, 1, 4, 4\]/);
    expect(() => flexAttention(q.at(0), k.at(0), k.at(0))).toThrow(/expected \(B, H, L, E\)/);
    expect(() => createBlockMask((_b, _h, i, j) => i.sub(j), null, null, 4, 4)).toThrow(
      /expected a bool tensor, got int64/,
    );
    expect(() => createBlockMask(causal, null, null, 0, 4)).toThrow(/QLen: got 0/);
  });
});

describe("BlockMask", () => {
  const mask = createBlockMask(causal, null, null, 6, 6, { blockSize: 2 });

  it("tells blocks seen in part from blocks seen whole, as PyTorch numbers them", () => {
    expect(mask.shape).toEqual([1, 1, 6, 6]);
    expect(mask.kvNumBlocks.toArray()).toEqual([[[1, 1, 1]]]);
    expect(mask.kvIndices.toArray()).toEqual([
      [
        [
          [0, 1, 2],
          [1, 0, 2],
          [2, 0, 1],
        ],
      ],
    ]);
    expect(mask.fullKvNumBlocks.toArray()).toEqual([[[0, 1, 2]]]);
    expect(mask.fullKvIndices.toArray()).toEqual([
      [
        [
          [0, 1, 2],
          [0, 1, 2],
          [0, 1, 2],
        ],
      ],
    ]);
    expect(mask.toDense().toArray()).toEqual([
      [
        [
          [1, 0, 0],
          [1, 1, 0],
          [1, 1, 1],
        ],
      ],
    ]);
    expect(mask.sparsity()).toBeCloseTo(100 / 3, 10);
    expect(String(mask)).toBe("BlockMask(shape=(1, 1, 6, 6), sparsity=33.33%)\n░░    \n██░░  \n████░░");
  });

  it("masks combine", () => {
    const both = attention.andMasks(causal, sliding(1));
    const either = attention.orMasks(causal, sliding(1));
    const of = (mod: nn.attention.MaskMod) => createMask(mod, 1, 1, 3, 3).at(0, 0).to("int32").toArray();
    expect(of(both)).toEqual([
      [1, 0, 0],
      [1, 1, 0],
      [0, 1, 1],
    ]);
    expect(of(either)).toEqual([
      [1, 1, 0],
      [1, 1, 1],
      [1, 1, 1],
    ]);
    expect(of(attention.noopMask)).toEqual([
      [1, 1, 1],
      [1, 1, 1],
      [1, 1, 1],
    ]);
    expect(of(attention.andMasks())).toEqual(of(attention.noopMask));
    expect(of(attention.orMasks())).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });

  it("documents packed into one sequence see themselves only", () => {
    const document = tensor([0, 0, 1, 1, 1]);
    const same: nn.attention.MaskMod = (_b, _h, q, k) => document.at(q).eq(document.at(k));
    const [q, k, v] = [f64(1, 1, 5, 2), f64(1, 1, 5, 2), f64(1, 1, 5, 2)];
    const out = flexAttention(q, k, v, {
      blockMask: createBlockMask(same, null, null, 5, 5, { blockSize: 2 }),
    });
    const cut = (t: Tensor, range: string) => t.at(":", ":", range);
    for (const range of ["0:2", "2:5"]) {
      close(cut(out, range), F.scaledDotProductAttention(cut(q, range), cut(k, range), cut(v, range)));
    }
  });
});

describe("CausalBias", () => {
  it("lower right is the mask of the last queries, upper left that of isCausal", () => {
    const [q, k] = [f64(2, 2, 3), f64(2, 5, 3)];
    const upper = F.scaledDotProductAttention(q, k, k, { attnMask: attention.causalUpperLeft(2, 5) });
    close(upper, F.scaledDotProductAttention(q, k, k, { isCausal: true }));
    const lower = F.scaledDotProductAttention(q, k, k, { attnMask: attention.causalLowerRight(2, 5) });
    const seen = tril(
      tensor([
        [true, true, true, true, true],
        [true, true, true, true, true],
      ]),
      3,
    );
    close(lower, F.scaledDotProductAttention(q, k, k, { attnMask: seen }));
    expect(attention.causalLowerRight(3, 3).isUpperLeft).toBe(true);
  });

  it("is refused for other lengths, and beside isCausal", () => {
    const q = f64(2, 2, 3);
    const attnMask = attention.causalUpperLeft(2, 3);
    expect(() => F.scaledDotProductAttention(q, q, q, { attnMask })).toThrow(/CausalBias\(upperLeft, 2, 3\)/);
    expect(() => F.scaledDotProductAttention(q, q, q, { attnMask, isCausal: true })).toThrow(
      /exclude each other/,
    );
    expect(() => attention.causalUpperLeft(-1, 3)).toThrow(/seqLenQ: got -1/);
  });
});

describe("sdpaKernel", () => {
  const q = f64(2, 4, 3);

  it("all implementations give one result", () => {
    const mask = tensor([[true, true, false, true]]);
    const wanted = F.scaledDotProductAttention(q, q, q, { attnMask: mask });
    for (const backend of [SDPBackend.MATH, SDPBackend.EFFICIENT_ATTENTION]) {
      close(
        sdpaKernel(backend, () => F.scaledDotProductAttention(q, q, q, { attnMask: mask })),
        wanted,
      );
    }
  });

  it("the math backend is out of plain ops, the others are one op", () => {
    const x = f64(2, 4, 3).requiresGrad_();
    const name = () => {
      const [[node] = []] = F.scaledDotProductAttention(x, x, x).gradFn?.nextFunctions ?? [];
      return node instanceof Tensor ? "leaf" : node?.name;
    };
    expect(sdpaKernel("flashAttention", name)).toBe("ScaledDotProductAttention");
    expect(sdpaKernel("math", name)).not.toBe("ScaledDotProductAttention");
    {
      using _ = sdpaKernel(["math", "flashAttention"], { setPriority: true });
      expect(name()).not.toBe("ScaledDotProductAttention");
    }
    expect(name()).toBe("ScaledDotProductAttention");
  });

  it("says so where no allowed implementation can do it, and forgets the choice after an error", () => {
    const dropped = () => F.scaledDotProductAttention(q, q, q, { dropoutP: 0.5 });
    expect(() => sdpaKernel("flashAttention", dropped)).toThrow(
      /no implementation is left.*dropout.*SDPBackend.MATH/s,
    );
    expect(noGrad(dropped).shape).toEqual([2, 4, 3]);
    expect(() => sdpaKernel([], dropped)).toThrow(/got none/);
    expect(() => sdpaKernel("best" as never, dropped)).toThrow(/got "best"/);
  });
});
