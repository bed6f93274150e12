import { inspect } from "node:util";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import * as k from "../../src/index.js";

const flat = (t: k.Tensor) => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);
const DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"] as const;

describe("dtype of creation functions", () => {
  it("is that of the data, as in PyTorch", () => {
    expect(k.tensor([1, 2]).dtype).toBe("int64");
    expect(k.tensor([1, 2.5]).dtype).toBe("float32");
    expect(k.tensor([1, Number.NaN]).dtype).toBe("float32");
    expect(k.tensor([true, false]).dtype).toBe("bool");
    expect(k.tensor([true, 1]).dtype).toBe("int64");
    expect(k.tensor([1n]).dtype).toBe("int64");
    expect(k.tensor([]).dtype).toBe("float32");
    expect(k.tensor(new Float64Array(2)).dtype).toBe("float64");
    expect(k.full([2], true).dtype).toBe("bool");
    expect(k.full([2], 1).dtype).toBe("int64");
    expect(k.full([2], 0.5).dtype).toBe("float32");
    expect(k.arange(3).dtype).toBe("int64");
    expect(k.arange(0, 1, { step: 0.5 }).dtype).toBe("float32");
    expect(k.range(1, 3).dtype).toBe("float32");
    expect(k.eye(2).dtype).toBe("float32");
  });

  it("follows the default dtype", () => {
    try {
      k.setDefaultDtype("float64");
      expect(
        [k.tensor([0.5]), k.zeros([1]), k.rand([1]), k.linspace(0, 1, 2), k.hannWindow(3)].map(
          (t) => t.dtype,
        ),
      ).toEqual(new Array(5).fill("float64"));
      expect(k.finfo().dtype).toBe("float64");
      expect(k.zeros([1]).toString()).toBe("tensor([0.])");
    } finally {
      k.setDefaultDtype("float32");
    }
    expect(() => k.setDefaultDtype("int64")).toThrow(/expected a floating dtype/);
  });

  it("is kept by the new* methods and the *Like functions unless given", () => {
    for (const dtype of DTYPES) {
      const x = k.ones([2], { dtype });
      const made = [
        x.newZeros([3]),
        x.newOnes([3]),
        x.newFull([3], 1),
        x.newEmpty([3]),
        x.newTensor([1, 0, 1]),
        k.zerosLike(x),
      ];
      expect(made.map((t) => t.dtype)).toEqual(new Array(6).fill(dtype));
      expect(x.newZeros([1], { dtype: "float64" }).dtype).toBe("float64");
    }
    expect(k.ones([2]).newEmptyStrided([2, 3], [1, 2]).stride()).toEqual([1, 2]);
  });
});

