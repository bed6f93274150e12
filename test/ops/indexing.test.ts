import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as k from "../../src/index.js";
import type { Index } from "../../src/ops/indexing.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";

interface Case {
  shape: number[];
  indices: unknown[];
  out?: number[];
  values?: number[];
  set?: number[];
  error?: string;
}

const cases = JSON.parse(
  readFileSync(new URL("../fixtures/indexing.json", import.meta.url), "utf8"),
) as Case[];

function indexOf(item: unknown): Index {
  if (item === null || typeof item !== "object" || Array.isArray(item)) return item as Index;
  const { t, m } = item as { t?: number[]; m?: boolean[] };
  return m === undefined ? k.tensor(t as number[], { dtype: "int64" }) : k.tensor(m, { dtype: "bool" });
}

const ramp = (shape: readonly number[], dtype: k.DType = "int64") =>
  k
    .arange(
      shape.reduce((a, b) => a * b, 1),
      { dtype },
    )
    .view(shape);
const flat = (t: k.Tensor) => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);

describe("index expressions give what PyTorch gives", () => {
  it.each(cases.map((c) => [JSON.stringify(c.indices), c] as const))("x[%s]", (_, c) => {
    const x = ramp(c.shape);
    const indices = c.indices.map(indexOf);
    if (c.error !== undefined) {
      expect(() => x.at(...indices), c.error).toThrow(/^\[at\]/);
      expect(() => x.setAt_(indices, -7), c.error).toThrow(/^\[setAt_\]/);
      return;
    }
    const out = x.at(...indices);
    expect(out.shape).toEqual(c.out);
    expect(flat(out)).toEqual(c.values);
    expect(flat(x.clone().setAt_(indices, -7))).toEqual(c.set);
    // The same on a transposed tensor, whose elements lie otherwise in memory.
    const turned = x.T.clone().T;
    expect(flat(turned.at(...indices))).toEqual(c.values);
    expect(flat(turned.setAt_(indices, -7))).toEqual(c.set);
  });
});

/** Element by element, from NumPy's definition. */
function reference(
  shape: readonly number[],
  picks: readonly (readonly number[] | null)[],
): [number[], number[]] {
  const chosen = picks.map((p, d) => p ?? Array.from({ length: shape[d] as number }, (_, i) => i));
  const where = picks.flatMap((p, d) => (p === null ? [] : [d]));
  const adjacent = where.every((d, i) => i === 0 || d === (where[i - 1] as number) + 1);
  const n = where.length === 0 ? 1 : (chosen[where[0] as number] as number[]).length;
  const free = shape.map((_, d) => d).filter((d) => picks[d] === null);
  const first = where.length === 0 ? 0 : adjacent ? free.filter((d) => d < (where[0] as number)).length : 0;
  const sizes = free.map((d) => shape[d] as number);
  const out = where.length === 0 ? sizes : [...sizes.slice(0, first), n, ...sizes.slice(first)];
  const values: number[] = [];
  const total = out.reduce((a, b) => a * b, 1);
  for (let i = 0; i < total; i++) {
    const at: number[] = [];
    let rest = i;
    for (let d = out.length - 1; d >= 0; d--) {
      at[d] = rest % (out[d] as number);
      rest = Math.floor(rest / (out[d] as number));
    }
    const row = where.length === 0 ? 0 : (at.splice(first, 1)[0] as number);
    const source = shape.map((_, d) =>
      picks[d] === null ? (at[free.indexOf(d)] as number) : ((chosen[d] as number[])[row] as number),
    );
    values.push(source.reduce((sum, v, d) => sum * (shape[d] as number) + v, 0));
  }
  return [out, values];
}

describe("index and indexPut (properties)", () => {
  const picked = fc
    .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
    .chain((shape) =>
      fc
        .integer({ min: 0, max: 5 })
        .chain((n) =>
          fc.tuple(
            fc.constant(shape),
            fc.tuple(
              ...shape.map((size) =>
                fc.option(fc.array(fc.integer({ min: 0, max: size - 1 }), { minLength: n, maxLength: n })),
              ),
            ),
          ),
        ),
    );

  it("picks by lists as the definition says, negative positions included", () => {
    fc.assert(
      fc.property(picked, fc.boolean(), ([shape, picks], negative) => {
        const [out, values] = reference(shape, picks);
        const from = (p: number[], d: number) => (negative ? p.map((i) => i - (shape[d] as number)) : p);
        const y = ramp(shape).at(...picks.map((p, d) => (p === null ? ":" : from(p, d))));
        expect(y.shape).toEqual(out);
        expect(flat(y)).toEqual(values);
      }),
    );
  });

  it("indexPut with accumulate adds once for each time that a place is picked", () => {
    fc.assert(
      fc.property(picked, ([shape, picks]) => {
        if (picks.every((p) => p === null)) return;
        const [out, places] = reference(shape, picks);
        const want = flat(k.zeros(shape));
        for (const p of places) want[p] = (want[p] as number) + 1;
        const at = picks.map((p) => (p === null ? null : k.tensor(p, { dtype: "int64" })));
        expect(flat(k.indexPut(k.zeros(shape), at, k.ones(out), { accumulate: true }))).toEqual(want);
        expect(
          flat(k.zeros(shape).indexPut_(at, k.tensor(1, { dtype: "float32" }), { accumulate: true })),
        ).toEqual(want);
      }),
    );
  });

  it("setAt_ then at gives the value back", () => {
    fc.assert(
      fc.property(picked, ([shape, picks]) => {
        const indices = picks.map((p) => (p === null ? ":" : [...new Set(p)].slice(0, 1)));
        const x = k.zeros(shape);
        const y = k.rand(x.at(...indices).shape);
        x.setAt_(indices, y);
        expect(flat(x.at(...indices))).toEqual(flat(y));
      }),
    );
  });
});

