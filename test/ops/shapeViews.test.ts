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
import { numbers } from "./plain.js";

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