describe("typed arrays and buffers", () => {
  it("pass through fromTypedArray and toTypedArray unchanged (property)", () => {
    const arrays = fc.oneof(
      fc.float32Array(),
      fc.float64Array(),
      fc.int32Array(),
      fc.uint8Array(),
      fc.bigInt64Array(),
    ) as fc.Arbitrary<k.TypedArray>;
    fc.assert(
      fc.property(arrays, (values) => {
        const t = k.fromTypedArray(values, [values.length, 1]);
        expect(t.shape).toEqual([values.length, 1]);
        expect(t.toTypedArray()).toEqual(values);
      }),
    );
  });

  it("are copied, take a shape and a dtype", () => {
    const values = new Int32Array([1, 2, 3, 4]);
    const t = k.fromTypedArray(values, [2, -1], { dtype: "float64", requiresGrad: true });
    values[0] = 9;
    expect(t).toMatchObject({ dtype: "float64", requiresGrad: true });
    expect(t.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(() => k.fromTypedArray(values, [3])).toThrow(/\[fromTypedArray\] shape \[3\] is invalid/);
  });

  it("frombuffer reads bytes from an offset, any alignment", () => {
    const bytes = new Uint8Array(9);
    new DataView(bytes.buffer).setFloat32(1, 1.5, true);
    new DataView(bytes.buffer).setFloat32(5, -2, true);
    expect(k.frombuffer(bytes, "float32", { offset: 1 }).toArray()).toEqual([1.5, -2]);
    expect(k.frombuffer(bytes.buffer, "float32", { offset: 5, count: 1 }).toArray()).toEqual([-2]);
    expect(() => k.frombuffer(bytes, "float32")).toThrow(
      /\[frombuffer\] got 9 bytes, offset 0 and count -1 for elements of 4 bytes/,
    );
    expect(() => k.frombuffer(bytes, "float64", { count: 2 })).toThrow(/frombuffer/);
  });
});

describe("asTensor and asarray", () => {
  it("return a fitting tensor itself", () => {
    const x = k.ones([2], { requiresGrad: true });
    expect(k.asTensor(x)).toBe(x);
    expect(k.asTensor(x, { dtype: "float64" })).toMatchObject({ dtype: "float64", requiresGrad: true });
    expect(k.asTensor([1, 2]).dtype).toBe("int64");
    expect(k.asarray(x).requiresGrad).toBe(false);
    expect(k.asarray(x).dataPtr()).toBe(x.dataPtr());
    expect(k.asarray(x, { copy: true }).dataPtr()).not.toBe(x.dataPtr());
    expect(k.asarray([1, 2], { dtype: "float32", requiresGrad: true }).requiresGrad).toBe(true);
  });
});

describe("strides and windows", () => {
  it("emptyStrided has the strides asked for", () => {
    const t = k.emptyStrided([2, 3], [1, 2]).zero_();
    t.at(1, 2).fill_(7);
    expect(t.toArray()).toEqual([
      [0, 0, 0],
      [0, 0, 7],
    ]);
    expect(k.emptyStrided([0, 2], [2, 1]).numel).toBe(0);
    expect(() => k.emptyStrided([2], [1, 2])).toThrow(/\[emptyStrided\] got size \[2\] and stride \[1, 2\]/);
  });

  // torch.NAME_window(n, dtype=torch.float64), PyTorch 1.13
  it.each<[string, k.Tensor, number[]]>([
    ["bartlett", k.bartlettWindow(5, { dtype: "float64" }), [0, 0.4, 0.8, 0.8, 0.4]],
    ["hamming", k.hammingWindow(3, { dtype: "float64" }), [0.08, 0.77, 0.77]],
    ["hann symmetric", k.hannWindow(5, { periodic: false, dtype: "float64" }), [0, 0.5, 1, 0.5, 0]],
    ["blackman symmetric", k.blackmanWindow(3, { periodic: false, dtype: "float64" }), [0, 1, 0]],
    [
      "kaiser",
      k.kaiserWindow(3, { dtype: "float64" }),
      [5.2773441320097665e-5, 0.5188447216723606, 0.5188447216723606],
    ],
    [
      "kaiser beta",
      k.kaiserWindow(5, { periodic: false, beta: 3, dtype: "float64" }),
      [0.2048847564012536, 0.7269255302876366, 1, 0.7269255302876366, 0.2048847564012536],
    ],
    ["length 1", k.hannWindow(1), [1]],
    ["length 0", k.hannWindow(0), []],
  ])("window %s", (_, window, want) => {
    expect(window.shape).toEqual([want.length]);
    flat(window).forEach((v, i) => {
      expect(v).toBeCloseTo(want[i] as number, 12);
    });
  });
});

describe("grids and choices", () => {
  it("meshgrid, xy and ij, agree with the definition (property)", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(sizes, (ns) => {
        const vectors = ns.map((n, i) => k.arange(n).add(10 * i));
        const ij = k.meshgrid(vectors);
        ij.forEach((g, d) => {
          expect(g.shape).toEqual(ns);
          const along = ns.map((_, e) => (e === d ? -1 : 1));
          expect(g.equal((vectors[d] as k.Tensor).view(along).expand(ns))).toBe(true);
        });
        const xy = k.meshgrid(vectors, { indexing: "xy" });
        xy.forEach((g, d) => {
          expect(g.equal(ns.length > 1 ? (ij[d] as k.Tensor).transpose(0, 1) : (ij[d] as k.Tensor))).toBe(
            true,
          );
        });
      }),
    );
  });

  it("combinations count as binomials do (property)", () => {
    const choose = (n: number, r: number): number =>
      r === 0 ? 1 : n < r ? 0 : (choose(n - 1, r - 1) * n) / r;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 1, max: 4 }), (n, r) => {
        expect(k.combinations(k.arange(n), { r }).shape).toEqual([Math.round(choose(n, r)), r]);
        expect(k.combinations(k.arange(n), { r, withReplacement: true }).shape).toEqual([
          n === 0 ? 0 : Math.round(choose(n + r - 1, r)),
          r,
        ]);
      }),
    );
    expect(k.combinations(k.arange(3), { r: 0 }).shape).toEqual([0]);
  });

  it("reject what does not fit", () => {
    expect(() => k.meshgrid([])).toThrow(/\[meshgrid\] expected at least one tensor/);
    expect(() => k.meshgrid([k.zeros([2, 2])])).toThrow(/\[meshgrid\] expected vectors, got shape \[2, 2\]/);
    expect(() => k.meshgrid([k.zeros([2]), k.arange(2)])).toThrow(/one dtype, got float32 and int64/);
    expect(() => k.cartesianProd([k.zeros([2, 2]), k.zeros([2])])).toThrow(
      /\[cartesianProd\] expected vectors/,
    );
    expect(() => k.combinations(k.arange(3), { r: -1 })).toThrow(/r must be a whole number >= 0/);
    expect(() => k.trilIndices(-1, 2)).toThrow(/\[trilIndices\] invalid size/);
  });
});