describe("at", () => {
  it("gives views where no tensor picks, copies otherwise", () => {
    const x = k.zeros([3, 4]);
    x.at(1, "1:3").fill_(5);
    expect(x.toArray()).toEqual([
      [0, 0, 0, 0],
      [0, 5, 5, 0],
      [0, 0, 0, 0],
    ]);
    x.at([0]).fill_(9);
    expect(x.at(0).toArray()).toEqual([0, 0, 0, 0]);
    expect(x.at().dataPtr()).toBe(x.dataPtr());
  });

  it("takes int32 tensors, uint8 masks and spaces in ranges", () => {
    const x = k.arange(5);
    expect(x.at(k.tensor([1, -1], { dtype: "int32" })).toArray()).toEqual([1, 4]);
    expect(x.at(k.tensor([1, 0, 0, 0, 1], { dtype: "uint8" })).toArray()).toEqual([0, 4]);
    expect(x.at(" 1 : 4 : 2 ").toArray()).toEqual([1, 3]);
    expect(x.at(k.tensor(2)).toArray()).toBe(2);
  });

  it("keeps every dtype", () => {
    for (const dtype of ["bool", "uint8", "int32", "int64", "float32", "float64"] as const) {
      const x = k.tensor([1, 0, 1], { dtype });
      expect(x.at([2, 1])).toMatchObject({ dtype, shape: [2] });
      expect(flat(x.clone().setAt_([[1]], 1))).toEqual([1, 1, 1]);
      const twice = k.indexPut(x, [k.tensor([0, 0])], k.ones([2], { dtype }), { accumulate: true });
      expect(flat(twice)).toEqual([dtype === "bool" ? 1 : 3, 0, 1]);
    }
  });

  it("picks and writes the same with many threads' worth of rows", () => {
    const x = k.arange(300_000, { dtype: "float32" }).view([1000, 300]);
    const at = k.randint(1000, [2000], { generator: new k.Generator({ seed: 1 }) });
    expect(x.at(at).equal(x.indexSelect(0, at))).toBe(true);
    const cols = k.randint(300, [900], { generator: new k.Generator({ seed: 2 }) });
    expect(x.at(":", cols).equal(x.indexSelect(1, cols))).toBe(true);
    const put = k.indexPut(x, [null, cols], k.ones([1]), { accumulate: true });
    expect(put.equal(x.indexAdd(1, cols, k.ones([1000, 900])))).toBe(true);
  });
});

describe("setAt_", () => {
  it("takes numbers, nested numbers and tensors of other dtypes, with superfluous leading ones", () => {
    const x = k.zeros([2, 3]);
    x.setAt_([0], [1, 2, 3]);
    x.setAt_([1, "1:"], k.tensor([[4, 5]]));
    x.setAt_([[1], [0]], k.tensor([[7]]));
    expect(x.toArray()).toEqual([
      [1, 2, 3],
      [7, 4, 5],
    ]);
    x.setAt_([x.gt(3)], 0).setAt_(["..."], x.at("...", ["2", "1", "0"].map(Number)));
    expect(x.toArray()).toEqual([
      [3, 2, 1],
      [0, 0, 0],
    ]);
  });

  it("reads a value that shares memory before it writes", () => {
    const x = k.arange(6);
    x.setAt_(["1:"], x.at(":-1"));
    expect(x.toArray()).toEqual([0, 0, 1, 2, 3, 4]);
    x.setAt_([[0, 1, 2]], x.at("1:4"));
    expect(x.toArray()).toEqual([0, 1, 2, 2, 3, 4]);
  });

  it("lets gradients flow to the value and not to what it overwrites", () => {
    for (const indices of [
      [":", 1],
      [":", [1]],
      [
        k.tensor([
          [false, true],
          [false, true],
        ]),
      ],
    ] as Index[][]) {
      const x = k.ones([2, 2], { requiresGrad: true });
      const v = k.tensor(3, { dtype: "float32", requiresGrad: true });
      const y = x.mul(2);
      y.setAt_(indices, v);
      y.mul(y).sum().backward();
      expect(x.grad?.toArray()).toEqual([
        [8, 0],
        [8, 0],
      ]);
      expect(v.grad?.item()).toBe(12);
    }
  });

  it("works on views of a graph, and refuses leaves that require a gradient", () => {
    const x = k.ones([4], { requiresGrad: true });
    const y = x.mul(3);
    const half = y.at("2:");
    half.setAt_([[0]], 0);
    y.sum().backward();
    expect(x.grad?.toArray()).toEqual([3, 3, 0, 3]);
    expect(() => x.setAt_([0], 1)).toThrow(/\[setAt_\] a leaf that requires a gradient/);
    expect(() => x.setAt_([[0]], 1)).toThrow(/\[setAt_\] a leaf that requires a gradient/);
    k.noGrad(() => x.setAt_([0], 5));
    expect(x.at(0).item()).toBe(5);
  });
});

