/** Ports of models with attention. */
import {
  arange,
  bmm,
  cat,
  exp,
  getDefaultDtype,
  linspace,
  max,
  nn,
  noGrad,
  ones,
  optim,
  rand,
  sin,
  type Tensor,
  tanh,
  tensor,
  triu,
  zeros,
} from "kindling";
import { functional as F } from "kindling/nn";
import { classify } from "./classify.js";
import { comparePorts, type Result, weights } from "./compare.js";

const { packPaddedSequence, padPackedSequence, padSequence } = nn.utils.rnn;

class Encoder extends nn.Module<[src: Tensor, srcLen: Tensor], [Tensor, Tensor]> {
  embedding: nn.Embedding;
  rnn: nn.GRU;
  fc: nn.Linear;
  dropout: nn.Dropout;

  constructor(vocab: number, emb: number, hid: number, dropout: number) {
    super();
    this.embedding = new nn.Embedding(vocab, emb, { paddingIdx: 0 });
    this.rnn = new nn.GRU(emb, hid, { bidirectional: true });
    this.fc = new nn.Linear(hid * 2, hid);
    this.dropout = new nn.Dropout(dropout);
  }

  forward(src: Tensor, srcLen: Tensor): [Tensor, Tensor] {
    const packed = packPaddedSequence(this.dropout(this.embedding(src)), srcLen, { enforceSorted: false });
    let [packedOutputs, hidden] = this.rnn(packed);
    const [outputs] = padPackedSequence(packedOutputs);
    hidden = tanh(this.fc(cat([hidden.at(-2, ":", ":"), hidden.at(-1, ":", ":")], { dim: 1 })));
    return [outputs, hidden];
  }
}

class BahdanauAttention extends nn.Module<[hidden: Tensor, outputs: Tensor, mask: Tensor]> {
  attn: nn.Linear;
  v: nn.Linear;

  constructor(hid: number) {
    super();
    this.attn = new nn.Linear(hid * 3, hid);
    this.v = new nn.Linear(hid, 1, { bias: false });
  }

  forward(hidden: Tensor, encoderOutputs: Tensor, mask: Tensor): Tensor {
    const srcLen = encoderOutputs.size(0);
    hidden = hidden.unsqueeze(1).repeat([1, srcLen, 1]);
    encoderOutputs = encoderOutputs.permute([1, 0, 2]);
    const energy = tanh(this.attn(cat([hidden, encoderOutputs], { dim: 2 })));
    const attention = this.v(energy).squeeze(2).maskedFill(mask.eq(0), -1e10);
    return F.softmax(attention, { dim: 1 });
  }
}

class Decoder extends nn.Module<[Tensor, Tensor, Tensor, Tensor], [Tensor, Tensor, Tensor]> {
  attention: BahdanauAttention;
  embedding: nn.Embedding;
  rnn: nn.GRU;
  fcOut: nn.Linear;

  constructor(vocab: number, emb: number, hid: number, attention: BahdanauAttention) {
    super();
    this.attention = attention;
    this.embedding = new nn.Embedding(vocab, emb);
    this.rnn = new nn.GRU(hid * 2 + emb, hid);
    this.fcOut = new nn.Linear(hid * 3 + emb, vocab);
  }

  forward(input: Tensor, hidden: Tensor, encoderOutputs: Tensor, mask: Tensor): [Tensor, Tensor, Tensor] {
    const embedded = this.embedding(input.unsqueeze(0));
    const a = this.attention(hidden, encoderOutputs, mask).unsqueeze(1);
    const weighted = bmm(a, encoderOutputs.permute([1, 0, 2])).permute([1, 0, 2]);
    const [output, state] = this.rnn(cat([embedded, weighted], { dim: 2 }), hidden.unsqueeze(0));
    const prediction = this.fcOut(
      cat([output.squeeze(0), weighted.squeeze(0), embedded.squeeze(0)], { dim: 1 }),
    );
    return [prediction, state.squeeze(0), a.squeeze(1)];
  }
}

