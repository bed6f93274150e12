/** Ports of programs about training itself. */
import {
  arange,
  autograd,
  bincount,
  cat,
  cdist,
  dist,
  exp,
  eye,
  full,
  fullLike,
  Generator,
  getDefaultDtype,
  linalg,
  linspace,
  matrixExp,
  nn,
  noGrad,
  optim,
  pdist,
  poisson,
  randint,
  randn,
  randperm,
  type Tensor,
  tensor,
  zeros,
} from "kindling";
import {
  ConcatDataset,
  DataLoader,
  IterableDataset,
  randomSplit,
  Subset,
  SubsetRandomSampler,
  TensorDataset,
  WeightedRandomSampler,
} from "kindling/data";
import { functional as F } from "kindling/nn";
import { comparePorts, type Result, weights } from "./compare.js";

const { parametrize, prune } = nn.utils;
const { lrScheduler, swaUtils } = optim;

class EmbeddingNet extends nn.Module {
  convnet = new nn.Sequential(
    new nn.Conv1d(1, 4, 3),
    new nn.PReLU(),
    new nn.MaxPool1d(2, { stride: 2 }),
    new nn.Conv1d(4, 6, 3),
    new nn.PReLU(),
    new nn.AdaptiveMaxPool1d(2),
  );
  fc = new nn.Sequential(new nn.Linear(12, 8), new nn.PReLU(), new nn.Linear(8, 2));

  forward(x: Tensor): Tensor {
    let output = this.convnet(x);
    output = output.view([output.size()[0] as number, -1]);
    return F.normalize(this.fc(output), { p: 2, dim: 1 });
  }
}

function siameseTriplet(): Result {
  const net = new EmbeddingNet();
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-2 });
  const [a, p, n] = [randn([5, 1, 14]), randn([5, 1, 14]), randn([5, 1, 14])];
  const same = tensor([1, -1, 1, 1, -1]);
  const triplet = new nn.TripletMarginLoss({ margin: 0.5, p: 2, swap: true });
  const custom = new nn.TripletMarginWithDistanceLoss({
    distanceFunction: (x, y) => F.cosineSimilarity(x, y).rsub(1),
  });
  const losses: number[] = [];
  let [ea, en] = [a, n];
  for (let step = 0; step < 3; step++) {
    ea = net(a);
    const ep = net(p);
    en = net(n);
    const distances = ea.sub(ep).pow(2).sum(1);
    const near = same.eq(1).mul(0.5).mul(distances);
    const far = same
      .eq(-1)
      .mul(0.5)
      .mul(F.relu(distances.add(1e-9).sqrt().rsub(1)).pow(2));
    const contrastive = near.add(far).mean();
    const loss = triplet(ea, ep, en)
      .add(custom(ea, ep, en))
      .add(contrastive)
      .add(F.cosineEmbeddingLoss(ea, ep, same, { margin: 0.2 }))
      .add(new nn.MarginRankingLoss({ margin: 0.1 })(ea.at(":", 0), ep.at(":", 0), same));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  return { losses, pairs: pdist(ea), table: cdist(ea, en), state: weights(net) };
}

class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 3, 3);
  conv2 = new nn.Conv2d(3, 8, 3);
  fc1 = new nn.Linear(32, 10);
  fc2 = new nn.Linear(10, 4);

  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), [2, 2]);
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    x = x.view([-1, x.numel / x.size(0)]);
    return this.fc2(F.relu(this.fc1(x)));
  }
}

class FooBarPruningMethod extends prune.BasePruningMethod {
  readonly pruningType = "unstructured";

  computeMask(_t: Tensor, defaultMask: Tensor): Tensor {
    const mask = defaultMask.clone();
    mask.view([-1]).setAt_(["::2"], 0);
    return mask;
  }
}

function pruning(): Result {
  const model = new LeNet();
  const x = randn([2, 1, 14, 14]);
  const module = model.conv1;
  prune.randomUnstructured(module, "weight", 0.3);
  prune.l1Unstructured(module, "bias", 1);
  prune.lnStructured(module, "weight", 0.5, 2, 0);
  const keys = Object.keys(model.stateDict());
  FooBarPruningMethod.apply(model.fc2, "bias");
  prune.remove(module, "weight");
  prune.globalUnstructured(
    [
      [model.conv2, "weight"],
      [model.fc1, "weight"],
    ],
    prune.L1Unstructured,
    { amount: 0.2 },
  );
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    const loss = F.crossEntropy(model(x), tensor([1, 3]));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  const sparsity = [model.conv1, model.conv2, model.fc1].map(
    (m) => m.weight.eq(0).sum().item() / m.weight.numel,
  );
  return { losses, keys: keys.length, history: 2, sparsity, state: weights(model) };
}

