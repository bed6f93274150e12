/** Losses, forward and backward, and what sorts and scans cost. */
import { cumsum, manualSeed, nn, randint, randn, type Tensor } from "kindling";
import type { Workload } from "./harness.js";

const F = nn.functional;

function crossEntropy(n: number, classes: number): Workload {
  return {
    name: `cross entropy ${n} x ${classes}`,
    kindling: () => {
      manualSeed(0);
      const x = randn([n, classes], { requiresGrad: true });
      const target = randint(0, classes, [n]);
      return () => {
        x.grad = null;
        F.crossEntropy(x, target).backward();
      };
    },
    pytorch: `
x, target = torch.randn(${n}, ${classes}, requires_grad=True), torch.randint(0, ${classes}, (${n},))
def step():
    x.grad = None
    F.cross_entropy(x, target).backward()
`,
  };
}

type PairLoss = (a: Tensor, b: Tensor) => Tensor;

function pair(name: string, loss: PairLoss, pytorch: string, n: number): Workload {
  return {
    name: `${name} ${n}`,
    kindling: () => {
      manualSeed(0);
      const a = randn([n], { requiresGrad: true });
      const b = randn([n]).sigmoid();
      return () => {
        a.grad = null;
        loss(a, b).backward();
      };
    },
    pytorch: `
a, b = torch.randn(${n}, requires_grad=True), torch.rand(${n})
def step():
    a.grad = None
    F.${pytorch}(a, b).backward()
`,
  };
}

function along(name: string, f: (x: Tensor) => unknown, pytorch: string, shape: [number, number]): Workload {
  return {
    name: `${name} ${shape.join(" x ")}`,
    kindling: () => {
      const x = randn(shape);
      return () => f(x);
    },
    pytorch: `
x = torch.randn(${shape.join(", ")})
def step(): return ${pytorch}
`,
  };
}

export const loss: Workload[] = [
  crossEntropy(128, 10),
  crossEntropy(1024, 1000),
  crossEntropy(128, 32_000),
  pair("mse loss", F.mseLoss, "mse_loss", 100),
  pair("mse loss", F.mseLoss, "mse_loss", 1_000_000),
  pair("huber loss", F.huberLoss, "huber_loss", 1_000_000),
  pair(
    "binary cross entropy with logits",
    F.binaryCrossEntropyWithLogits,
    "binary_cross_entropy_with_logits",
    1_000_000,
  ),
  along("sort", (x) => x.sort(1), "torch.sort(x, 1)", [1000, 1000]),
  along("topk 5 of", (x) => x.topk(5, 1), "torch.topk(x, 5, 1)", [1000, 1000]),
  along("cumsum", (x) => cumsum(x, 1), "torch.cumsum(x, 1)", [1000, 1000]),
];