function seq2seqAttention(): Result {
  const encoder = new Encoder(9, 5, 6, 0.1);
  const decoder = new Decoder(8, 5, 6, new BahdanauAttention(6));
  for (const module of [encoder, decoder]) {
    for (const [name, param] of module.namedParameters()) {
      if (name.includes("weight")) nn.init.normal_(param.data, { mean: 0, std: 0.1 });
      else nn.init.constant_(param.data, 0);
    }
  }
  const src = padSequence([tensor([1, 5, 6, 2]), tensor([1, 3, 4, 7, 8, 2]), tensor([1, 2])]);
  const srcLen = tensor([4, 6, 2]);
  const trg = padSequence([tensor([1, 4, 5, 2]), tensor([1, 3, 2]), tensor([1, 6, 7, 2])]);
  const optimizer = new optim.Adam([...encoder.parameters(), ...decoder.parameters()]);
  const criterion = new nn.CrossEntropyLoss({ ignoreIndex: 0 });
  const losses: number[] = [];
  let attentions: Tensor | null = null;
  for (let step = 0; step < 3; step++) {
    optimizer.zeroGrad();
    let [encoderOutputs, hidden] = encoder(src, srcLen);
    const mask = src.ne(0).permute([1, 0]);
    const outputs = zeros([trg.size(0), trg.size(1), 8]);
    let input = trg.at(0, ":");
    for (let t = 1; t < trg.size(0); t++) {
      let output: Tensor;
      [output, hidden, attentions] = decoder(input, hidden, encoderOutputs, mask);
      outputs.setAt_([t], output);
      const teacherForce = rand([1]).item() < 0.5;
      input = teacherForce ? trg.at(t) : output.argmax(1);
    }
    const loss = criterion(outputs.at("1:").view([-1, 8]), trg.at("1:").view([-1]));
    loss.backward();
    nn.utils.clipGradNorm_([...encoder.parameters(), ...decoder.parameters()], 1);
    optimizer.step();
    losses.push(loss.item());
  }
  const named = Object.fromEntries(Object.entries(weights(decoder)).map(([k, v]) => [`decoder.${k}`, v]));
  return { losses, attention: attentions, state: { ...weights(encoder), ...named } };
}

class PositionalEncoding extends nn.Module {
  posEmbedding: Tensor;
  dropout: nn.Dropout;

  constructor(embSize: number, { dropout = 0.1, maxlen = 50 } = {}) {
    super();
    const den = exp(arange(0, embSize, 2).neg().mul(Math.log(10000)).div(embSize));
    const pos = arange(0, maxlen).reshape([maxlen, 1]);
    const posEmbedding = zeros([maxlen, embSize]);
    posEmbedding.setAt_([":", "0::2"], sin(pos.mul(den)));
    posEmbedding.setAt_([":", "1::2"], pos.mul(den).cos());
    this.dropout = new nn.Dropout(dropout);
    this.posEmbedding = this.registerBuffer("pos_embedding", posEmbedding.unsqueeze(-2));
  }

  forward(tokenEmbedding: Tensor): Tensor {
    return this.dropout(tokenEmbedding.add(this.posEmbedding.at(`:${tokenEmbedding.size(0)}`, ":")));
  }
}

class TokenEmbedding extends nn.Module {
  embedding: nn.Embedding;

  constructor(
    vocabSize: number,
    readonly embSize: number,
  ) {
    super();
    this.embedding = new nn.Embedding(vocabSize, embSize);
  }

  forward(tokens: Tensor): Tensor {
    return this.embedding(tokens.long()).mul(Math.sqrt(this.embSize));
  }
}

interface Masks {
  srcMask: Tensor;
  tgtMask: Tensor;
  srcPaddingMask: Tensor;
  tgtPaddingMask: Tensor;
}

class Seq2SeqTransformer extends nn.Module<[src: Tensor, trg: Tensor, masks: Masks]> {
  transformer: nn.Transformer;
  generator: nn.Linear;
  srcTokEmb: TokenEmbedding;
  tgtTokEmb: TokenEmbedding;
  positionalEncoding: PositionalEncoding;

  constructor(
    numLayers: number,
    embSize: number,
    nhead: number,
    srcVocab: number,
    tgtVocab: number,
    dimFeedforward: number,
    dropout = 0.1,
  ) {
    super();
    this.transformer = new nn.Transformer({
      dModel: embSize,
      nhead,
      numEncoderLayers: numLayers,
      numDecoderLayers: numLayers,
      dimFeedforward,
      dropout,
    });
    this.generator = new nn.Linear(embSize, tgtVocab);
    this.srcTokEmb = new TokenEmbedding(srcVocab, embSize);
    this.tgtTokEmb = new TokenEmbedding(tgtVocab, embSize);
    this.positionalEncoding = new PositionalEncoding(embSize, { dropout });
  }

  forward(src: Tensor, trg: Tensor, { srcMask, tgtMask, srcPaddingMask, tgtPaddingMask }: Masks): Tensor {
    const srcEmb = this.positionalEncoding(this.srcTokEmb(src));
    const tgtEmb = this.positionalEncoding(this.tgtTokEmb(trg));
    const outs = this.transformer(srcEmb, tgtEmb, {
      srcMask,
      tgtMask,
      srcKeyPaddingMask: srcPaddingMask,
      tgtKeyPaddingMask: tgtPaddingMask,
      memoryKeyPaddingMask: srcPaddingMask,
    });
    return this.generator(outs);
  }

