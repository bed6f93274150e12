/** Ports of models of sequences and graphs. */
import {
  arange,
  bincount,
  bmm,
  cat,
  empty,
  full,
  getDefaultDtype,
  linspace,
  log1p,
  multinomial,
  nn,
  ones,
  optim,
  randint,
  randn,
  sigmoid,
  sign,
  sin,
  stack,
  type Tensor,
  tanh,
  tensor,
  uniqueConsecutive,
  zeros,
  zerosLike,
} from "kindling";
import { DataLoader, Dataset } from "kindling/data";
import { functional as F } from "kindling/nn";
import { comparePorts, type Result, weights } from "./compare.js";

const { packSequence } = nn.utils.rnn;

class SpeechModel extends nn.Module {
  conv = new nn.Sequential(
    new nn.Conv2d(1, 3, [3, 5], { stride: [1, 2], padding: [1, 2] }),
    new nn.BatchNorm2d(3),
    new nn.Hardtanh({ minVal: 0, maxVal: 20, inplace: true }),
  );
  rnns: nn.ModuleList<nn.LSTM>;
  layerNorm: nn.LayerNorm;
  fc: nn.Sequential;

  constructor(hid = 8, classes = 5) {
    super();
    this.rnns = new nn.ModuleList([
      new nn.LSTM(9, hid, { bidirectional: true, batchFirst: true }),
      new nn.LSTM(hid * 2, hid, { batchFirst: true }),
    ]);
    this.layerNorm = new nn.LayerNorm(hid * 2);
    this.fc = new nn.Sequential(new nn.Linear(hid, hid), new nn.GELU(), new nn.Linear(hid, classes));
  }

  forward(x: Tensor): Tensor {
    x = this.conv(x.unsqueeze(1));
    const [B, C, T, D] = x.shape as [number, number, number, number];
    x = x.transpose(1, 2).reshape([B, T, C * D]);
    [x] = this.rnns.get(0)(x);
    [x] = this.rnns.get(1)(F.silu(this.layerNorm(x)));
    return this.fc(x);
  }
}

function ctcSpeech(): Result {
  const model = new SpeechModel();
  const spectrograms = randn([3, 12, 6]);
  const targets = tensor([1, 2, 2, 3, 4, 1, 4, 3, 1]);
  const [inputLengths, targetLengths] = [tensor([12, 10, 8]), tensor([4, 2, 3])];
  const criterion = new nn.CTCLoss({ blank: 0, zeroInfinity: true });
  const optimizer = new optim.AdamW(model.parameters(), { lr: 5e-3 });
  const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, 5e-3, {
    stepsPerEpoch: 2,
    epochs: 2,
    annealStrategy: "linear",
  });
  const [losses, rates]: [number[], number[]] = [[], []];
  let logProbs = zeros([]);
  for (let step = 0; step < 4; step++) {
    optimizer.zeroGrad();
    logProbs = F.logSoftmax(model(spectrograms), { dim: 2 }).transpose(0, 1);
    const loss = criterion(logProbs, targets, inputLengths, targetLengths);
    loss.backward();
    optimizer.step();
    rates.push(scheduler.getLastLr()[0]);
    scheduler.step();
    losses.push(loss.item());
  }
  const each = F.ctcLoss(logProbs, targets, inputLengths, targetLengths, { reduction: "none" });
  const decoded = [...logProbs.argmax(2).t()].map((row) => uniqueConsecutive(row).tolist());
  return { losses, rates, each, decoded };
}

class SkipGram extends nn.Module<[center: Tensor, context: Tensor, negatives: Tensor]> {
  center: nn.Embedding;
  context: nn.Embedding;

  constructor(vocab: number, dim: number) {
    super();
    this.center = new nn.Embedding(vocab, dim, { sparse: false, maxNorm: 1.0 });
    this.context = new nn.Embedding(vocab, dim);
    nn.init.uniform_(this.center.weight, { a: -0.5 / dim, b: 0.5 / dim });
    nn.init.zeros_(this.context.weight);
  }

  forward(center: Tensor, context: Tensor, negatives: Tensor): Tensor {
    const v = this.center(center);
    const positive = F.logsigmoid(v.mul(this.context(context)).sum(1));
    const negative = F.logsigmoid(bmm(this.context(negatives), v.unsqueeze(2)).squeeze(2).neg()).sum(1);
    return positive.add(negative).mean().neg();
  }
}

