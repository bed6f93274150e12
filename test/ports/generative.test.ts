/** Ports of generative models. */
import {
  arange,
  bernoulli,
  cat,
  clip,
  cos,
  cumprod,
  exp,
  full,
  fullLike,
  getDefaultDtype,
  inferenceMode,
  linspace,
  logsumexp,
  multinomial,
  nn,
  noGrad,
  normal,
  optim,
  rand,
  randint,
  randn,
  randnLike,
  sin,
  sqrt,
  stack,
  type Tensor,
  tensor,
  where,
  zeros,
} from "kindling";
import { functional as F } from "kindling/nn";
import { comparePorts, type Result, weights } from "./compare.js";

const { spectralNorm } = nn.utils;

class Coupling extends nn.Module<[Tensor], [Tensor, Tensor]> {
  s: nn.Sequential;
  t: nn.Sequential;
  mask: Tensor;

  constructor(dim: number, hidden: number, mask: Tensor) {
    super();
    this.s = new nn.Sequential(
      new nn.Linear(dim, hidden),
      new nn.LeakyReLU(),
      new nn.Linear(hidden, dim),
      new nn.Tanh(),
    );
    this.t = new nn.Sequential(new nn.Linear(dim, hidden), new nn.LeakyReLU(), new nn.Linear(hidden, dim));
    this.mask = this.registerBuffer("mask", mask);
  }

  forward(x: Tensor): [Tensor, Tensor] {
    const [mask, free] = [this.mask, this.mask.rsub(1)];
    const xMasked = x.mul(mask);
    const s = this.s(xMasked).mul(free);
    const t = this.t(xMasked).mul(free);
    return [xMasked.add(free.mul(x.mul(exp(s)).add(t))), s.sum(1)];
  }

  inverse(z: Tensor): Tensor {
    const [mask, free] = [this.mask, this.mask.rsub(1)];
    const zMasked = z.mul(mask);
    const s = this.s(zMasked).mul(free);
    const t = this.t(zMasked).mul(free);
    return zMasked.add(free.mul(z.sub(t)).mul(exp(s.neg())));
  }
}

class RealNVP extends nn.Module {
  layers: nn.ModuleList<Coupling>;
  logScale: nn.Parameter;

  constructor({ dim = 2, hidden = 8, n = 4 } = {}) {
    super();
    const masks = tensor([
      [0.0, 1.0],
      [1.0, 0.0],
    ])
      .to(getDefaultDtype())
      .repeat([n / 2, 1]);
    this.layers = new nn.ModuleList([...masks].map((m) => new Coupling(dim, hidden, m)));
    this.logScale = new nn.Parameter(zeros([dim]));
  }

  forward(x: Tensor): Tensor {
    return this.logProb(x);
  }

  logProb(x: Tensor): Tensor {
    const logDet = x.newZeros([x.size(0)]);
    for (const layer of this.layers) {
      let ld: Tensor;
      [x, ld] = layer(x);
      logDet.add_(ld);
    }
    x = x.mul(this.logScale.exp());
    const prior = x
      .pow(2)
      .add(Math.log(2 * Math.PI))
      .sum(-1)
      .mul(-0.5);
    return prior.add(logDet).add(this.logScale.sum());
  }

  sample(n: number): Tensor {
    return noGrad(() => {
      let z = randn([n, 2]).div(this.logScale.exp());
      for (const layer of [...this.layers].reverse()) z = layer.inverse(z);
      return z;
    });
  }
}

function moons(n: number): Tensor {
  const theta = rand([n]).mul(Math.PI);
  const upper = rand([n]).lt(0.5);
  const x = where(upper, cos(theta), cos(theta).rsub(1));
  const y = where(upper, sin(theta), sin(theta).rsub(0.5));
  return stack([x, y], { dim: 1 }).add(randn([n, 2]).mul(0.05));
}

