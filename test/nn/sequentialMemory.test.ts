/** Sequential frees the intermediates that nobody can see. */
import { expect, test } from "vitest";
import { memory, nn, randn } from "../../src/index.js";

test("a Sequential of built-in layers leaves no large storage behind after a step", () => {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(4 * 32 * 32, 2),
  );
  const x = randn([8, 1, 64, 64]);
  const step = () => {
    model.zeroGrad();
    model(x).sum().backward();
  };
  step();
  const before = memory().resident;
  for (let i = 0; i < 5; i++) step();
  // One activation is 512 KiB.
  expect(memory().resident - before).toBeLessThan(256 * 1024);
});
