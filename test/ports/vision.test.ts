/** Ports of image models, as in torchvision and its kin. */
import { cat, checkpoint, nn, type Tensor } from "kindling";
import { functional as F } from "kindling/nn";
import { classify } from "./classify.js";
import { comparePorts } from "./compare.js";

const conv3x3 = (inPlanes: number, outPlanes: number, stride = 1) =>
  new nn.Conv2d(inPlanes, outPlanes, 3, { stride, padding: 1, bias: false });
const conv1x1 = (inPlanes: number, outPlanes: number, stride = 1) =>
  new nn.Conv2d(inPlanes, outPlanes, 1, { stride, bias: false });

class BasicBlock extends nn.Module {
  static expansion = 1;
  conv1: nn.Conv2d;
  bn1: nn.BatchNorm2d;
  relu = new nn.ReLU({ inplace: true });
  conv2: nn.Conv2d;
  bn2: nn.BatchNorm2d;
  downsample: nn.Sequential | null;

  constructor(inplanes: number, planes: number, stride = 1, downsample: nn.Sequential | null = null) {
    super();
    this.conv1 = conv3x3(inplanes, planes, stride);
    this.bn1 = new nn.BatchNorm2d(planes);
    this.conv2 = conv3x3(planes, planes);
    this.bn2 = new nn.BatchNorm2d(planes);
    this.downsample = downsample;
  }

  forward(x: Tensor): Tensor {
    let out = this.relu(this.bn1(this.conv1(x)));
    out = this.bn2(this.conv2(out));
    out.add_(this.downsample === null ? x : this.downsample(x));
    return this.relu(out);
  }
}

class Bottleneck extends nn.Module {
  static expansion = 4;
  conv1: nn.Conv2d;
  bn1: nn.BatchNorm2d;
  conv2: nn.Conv2d;
  bn2: nn.BatchNorm2d;
  conv3: nn.Conv2d;
  bn3: nn.BatchNorm2d;
  relu = new nn.ReLU({ inplace: true });
  downsample: nn.Sequential | null;

  constructor(inplanes: number, planes: number, stride = 1, downsample: nn.Sequential | null = null) {
    super();
    this.conv1 = conv1x1(inplanes, planes);
    this.bn1 = new nn.BatchNorm2d(planes);
    this.conv2 = conv3x3(planes, planes, stride);
    this.bn2 = new nn.BatchNorm2d(planes);
    this.conv3 = conv1x1(planes, planes * Bottleneck.expansion);
    this.bn3 = new nn.BatchNorm2d(planes * Bottleneck.expansion);
    this.downsample = downsample;
  }

  forward(x: Tensor): Tensor {
    let out = this.relu(this.bn1(this.conv1(x)));
    out = this.relu(this.bn2(this.conv2(out)));
    out = this.bn3(this.conv3(out));
    out.add_(this.downsample === null ? x : this.downsample(x));
    return this.relu(out);
  }
}

class ResNet extends nn.Module {
  conv1: nn.Conv2d;
  bn1: nn.BatchNorm2d;
  relu = new nn.ReLU({ inplace: true });
  maxpool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  layer1: nn.Sequential;
  layer2: nn.Sequential;
  avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
  fc: nn.Linear;
  private inplanes = 4;