function realNvp(): Result {
  const model = new RealNVP();
  const optimizer = new optim.Adamax(model.parameters(), { lr: 5e-3 });
  const losses: number[] = [];
  for (let step = 0; step < 5; step++) {
    const loss = model.logProb(moons(32)).mean().neg();
    optimizer.zeroGrad();
    loss.backward();
    nn.utils.clipGradValue_(model.parameters(), 0.5);
    optimizer.step();
    losses.push(loss.item());
  }
  return { losses, sample: model.sample(3), state: weights(model) };
}

class MDN extends nn.Module<[Tensor], [Tensor, Tensor, Tensor]> {
  zH: nn.Sequential;
  zPi: nn.Linear;
  zMu: nn.Linear;
  zSigma: nn.Linear;

  constructor({ hidden = 10, gaussians = 3 } = {}) {
    super();
    this.zH = new nn.Sequential(new nn.Linear(1, hidden), new nn.Tanh());
    this.zPi = new nn.Linear(hidden, gaussians);
    this.zMu = new nn.Linear(hidden, gaussians);
    this.zSigma = new nn.Linear(hidden, gaussians);
  }

  forward(x: Tensor): [Tensor, Tensor, Tensor] {
    const zH = this.zH(x);
    return [F.softmax(this.zPi(zH), { dim: -1 }), this.zMu(zH), exp(this.zSigma(zH))];
  }
}

