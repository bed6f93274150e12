import {
  bmm,
  full,
  getNumThreads,
  manualSeed,
  mm,
  nn,
  noGrad,
  randn,
  scope,
  setNumThreads,
  type Tensor,
  zeros,
} from "kindling";
import { afterAll, describe, expect, test } from "vitest";

const threads = getNumThreads();
afterAll(() => setNumThreads(threads));

function bits(t: Tensor): Buffer {
  const { buffer, byteOffset, byteLength } = t.toTypedArray() as Float32Array | Float64Array;
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** One call of the kernel on one thread; with more the same product is cut into pieces. */
function sameBits(product: () => Tensor): void {
  setNumThreads(1);
  const whole = bits(product());
  for (const n of [2, 3]) {
    setNumThreads(n);
    expect(whole.equals(bits(product()))).toBe(true);
  }
}

// Sizes that no piece divides, wide, tall and deep ones, and sums longer than one block of the kernel.
const sizes = [
  [130, 67, 129],
  [1030, 40, 96],
  [24, 1025, 70],
  [65, 17, 1100],
  [257, 259, 385],
  // More than is packed at a time: columns, and blocks of the sum.
  [65, 1025, 1100],
  [64, 80, 17000],
] as const;

describe("matrix products have the same bits however they are cut", () => {
  for (const dtype of ["float32", "float64"] as const) {
    for (const [m, n, k] of sizes) {
      test(`${m} x ${n} x ${k} ${dtype}`, () => {
        manualSeed(0);
        const [a, at] = [randn([m, k], { dtype }), randn([k, m], { dtype }).transpose(0, 1)];
        const [b, bt] = [randn([k, n], { dtype }), randn([n, k], { dtype }).transpose(0, 1)];
        for (const x of [a, at]) for (const y of [b, bt]) sameBits(() => mm(x, y));
        const affine = new nn.Linear(k, n, { dtype });
        noGrad(() => sameBits(() => affine(a)));
        noGrad(() => sameBits(() => affine(at)));
      });
    }
    test(`batches ${dtype}`, () => {
      manualSeed(0);
      const [x, y] = [randn([7, 66, 33], { dtype }), randn([7, 33, 65], { dtype })];
      sameBits(() => bmm(x, y));
      sameBits(() => bmm(y.transpose(1, 2), x.transpose(1, 2)));
    });
  }

  test("and those of the transposed product, whose rows are packed piece by piece", () => {
    manualSeed(0);
    for (const [m, n, k] of sizes) {
      const [a, b] = [randn([m, k]), randn([k, n])];
      const other = mm(b.transpose(0, 1), a.transpose(0, 1));
      expect(bits(mm(a, b)).equals(bits(other.transpose(0, 1)))).toBe(true);
    }
  });

  test("and the values of a float64 product", () => {
    manualSeed(0);
    const [a, b] = [randn([257, 385]), randn([385, 259])];
    const exact = mm(a.to("float64"), b.to("float64"));
    setNumThreads(2);
    // 385 additions to sums of up to about 80, each rounded by up to 4e-6: at random about 20 times that at most.
    expect(mm(a, b).to("float64").sub(exact).abs().max().item()).toBeLessThan(8e-5);
  });
});

test("rows that are packed stay in their scratch, whatever lies behind it", () => {
  manualSeed(0);
  setNumThreads(4);
  // Holes of all sizes, each with a guard behind it: scratch takes the hole that fits.
  const guards = scope(() => {
    const kept: Tensor[] = [];
    for (let kib = 36; kib <= 512; kib += 4) {
      zeros([kib * 256]);
      kept.push(full([9216], 0.5));
    }
    return kept;
  });
  // The threads' shares differ by a tile of rows.
  for (const [m, n, k] of [
    [65, 16, 505],
    [65, 20, 410],
    [75, 17, 600],
  ] as const) {
    const [a, b] = [randn([k, m]).transpose(0, 1), randn([k, n])];
    for (let i = 0; i < 100; i++) scope(() => void mm(a, b));
  }
  for (const guard of guards)
    expect((guard.toTypedArray() as Float32Array).every((x) => x === 0.5)).toBe(true);
});
