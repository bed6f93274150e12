/** Which of equal elements topk and kthvalue name: those that PyTorch 1.13 names, as recorded by the scripts in the comments. */
import { describe, expect, test } from "vitest";
import { arange, grad, kthvalue, type Tensor, tensor, topk, zeros } from "../../src/index.js";

/** (torch.arange(n) * 7) % 5 */
const pattern = (n: number): Tensor => arange(n).mul(7).remainder(5);
const NAN = Number.NaN;

describe("topk", () => {
  // torch.topk((torch.arange(n) * 7) % 5, k, largest=largest).indices
  test.each([
    { n: 12, k: 4, largest: true, expected: [7, 2, 9, 4] },
    { n: 12, k: 4, largest: false, expected: [10, 5, 0, 3] },
    { n: 40, k: 7, largest: true, expected: [22, 12, 27, 32, 7, 37, 17] },
    { n: 40, k: 7, largest: false, expected: [10, 20, 25, 15, 30, 35, 0] },
    {
      n: 100,
      k: 40,
      largest: true,
      expected: [
        42, 27, 72, 77, 22, 32, 47, 67, 82, 17, 52, 87, 37, 62, 92, 7, 2, 57, 12, 97, 4, 29, 94, 9, 49, 89,
        24, 54, 74, 19, 99, 14, 79, 69, 59, 39, 34, 44, 64, 84,
      ],
    },
    { n: 200, k: 3, largest: true, expected: [12, 7, 2] },
    { n: 200, k: 3, largest: false, expected: [10, 5, 0] },
  ])("$k of $n, largest $largest", ({ n, k, largest, expected }) => {
    const x = pattern(n);
    const { values, indices } = topk(x, k, { largest });
    expect(indices.tolist()).toEqual(expected);
    expect(values.tolist()).toEqual(x.at(indices).tolist());
  });

  test("of zeros, with few and with many candidates", () => {
    expect(topk(zeros([40]), 5).indices.tolist()).toEqual([28, 26, 27, 25, 29]);
    expect(topk(zeros([400]), 5).indices.tolist()).toEqual([3, 4, 1, 0, 2]);
  });

  test("NaN ties with NaN", () => {
    const x = tensor([1, NAN, 2, NAN, NAN, 1]);
    expect(topk(x, 2).indices.tolist()).toEqual([1, 4]);
    expect(topk(x, 2, { largest: false }).indices.tolist()).toEqual([5, 0]);
  });

  test("rows are settled one by one, along any dimension; the gradient follows", () => {
    const rows = tensor([
      [1, 1, 1, 0],
      [4, 3, 2, 1],
    ]);
    const { indices } = topk(rows, 2);
    expect(indices.at(1).tolist()).toEqual([0, 1]);
    expect(topk(rows.t(), 2, { dim: 0 }).indices.t().tolist()).toEqual(indices.tolist());
    const x = pattern(12).to("float64").requiresGrad_(true);
    const [g] = grad([topk(x, 4).values.sum()], [x]);
    expect((g as Tensor).nonzero().flatten().tolist()).toEqual([2, 4, 7, 9]);
  });
});

describe("kthvalue", () => {
  test("every third of 40", () => {
    // [torch.kthvalue((torch.arange(40) * 7) % 5, k).indices.item() for k in range(1, 41, 3)]
    const got = Array.from({ length: 14 }, (_, i) => kthvalue(pattern(40), 1 + 3 * i).indices.item());
    expect(got.map(Number)).toEqual([15, 5, 20, 18, 33, 8, 21, 26, 34, 24, 9, 37, 17, 12]);
  });

  test("among NaN, and 0 beside -0", () => {
    expect(Number(kthvalue(tensor([1, NAN, 2, NAN, NAN, 1]), 2).indices.item())).toBe(0);
    const { values, indices } = kthvalue(tensor([0, -0, 0]).to("float32"), 1);
    expect(values.item()).toBe(tensor([0, -0, 0]).to("float32").at(Number(indices.item())).item());
  });
});
