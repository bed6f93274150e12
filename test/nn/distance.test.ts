/** Distances and similarities at their edges. */
import { expect, test } from "vitest";
import { grad, nn, type Tensor, tensor } from "../../src/index.js";

// x = torch.tensor([[.03, .04]], dtype=torch.float64, requires_grad=True); y = torch.tensor([[.6, .8]], dtype=torch.float64)
// c = F.cosine_similarity(x, y, eps=.1); g, = torch.autograd.grad(c.sum(), x, create_graph=True)
// torch.autograd.grad(g[0, 0], x)
test("cosineSimilarity below eps has PyTorch's first and second derivative", () => {
  const x = tensor([[0.03, 0.04]], { dtype: "float64", requiresGrad: true });
  const y = tensor([[0.6, 0.8]], { dtype: "float64" });
  const c = nn.functional.cosineSimilarity(x, y, { eps: 0.1 });
  expect(c.item()).toBeCloseTo(0.5, 14);
  const [g] = grad(c.sum(), [x], { createGraph: true }) as [Tensor];
  const [h] = grad(g.select(1, 0).sum(), [x]) as [Tensor];
  const close = (got: Tensor, want: number[]) =>
    want.forEach((w, i) => {
      expect(got.toTypedArray()[i]).toBeCloseTo(w, 10);
    });
  close(g, [4.5, 6]);
  close(h, [-72.5, -30]);
});

test("cosineSimilarity has a gradient where one vector is 0 and another long", () => {
  const x = tensor(
    [
      [0, 0],
      [3, 4],
    ],
    { dtype: "float64", requiresGrad: true },
  );
  const c = nn.functional.cosineSimilarity(x, tensor([[1, 0]], { dtype: "float64" }));
  expect(c.toArray()).toEqual([0, 0.6]);
  const [g] = grad(c.sum(), [x]) as [Tensor];
  expect(g.round({ decimals: 12 }).toArray()).toEqual([
    [1e8, 0],
    [0.128, -0.096],
  ]);
});
