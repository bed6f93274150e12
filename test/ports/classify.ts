/** Trains a classifier of images on random ones, as `classify` of test/fixtures/ports/vision.py does. */
import { nn, noGrad, optim, randint, randn } from "kindling";
import { type Result, weights } from "./compare.js";

const { functional: F } = nn;

export function classify(model: nn.Module, { steps = 4, classes = 5, size = 16, lr = 0.05 } = {}): Result {
  const [x, y] = [randn([6, 3, size, size]), randint(0, classes, [6])];
  const optimizer = new optim.SGD(model.parameters(), {
    lr,
    momentum: 0.9,
    weightDecay: 1e-4,
    nesterov: true,
  });
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model(x), y, { labelSmoothing: 0.1 });
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  model.eval();
  const logits = noGrad(() => model(x));
  return { losses, logits, state: weights(model) };
}
