import { describe, expect, test } from "vitest";
import { arange, cat, einsum, stack, tensor } from "../../src/index.js";
import {
  coordinates,
  expectSame,
  insert,
  numbers,
  type Plain,
  permuted,
  property,
  put,
  shuffled,
  values,
  without,
} from "./plain.js";

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