  encode(src: Tensor, srcMask: Tensor): Tensor {
    return this.transformer.encoder(this.positionalEncoding(this.srcTokEmb(src)), { mask: srcMask });
  }

  decode(tgt: Tensor, memory: Tensor, tgtMask: Tensor): Tensor {
    return this.transformer.decoder(this.positionalEncoding(this.tgtTokEmb(tgt)), memory, { tgtMask });
  }
}

function generateSquareSubsequentMask(sz: number): Tensor {
  const mask = triu(ones([sz, sz]))
    .eq(1)
    .transpose(0, 1);
  return mask.float().maskedFill(mask.eq(0), Number.NEGATIVE_INFINITY).maskedFill(mask.eq(1), 0);
}

function createMask(src: Tensor, tgt: Tensor): Masks {
  return {
    srcMask: zeros([src.size(0), src.size(0)]).type("bool"),
    tgtMask: generateSquareSubsequentMask(tgt.size(0)).to(getDefaultDtype()),
    srcPaddingMask: src.eq(1).transpose(0, 1),
    tgtPaddingMask: tgt.eq(1).transpose(0, 1),
  };
}

function transformerTranslation(): Result {
  const model = new Seq2SeqTransformer(1, 8, 2, 11, 9, 12);
  for (const p of model.parameters()) if (p.dim() > 1) nn.init.xavierUniform_(p);
  const pairs = [
    [
      [2, 5, 6, 3],
      [2, 4, 3],
    ],
    [
      [2, 7, 8, 9, 10, 3],
      [2, 5, 6, 7, 3],
    ],
    [
      [2, 4, 3],
      [2, 8, 4, 3],
    ],
  ] as const;
  const src = padSequence(
    pairs.map(([s]) => tensor(s)),
    { paddingValue: 1 },
  );
  const tgt = padSequence(
    pairs.map(([, t]) => tensor(t)),
    { paddingValue: 1 },
  );
  const lossFn = new nn.CrossEntropyLoss({ ignoreIndex: 1 });
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3, betas: [0.9, 0.98], eps: 1e-9 });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    const tgtInput = tgt.at(":-1", ":");
    const logits = model(src, tgtInput, createMask(src, tgtInput));
    optimizer.zeroGrad();
    const loss = lossFn(logits.reshape([-1, logits.size(-1)]), tgt.at("1:", ":").reshape([-1]));
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  model.eval();
  const ys = noGrad(() => {
    const memory = model.encode(src.at(":", "1:2"), zeros([6, 6]).type("bool"));
    let ys = ones([1, 1]).fill_(2).type("int64");
    for (let i = 0; i < 5; i++) {
      const out = model
        .decode(ys, memory, generateSquareSubsequentMask(ys.size(0)).type("bool"))
        .transpose(0, 1);
      const { indices: nextWord } = max(model.generator(out.at(":", -1)), { dim: 1 });
      ys = cat([ys, ones([1, 1]).typeAs(src.data).fill_(nextWord.item())], { dim: 0 });
    }
    return ys;
  });
  return { losses, ys, state: weights(model) };
}

class PatchEmbed extends nn.Module {
  numPatches: number;
  proj: nn.Conv2d;

  constructor(img: number, patch: number, chans: number, dim: number) {
    super();
    this.numPatches = (img / patch) ** 2;
    this.proj = new nn.Conv2d(chans, dim, patch, { stride: patch });
  }

  forward(x: Tensor): Tensor {
    return this.proj(x).flatten(2).transpose(1, 2);
  }
}

class Attention extends nn.Module {
  scale: number;
  qkv: nn.Linear;
  attnDrop: nn.Dropout;
  proj: nn.Linear;
  projDrop: nn.Dropout;

  constructor(
    dim: number,
    readonly numHeads: number,
    drop: number,
  ) {
    super();
    this.scale = (dim / numHeads) ** -0.5;
    this.qkv = new nn.Linear(dim, dim * 3, { bias: true });
    this.attnDrop = new nn.Dropout(drop);
    this.proj = new nn.Linear(dim, dim);
    this.projDrop = new nn.Dropout(drop);
  }

