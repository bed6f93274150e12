import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  arange,
  blockDiag,
  cat,
  einsum,
  grad,
  noGrad,
  ones,
  randn,
  repeatInterleave,
  stack,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.js";
import { gradcheck, gradgradcheck } from "../../src/testing/index.js";
import { make } from "../registry/make.js";

/** A tensor as a plain function of coordinates. */
interface Plain {
  readonly shape: readonly number[];
  at(index: readonly number[]): number;
}

/** All coordinates of a shape, in row-major order. */
function coordinates(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, n) => all.flatMap((c) => Array.from({ length: n }, (_, i) => [...c, i])),
    [[]],
  );
}

const values = (p: Plain): number[] => coordinates(p.shape).map((c) => p.at(c));
const numbers = (t: Tensor): number[] => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);

function expectSame(got: Tensor, expected: Plain): void {
  expect(got.shape).toEqual(expected.shape);
  expect(numbers(got)).toEqual(values(expected));
}

const wrap = (d: number, rank: number) => (d < 0 ? d + rank : d);
const put = (c: readonly number[], d: number, v: number) => c.map((x, k) => (k === d ? v : x));
const without = <T>(c: readonly T[], d: number) => c.filter((_, k) => k !== d);
const insert = (c: readonly number[], d: number, v: number) => [...c.slice(0, d), v, ...c.slice(d)];

function plainArange(shape: readonly number[]): Plain {
  return { shape, at: (c) => c.reduce((n, x, d) => n * (shape[d] as number) + x, 0) };
}

/** A view: what it does to a tensor, and to its plain twin. */
type Step = { name: string; view(t: Tensor): Tensor; plain(p: Plain): Plain };

const permuted = (order: readonly number[]): Step => ({
  name: `permute ${order}`,
  view: (t) => t.permute(order),
  plain: (p) => ({
    shape: order.map((d) => p.shape[d] as number),
    at: (c) => p.at(p.shape.map((_, d) => c[order.indexOf(d)] as number)),
  }),
});

const sliced = (d: number, start: number, step: number): Step => ({
  name: `slice ${d} from ${start} by ${step}`,
  view: (t) => t.slice(d, { start, step }),
  plain: (p) => ({
    shape: put(p.shape, d, Math.max(0, Math.ceil(((p.shape[d] as number) - start) / step))),
    at: (c) => p.at(put(c, d, start + (c[d] as number) * step)),
  }),
});

const selected = (d: number, i: number): Step => ({
  name: `select ${d}, ${i}`,
  view: (t) => t.select(d, i),
  plain: (p) => ({
    shape: without(p.shape, d),
    at: (c) => p.at(insert(c, d, wrap(i, p.shape[d] as number))),
  }),
});

const widened = (d: number, n: number): Step => ({
  name: `repeat ${d} ${n} times`,
  view: (t) => {
    const wide = t.unsqueeze(d);
    return wide.expand(put(wide.shape, d, n));
  },
  plain: (p) => ({ shape: insert(p.shape, d, n), at: (c) => p.at(without(c, d)) }),
});

const shuffled = (rank: number, seed: number) =>
  Array.from({ length: rank }, (_, d) => d).sort(
    (a, b) => Math.sin(seed * (a + 1)) - Math.sin(seed * (b + 1)),
  );

/** Tensors of up to 5 dimensions, seen through up to three views, with their plain twins. */
const viewed = fc
  .record({
    shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
    steps: fc.array(
      fc.tuple(fc.constantFrom("permute", "slice", "select", "widen"), fc.nat(60), fc.nat(60)),
      { maxLength: 3 },
    ),
  })
  .map(({ shape, steps }) => {
    let t = arange(shape.reduce((a, b) => a * b, 1)).reshape(shape);
    let p = plainArange(shape);
    for (const [kind, a, b] of steps) {
      const rank = p.shape.length;
      const d = a % rank;
      const size = p.shape[d] as number;
      if (kind === "select" && rank < 2) continue;
      const step =
        kind === "permute"
          ? permuted(shuffled(rank, a + 1))
          : kind === "slice"
            ? sliced(d, b % size, 1 + (a % 2))
            : kind === "select"
              ? selected(d, (b % (2 * size)) - size)
              : widened(a % (rank + 1), 1 + (b % 3));
      t = step.view(t);
      p = step.plain(p);
    }
    return { t, p };
  });