function word2vec(): Result {
  const words = [1, 2, 3, 4, 2, 5, 1, 3, 2, 6, 7, 2];
  const text = tensor(words);
  const noise = bincount(text, { minlength: 8 }).to(getDefaultDtype()).pow(0.75);
  const pairs = stack(
    words.flatMap((_, i) =>
      words.flatMap((_, j) => (i !== j && Math.abs(i - j) <= 2 ? [stack([text.at(i), text.at(j)])] : [])),
    ),
  );
  const model = new SkipGram(8, 4);
  const optimizer = new optim.Adagrad(model.parameters(), { lr: 0.5 });
  const losses: number[] = [];
  for (let step = 0; step < 5; step++) {
    const negatives = multinomial(noise, pairs.size(0) * 3, { replacement: true }).view([pairs.size(0), 3]);
    const loss = model(pairs.at(":", 0), pairs.at(":", 1), negatives);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  const nearest = F.cosineSimilarity(model.center.weight.at("2:3"), model.center.weight).topk(3);
  return { losses, similar: nearest.values, who: nearest.indices, state: weights(model) };
}

class TextDataset extends Dataset<[number[], number]> {
  texts = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 1], [2], [3, 3, 4, 6], [8, 1]];
  labels = [0, 1, 2, 0, 1, 2];

  get length(): number {
    return this.texts.length;
  }

  get(i: number): [number[], number] {
    return [this.texts[i] as number[], this.labels[i] as number];
  }
}

function collateBatch(batch: [number[], number][]): [Tensor, Tensor, Tensor] {
  const labelList: number[] = [];
  const textList: Tensor[] = [];
  const offsets = [0];
  for (const [text, label] of batch) {
    labelList.push(label);
    const processed = tensor(text, { dtype: "int64" });
    textList.push(processed);
    offsets.push(processed.size(0));
  }
  return [tensor(labelList), cat(textList), tensor(offsets.slice(0, -1)).cumsum(0)];
}

class TextClassificationModel extends nn.Module<[text: Tensor, offsets: Tensor]> {
  embedding: nn.EmbeddingBag;
  fc: nn.Linear;

  constructor(vocabSize: number, embedDim: number, numClass: number, mode: "mean" | "max") {
    super();
    this.embedding = new nn.EmbeddingBag(vocabSize, embedDim, { mode });
    this.fc = new nn.Linear(embedDim, numClass);
    this.initWeights();
  }

  initWeights(): void {
    const initrange = 0.5;
    this.embedding.weight.data.uniform_(-initrange, initrange);
    this.fc.weight.data.uniform_(-initrange, initrange);
    this.fc.bias?.data.zero_();
  }

  forward(text: Tensor, offsets: Tensor): Tensor {
    return this.fc(this.embedding(text, { offsets }));
  }
}

function embeddingBagText(): Result {
  const result: Result = {};
  for (const mode of ["mean", "max"] as const) {
    const model = new TextClassificationModel(10, 4, 3, mode);
    const loader = new DataLoader(new TextDataset(), {
      batchSize: 4,
      shuffle: true,
      collateFn: collateBatch,
    });
    const optimizer = new optim.SGD(model.parameters(), { lr: 5.0 });
    const scheduler = new optim.lrScheduler.StepLR(optimizer, 1.0, { gamma: 0.1 });
    const losses: number[] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      for (const [label, text, offsets] of loader) {
        optimizer.zeroGrad();
        const loss = F.crossEntropy(model(text, offsets), label);
        loss.backward();
        nn.utils.clipGradNorm_(model.parameters(), 0.1);
        optimizer.step();
        losses.push(loss.item());
      }
      scheduler.step();
    }
    result[mode] = losses;
    result[`${mode} state`] = weights(model);
  }
  return result;
}

class GCNConv extends nn.Module<[x: Tensor, edgeIndex: Tensor]> {
  lin: nn.Linear;
  bias: nn.Parameter;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.lin = new nn.Linear(inChannels, outChannels, { bias: false });
    this.bias = new nn.Parameter(empty([outChannels]));
    this.lin.resetParameters();
    this.bias.data.zero_();
  }

  forward(x: Tensor, edgeIndex: Tensor): Tensor {
    const n = x.size(0);
    const loops = arange(n).unsqueeze(0).repeat([2, 1]);
    const [row, col] = cat([edgeIndex, loops], 1).unbind() as [Tensor, Tensor];
    const deg = zeros([n], { dtype: x.dtype }).scatterAdd_(0, col, ones([col.numel], { dtype: x.dtype }));
    const degInvSqrt = deg.pow(-0.5);
    degInvSqrt.maskedFill_(degInvSqrt.eq(Number.POSITIVE_INFINITY), 0);
    const norm = degInvSqrt.at(row).mul(degInvSqrt.at(col));
    x = this.lin(x);
    const out = zerosLike(x).indexAdd_(0, col, norm.view([-1, 1]).mul(x.at(row)));
    return out.add(this.bias);
  }
}