  forward(x: Tensor): Tensor {
    const [B, N, C] = x.shape as [number, number, number];
    const qkv = this.qkv(x)
      .reshape([B, N, 3, this.numHeads, C / this.numHeads])
      .permute([2, 0, 3, 1, 4]);
    const [q, k, v] = [qkv.at(0), qkv.at(1), qkv.at(2)];
    let attn = q.matmul(k.transpose(-2, -1)).mul(this.scale);
    attn = this.attnDrop(attn.softmax(-1));
    x = attn.matmul(v).transpose(1, 2).reshape([B, N, C]);
    return this.projDrop(this.proj(x));
  }
}

class DropPath extends nn.Module {
  constructor(readonly dropProb: number) {
    super();
  }

  forward(x: Tensor): Tensor {
    if (this.dropProb === 0 || !this.training) return x;
    const keepProb = 1 - this.dropProb;
    const randomTensor = x.newEmpty([x.size(0), ...Array(x.ndim - 1).fill(1)]).bernoulli_(keepProb);
    randomTensor.div_(keepProb);
    return x.mul(randomTensor);
  }

  override extraRepr(): string {
    return `drop_prob=${this.dropProb.toFixed(3)}`;
  }
}

class Block extends nn.Module {
  norm1: nn.LayerNorm;
  attn: Attention;
  dropPath: nn.Module;
  norm2: nn.LayerNorm;
  mlp: nn.Sequential;

  constructor(dim: number, heads: number, drop: number, dropPath: number) {
    super();
    this.norm1 = new nn.LayerNorm(dim, { eps: 1e-6 });
    this.attn = new Attention(dim, heads, drop);
    this.dropPath = dropPath > 0 ? new DropPath(dropPath) : new nn.Identity();
    this.norm2 = new nn.LayerNorm(dim, { eps: 1e-6 });
    this.mlp = new nn.Sequential(
      new nn.Linear(dim, dim * 2),
      new nn.GELU(),
      new nn.Dropout(drop),
      new nn.Linear(dim * 2, dim),
      new nn.Dropout(drop),
    );
  }

  forward(x: Tensor): Tensor {
    x = x.add(this.dropPath(this.attn(this.norm1(x))));
    return x.add(this.dropPath(this.mlp(this.norm2(x))));
  }
}

class VisionTransformer extends nn.Module {
  patchEmbed: PatchEmbed;
  clsToken: nn.Parameter;
  posEmbed: nn.Parameter;
  posDrop: nn.Dropout;
  blocks: nn.ModuleList<Block>;
  norm: nn.LayerNorm;
  head: nn.Linear;

  constructor({
    img = 8,
    patch = 4,
    dim = 12,
    depth = 2,
    heads = 3,
    numClasses = 5,
    drop = 0.1,
    dropPath = 0.2,
  } = {}) {
    super();
    this.patchEmbed = new PatchEmbed(img, patch, 3, dim);
    this.clsToken = new nn.Parameter(zeros([1, 1, dim]));
    this.posEmbed = new nn.Parameter(zeros([1, this.patchEmbed.numPatches + 1, dim]));
    this.posDrop = new nn.Dropout(drop);
    const rates = [...linspace(0, dropPath, depth)].map((x) => x.item());
    this.blocks = new nn.ModuleList(rates.map((rate) => new Block(dim, heads, drop, rate)));
    this.norm = new nn.LayerNorm(dim);
    this.head = new nn.Linear(dim, numClasses);
    nn.init.truncNormal_(this.posEmbed, { std: 0.02 });
    nn.init.truncNormal_(this.clsToken, { std: 0.02 });
    this.apply(this.initWeights);
  }

  private initWeights(m: nn.AnyModule): void {
    if (m instanceof nn.Linear) {
      nn.init.truncNormal_(m.weight, { std: 0.02 });
      if (m.bias !== null) nn.init.constant_(m.bias as Tensor, 0);
    } else if (m instanceof nn.LayerNorm) {
      nn.init.constant_(m.bias as Tensor, 0);
      nn.init.constant_(m.weight as Tensor, 1);
    }
  }

  forward(x: Tensor): Tensor {
    const B = x.size(0);
    x = this.patchEmbed(x);
    const clsTokens = this.clsToken.expand([B, -1, -1]);
    x = cat([clsTokens, x], { dim: 1 });
    x = this.posDrop(x.add(this.posEmbed));
    for (const blk of this.blocks) x = blk(x);
    return this.head(this.norm(x).at(":", 0));
  }
}

comparePorts(
  "attention",
  {
    seq2seq_attention: seq2seqAttention,
    transformer_translation: transformerTranslation,
    vision_transformer: () => classify(new VisionTransformer(), { size: 8 }),
  },
  // Adam steps along gradients near 0 by their sign and size alike.
  { seq2seq_attention: { float32: 1e-5 }, transformer_translation: { noise: /in_proj_bias$/ } },
);