const property = (check: (t: Tensor, p: Plain, a: number, b: number) => void) =>
  fc.assert(
    fc.property(viewed, fc.nat(100), fc.nat(100), ({ t, p }, a, b) => check(t, p, a, b)),
    { numRuns: 60 },
  );

describe("against plain functions of coordinates, on views of any strides", () => {
  test("views themselves", () => property((t, p) => expectSame(t, p)));

  test("flip", () =>
    property((t, p, a) => {
      const dims = p.shape.map((_, d) => d).filter((d) => (a >> d) & 1);
      expectSame(t.flip(dims), {
        shape: p.shape,
        at: (c) => p.at(c.map((x, d) => (dims.includes(d) ? (p.shape[d] as number) - 1 - x : x))),
      });
    }));

  test("roll", () =>
    property((t, p, a, b) => {
      const d = a % p.shape.length;
      const size = p.shape[d] as number;
      const shift = b - 50;
      const at = (c: readonly number[]) =>
        p.at(put(c, d, ((((c[d] as number) - shift) % size) + size) % size));
      expectSame(t.roll(shift, d), { shape: p.shape, at });
    }));

  test("repeat and tile", () =>
    property((t, p, a, b) => {
      const counts = [1 + (a % 2), ...p.shape.map((_, d) => 1 + ((b >> d) % 3))];
      const shape = counts.map((n, d) => n * (d === 0 ? 1 : (p.shape[d - 1] as number)));
      const expected = {
        shape,
        at: (c: readonly number[]) => p.at(p.shape.map((n, d) => (c[d + 1] as number) % n)),
      };
      expectSame(t.repeat(counts), expected);
      expectSame(t.tile(counts), expected);
    }));

  test("repeatInterleave", () =>
    property((t, p, a, b) => {
      const d = a % p.shape.length;
      const n = 1 + (b % 3);
      const at = (c: readonly number[]) => p.at(put(c, d, Math.floor((c[d] as number) / n)));
      const expected = { shape: put(p.shape, d, n * (p.shape[d] as number)), at };
      expectSame(t.repeatInterleave(n, { dim: d }), expected);
      const counts = tensor(new Array<number>(p.shape[d] as number).fill(n), { dtype: "int64" });
      expectSame(t.repeatInterleave(counts, { dim: d }), expected);
    }));

  test("rot90 is a quarter turn", () =>
    property((t, p, a) => {
      if (p.shape.length < 2) return;
      // (i, j) of the turned matrix is (j, n - 1 - i) of the other.
      const [m, n] = p.shape as [number, number];
      const turned: Plain = {
        shape: [n, m, ...p.shape.slice(2)],
        at: (c) => p.at([c[1] as number, n - 1 - (c[0] as number), ...c.slice(2)]),
      };
      expectSame(t.rot90(), turned);
      expectSame(t.rot90({ k: 4 * a + 1 }), turned);
      expectSame(t.rot90({ k: -1 }).rot90(), p);
      expectSame(t.rot90({ k: 2 }), {
        shape: p.shape,
        at: (c) => p.at([m - 1 - (c[0] as number), n - 1 - (c[1] as number), ...c.slice(2)]),
      });
    }));

  test("movedim", () =>
    property((t, p, a, b) => {
      const rank = p.shape.length;
      const [from, to] = [a % rank, b % rank];
      const order = shuffled(0, 0).concat(p.shape.map((_, d) => d).filter((d) => d !== from));
      order.splice(to, 0, from);
      expectSame(t.movedim(from, to - rank), permuted(order).plain(p));
    }));

  test("unfold", () =>
    property((t, p, a, b) => {
      const d = a % p.shape.length;
      const total = p.shape[d] as number;
      const size = 1 + (b % total);
      const step = 1 + (a % 2);
      expectSame(t.unfold(d, size, step), {
        shape: [...put(p.shape, d, Math.floor((total - size) / step) + 1), size],
        at: (c) => p.at(put(c.slice(0, -1), d, (c[d] as number) * step + (c.at(-1) as number))),
      });
    }));

  test("diagonal, and diagEmbed which undoes it", () =>
    property((t, p, a, b) => {
      const rank = p.shape.length;
      if (rank < 2) return;
      const dim1 = a % rank;
      const dim2 = (dim1 + 1 + (b % (rank - 1))) % rank;
      const offset = (b % 5) - 2;
      const [n1, n2] = [p.shape[dim1] as number, p.shape[dim2] as number];
      const length = Math.max(0, Math.min(n1 + Math.min(offset, 0), n2 - Math.max(offset, 0)));
      const rest = p.shape.filter((_, d) => d !== dim1 && d !== dim2);
      const at = (c: readonly number[]) => {
        const i = c.at(-1) as number;
        const others = [...c];
        return p.at(
          p.shape.map((_, d) =>
            d === dim1
              ? i - Math.min(offset, 0)
              : d === dim2
                ? i + Math.max(offset, 0)
                : (others.shift() as number),
          ),
        );
      };
      const got = t.diagonal({ offset, dim1, dim2 });
      expectSame(got, { shape: [...rest, length], at });
      const back = got.diagEmbed({ offset });
      expectSame(back.diagonal({ offset, dim1: -2, dim2: -1 }), { shape: [...rest, length], at });
      expect(back.sum().item()).toBe(got.sum().item());
    }));

  test("tril and triu", () =>
    property((t, p, a) => {
      if (p.shape.length < 2) return;
      const k = (a % 9) - 4;
      const below = (keep: (i: number, j: number) => boolean): Plain => ({
        shape: p.shape,
        at: (c) => (keep(c.at(-2) as number, c.at(-1) as number) ? p.at(c) : 0),
      });
      expectSame(
        t.tril(k),
        below((i, j) => j <= i + k),
      );
      expectSame(
        t.triu({ diagonal: k }),
        below((i, j) => j >= i + k),
      );
    }));

  test("cat of a tensor and its parts", () =>
    property((t, p, a, b) => {
      const d = a % p.shape.length;
      const size = p.shape[d] as number;
      const part = b % (size + 1);
      expectSame(cat([t, t.narrow(d, 0, part), t], d - p.shape.length), {
        shape: put(p.shape, d, 2 * size + part),
        at: (c) => {
          const i = c[d] as number;
          return p.at(put(c, d, i < size ? i : i < size + part ? i - size : i - size - part));
        },
      });
    }));

  test("stack", () =>
    property((t, p, a) => {
      const d = a % (p.shape.length + 1);
      expectSame(stack([t, t.flip(0)], d), {
        shape: insert(p.shape, d, 2),
        at: (c) => {
          const rest = without(c, d);
          return p.at(c[d] === 0 ? rest : put(rest, 0, (p.shape[0] as number) - 1 - (rest[0] as number)));
        },
      });
    }));

  test("split, chunk, tensorSplit and unbind cut into what cat and stack join", () =>
    property((t, p, a, b) => {
      const d = a % p.shape.length;
      const size = p.shape[d] as number;
      const n = 1 + (b % 5);
      for (const pieces of [
        t.split(n, d),
        t.chunk(n, d),
        t.tensorSplit(n, d),
        t.tensorSplit([1, 2, -1], d),
      ]) {
        for (const piece of pieces) expect(piece.storage).toBe(t.storage);
        if (pieces.reduce((sum, x) => sum + (x.shape[d] as number), 0) === size)
          expectSame(cat(pieces, d), p);
      }
      expect(t.split(n, d).map((x) => x.shape[d])).toEqual(
        Array.from({ length: Math.ceil(size / n) }, (_, i) => Math.min(n, size - i * n)),
      );
      expect(t.tensorSplit(n, d).length).toBe(n);
      expectSame(stack(t.unbind(d), d), p);
    }));

  test("take, indexSelect, gather and takeAlongDim", () =>
    property((t, p, a, b) => {
      const d = a % p.shape.length;
      const size = p.shape[d] as number;
      const picks = [0, size - 1, b % size];
      const index = tensor(picks, { dtype: "int64" });
      const chosen: Plain = {
        shape: put(p.shape, d, 3),
        at: (c) => p.at(put(c, d, picks[c[d] as number] as number)),
      };
      expectSame(t.indexSelect(d, index), chosen);
      const wide = index.reshape(p.shape.map((_, k) => (k === d ? 3 : 1)));
      expectSame(t.gather(d, wide.expand(chosen.shape)), chosen);
      expectSame(t.takeAlongDim(wide, d), chosen);
      const flat = values(p);
      expect(numbers(t.take(tensor([0, -1, b % flat.length], { dtype: "int64" })))).toEqual([
        flat[0],
        flat.at(-1),
        flat[b % flat.length],
      ]);
    }));

  test("masks and positions", () =>
    property((t, p, a) => {
      const even = (v: number) => (v + a) % 2 === 0;
      const mask = t.add(a).remainder(2).eq(0);
      expect(numbers(t.maskedSelect(mask))).toEqual(values(p).filter(even));
      const found = coordinates(p.shape).filter((c) => even(p.at(c)));
      expect(mask.nonzero().shape).toEqual([found.length, p.shape.length]);
      expect(numbers(mask.nonzero())).toEqual(found.flat());
      const source = arange(t.numel).mul(-1);
      let next = 0;
      expect(numbers(t.maskedScatter(mask, source))).toEqual(
        values(p)
          .map((v) => (even(v) ? -next++ : v))
          .map((v) => v + 0),
      );
    }));

  test("einsum sums products", () =>
    property((t, p) => {
      if (p.shape.length !== 2) return;
      const [m, n] = p.shape as [number, number];
      const x = t.to("float64");
      const dot = (i: number, k: number) =>
        Array.from({ length: n }, (_, j) => p.at([i, j]) * p.at([k, j])).reduce((s, v) => s + v, 0);
      expectSame(einsum("ij,kj->ik", [x, x]), {
        shape: [m, m],
        at: ([i, k]) => dot(i as number, k as number),
      });
      expectSame(einsum("ij,ij->i", [x, x]), { shape: [m], at: ([i]) => dot(i as number, i as number) });
      expect(einsum("ij,kj->ik", x, x).toArray()).toEqual(einsum("ij,kj->ik", [x, x]).toArray());
      expectSame(einsum("ij->ji", [x]), permuted([1, 0]).plain(p));
      expectSame(einsum("...j->j...", [x]), permuted([1, 0]).plain(p));
      expectSame(einsum("ij,jk", [x, x.T]), { shape: [m, m], at: ([i, k]) => dot(i as number, k as number) });
    }));
});