class Symmetric extends nn.Module {
  forward(X: Tensor): Tensor {
    return X.triu().add(X.triu(1).transpose(-1, -2));
  }

  rightInverse(A: Tensor): Tensor {
    return A.triu();
  }
}

class Skew extends nn.Module {
  forward(X: Tensor): Tensor {
    const A = X.triu(1);
    return A.sub(A.transpose(-1, -2));
  }
}

class MatrixExponential extends nn.Module {
  forward(X: Tensor): Tensor {
    return matrixExp(X);
  }
}

class CayleyMap extends nn.Module {
  Id: Tensor;

  constructor(n: number) {
    super();
    this.Id = this.registerBuffer("Id", eye(n));
  }

  forward(X: Tensor): Tensor {
    return linalg.solve(this.Id.add(X), this.Id.sub(X));
  }
}

function parametrizations(): Result {
  const layer = new nn.Linear(3, 3);
  parametrize.registerParametrization(layer, "weight", new Skew());
  parametrize.registerParametrization(layer, "weight", new CayleyMap(3));
  const rnn = new nn.Sequential(new nn.Linear(3, 3), new nn.Tanh(), layer);
  parametrize.registerParametrization(rnn.get(0), "weight", new Symmetric());
  const exponential = new nn.Linear(3, 3, { bias: false });
  parametrize.registerParametrization(exponential, "weight", new Skew());
  parametrize.registerParametrization(exponential, "weight", new MatrixExponential());
  const [x, y] = [randn([6, 3]), randn([6, 3])];
  noGrad(() => {
    rnn.get<nn.Linear>(0).weight = arange(9, { dtype: getDefaultDtype() })
      .view([3, 3])
      .div(9) as nn.Parameter;
  });
  const optimizer = new optim.SGD([...rnn.parameters(), ...exponential.parameters()], {
    lr: 0.1,
    momentum: 0.5,
    dampening: 0.1,
  });
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) {
    optimizer.zeroGrad();
    const loss = parametrize.cached(() => F.mseLoss(rnn(rnn(x)), y).add(F.l1Loss(exponential(x), y)));
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  const [Q, E] = [layer.weight, exponential.weight];
  const orthogonal = [dist(Q.matmul(Q.t()), eye(3)).add(1), dist(E.matmul(E.t()), eye(3)).add(1)];
  parametrize.removeParametrizations(layer, "weight", { leaveParametrized: true });
  return { losses, orthogonal, state: weights(rnn) };
}

