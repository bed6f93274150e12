/** Whole training steps: zeroGrad, forward, loss, backward, optimizer step. */
import { manualSeed, nn, randint, randn, type Tensor } from "kindling";
import { Adam } from "kindling/optim";
import type { Workload } from "./harness.js";

type Loss = (y: Tensor, target: Tensor) => Tensor;

function stepOf(model: nn.Module<[Tensor], Tensor>, x: Tensor, target: Tensor, lossOf: Loss): () => void {
  const optimizer = new Adam(model.parameters(), { lr: 1e-3 });
  return () => {
    optimizer.zeroGrad();
    const loss = lossOf(model(x), target);
    loss.backward();
    optimizer.step();
  };
}

const PYTORCH_STEP = `
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
def step():
    optimizer.zero_grad()
    loss = loss_of(model(x), target)
    loss.backward()
    optimizer.step()
`;

export const steps: Workload[] = [
  {
    name: "moons",
    kindling: () => {
      manualSeed(0);
      const model = new nn.Sequential(
        new nn.Linear(2, 16),
        new nn.ReLU(),
        new nn.Linear(16, 16),
        new nn.ReLU(),
        new nn.Linear(16, 1),
      );
      return stepOf(model, randn([100, 2]), randn([100, 1]), (y, t) => nn.functional.mseLoss(y, t));
    },
    pytorch: `
model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
x, target, loss_of = torch.randn(100, 2), torch.randn(100, 1), F.mse_loss
${PYTORCH_STEP}`,
  },
  {
    name: "mnist-mlp",
    kindling: () => {
      manualSeed(0);
      const model = new nn.Sequential(
        new nn.Linear(784, 128),
        new nn.BatchNorm1d(128),
        new nn.ReLU(),
        new nn.Linear(128, 64),
        new nn.BatchNorm1d(64),
        new nn.ReLU(),
        new nn.Linear(64, 10),
      );
      return stepOf(model, randn([64, 784]), randint(10, [64]), (y, t) => nn.functional.crossEntropy(y, t));
    },
    pytorch: `
model = nn.Sequential(nn.Linear(784, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
x, target, loss_of = torch.randn(64, 784), torch.randint(10, (64,)), F.cross_entropy
${PYTORCH_STEP}`,
  },
  {
    name: "mnist-cnn",
    kindling: () => {
      manualSeed(0);
      const model = new nn.Sequential(
        new nn.Conv2d(1, 16, 3, { padding: 1 }),
        new nn.BatchNorm2d(16),
        new nn.ReLU(),
        new nn.MaxPool2d(2),
        new nn.Conv2d(16, 32, 3, { padding: 1 }),
        new nn.BatchNorm2d(32),
        new nn.ReLU(),
        new nn.MaxPool2d(2),
        new nn.Flatten(),
        new nn.Linear(1568, 10),
      );
      return stepOf(model, randn([64, 1, 28, 28]), randint(10, [64]), (y, t) =>
        nn.functional.crossEntropy(y, t),
      );
    },
    pytorch: `
model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                      nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10))
x, target, loss_of = torch.randn(64, 1, 28, 28), torch.randint(10, (64,)), F.cross_entropy
${PYTORCH_STEP}`,
  },
];