describe("gradients on inputs that are not contiguous", () => {
  const long = (data: number[]) => tensor(data, { dtype: "int64" });
  const half = tensor([true, false, true]);
  const functions: Record<string, (x: Tensor) => Tensor | Tensor[]> = {
    flip: (x) => x.flip([0, 1]),
    roll: (x) => x.roll([1, 2], [0, 1]),
    rot90: (x) => x.rot90({ k: 3 }),
    repeat: (x) => x.repeat([2, 1, 2]),
    repeatInterleave: (x) => repeatInterleave(x, long([2, 0, 1]), { dim: 0 }),
    unfold: (x) => x.unfold(1, 2, 1),
    diagonal: (x) => x.diagonal({ offset: 1 }),
    diagEmbed: (x) => x.diagEmbed({ offset: -1, dim1: 0, dim2: 2 }),
    tril: (x) => x.tril(),
    cat: (x) => cat([x, x.T, x.select(0, 1).unsqueeze(0)]),
    stack: (x) => stack([x, x.T], 1),
    blockDiag: (x) => blockDiag([x, x.select(0, 0)]),
    "split, some pieces unused": (x) => [x.split(1)[1] as Tensor, x.split([1, 2], 1)[1] as Tensor],
    unbind: (x) => x.unbind(1),
    "tensorSplit with overlap": (x) => x.tensorSplit([2, 1]),
    maskedSelect: (x) => x.maskedSelect(half),
    maskedScatter: (x) => x.maskedScatter(half, x.mul(2)),
    take: (x) => x.take(long([0, 8, 8, 3])),
    put: (x) => x.put(long([1, 1, 0]), x.select(0, 2), { accumulate: true }),
    takeAlongDim: (x) => x.takeAlongDim(long([2, 0]).unsqueeze(1), 0),
    selectScatter: (x) => x.selectScatter(x.select(1, 0), 0, -1),
    sliceScatter: (x) => x.sliceScatter(x.narrow(0, 0, 2), { start: 0, end: 3, step: 2 }),
    diagonalScatter: (x) => x.diagonalScatter(x.select(0, 1).narrow(0, 0, 2), { offset: 1 }),
    "scatterReduce, product with zeros": (x) => {
      const zeros3 = x.mul(tensor([[0], [1], [0]], { dtype: "float64" }));
      return x.scatterReduce(0, long([0, 0, 0]).unsqueeze(1).expand([3, 3]), zeros3, "prod");
    },
    "scatterReduce, mean without self": (x) =>
      x.scatterReduce(1, long([0, 0, 2]).expand([3, 3]), x.mul(3), "mean", { includeSelf: false }),
    indexReduce: (x) => x.indexReduce(0, long([2, 2]), x.narrow(0, 0, 2).mul(3), "amin"),
    "einsum with a diagonal": (x) => einsum("ii,ij->j", [x, x]),
    tensordot: (x) => einsum("...i,...i->...", [x, x.T]),
    sumToSize: (x) => x.sumToSize([1, 3]),
    broadcastTo: (x) => x.broadcastTo([2, 3, 3]),
  };
  for (const [name, fn] of Object.entries(functions)) {
    test(name, () => {
      const x = make([3, 2, 3]);
      const through = (leaf: Tensor) => fn(leaf.permute([2, 1, 0]).select(1, 1));
      gradcheck(through, [x], { name });
      gradgradcheck(through, [x], undefined, { name, fastMode: true });
    });
  }
});