function featureExtraction(): Result {
  const backbone = new nn.Sequential();
  backbone.addModule("stem", new nn.Conv2d(3, 4, 3, { padding: 1, bias: false }));
  const norm = backbone.addModule("norm", new nn.BatchNorm2d(4));
  const body = backbone.addModule(
    "body",
    new nn.Sequential(new nn.ReLU(), new nn.Conv2d(4, 4, 1), new nn.GELU()),
  );
  backbone.addModule("head", new nn.Linear(4 * 16, 3));
  const head = backbone.addModule("head", new nn.Sequential(new nn.Flatten(), new nn.Linear(4 * 16, 2)));
  body.set(2, new nn.Hardtanh({ minVal: 0, maxVal: 2 }));
  for (const [name, param] of backbone.namedParameters()) param.requiresGrad = name.startsWith("head");
  const features: Record<string, Tensor> = {};
  const gradients: [Tensor, Tensor][] = [];
  const handles = [...backbone.namedModules()]
    .filter(([, module]) => module instanceof nn.Conv2d || module instanceof nn.Linear)
    .map(([name, module]) =>
      module.registerForwardHook((_m, _args, output: Tensor) => {
        features[name] = output.detach();
      }),
    );
  handles.push(
    head
      .get(1)
      .registerFullBackwardHook((_m, gi, go) => void gradients.push([gi[0] as Tensor, go[0] as Tensor])),
  );
  handles.push(body.registerForwardPreHook((_m, [x]) => [x.mul(1.5)]));
  const optimizer = new optim.Adam(
    [...backbone.parameters()].filter((p) => p.requiresGrad),
    { lr: 1e-2 },
  );
  const [x, y] = [randn([4, 3, 4, 4], { requiresGrad: true }), tensor([0, 1, 1, 0])];
  const losses: number[] = [];
  backbone.train();
  norm.eval();
  for (let step = 0; step < 2; step++) {
    const loss = F.crossEntropy(backbone(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  for (const h of handles) h.remove();
  body.get(1).requiresGrad_(true);
  optimizer.addParamGroup({ params: body.get(1).parameters(), lr: 1e-3 });
  const loss = F.crossEntropy(backbone(x), y);
  loss.backward();
  optimizer.step();
  const headless = new nn.Sequential(...[...backbone.children()].slice(0, -1));
  const cam = gradients[0]?.[1]
    .abs()
    .mean()
    .mul(F.adaptiveAvgPool2d(headless(x), 1))
    .flatten();
  return {
    losses,
    features: Object.keys(features)
      .sort()
      .map((k) => features[k]),
    gradients: gradients.flat(),
    cam,
    saliency: x.grad,
    state: weights(backbone),
  };
}

function swaTraining(): Result {
  const model = new nn.Sequential(
    new nn.Linear(4, 8),
    new nn.BatchNorm1d(8),
    new nn.ReLU(),
    new nn.Linear(8, 3),
  );
  const [x, y] = [randn([24, 4]), randint(0, 3, [24])];
  const loader = new DataLoader(new TensorDataset(x, y), { batchSize: 8, shuffle: true });
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
  const scheduler = new lrScheduler.CosineAnnealingLR(optimizer, 100);
  const swaModel = new swaUtils.AveragedModel(model);
  const swaScheduler = new swaUtils.SWALR(optimizer, 0.05, { annealStrategy: "linear", annealEpochs: 2 });
  const [losses, rates]: [number[], number[]] = [[], []];
  for (let epoch = 0; epoch < 5; epoch++) {
    for (const [input, target] of loader) {
      optimizer.zeroGrad();
      const loss = F.crossEntropy(model(input), target);
      loss.backward();
      optimizer.step();
      losses.push(loss.item());
    }
    if (epoch > 2) {
      swaModel.updateParameters(model);
      swaScheduler.step();
    } else scheduler.step();
    rates.push(optimizer.paramGroups[0].lr);
  }
  swaUtils.updateBn(loader, swaModel);
  swaModel.eval();
  return { losses, rates, preds: swaModel(x.at(":3")), state: weights(swaModel) };
}

function lrFinder(): Result {
  const model = new nn.Sequential(new nn.Linear(3, 6), new nn.CELU(0.5), new nn.Linear(6, 1));
  const initial = nn.deepCopy(model.stateDict());
  const optimizer = new optim.SGD(model.parameters(), { lr: 1e-4, momentum: 0.9 });
  const kept = nn.deepCopy(optimizer.stateDict());
  const scheduler = new lrScheduler.LambdaLR(optimizer, (i) => (1.0 / 1e-4) ** (i / 9));
  const [x, y] = [randn([12, 3]), randn([12, 1])];
  const [rates, losses]: [number[], number[]] = [[], []];
  let smoothed = 0;
  for (let i = 0; i < 10; i++) {
    optimizer.zeroGrad();
    const loss = new nn.HuberLoss({ delta: 0.7 })(model(x), y);
    smoothed = i > 0 ? 0.05 * loss.item() + 0.95 * smoothed : loss.item();
    losses.push(smoothed);
    rates.push(scheduler.getLastLr()[0]);
    loss.backward();
    optimizer.step();
    scheduler.step();
  }
  model.loadStateDict(initial);
  optimizer.loadStateDict(kept);
  const cyclic = new lrScheduler.CyclicLR(optimizer, 0.01, 0.1, { stepSizeUp: 2, mode: "triangular2" });
  const later: number[] = [];
  for (let i = 0; i < 5; i++) {
    optimizer.zeroGrad();
    F.gaussianNllLoss(model(x), y, fullLike(y, 0.5)).backward();
    optimizer.step();
    cyclic.step();
    later.push(optimizer.paramGroups[0].lr, optimizer.paramGroups[0].momentum);
  }
  return { rates, losses, later, state: weights(model) };
}

function kFold(): Result {
  const x = randn([20, 3]);
  const y = x.sum(1).gt(0).long();
  const dataset = new ConcatDataset([
    new TensorDataset(x.at(":12"), y.at(":12")),
    new TensorDataset(x.at("12:"), y.at("12:")),
  ]);
  const folds = randperm(20).chunk(4);
  const scores: number[] = [];
  for (let k = 0; k < 4; k++) {
    const held = folds[k]?.tolist() as number[];
    const rest = cat(folds.filter((_, i) => i !== k)).tolist() as number[];
    const train = new DataLoader(dataset, { batchSize: 4, sampler: new SubsetRandomSampler(rest) });
    const valid = new DataLoader(new Subset(dataset, held), { batchSize: 3 });
    const model = new nn.Sequential(new nn.Linear(3, 5), new nn.Softplus(), new nn.Linear(5, 2));
    const optimizer = new optim.Rprop(model.parameters(), { lr: 0.02 });
    for (const [bx, by] of train) {
      optimizer.zeroGrad();
      F.crossEntropy(model(bx), by, { weight: tensor([1.0, 1.5]).to(getDefaultDtype()) }).backward();
      optimizer.step();
    }
    noGrad(() => {
      for (const [bx, by] of valid) scores.push(F.crossEntropy(model(bx), by, { reduction: "sum" }).item());
    });
  }
  const parts = randomSplit(dataset, [12, 5, 3], { generator: new Generator().manualSeed(42) });
  const perClass = bincount(y).to(getDefaultDtype()).reciprocal();
  const balanced = new WeightedRandomSampler(perClass.at(y), 10, { replacement: true });
  const drawn = [...balanced];
  const seen = [...new DataLoader(dataset, { batchSize: 6, sampler: balanced, dropLast: true })].map(
    ([, by]) => by.sum().item(),
  );
  return { scores, parts: parts.map((p) => p.indices), balanced: drawn, seen };
}

class Stream extends IterableDataset<[Tensor, number]> {
  constructor(readonly n: number) {
    super();
  }

  *[Symbol.iterator](): IterableIterator<[Tensor, number]> {
    for (let i = 0; i < this.n; i++) yield [arange((i % 4) + 1).add(i), i % 2];
  }
}

function collate(batch: [Tensor, number][]): [Tensor, Tensor, Tensor] {
  const sequences = batch.map(([s]) => s);
  const lengths = tensor(sequences.map((s) => s.size(0)));
  return [
    nn.utils.rnn.padSequence(sequences, { batchFirst: true, paddingValue: -1 }),
    lengths,
    tensor(batch.map(([, label]) => label)),
  ];
}

function streaming(): Result {
  const model = new nn.GRU(1, 4, { batchFirst: true });
  const head = new nn.Linear(4, 2);
  const optimizer = new optim.Adam([...model.parameters(), ...head.parameters()]);
  const losses: number[] = [];
  const shapes: number[][] = [];
  for (const [padded, lengths, labels] of new DataLoader(new Stream(10), {
    batchSize: 4,
    collateFn: collate,
  })) {
    shapes.push([...padded.shape]);
    const packed = nn.utils.rnn.packPaddedSequence(padded.unsqueeze(-1).to(getDefaultDtype()), lengths, {
      batchFirst: true,
      enforceSorted: false,
    });
    const [, h] = model(packed);
    const each = F.crossEntropy(head(h.at(-1)), labels, { reduction: "none" });
    const mask = lengths.gt(1);
    const loss = each
      .mul(mask)
      .sum()
      .div(mask.sum().clamp({ min: 1 }));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  return { losses, shapes, state: weights(model) };
}

function accumulatedMixedLosses(): Result {
  const trunk = new nn.Sequential(new nn.Linear(6, 8), new nn.Softsign(), new nn.Identity());
  const heads = new nn.ModuleDict({
    reg: new nn.Linear(8, 1),
    cls: new nn.Linear(8, 3),
    tag: new nn.Linear(8, 4),
    count: new nn.Linear(8, 1),
  });
  const model = new nn.ModuleDict<nn.AnyModule>({ trunk, heads });
  const logVars = new nn.ParameterDict(
    [...heads.keys()].map((k) => [k, new nn.Parameter(zeros([]))] as const),
  );
  const named = [...model.namedParameters()];
  const optimizer = new optim.AdamW(
    [
      { params: named.filter(([n]) => n.endsWith("weight")).map(([, p]) => p), weightDecay: 0.1 },
      { params: named.filter(([n]) => n.endsWith("bias")).map(([, p]) => p), weightDecay: 0.0 },
      { params: logVars.parameters(), lr: 0.1 },
    ],
    { lr: 1e-2 },
  );
  const data = new TensorDataset(
    randn([12, 6]),
    randn([12, 1]),
    randint(0, 3, [12]),
    randint(0, 2, [12, 4]).to(getDefaultDtype()),
    poisson(full([12, 1], 2.0, { dtype: getDefaultDtype() })),
  );
  const losses: number[] = [];
  let i = 0;
  for (const [x, reg, cls, tag, count] of new DataLoader(data, { batchSize: 3 })) {
    const h = trunk(x);
    const parts = {
      reg: F.smoothL1Loss(heads.get("reg")(h), reg, { reduction: "none" }).mean(1),
      cls: F.crossEntropy(heads.get("cls")(h), cls, { reduction: "none", ignoreIndex: 2 }),
      tag: F.binaryCrossEntropyWithLogits(heads.get("tag")(h), tag, {
        reduction: "none",
        posWeight: tensor([1.0, 2.0, 3.0, 0.5]),
      }).sum(1),
      count: F.poissonNllLoss(heads.get("count")(h), count, { full: true, reduction: "none" }).squeeze(1),
    };
    const loss = Object.entries(parts)
      .map(([k, v]) => {
        const logVar = logVars.get(k) as nn.Parameter;
        return exp(logVar.neg()).mul(v).add(logVar).mean();
      })
      .reduce((a, b) => a.add(b));
    loss.div(2).backward();
    losses.push(loss.item());
    if (++i % 2 === 0) {
      nn.utils.clipGradNorm_(model.parameters(), 0.5, { normType: Number.POSITIVE_INFINITY });
      optimizer.step();
      optimizer.zeroGrad();
    }
  }
  return { losses, log_vars: [...logVars.keys()].sort().map((k) => logVars.get(k)), state: weights(model) };
}

function lbfgsFit(): Result {
  const [a, b, c] = [1, 1, 0].map((v) => tensor(v, { dtype: getDefaultDtype(), requiresGrad: true })) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const x = linspace(0, 4, 30);
  const y = exp(x.mul(-1.3))
    .mul(2.5)
    .add(0.5)
    .add(randn([30]).mul(0.02));
  const misfit = (a: Tensor, b: Tensor, c: Tensor) =>
    a
      .mul(exp(b.neg().mul(x)))
      .add(c)
      .sub(y)
      .square()
      .sum();
  const optimizer = new optim.LBFGS([a, b, c], {
    lr: 1,
    maxIter: 10,
    toleranceGrad: 1e-9,
    toleranceChange: 1e-12,
    lineSearchFn: "strong_wolfe",
  });
  const closure = () => {
    optimizer.zeroGrad();
    const loss = misfit(a, b, c);
    loss.backward();
    return loss;
  };
  const losses = [0, 1].map(() => optimizer.step(closure).item());
  const H = autograd.functional.hessian(misfit, [a.detach(), b.detach(), c.detach()]);
  const cov = linalg.inv(tensor(H.map((row) => row.map((e) => e.item()))));
  return { losses, fit: [a, b, c], cov: cov.diagonal() };
}

comparePorts(
  "training",
  {
    siamese_triplet: siameseTriplet,
    pruning,
    parametrizations,
    feature_extraction: featureExtraction,
    swa_training: swaTraining,
    lr_finder: lrFinder,
    k_fold: kFold,
    streaming,
    accumulated_mixed_losses: accumulatedMixedLosses,
    lbfgs_fit: lbfgsFit,
  },
  // The line search of L-BFGS divides differences of losses.
  { lbfgs_fit: { float32: 2e-5 } },
);