  constructor(
    block: typeof BasicBlock | typeof Bottleneck,
    layers: [number, number],
    { numClasses = 5, zeroInitResidual = true } = {},
  ) {
    super();
    this.conv1 = new nn.Conv2d(3, this.inplanes, 7, { stride: 2, padding: 3, bias: false });
    this.bn1 = new nn.BatchNorm2d(this.inplanes);
    this.layer1 = this.makeLayer(block, 4, layers[0]);
    this.layer2 = this.makeLayer(block, 8, layers[1], 2);
    this.fc = new nn.Linear(8 * block.expansion, numClasses);
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) nn.init.kaimingNormal_(m.weight, { mode: "fan_out", nonlinearity: "relu" });
      else if (m instanceof nn.BatchNorm2d || m instanceof nn.GroupNorm) {
        nn.init.constant_(m.weight as Tensor, 1);
        nn.init.constant_(m.bias as Tensor, 0);
      }
    }
    if (zeroInitResidual) {
      for (const m of this.modules()) {
        if (m instanceof Bottleneck) nn.init.constant_(m.bn3.weight as Tensor, 0);
        else if (m instanceof BasicBlock) nn.init.constant_(m.bn2.weight as Tensor, 0);
      }
    }
  }

  private makeLayer(
    block: typeof BasicBlock | typeof Bottleneck,
    planes: number,
    blocks: number,
    stride = 1,
  ) {
    let downsample: nn.Sequential | null = null;
    if (stride !== 1 || this.inplanes !== planes * block.expansion) {
      downsample = new nn.Sequential(
        conv1x1(this.inplanes, planes * block.expansion, stride),
        new nn.BatchNorm2d(planes * block.expansion),
      );
    }
    const layers = [new block(this.inplanes, planes, stride, downsample)];
    this.inplanes = planes * block.expansion;
    for (let i = 1; i < blocks; i++) layers.push(new block(this.inplanes, planes));
    return new nn.Sequential(...layers);
  }

  forward(x: Tensor): Tensor {
    x = this.maxpool(this.relu(this.bn1(this.conv1(x))));
    x = this.layer2(this.layer1(x));
    return this.fc(this.avgpool(x).flatten(1));
  }
}