describe("gradients of any order", () => {
  const x = () =>
    k.rand([3, 4, 2], { dtype: "float64", requiresGrad: true, generator: new k.Generator({ seed: 0 }) });
  const expressions: Record<string, Index[]> = {
    basic: [1, "1:4:2", null],
    neighbours: [":", [0, 3, 3], [1, 0, 1]],
    apart: [[0, 2, 0], ":", [1, 1, 0]],
    mask: [k.tensor([true, false, true])],
    mixed: ["1:", [[0], [2]], "..."],
  };
  it.each(Object.entries(expressions))("at: %s", (_, indices) => {
    expect(gradcheck((t) => t.at(...indices).square(), [x()])).toBe(true);
    expect(gradgradcheck((t) => t.at(...indices).square(), [x()])).toBe(true);
  });

  it.each([false, true])("indexPut, accumulate %s", (accumulate) => {
    const v = k.rand([2, 4], { dtype: "float64", requiresGrad: true });
    const at = [k.tensor([2, 0]), null, k.tensor([1, 1])];
    const put = (t: k.Tensor, u: k.Tensor) => k.indexPut(t.square(), at, u.square(), { accumulate });
    expect(gradcheck(put, [x(), v])).toBe(true);
    expect(gradgradcheck(put, [x(), v])).toBe(true);
  });
});

describe("errors say what is wrong", () => {
  const x = k.zeros([3, 4]);
  it.each<[string, () => unknown, RegExp]>([
    [
      "position",
      () => x.at(0, 4),
      /^\[at\] index 4 is out of range for dimension 1 of shape \[3, 4\]: expected -4 to 3$/,
    ],
    [
      "position in a list",
      () => x.at([0, -4]),
      /^\[at\] index -4 is out of range for dimension 0 of size 3: expected -3 to 2$/,
    ],
    ["too many", () => x.at(0, 0, 0), /^\[at\] too many indices: got 3 for shape \[3, 4\] of 2 dimensions$/],
    ["negative step", () => x.at("::-1"), /step of "::-1" must be >= 1; try flip/],
    ["range", () => x.at("1-3"), /cannot read the index "1-3": expected a range such as "1:3"/],
    ["fraction", () => x.at(0.5), /got 0.5 as an index: expected a whole number/],
    ["dtype", () => x.at(k.tensor([0.5])), /must be int64, int32 or bool, got float32; try \.to\("int64"\)/],
    [
      "mask",
      () => x.at(k.ones([3, 3], { dtype: "bool" })),
      /a mask of shape \[3, 3\] does not fit shape \[3, 4\]: dimension 1 has size 4, the mask 3/,
    ],
    [
      "shapes",
      () => x.at([0, 1], [0, 1, 2]),
      /index tensors of shapes \[2\], \[3\] cannot be broadcast together/,
    ],
    ["ellipses", () => x.at("...", 0, "..."), /can stand only once/],
    ["value", () => x.setAt_([0], [1, 2]), /^\[setAt_\] values of shape \[2\] cannot be broadcast to \[4\]/],
    [
      "value of lists",
      () => x.setAt_([[0]], [1, 2]),
      /^\[setAt_\] values of shape \[2\] cannot be broadcast to \[1, 4\]/,
    ],
    [
      "put dtype",
      () => k.indexPut(x, [k.tensor([0])], k.ones([4], { dtype: "float64" })),
      /expected values of dtype float32, as the tensor's, got float64/,
    ],
    ["put nothing", () => k.indexPut(x, [null], x), /\[indexPut\] expected at least one index tensor/],
  ])("%s", (_, run, message) => {
    expect(run).toThrow(message);
  });
});