describe("dtype facts", () => {
  it("finfo and iinfo hold the limits", () => {
    for (const dtype of ["float32", "float64"] as const) {
      const { eps, max, tiny, bits } = k.finfo(dtype);
      const one = k.tensor(1, { dtype });
      expect(one.add(eps).item()).toBeGreaterThan(1);
      expect(one.add(eps / 2).item()).toBe(1);
      expect(k.tensor(max, { dtype }).item()).toBe(max);
      expect(k.tensor(max, { dtype }).mul(2).item()).toBe(Infinity);
      expect(k.tensor(tiny, { dtype }).item()).toBe(tiny);
      expect(bits).toBe(8 * one.elementSize());
    }
    expect(k.iinfo("int64")).toEqual({ dtype: "int64", bits: 64, max: 2n ** 63n - 1n, min: -(2n ** 63n) });
    expect(k.iinfo("uint8").max).toBe(255);
    expect(() => k.finfo("int32")).toThrow(/\[finfo\] expected a floating dtype, got int32; try iinfo/);
    expect(() => k.iinfo("bool")).toThrow(/\[iinfo\] expected an integer dtype/);
  });

  it("promotion is commutative, associative and agrees with add (property)", () => {
    const any = fc.constantFrom(...DTYPES);
    fc.assert(
      fc.property(any, any, any, (a, b, c) => {
        expect(k.promoteTypes(a, b)).toBe(k.promoteTypes(b, a));
        expect(k.promoteTypes(k.promoteTypes(a, b), c)).toBe(k.promoteTypes(a, k.promoteTypes(b, c)));
        expect(k.ones([1], { dtype: a }).add(k.ones([1], { dtype: b })).dtype).toBe(k.promoteTypes(a, b));
        expect(k.resultType(k.ones([1], { dtype: a }), k.ones([1], { dtype: b }))).toBe(k.promoteTypes(a, b));
      }),
    );
    expect(k.resultType(k.ones([1], { dtype: "int32" }), 1.5)).toBe("float32");
    expect(k.resultType(k.ones([1], { dtype: "int32" }), k.tensor(3))).toBe("int32");
    expect(k.canCast("float32", "int64")).toBe(false);
    expect(k.canCast("int64", "uint8")).toBe(true);
  });

  it("answers questions about tensors", () => {
    const x = k.zeros([2, 3, 4]);
    expect([x.size(), x.size(-1), x.stride(), x.stride(0), x.dim(), x.elementSize()]).toEqual([
      [2, 3, 4],
      4,
      [12, 4, 1],
      12,
      3,
      4,
    ]);
    expect([
      x.isContiguous(),
      x.transpose(0, 1).isContiguous(),
      k.numel(x),
      k.isTensor(x),
      k.isTensor([1]),
    ]).toEqual([true, false, 24, true, false]);
    expect([k.isFloatingPoint(x), x.long().isFloatingPoint(), x.isSigned(), x.byte().isSigned()]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([k.isNonzero(k.tensor([2])), k.isNonzero(k.tensor(0))]).toEqual([true, false]);
    expect(() => k.isNonzero(x)).toThrow(
      /\[isNonzero\] the truth of a tensor of shape \[2, 3, 4\] is ambiguous/,
    );
    expect(() => x.size(3)).toThrow(/\[size\] dimension out of range: got 3/);
    expect(k.broadcastShapes([[2, 1], [1, 3], []])).toEqual([2, 3]);
    expect(() => k.broadcastShapes([[2], [3]])).toThrow(
      /\[broadcastShapes\] shapes \[2\] and \[3\] cannot be broadcast/,
    );
  });

  it("casts by name, inside the graph", () => {
    const x = k.tensor([-1.5, 0, 2.5], { requiresGrad: true });
    expect([x.double(), x.float(), x.long(), x.int(), x.bool()].map((t) => t.toArray())).toEqual([
      [-1.5, 0, 2.5],
      [-1.5, 0, 2.5],
      [-1, 0, 2],
      [-1, 0, 2],
      [true, false, true],
    ]);
    expect([x.type(), x.type("int32").dtype, x.typeAs(k.zeros([1], { dtype: "float64" })).dtype]).toEqual([
      "float32",
      "int32",
      "float64",
    ]);
    expect(x.float()).toBe(x);
    expect(x.cpu()).toBe(x);
    x.double().square().sum().backward();
    expect(x.grad?.toArray()).toEqual([-3, 0, 5]);
  });
});

describe("fillDiagonal_", () => {
  // torch.zeros(7, 3).fill_diagonal_(1, wrap=True), PyTorch 1.13
  it("writes the diagonal, wrapped when asked, of matrices and cubes", () => {
    const ones = (t: k.Tensor) => t.nonzero().toArray();
    const tall = k.zeros([7, 3]);
    expect(ones(tall.clone().fillDiagonal_(1))).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    expect(ones(tall.clone().fillDiagonal_(1, { wrap: true }))).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [4, 0],
      [5, 1],
      [6, 2],
    ]);
    expect(ones(k.zeros([2, 2, 2]).fillDiagonal_(1))).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
    expect(ones(k.zeros([2, 3]).T.fillDiagonal_(1))).toEqual([
      [0, 0],
      [1, 1],
    ]);
    expect(() => k.zeros([2, 3, 2]).fillDiagonal_(1)).toThrow(
      /\[fillDiagonal_\] expected a matrix, or more dimensions of one size/,
    );
  });

  it("ends the gradient of the diagonal", () => {
    const x = k.ones([2, 2], { requiresGrad: true });
    const y = x.mul(3);
    y.fillDiagonal_(0).sum().backward();
    expect(x.grad?.toArray()).toEqual([
      [0, 3],
      [3, 0],
    ]);
  });
});