describe("pieces are views", () => {
  test("a change of a piece shows in the whole, and its gradient is replaced", () => {
    const x = randn([4, 3], { requiresGrad: true, dtype: "float64" });
    const y = x.mul(2);
    const [a, b] = y.split(2) as [Tensor, Tensor];
    a.mul_(3);
    expect(numbers(y.narrow(0, 0, 2))).toEqual(numbers(a));
    const [g] = grad([y.sum().add(b.sum())], [x]);
    expect(numbers(g as Tensor)).toEqual([6, 6, 6, 6, 6, 6, 4, 4, 4, 4, 4, 4]);
  });

  test("a change of the whole shows in the pieces", () => {
    const y = zeros([2, 2]).requiresGrad_().mul(1);
    const rows = y.unbind();
    y.add_(1);
    expect(rows.map(numbers)).toEqual([
      [1, 1],
      [1, 1],
    ]);
    const [first] = rows as [Tensor];
    expect(first.gradFn?.name).toBe("AsStrided");
  });
});

describe("views in place", () => {
  test("shapes and strides change, the storage stays", () => {
    const x = arange(6).reshape([1, 2, 3]);
    const { storage } = x;
    expect(x.squeeze_(0).shape).toEqual([2, 3]);
    expect(x.t_().toArray()).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
    expect([x.isContiguous(), x.strides]).toEqual([false, [1, 3]]);
    expect(x.unsqueeze_(-1).shape).toEqual([3, 2, 1]);
    expect(x.transpose_(0, 1).shape).toEqual([2, 3, 1]);
    expect(x.swapaxes_(1, 2).swapdims_(0, 1).shape).toEqual([1, 2, 3]);
    expect(x.asStrided_([2], [3], { storageOffset: 1 }).toArray()).toEqual([1, 4]);
    expect(x.storage).toBe(storage);
  });

  test("the graph goes through them", () => {
    const x = make([2, 3]);
    gradcheck(
      (v) =>
        v
          .mul(v)
          .t_()
          .mul(tensor([[1, 2]], { dtype: "float64" }))
          .unsqueeze_(0)
          .squeeze_(),
      [x],
    );
  });

  test("views taken before find their place", () => {
    const x = make([2, 3]);
    const y = x.mul(3);
    const row = y.select(0, 1);
    y.t_();
    row.mul_(2);
    const [g] = grad([y.sum()], [x]);
    expect(g?.toArray()).toEqual([
      [3, 3, 3],
      [6, 6, 6],
    ]);
  });

  test("leaves refuse, except without recording", () => {
    const x = ones([2, 3], { requiresGrad: true });
    expect(() => x.t_()).toThrow("[t_] a leaf that requires a gradient cannot be changed in place");
    noGrad(() => x.t_());
    expect(x.shape).toEqual([3, 2]);
    x.sum().backward();
    expect(x.grad?.shape).toEqual([3, 2]);
  });

  test("a tensor that was saved before is reported", () => {
    const x = make([2, 3]);
    const y = x.mul(2);
    const z = y.mul(y);
    y.t_();
    expect(() => z.sum().backward()).toThrow("was changed in place");
  });
});