function mixtureDensity(): Result {
  const mdnLoss = (pi: Tensor, sigma: Tensor, mu: Tensor, y: Tensor) => {
    y = y.expandAs(mu);
    const logProb = y
      .sub(mu)
      .pow(2)
      .neg()
      .div(sigma.pow(2).mul(2))
      .sub(sigma.log())
      .sub(0.5 * Math.log(2 * Math.PI));
    return logsumexp(logProb.add(pi.log()), 1).mean().neg();
  };
  const y = linspace(-10, 10, 50).unsqueeze(1);
  const x = sin(y.mul(0.75))
    .mul(7)
    .add(y.mul(0.5))
    .add(randn([50, 1]));
  const model = new MDN();
  const optimizer = new optim.RAdam(model.parameters(), { lr: 1e-2 });
  const losses: number[] = [];
  let [pi, mu, sigma] = model(x);
  for (let step = 0; step < 8; step++) {
    [pi, mu, sigma] = model(x);
    const loss = mdnLoss(pi, sigma, mu, y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  const k = multinomial(pi.at(":5"), 1).view([-1]);
  const sampled = normal(mu.at(":5"), sigma.at(":5")).detach().gather(1, k.unsqueeze(1));
  return { losses, k, sampled, state: weights(model) };
}

class SNDiscriminator extends nn.Module<[x: Tensor, c: Tensor]> {
  conv1 = spectralNorm(new nn.Conv2d(1, 4, 3, { stride: 1, padding: 1 }));
  conv2 = spectralNorm(new nn.Conv2d(4, 6, 4, { stride: 2, padding: 1 }));
  fc = spectralNorm(new nn.Linear(6 * 4 * 4, 1), { nPowerIterations: 2 });
  embed = spectralNorm(new nn.Embedding(3, 6 * 4 * 4));

  forward(x: Tensor, c: Tensor): Tensor {
    let m = F.leakyRelu(this.conv1(x), 0.1);
    m = new nn.LeakyReLU(0.1)(this.conv2(m));
    const h = m.view([-1, 6 * 4 * 4]);
    return this.fc(h).add(this.embed(c).mul(h).sum(1, { keepdim: true }));
  }
}

class SNGenerator extends nn.Module {
  model = new nn.Sequential(
    new nn.Linear(5, 6 * 4 * 4),
    new nn.Unflatten(1, [6, 4, 4]),
    new nn.ConvTranspose2d(6, 4, 4, { stride: 2, padding: 1, outputPadding: 0 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.ConvTranspose2d(4, 1, 3, { stride: 1, padding: [1, 1] }),
    new nn.Tanh(),
  );

  forward(z: Tensor): Tensor {
    return this.model(z.view([-1, 5]));
  }
}

function spectralGan(): Result {
  const [D, G] = [new SNDiscriminator(), new SNGenerator()];
  const optD = new optim.Adam(
    [...D.parameters()].filter((p) => p.requiresGrad),
    { lr: 2e-3, betas: [0.0, 0.9] },
  );
  const optG = new optim.Adam(G.parameters(), { lr: 2e-3, betas: [0.0, 0.9] });
  const schedule = new optim.lrScheduler.ExponentialLR(optD, 0.99);
  const [data, labels] = [rand([6, 1, 8, 8]).mul(2).sub(1), randint(0, 3, [6])];
  const [d, g]: [number[], number[]] = [[], []];
  for (let step = 0; step < 3; step++) {
    const z = randn([6, 5]);
    optD.zeroGrad();
    optG.zeroGrad();
    let loss = new nn.ReLU()(D(data, labels).rsub(1))
      .mean()
      .add(new nn.ReLU()(D(G(z).detach(), labels).add(1)).mean());
    loss.backward();
    optD.step();
    d.push(loss.item());
    loss = D(G(z), labels).mean().neg();
    loss.backward();
    optG.step();
    g.push(loss.item());
    schedule.step();
  }
  return { d, g, state: weights(D), generator: weights(G) };
}

class ConvAutoencoder extends nn.Module {
  encoder = new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { stride: 2, padding: 1 }),
    new nn.GroupNorm(2, 4),
    new nn.SiLU(),
    new nn.Conv2d(4, 6, 3, { stride: 2, padding: 1 }),
    new nn.InstanceNorm2d(6, { affine: true }),
    new nn.Mish(),
    new nn.Flatten(),
    new nn.Linear(24, 5),
  );
  decoder = new nn.Sequential(
    new nn.Linear(5, 24),
    new nn.Unflatten(1, [6, 2, 2]),
    new nn.Upsample({ scaleFactor: 2, mode: "nearest" }),
    new nn.ReflectionPad2d(1),
    new nn.Conv2d(6, 4, 3),
    new nn.PReLU({ numParameters: 4 }),
    new nn.Upsample({ size: [8, 8], mode: "bilinear" }),
    new nn.ReplicationPad2d([1, 1, 1, 1]),
    new nn.Conv2d(4, 4, 3, { groups: 2 }),
    new nn.PixelShuffle(2),
    new nn.AvgPool2d(2),
    new nn.Sigmoid(),
  );

  forward(x: Tensor): Tensor {
    return this.decoder(this.encoder(x));
  }
}

function convAutoencoder(): Result {
  const model = new ConvAutoencoder();
  const x = rand([5, 1, 8, 8]);
  const noisy = clip(x.add(randn(x.shape).mul(0.3)), 0.0, 1.0);
  const optimizer = new optim.ASGD(model.parameters(), { lr: 0.5, t0: 2 });
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) {
    const out = model(noisy);
    const each = F.binaryCrossEntropy(out, x, { reduction: "none" });
    const loss = each
      .flatten(1)
      .sum(1)
      .mean()
      .add(F.smoothL1Loss(out, x, { beta: 0.1 }).mul(0.1));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  return { losses, state: weights(model) };
}

function gumbelSoftmaxVae(): Result {
  const encoder = new nn.Sequential(new nn.Linear(12, 10), new nn.ReLU(), new nn.Linear(10, 6));
  const decoder = new nn.Sequential(new nn.Linear(6, 10), new nn.ReLU(), new nn.Linear(10, 12));
  const x = bernoulli(full([6, 12], 0.4));
  const optimizer = new optim.Adam(
    [{ params: encoder.parameters() }, { params: decoder.parameters(), lr: 2e-3 }],
    { lr: 1e-3 },
  );
  const losses: number[] = [];
  let tau = 1.0;
  for (let step = 0; step < 4; step++) {
    const q = encoder(x).view([6, 2, 3]);
    const z = F.gumbelSoftmax(q, { tau, hard: step % 2 === 1, dim: -1 }).view([6, 6]);
    const logQ = F.logSoftmax(q, { dim: -1 });
    const kl = F.klDiv(fullLike(logQ, Math.log(1 / 3)), logQ, { reduction: "batchmean", logTarget: true });
    const loss = F.binaryCrossEntropyWithLogits(decoder(z), x, { reduction: "sum" }).div(x.size(0)).add(kl);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
    tau = Math.max(0.5, tau * Math.exp(-0.3));
  }
  return { losses, state: weights(encoder) };
}

class Diffusion extends nn.Module<[x: Tensor, t: Tensor]> {
  betas: Tensor;
  sqrtAlphasCumprod: Tensor;
  sqrtOneMinusAlphasCumprod: Tensor;
  net = new nn.Sequential(
    new nn.Linear(2 + 8, 16),
    new nn.SiLU(),
    new nn.Linear(16, 16),
    new nn.SiLU(),
    new nn.Linear(16, 2),
  );

  constructor(steps = 20) {
    super();
    const betas = linspace(1e-4, 0.02, steps);
    const alphasCumprod = cumprod(betas.rsub(1), 0);
    this.betas = this.registerBuffer("betas", betas);
    this.sqrtAlphasCumprod = this.registerBuffer("sqrt_alphas_cumprod", sqrt(alphasCumprod));
    this.sqrtOneMinusAlphasCumprod = this.registerBuffer(
      "sqrt_one_minus_alphas_cumprod",
      sqrt(alphasCumprod.rsub(1)),
      {
        persistent: false,
      },
    );
  }

  embed(t: Tensor): Tensor {
    const freqs = exp(arange(0, 4, { dtype: getDefaultDtype() }).mul(-Math.log(10000)).div(4));
    const args = t.at(":", null).to(getDefaultDtype()).mul(freqs.at(null));
    return cat([cos(args), sin(args)], { dim: -1 });
  }

  forward(x: Tensor, t: Tensor): Tensor {
    return this.net(cat([x, this.embed(t)], { dim: -1 }));
  }

  loss(x0: Tensor): Tensor {
    const t = randint(0, this.betas.size(0), [x0.size(0)]);
    const noise = randnLike(x0);
    const xt = this.sqrtAlphasCumprod
      .at(t, null)
      .mul(x0)
      .add(this.sqrtOneMinusAlphasCumprod.at(t, null).mul(noise));
    return F.mseLoss(this(xt, t), noise);
  }
}

function diffusionEma(): Result {
  const model = new Diffusion();
  const ema = new optim.swaUtils.AveragedModel(model, { avgFn: (avg, p) => avg.mul(0.9).add(p.mul(0.1)) });
  const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-2, weightDecay: 0.01 });
  const losses: number[] = [];
  for (let step = 0; step < 5; step++) {
    const loss = model.loss(moons(16));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    ema.updateParameters(model);
    losses.push(loss.item());
  }
  let x = randn([3, 2]);
  inferenceMode(() => {
    for (let i = 19; i >= 0; i--) {
      const t = full([3], i);
      const beta = model.betas.at(i);
      x = x.sub(beta.div(model.sqrtOneMinusAlphasCumprod.at(i)).mul(ema(x, t))).div(sqrt(beta.rsub(1)));
      if (i > 0) x.add_(sqrt(beta).mul(randnLike(x)));
    }
  });
  return { losses, x, state: weights(ema) };
}

comparePorts(
  "generative",
  {
    real_nvp: realNvp,
    mixture_density: mixtureDensity,
    spectral_gan: spectralGan,
    conv_autoencoder: convAutoencoder,
    gumbel_softmax_vae: gumbelSoftmaxVae,
    diffusion_ema: diffusionEma,
  },
  { spectral_gan: { noise: /model\.2\.bias|model\.3\.running_mean/ } },
);