function makeDivisible(v: number, divisor = 4, minValue = divisor): number {
  const rounded = Math.max(minValue, Math.floor(Math.floor(v + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * v ? rounded + divisor : rounded;
}

class SqueezeExcitation extends nn.Module {
  avgpool = new nn.AdaptiveAvgPool2d(1);
  fc1: nn.Conv2d;
  fc2: nn.Conv2d;
  activation = new nn.ReLU();
  scaleActivation = new nn.Hardsigmoid();

  constructor(channels: number, squeeze: number) {
    super();
    this.fc1 = new nn.Conv2d(channels, squeeze, 1);
    this.fc2 = new nn.Conv2d(squeeze, channels, 1);
  }

  forward(x: Tensor): Tensor {
    const scale = this.scaleActivation(this.fc2(this.activation(this.fc1(this.avgpool(x)))));
    return scale.mul(x);
  }
}

type ActivationLayer = typeof nn.ReLU6 | typeof nn.Hardswish | typeof nn.ReLU;

class ConvBNActivation extends nn.Sequential {
  outChannels: number;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize = 3,
    { stride = 1, groups = 1, activationLayer = nn.ReLU6 as ActivationLayer | null } = {},
  ) {
    const layers: nn.Module[] = [
      new nn.Conv2d(inChannels, outChannels, kernelSize, {
        stride,
        padding: (kernelSize - 1) / 2,
        groups,
        bias: false,
      }),
      new nn.BatchNorm2d(outChannels, { eps: 0.001, momentum: 0.01 }),
    ];
    if (activationLayer !== null) layers.push(new activationLayer({ inplace: true }));
    super(...layers);
    this.outChannels = outChannels;
  }
}

class InvertedResidual extends nn.Module {
  block: nn.Sequential;
  useResConnect: boolean;

  constructor(
    inp: number,
    oup: number,
    kernel: number,
    stride: number,
    expandRatio: number,
    useSe: boolean,
    activationLayer: ActivationLayer,
  ) {
    super();
    const hidden = makeDivisible(inp * expandRatio);
    this.useResConnect = stride === 1 && inp === oup;
    const layers: nn.Module[] = [];
    if (expandRatio !== 1) layers.push(new ConvBNActivation(inp, hidden, 1, { activationLayer }));
    layers.push(new ConvBNActivation(hidden, hidden, kernel, { stride, groups: hidden, activationLayer }));
    if (useSe) layers.push(new SqueezeExcitation(hidden, makeDivisible(Math.floor(hidden / 4))));
    layers.push(new ConvBNActivation(hidden, oup, 1, { activationLayer: null }));
    this.block = new nn.Sequential(...layers);
  }

  forward(x: Tensor): Tensor {
    return this.useResConnect ? x.add(this.block(x)) : this.block(x);
  }
}

class MobileNet extends nn.Module {
  features = new nn.Sequential(
    new ConvBNActivation(3, 8, 3, { stride: 2, activationLayer: nn.Hardswish }),
    new InvertedResidual(8, 8, 3, 1, 1, false, nn.ReLU6),
    new InvertedResidual(8, 12, 5, 2, 3, true, nn.Hardswish),
    new InvertedResidual(12, 12, 3, 1, 2, true, nn.Hardswish),
  );
  classifier = new nn.Sequential(
    new nn.Linear(12, 16),
    new nn.Hardswish({ inplace: true }),
    new nn.Dropout(0.2, { inplace: true }),
    new nn.Linear(16, 5),
  );

  forward(x: Tensor): Tensor {
    return this.classifier(this.features(x).mean([2, 3]));
  }
}

class DenseLayer extends nn.Module<[Tensor[]]> {
  norm1: nn.BatchNorm2d;
  relu1 = new nn.ReLU({ inplace: true });
  conv1: nn.Conv2d;
  norm2: nn.BatchNorm2d;
  relu2 = new nn.ReLU({ inplace: true });
  conv2: nn.Conv2d;

  constructor(
    inputs: number,
    growth: number,
    bnSize: number,
    readonly dropRate: number,
    readonly memoryEfficient: boolean,
  ) {
    super();
    this.norm1 = new nn.BatchNorm2d(inputs);
    this.conv1 = new nn.Conv2d(inputs, bnSize * growth, 1, { stride: 1, bias: false });
    this.norm2 = new nn.BatchNorm2d(bnSize * growth);
    this.conv2 = new nn.Conv2d(bnSize * growth, growth, 3, { stride: 1, padding: 1, bias: false });
  }

  bottleneck(...inputs: Tensor[]): Tensor {
    return this.conv1(this.relu1(this.norm1(cat(inputs, 1))));
  }

  forward(inputs: Tensor[]): Tensor {
    let out =
      this.memoryEfficient && inputs.some((t) => t.requiresGrad)
        ? checkpoint((...xs: Tensor[]) => this.bottleneck(...xs), inputs)
        : this.bottleneck(...inputs);
    out = this.conv2(this.relu2(this.norm2(out)));
    if (this.dropRate > 0) out = F.dropout(out, { p: this.dropRate, training: this.training });
    return out;
  }
}

class DenseBlock extends nn.Module {
  constructor(
    layers: number,
    inputs: number,
    bnSize: number,
    growth: number,
    dropRate: number,
    memoryEfficient: boolean,
  ) {
    super();
    for (let i = 0; i < layers; i++) {
      this.addModule(
        `denselayer${i + 1}`,
        new DenseLayer(inputs + i * growth, growth, bnSize, dropRate, memoryEfficient),
      );
    }
  }

  forward(initFeatures: Tensor): Tensor {
    const features = [initFeatures];
    for (const layer of this.children()) features.push((layer as DenseLayer)(features));
    return cat(features, 1);
  }
}

class Transition extends nn.Sequential {
  constructor(inputs: number, outputs: number) {
    super();
    this.addModule("norm", new nn.BatchNorm2d(inputs));
    this.addModule("relu", new nn.ReLU({ inplace: true }));
    this.addModule("conv", new nn.Conv2d(inputs, outputs, 1, { stride: 1, bias: false }));
    this.addModule("pool", new nn.AvgPool2d(2, { stride: 2 }));
  }
}

class DenseNet extends nn.Module {
  features = new nn.Sequential();
  classifier: nn.Linear;

  constructor({
    growth = 4,
    config = [2, 3],
    init = 6,
    bnSize = 2,
    dropRate = 0.1,
    numClasses = 5,
    memoryEfficient = false,
  } = {}) {
    super();
    this.features.addModule("conv0", new nn.Conv2d(3, init, 3, { padding: 1, bias: false }));
    this.features.addModule("norm0", new nn.BatchNorm2d(init));
    this.features.addModule("relu0", new nn.ReLU({ inplace: true }));
    this.features.addModule("pool0", new nn.MaxPool2d(3, { stride: 2, padding: 1, ceilMode: true }));
    let channels = init;
    for (const [i, layers] of config.entries()) {
      this.features.addModule(
        `denseblock${i + 1}`,
        new DenseBlock(layers, channels, bnSize, growth, dropRate, memoryEfficient),
      );
      channels += layers * growth;
      if (i !== config.length - 1) {
        this.features.addModule(`transition${i + 1}`, new Transition(channels, channels / 2));
        channels /= 2;
      }
    }
    this.features.addModule("norm5", new nn.BatchNorm2d(channels));
    this.classifier = new nn.Linear(channels, numClasses);
  }

  forward(x: Tensor): Tensor {
    const out = F.relu(this.features(x), { inplace: true });
    return this.classifier(F.adaptiveAvgPool2d(out, [1, 1]).flatten(1));
  }
}

class Fire extends nn.Module {
  squeeze: nn.Conv2d;
  squeezeActivation = new nn.ReLU({ inplace: true });
  expand1x1: nn.Conv2d;
  expand1x1Activation = new nn.ReLU({ inplace: true });
  expand3x3: nn.Conv2d;
  expand3x3Activation = new nn.ReLU({ inplace: true });

  constructor(inplanes: number, squeezePlanes: number, expand1x1Planes: number, expand3x3Planes: number) {
    super();
    this.squeeze = new nn.Conv2d(inplanes, squeezePlanes, 1);
    this.expand1x1 = new nn.Conv2d(squeezePlanes, expand1x1Planes, 1);
    this.expand3x3 = new nn.Conv2d(squeezePlanes, expand3x3Planes, 3, { padding: 1 });
  }

  forward(x: Tensor): Tensor {
    x = this.squeezeActivation(this.squeeze(x));
    return cat([this.expand1x1Activation(this.expand1x1(x)), this.expand3x3Activation(this.expand3x3(x))], 1);
  }
}

class SqueezeNet extends nn.Module {
  features = new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { stride: 2 }),
    new nn.ReLU({ inplace: true }),
    new nn.MaxPool2d(3, { stride: 2, ceilMode: true }),
    new Fire(8, 4, 6, 6),
    new Fire(12, 4, 6, 6),
    new nn.LocalResponseNorm(3, { alpha: 1e-2, beta: 0.75, k: 2.0 }),
  );
  classifier: nn.Sequential;

  constructor({ numClasses = 5, dropout = 0.5 } = {}) {
    super();
    const finalConv = new nn.Conv2d(12, numClasses, 1);
    this.classifier = new nn.Sequential(
      new nn.Dropout(dropout),
      finalConv,
      new nn.ReLU({ inplace: true }),
      new nn.AdaptiveAvgPool2d([1, 1]),
    );
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) {
        if (m === finalConv) nn.init.normal_(m.weight, { mean: 0, std: 0.01 });
        else nn.init.kaimingUniform_(m.weight);
        if (m.bias !== null) nn.init.constant_(m.bias as Tensor, 0);
      }
    }
  }

  forward(x: Tensor): Tensor {
    return this.classifier(this.features(x)).flatten(1);
  }
}

comparePorts(
  "vision",
  {
    resnet_basic: () => classify(new ResNet(BasicBlock, [1, 2])),
    resnet_bottleneck: () => classify(new ResNet(Bottleneck, [2, 1])),
    mobilenet: () => classify(new MobileNet()),
    densenet: () => classify(new DenseNet()),
    densenet_checkpointed: () => classify(new DenseNet({ memoryEfficient: true, dropRate: 0 })),
    squeezenet: () => classify(new SqueezeNet()),
  },
  // PyTorch's slope of hardsigmoid is the float32 nearest to 1/6, in float64 too.
  { mobilenet: { float64: 1e-10 } },
);