class GATConv extends nn.Module<[x: Tensor, edgeIndex: Tensor]> {
  lin: nn.Linear;
  attSrc: nn.Parameter;
  attDst: nn.Parameter;

  constructor(
    inChannels: number,
    readonly outChannels: number,
    readonly heads: number,
  ) {
    super();
    this.lin = new nn.Linear(inChannels, heads * outChannels, { bias: false });
    this.attSrc = new nn.Parameter(empty([1, heads, outChannels]));
    this.attDst = new nn.Parameter(empty([1, heads, outChannels]));
    nn.init.xavierUniform_(this.attSrc);
    nn.init.xavierUniform_(this.attDst);
  }

  forward(x: Tensor, edgeIndex: Tensor): Tensor {
    const [src, dst] = edgeIndex.unbind() as [Tensor, Tensor];
    const n = x.size(0);
    const h = this.lin(x).view([-1, this.heads, this.outChannels]);
    const alpha = F.leakyRelu(
      h.mul(this.attSrc).sum(-1).at(src).add(h.mul(this.attDst).sum(-1).at(dst)),
      0.2,
    );
    const index = dst.unsqueeze(1).expandAs(alpha);
    const top = full([n, this.heads], Number.NEGATIVE_INFINITY).scatterReduce(
      0,
      index,
      alpha.detach(),
      "amax",
      { includeSelf: true },
    );
    const e = alpha.sub(top.at(dst)).exp();
    const total = zeros([n, this.heads]).scatterAdd(0, index, e);
    const weight = e.div(total.at(dst).add(1e-16));
    return zeros([n, this.heads, this.outChannels])
      .indexAdd(0, dst, weight.unsqueeze(-1).mul(h.at(src)))
      .flatten(1);
  }
}

