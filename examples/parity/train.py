# Trains a network with BatchNorm and dropout on MNIST: PyTorch. train.ts is the same, line for line.
import sys

import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from mnist import read_mnist


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.bn1 = nn.BatchNorm1d(128)
        self.dropout = nn.Dropout(0.2)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.fc1(x)))
        return self.fc2(self.dropout(x))


def load(train):
    images, labels = read_mnist(sys.argv[1], train=train)
    return TensorDataset(images.reshape(-1, 784).float().div(255), labels.long())


torch.manual_seed(0)
loader = DataLoader(load(train=True), batch_size=64, shuffle=True)
model = Net()
optimizer = optim.AdamW(model.parameters(), lr=1e-3)
scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=len(loader))

step = 0
for x, y in loader:
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    if step % 50 == 0:
        print(f"step {step}: loss {loss.item():.6f}")
    step += 1

model.eval()
images, labels = load(train=False).tensors
with torch.no_grad():
    correct = (model(images).argmax(1) == labels).sum().item()
    print(f"{correct} of {len(labels)} test images right")