describe("attributes", () => {
  it("T, mT, H and mH are views that gradients pass", () => {
    const x = k.arange(24, { dtype: "float64" }).view([2, 3, 4]);
    expect([x.T.shape, x.mT.shape, x.mH.shape]).toEqual([
      [4, 3, 2],
      [2, 4, 3],
      [2, 4, 3],
    ]);
    expect(x.at(0).H.shape).toEqual([4, 3]);
    expect(x.mT.dataPtr()).toBe(x.dataPtr());
    expect(() => x.H).toThrow(/\[H\] expected a matrix, got shape \[2, 3, 4\]; try x\.mH/);
    expect(() => k.zeros([3]).mT).toThrow(/\[mT\] expected at least 2 dimensions/);
  });

  it("data shares the elements and leaves the graph", () => {
    const x = k.zeros([2], { requiresGrad: true });
    x.data.fill_(3);
    expect(x.toArray()).toEqual([3, 3]);
    const y = k.ones([2]);
    x.data = y;
    y.fill_(4);
    expect([x.toArray(), x.requiresGrad]).toEqual([[4, 4], true]);
    x.data = k.arange(4, { dtype: "float32" }).at("::2");
    expect(x.toArray()).toEqual([0, 2]);
    expect(() => {
      x.data = k.zeros([3]);
    }).toThrow(/\[data\] got float32\[3\], expected float32\[2\]/);
  });

  it("gradFn, retainsGrad, layout", () => {
    const x = k.ones([2], { requiresGrad: true });
    const y = x.mul(2);
    expect([x.gradFn, y.gradFn?.name, y.retainsGrad, x.layout]).toEqual([null, "Mul", false, "strided"]);
    y.retainGrad();
    expect(y.retainsGrad).toBe(true);
    const view = y.at(0);
    y.mul_(3);
    expect(view.gradFn?.name).toBe("AsStrided"); // linked anew to the changed base
  });

  it("iterates over the first dimension", () => {
    expect([...k.arange(4).view([2, 2])].map((r) => r.toArray())).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const [a, b] = k.tensor([5, 6]);
    expect([a?.item(), b?.item()]).toEqual([5, 6]);
    expect(() => [...k.tensor(1)]).toThrow(/0-d tensor has no parts/);
  });
});

describe("printing", () => {
  afterEach(() => k.setPrintOptions({ profile: "default" }));

  it("prints like PyTorch, for the console and in strings", () => {
    const x = k.tensor(
      [
        [1, 2.5],
        [-3, 4],
      ],
      { requiresGrad: true },
    );
    expect(`${x}`).toBe("tensor([[ 1.0000,  2.5000],\n        [-3.0000,  4.0000]], requiresGrad=true)");
    expect(inspect(x.sum())).toBe("tensor(4.5000, gradFn=<Sum>)");
    expect(inspect({ x: k.tensor([1, 2], { dtype: "int32" }) })).toBe("{ x: tensor([1, 2], dtype=int32) }");
    k.setPrintOptions({ precision: 1 });
    expect(String(k.tensor([0.25]))).toBe("tensor([0.2])");
    expect(k.getPrintOptions().precision).toBe(1);
  });
});
