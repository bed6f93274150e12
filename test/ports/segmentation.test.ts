/** Ports of a U-Net. */
import { cat, nn, optim, randint, randn, type Tensor, tensor, where } from "kindling";
import { functional as F } from "kindling/nn";
import { comparePorts, type Result, weights } from "./compare.js";

class DoubleConv extends nn.Module {
  doubleConv: nn.Sequential;

  constructor(inChannels: number, outChannels: number, midChannels = outChannels) {
    super();
    this.doubleConv = new nn.Sequential(
      new nn.Conv2d(inChannels, midChannels, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(midChannels),
      new nn.ReLU({ inplace: true }),
      new nn.Conv2d(midChannels, outChannels, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(outChannels),
      new nn.ReLU({ inplace: true }),
    );
  }

  forward(x: Tensor): Tensor {
    return this.doubleConv(x);
  }
}

class Down extends nn.Module {
  maxpoolConv: nn.Sequential;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.maxpoolConv = new nn.Sequential(new nn.MaxPool2d(2), new DoubleConv(inChannels, outChannels));
  }

  forward(x: Tensor): Tensor {
    return this.maxpoolConv(x);
  }
}

class Up extends nn.Module<[Tensor, Tensor]> {
  up: nn.Module;
  conv: DoubleConv;

  constructor(inChannels: number, outChannels: number, bilinear = true) {
    super();
    if (bilinear) {
      this.up = new nn.Upsample({ scaleFactor: 2, mode: "bilinear", alignCorners: true });
      this.conv = new DoubleConv(inChannels, outChannels, inChannels / 2);
    } else {
      this.up = new nn.ConvTranspose2d(inChannels, inChannels / 2, 2, { stride: 2 });
      this.conv = new DoubleConv(inChannels, outChannels);
    }
  }

  forward(x1: Tensor, x2: Tensor): Tensor {
    x1 = this.up(x1);
    const diffY = x2.size(2) - x1.size(2);
    const diffX = x2.size(3) - x1.size(3);
    x1 = F.pad(x1, [diffX >> 1, diffX - (diffX >> 1), diffY >> 1, diffY - (diffY >> 1)]);
    return this.conv(cat([x2, x1], { dim: 1 }));
  }
}

class UNet extends nn.Module {
  inc: DoubleConv;
  down1: Down;
  down2: Down;
  up1: Up;
  up2: Up;
  outc: nn.Conv2d;

  constructor(nChannels: number, nClasses: number, bilinear: boolean) {
    super();
    this.inc = new DoubleConv(nChannels, 4);
    this.down1 = new Down(4, 8);
    const factor = bilinear ? 2 : 1;
    this.down2 = new Down(8, 16 / factor);
    this.up1 = new Up(16, 8 / factor, bilinear);
    this.up2 = new Up(8, 4, bilinear);
    this.outc = new nn.Conv2d(4, nClasses, 1);
  }

  forward(x: Tensor): Tensor {
    const x1 = this.inc(x);
    const x2 = this.down1(x1);
    const x3 = this.down2(x2);
    x = this.up1(x3, x2);
    x = this.up2(x, x1);
    return this.outc(x);
  }
}

function diceLoss(probs: Tensor, target: Tensor, epsilon = 1e-6): Tensor {
  const inter = probs.mul(target).sum([-1, -2]).mul(2);
  let sets = probs.sum([-1, -2]).add(target.sum([-1, -2]));
  sets = where(sets.eq(0), inter, sets);
  return inter.add(epsilon).div(sets.add(epsilon)).mean().rsub(1);
}

function segment(bilinear: boolean): Result {
  const model = new UNet(2, 3, bilinear);
  const [x, mask] = [randn([2, 2, 13, 10]), randint(0, 3, [2, 13, 10])];
  const optimizer = new optim.RMSprop(model.parameters(), {
    lr: 1e-3,
    weightDecay: 1e-8,
    momentum: 0.9,
    foreach: true,
  });
  const losses: number[] = [];
  for (let i = 0; i < 4; i++) {
    const pred = model(x);
    const loss = new nn.CrossEntropyLoss({ weight: tensor([1.0, 2.0, 0.5]) })(pred, mask);
    loss.add_(diceLoss(F.softmax(pred, { dim: 1 }), F.oneHot(mask, 3).permute([0, 3, 1, 2]).to(pred.dtype)));
    optimizer.zeroGrad({ setToNone: true });
    loss.backward();
    nn.utils.clipGradNorm_(model.parameters(), 1.0);
    optimizer.step();
    losses.push(loss.item());
  }
  return { losses, state: weights(model) };
}

// RMSprop divides by the root of squared gradients near 0, which takes rounding in float32 to the fifth digit.
const rough = { float32: 1e-4 };

comparePorts(
  "segmentation",
  { unet_transposed: () => segment(false), unet_bilinear: () => segment(true) },
  { unet_transposed: rough, unet_bilinear: rough },
);