function graphConvolution(): Result {
  const x = randn([7, 4]);
  const edgeIndex = tensor([
    [0, 1, 1, 2, 3, 4, 5, 6, 2, 0],
    [1, 0, 2, 1, 4, 3, 6, 5, 0, 2],
  ]);
  const y = tensor([0, 0, 0, 1, 1, 2, 2]);
  const trainMask = tensor([true, false, true, true, true, true, true]);
  const [conv1, gat, conv2] = [new GCNConv(4, 6), new GATConv(6, 3, 2), new GCNConv(6, 3)];
  const model = new nn.ModuleList<nn.AnyModule>([conv1, gat, conv2]);
  const optimizer = new optim.Adam(
    [
      { params: [...conv1.parameters(), ...gat.parameters()], weightDecay: 5e-4 },
      { params: conv2.parameters(), weightDecay: 0.0 },
    ],
    { lr: 0.01 },
  );
  const losses: number[] = [];
  let out = zeros([]);
  for (let step = 0; step < 5; step++) {
    optimizer.zeroGrad();
    const h = F.dropout(F.elu(gat(F.relu(conv1(x, edgeIndex)), edgeIndex)), {
      p: 0.5,
      training: model.training,
    });
    out = F.logSoftmax(conv2(h, edgeIndex), { dim: 1 });
    const loss = F.nllLoss(out.at(trainMask), y.at(trainMask));
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  const groups = tensor([0, 0, 0, 1, 1, 1, 1]).unsqueeze(1).expand([-1, 3]);
  const pooled = zeros([2, 3]).scatterReduce(0, groups, out.detach(), "mean", { includeSelf: false });
  return { losses, pooled, state: weights(model) };
}

class CausalConv1d extends nn.Conv1d {
  constructor(inChannels: number, outChannels: number, kernelSize: number, { dilation = 1 } = {}) {
    super(inChannels, outChannels, kernelSize, { padding: (kernelSize - 1) * dilation, dilation });
  }

  override forward(x: Tensor): Tensor {
    const out = super.forward(x);
    const padding = (this.padding as number[])[0] as number;
    return padding > 0 ? out.at("...", `:-${padding}`) : out;
  }
}

class WaveBlock extends nn.Module<[Tensor], [Tensor, Tensor]> {
  gated: CausalConv1d;
  res: nn.Conv1d;
  skip: nn.Conv1d;

  constructor(channels: number, skip: number, dilation: number) {
    super();
    this.gated = nn.utils.weightNorm(new CausalConv1d(channels, 2 * channels, 2, { dilation }));
    this.res = nn.utils.weightNorm(new nn.Conv1d(channels, channels, 1));
    this.skip = nn.utils.weightNorm(new nn.Conv1d(channels, skip, 1));
  }

  forward(x: Tensor): [Tensor, Tensor] {
    const [a, b] = this.gated(x).chunk(2, 1) as [Tensor, Tensor];
    const z = tanh(a).mul(sigmoid(b));
    return [this.res(z).add(x).mul(Math.sqrt(0.5)), this.skip(z)];
  }
}

class WaveNet extends nn.Module {
  front: CausalConv1d;
  blocks: nn.ModuleList<WaveBlock>;
  end: nn.Sequential;

  constructor(
    readonly classes = 8,
    channels = 4,
    skip = 6,
    layers = 4,
  ) {
    super();
    this.front = new CausalConv1d(classes, channels, 2);
    this.blocks = new nn.ModuleList(
      Array.from({ length: layers }, (_, i) => new WaveBlock(channels, skip, 2 ** i)),
    );
    this.end = new nn.Sequential(
      new nn.ReLU(),
      new nn.Conv1d(skip, skip, 1),
      new nn.ReLU(),
      new nn.Conv1d(skip, classes, 1),
    );
  }

  forward(x: Tensor): Tensor {
    x = this.front(F.oneHot(x, this.classes).transpose(1, 2).to(getDefaultDtype()));
    let skips: Tensor | null = null;
    for (const block of this.blocks) {
      let s: Tensor;
      [x, s] = block(x);
      skips = skips === null ? s : skips.add(s);
    }
    return this.end(skips as Tensor);
  }
}

function muLaw(x: Tensor, channels: number): Tensor {
  const mu = channels - 1;
  const y = sign(x)
    .mul(log1p(x.abs().mul(mu)))
    .div(Math.log1p(mu));
  return y.add(1).div(2).mul(mu).add(0.5).to("int64");
}

function wavenet(): Result {
  const t = linspace(0, 6, 40);
  const wave = stack([sin(t.mul(3)), sin(t.mul(5).add(1))]).mul(0.9);
  const tokens = muLaw(wave, 8);
  const model = new WaveNet();
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2, amsgrad: true });
  const scheduler = new optim.lrScheduler.ReduceLROnPlateau(optimizer, {
    patience: 0,
    factor: 0.5,
    threshold: 0.5,
  });
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model(tokens.at(":", ":-1")), tokens.at(":", "1:"));
    loss.backward();
    optimizer.step();
    scheduler.step(loss);
    losses.push(loss.item());
  }
  const names = Object.keys(model.stateDict());
  for (const block of model.blocks) nn.utils.removeWeightNorm(block.gated);
  let seed = tokens.at(":1", ":4");
  for (let i = 0; i < 6; i++) {
    const probabilities = F.softmax(model(seed).at(":", ":", -1), { dim: 1 });
    seed = cat([seed, multinomial(probabilities, 1)], { dim: 1 });
  }
  return {
    losses,
    lr: optimizer.paramGroups[0].lr,
    names: names.length,
    sample: seed,
    state: weights(model),
  };
}

class SentenceCNN extends nn.Module {
  embed = nn.Embedding.fromPretrained(randn([12, 5]), { freeze: false, paddingIdx: 0 });
  convs = new nn.ModuleList([2, 3, 4].map((k) => new nn.Conv2d(1, 4, [k, 5])));
  dropout = new nn.Dropout(0.5);
  fc = new nn.Linear(12, 3);

  forward(x: Tensor): Tensor {
    x = this.embed(x).unsqueeze(1);
    let maps = [...this.convs].map((conv) => F.relu(conv(x)).squeeze(3));
    maps = maps.map((i) => F.maxPool1d(i, i.size(2)).squeeze(2));
    return this.fc(this.dropout(cat(maps, 1)));
  }
}

function sentenceCnn(): Result {
  const model = new SentenceCNN();
  const [x, y] = [randint(1, 12, [6, 9]), randint(0, 3, [6])];
  x.setAt_([":", "7:"], 0);
  const optimizer = new optim.Adadelta(model.parameters(), { lr: 1.0, rho: 0.95 });
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) {
    const loss = F.multiMarginLoss(model(x), y, { margin: 0.5 });
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  const packed = packSequence([arange(5.0), arange(3.0), arange(2.0)]);
  return { losses, packed: packed.data, sizes: packed.batchSizes, state: weights(model) };
}

comparePorts("sequence", {
  ctc_speech: ctcSpeech,
  word2vec,
  embedding_bag_text: embeddingBagText,
  graph_convolution: graphConvolution,
  wavenet,
  sentence_cnn: sentenceCnn,
});