describe("edges", () => {
  test("cat passes over shape [0], promotes, and refuses what does not fit", () => {
    expect(cat([tensor([]), tensor([[1, 2]])]).toArray()).toEqual([[1, 2]]);
    expect(cat([tensor([1, 2]), tensor([0.5])]).dtype).toBe("float32");
    expect(cat([tensor([true]), tensor([2])]).toArray()).toEqual([1, 2]);
    expect(() => cat([])).toThrow("[cat] got an empty list");
    expect(() => cat([ones([2, 2]), ones([2, 3])])).toThrow(
      "[cat] shapes [2, 2] and [2, 3] cannot be joined along dimension 0",
    );
    expect(() => cat([tensor(1)])).toThrow("[cat] tensor 0 has no dimension to join along; try stack");
    expect(() => stack([ones([2]), ones([3])])).toThrow(
      "[stack] expected tensors of one shape, got [2] and [3]; try cat",
    );
  });

  test("split and its kin refuse what does not fit", () => {
    expect(() => ones([4]).split([1, 2])).toThrow("add up to 4");
    expect(() => ones([4]).split(0)).toThrow("must be a whole number > 0, got 0");
    expect(() => ones([4]).chunk(0)).toThrow("[chunk] expected a whole number of pieces > 0, got 0");
    expect(() => ones([5, 2]).vsplit(2)).toThrow(
      "[vsplit] dimension 0 of size 5 cannot be cut into 2 equal pieces; try tensorSplit",
    );
    expect(() => tensor(1).unbind()).toThrow("[unbind] a 0-d tensor has no dimension to unbind");
    expect(
      zeros([0, 3])
        .chunk(3)
        .map((t) => t.shape),
    ).toEqual([
      [0, 3],
      [0, 3],
      [0, 3],
    ]);
  });

  test("a long list, and threads, give the same bits", () => {
    const parts = Array.from({ length: 300 }, (_, i) => randn([1, 500]).add(i));
    const whole = cat(parts);
    expect(numbers(whole.select(0, 299))).toEqual(numbers(parts[299] as Tensor));
    const big = randn([700, 300]);
    expect(numbers(cat([big, big], 1).narrow(1, 300, 300))).toEqual(numbers(big));
    expect(numbers(big.tril().add(big.triu(1)))).toEqual(numbers(big));
  });

  test("einsum says what is wrong", () => {
    const x = ones([2, 3]);
    expect(() => einsum("ij,jk", [x])).toThrow(
      '[einsum] "ij,jk" names 2 operands: got 1 tensors, expected 2',
    );
    expect(() => einsum("ijk", [x])).toThrow(
      'operand 0 of shape [2, 3] does not have the dimensions of "ijk"',
    );
    expect(() => einsum("ij,ik->jk", [x, ones([4, 3])])).toThrow(
      'label "i" of "ij,ik->jk" names dimensions of sizes 2 and 4',
    );
    expect(() => einsum("ij->ik", [x])).toThrow('label "k" of the output is in no operand');
    expect(() => einsum("ii", [x])).toThrow("they must agree");
  });
});
