// Trains a network with BatchNorm and dropout on MNIST: Kindling. train.py is the same, line for line.
import { argv } from "node:process";

import { manualSeed, nn, noGrad, type Tensor } from "kindling";
import { DataLoader, readMnist, TensorDataset } from "kindling/data";
import { functional as F } from "kindling/nn";
import * as optim from "kindling/optim";

class Net extends nn.Module {
  // Layers are fields; their names are the keys
  // of the state dict, as in PyTorch.
  fc1 = new nn.Linear(784, 128);
  bn1 = new nn.BatchNorm1d(128);
  dropout = new nn.Dropout(0.2);
  fc2 = new nn.Linear(128, 10);

  forward(x: Tensor): Tensor {
    x = F.relu(this.bn1(this.fc1(x)));
    return this.fc2(this.dropout(x));
  }
}

function load(train: boolean): TensorDataset<[Tensor, Tensor]> {
  const { images, labels } = readMnist(argv[2] as string, { train });
  return new TensorDataset(images.reshape([-1, 784]).float().div(255), labels.long());
}

manualSeed(0);
const loader = new DataLoader(load(true), { batchSize: 64, shuffle: true });
const model = new Net();
const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, 5e-3, { totalSteps: loader.length });

let step = 0;
for (const [x, y] of loader) {
  const loss = F.crossEntropy(model(x), y);
  optimizer.zeroGrad();
  loss.backward();
  nn.utils.clipGradNorm_(model.parameters(), 1.0);
  optimizer.step();
  scheduler.step();
  if (step % 50 === 0) {
    console.log(`step ${step}: loss ${loss.item().toFixed(6)}`);
  }
  step += 1;
}

model.eval();
const [images, labels] = load(false).tensors;
noGrad(() => {
  const correct = model(images).argmax(1).eq(labels).sum().item();
  console.log(`${correct} of ${labels.numel} test images right`);
});
