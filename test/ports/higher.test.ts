/** Ports of programs that differentiate more than once, or with respect to their input. */
import {
  autograd,
  cat,
  clamp,
  empty,
  func,
  grad,
  linspace,
  mm,
  nn,
  noGrad,
  ones,
  onesLike,
  optim,
  rand,
  randint,
  randn,
  randperm,
  roll,
  sin,
  stack,
  type Tensor,
  tanh,
  tensor,
  zerosLike,
} from "kindling";
import { functional as F } from "kindling/nn";
import { comparePorts, type Result, weights } from "./compare.js";

class PINN extends nn.Module<[Tensor, Tensor]> {
  layers: nn.ModuleList<nn.Linear>;

  constructor(widths: number[]) {
    super();
    this.layers = new nn.ModuleList(widths.slice(1).map((b, i) => new nn.Linear(widths[i] as number, b)));
    for (const layer of this.layers) {
      nn.init.xavierNormal_(layer.weight);
      nn.init.zeros_(layer.bias as Tensor);
    }
  }

  forward(x: Tensor, t: Tensor): Tensor {
    let h = cat([x, t], { dim: 1 });
    for (const layer of this.layers.slice(0, -1)) h = tanh(layer(h));
    return this.layers.get(-1)(h);
  }
}

function physicsInformed(): Result {
  const model = new PINN([2, 10, 10, 1]);
  const nu = 0.01 / Math.PI;
  const xF = rand([20, 1]).mul(2).sub(1).requiresGrad_();
  const tF = rand([20, 1]).requiresGrad_();
  const x0 = linspace(-1, 1, 10).unsqueeze(1);
  const u0 = sin(x0.mul(Math.PI)).neg();
  const optimizer = new optim.LBFGS(model.parameters(), {
    lr: 0.5,
    maxIter: 5,
    historySize: 10,
    lineSearchFn: "strong_wolfe",
  });
  const losses: number[] = [];
  const closure = () => {
    optimizer.zeroGrad();
    const u = model(xF, tF);
    const [ut] = grad(u, tF, { gradOutputs: onesLike(u), createGraph: true });
    const [ux] = grad(u, xF, { gradOutputs: onesLike(u), createGraph: true });
    const [uxx] = grad(ux, xF, { gradOutputs: onesLike(ux), createGraph: true });
    const residual = ut.add(u.mul(ux)).sub(uxx.mul(nu));
    const loss = residual
      .pow(2)
      .mean()
      .add(F.mseLoss(model(x0, zerosLike(x0)), u0));
    loss.backward();
    losses.push(loss.item());
    return loss;
  };
  for (let i = 0; i < 2; i++) optimizer.step(closure);
  return { losses: losses.slice(0, 8), state: weights(model) };
}

const criticScores = (critic: nn.Module, real: Tensor, fake: Tensor) =>
  critic(real).mean().sub(critic(fake).mean());

function gradientPenalty(critic: nn.Module, real: Tensor, fake: Tensor): Tensor {
  const epsilon = rand([real.size(0), 1]);
  const mixed = epsilon.mul(real).add(epsilon.rsub(1).mul(fake)).requiresGrad_(true);
  const scores = critic(mixed);
  const grads = grad(scores, mixed, {
    gradOutputs: onesLike(scores),
    createGraph: true,
    retainGraph: true,
  })[0];
  return grads
    .view([grads.size(0), -1])
    .norm(2, { dim: 1 })
    .sub(1)
    .pow(2)
    .mean();
}

function wganGp(): Result {
  const G = new nn.Sequential(new nn.Linear(3, 16), new nn.LeakyReLU(0.2), new nn.Linear(16, 2));
  const D = new nn.Sequential(
    new nn.Linear(2, 16),
    new nn.LayerNorm(16),
    new nn.LeakyReLU(0.2, { inplace: true }),
    new nn.Linear(16, 1),
  );
  const optG = new optim.Adam(G.parameters(), { lr: 1e-2, betas: [0, 0.9] });
  const optD = new optim.Adam(D.parameters(), { lr: 1e-2, betas: [0, 0.9] });
  const [d, g]: [number[], number[]] = [[], []];
  for (let step = 0; step < 3; step++) {
    for (let k = 0; k < 2; k++) {
      const real = randn([8, 2])
        .mul(0.5)
        .add(tensor([1.0, -1.0]));
      const fake = G(randn([8, 3])).detach();
      const loss = criticScores(D, real, fake)
        .neg()
        .add(gradientPenalty(D, real, fake).mul(10));
      optD.zeroGrad();
      loss.backward();
      optD.step();
      d.push(loss.item());
    }
    for (const p of D.parameters()) p.requiresGrad_(false);
    const loss = D(G(randn([8, 3])))
      .mean()
      .neg();
    optG.zeroGrad();
    loss.backward();
    optG.step();
    for (const p of D.parameters()) p.requiresGrad_(true);
    g.push(loss.item());
  }
  return { d, g, state: weights(G) };
}

class ODEFunc extends nn.Module<[Tensor, Tensor]> {
  net = new nn.Sequential(new nn.Linear(2, 12), new nn.Tanh(), new nn.Linear(12, 2));

  constructor() {
    super();
    for (const m of this.net.modules()) {
      if (m instanceof nn.Linear) {
        nn.init.normal_(m.weight, { mean: 0, std: 0.1 });
        nn.init.constant_(m.bias as Tensor, 0);
      }
    }
  }

  forward(_t: Tensor, y: Tensor): Tensor {
    return this.net(y.pow(3));
  }
}

function rk4(f: (t: Tensor, y: Tensor) => Tensor, y0: Tensor, ts: Tensor): Tensor {
  const ys = [y0];
  for (let i = 0; i + 1 < ts.size(0); i++) {
    const [t0, t1, y] = [ts.at(i), ts.at(i + 1), ys[i] as Tensor];
    const h = t1.sub(t0);
    const k1 = f(t0, y);
    const k2 = f(t0.add(h.div(2)), y.add(h.mul(k1).div(2)));
    const k3 = f(t0.add(h.div(2)), y.add(h.mul(k2).div(2)));
    const k4 = f(t1, y.add(h.mul(k3)));
    ys.push(y.add(h.div(6).mul(k1.add(k2.mul(2)).add(k3.mul(2)).add(k4))));
  }
  return stack(ys);
}

function neuralOde(): Result {
  const A = tensor([
    [-0.1, 2.0],
    [-2.0, -0.1],
  ]);
  const t = linspace(0, 1.5, 12);
  const y0 = tensor([[2.0, 0.0]]).to(A.dtype);
  const truth = noGrad(() => rk4((_t, y) => mm(y.pow(3), A), y0, t));
  const f = new ODEFunc();
  const optimizer = new optim.RMSprop(f.parameters(), { lr: 1e-3 });
  const losses: number[] = [];
  for (let step = 0; step < 5; step++) {
    const s = randperm(8).at(":3");
    const [batchY0, batchT] = [truth.at(s), t.at(":4")];
    const batchY = stack(
      [0, 1, 2, 3].map((i) => truth.at(s.add(i))),
      { dim: 0 },
    );
    optimizer.zeroGrad();
    const pred = rk4(f, batchY0, batchT);
    const loss = pred.sub(batchY).abs().mean();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  return { losses, truth, state: weights(f) };
}

function sineTasks(n: number, k: number) {
  const amplitude = empty([n, 1, 1]).uniform_(0.1, 5.0);
  const phase = empty([n, 1, 1]).uniform_(0, 3.14);
  const x = empty([n, 2 * k, 1]).uniform_(-5, 5);
  const y = amplitude.mul(sin(x.add(phase)));
  return [x.at(":", `:${k}`), y.at(":", `:${k}`), x.at(":", `${k}:`), y.at(":", `${k}:`)] as const;
}

function maml(): Result {
  const model = new nn.Sequential(
    new nn.Linear(1, 10),
    new nn.ReLU(),
    new nn.Linear(10, 10),
    new nn.Tanh(),
    new nn.Linear(10, 1),
  );
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 });
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) {
    const [xs, ys, xq, yq] = sineTasks(3, 5);
    let meta = tensor(0.0);
    for (let i = 0; i < 3; i++) {
      let params: Record<string, Tensor> = Object.fromEntries(model.namedParameters());
      for (let k = 0; k < 2; k++) {
        const inner = F.mseLoss(func.functionalCall(model, params, [xs.at(i)]), ys.at(i));
        const grads = grad(inner, Object.values(params), { createGraph: true });
        params = Object.fromEntries(
          Object.entries(params).map(([key, p], j) => [key, p.sub((grads[j] as Tensor).mul(0.1))]),
        );
      }
      meta = meta.add(F.mseLoss(func.functionalCall(model, params, [xq.at(i)]), yq.at(i)));
    }
    optimizer.zeroGrad();
    meta.backward();
    optimizer.step();
    losses.push(meta.item());
  }
  return { losses, state: weights(model) };
}

class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 2, 3, { stride: 1 });
  conv2 = new nn.Conv2d(2, 3, 3, { stride: 1 });
  fc = new nn.Linear(12, 4);

  forward(x: Tensor): Tensor {
    x = F.relu(this.conv1(x));
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    return F.logSoftmax(this.fc(x.flatten(1)), { dim: 1 });
  }
}

function perSampleGradients(): Result {
  const model = new Net();
  const [x, y] = [randn([4, 1, 8, 8]), randint(0, 4, [4])];
  const params = Object.fromEntries(model.namedParameters());
  const buffers = Object.fromEntries(model.namedBuffers());
  const computeLoss = (
    params: Record<string, Tensor>,
    buffers: Record<string, Tensor>,
    sample: Tensor,
    target: Tensor,
  ) =>
    F.nllLoss(
      func.functionalCall(model, { ...params, ...buffers }, [sample.unsqueeze(0)]),
      target.unsqueeze(0),
    );
  const perSample = func.vmap(func.grad(computeLoss), { inDims: [null, null, 0, 0] })(params, buffers, x, y);
  const grads = Object.values(perSample);
  const norms = stack(grads.map((g) => g.flatten(1).norm({ dim: 1 }))).norm({ dim: 0 });
  return { norms, grads };
}

function ensembling(): Result {
  const models = [0, 1, 2].map(
    () => new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 2)),
  );
  const x = randn([3, 5, 3]);
  const [params, buffers] = func.stackModuleState(models);
  const base = models[0] as nn.Sequential;
  const fmodel = (params: Record<string, Tensor>, buffers: Record<string, Tensor>, x: Tensor) =>
    func.functionalCall(base, [params, buffers], [x]);
  const each = func.vmap(fmodel)(params, buffers, x);
  const same = func.vmap(fmodel, { inDims: [0, 0, null] })(params, buffers, x.at(0));
  return { each, same };
}

function jacobiansHessians(): Result {
  const [weight, bias, x] = [randn([3, 4]), randn([3]), randn([4])];
  const predict = (weight: Tensor, bias: Tensor, x: Tensor) => F.linear(x, weight, bias).tanh();
  const ft = func.jacrev(predict, { argnums: [0, 1] })(weight, bias, x);
  const rev = func.jacrev(predict, { argnums: 2 })(weight, bias, x);
  const fwd = func.jacfwd(predict, { argnums: 2 })(weight, bias, x);
  const hess = func.hessian(predict, { argnums: 2 })(weight, bias, x);
  const batch = randn([5, 4]);
  const batched = func.vmap(func.jacrev(predict, { argnums: 2 }), { inDims: [null, null, 0] })(
    weight,
    bias,
    batch,
  );
  const v = randn([4]);
  const [out, tangent] = func.jvp((x: Tensor) => predict(weight, bias, x), [x], [v]);
  const [, vjpFn] = func.vjp((x: Tensor) => predict(weight, bias, x), x);
  const hvp = func.jvp(
    func.grad((x: Tensor) => predict(weight, bias, x).sin().sum()),
    [x],
    [v],
  )[1];
  const old = autograd.functional.hessian((w: Tensor) => predict(w, bias, x).pow(2).sum(), weight);
  const ghg = autograd.functional.vhp((x: Tensor) => predict(weight, bias, x).exp().sum(), x, v);
  const dual = func.jvp((x: Tensor) => predict(weight, bias, x).cumsum(0), [x], [v]);
  return { ft, rev, fwd, hess, batched, jvp: [out, tangent], vjp: vjpFn(ones([3]))[0], hvp, old, ghg, dual };
}

function styleTransfer(): Result {
  const features = new nn.Sequential(
    new nn.Conv2d(3, 6, 3, { padding: 1 }),
    new nn.ReLU(),
    new nn.AvgPool2d(2),
    new nn.Conv2d(6, 8, 3, { padding: 1 }),
    new nn.ReLU(),
  ).eval();
  for (const p of features.parameters()) p.requiresGrad_(false);
  const [content, style] = [rand([1, 3, 10, 10]), rand([1, 3, 10, 10])];
  const gramMatrix = (x: Tensor) => {
    const [a, b, c, d] = x.shape as [number, number, number, number];
    const f = x.view([a * b, c * d]);
    return mm(f, f.t()).div(a * b * c * d);
  };
  const maps = (x: Tensor) => {
    const out: Tensor[] = [];
    for (const layer of features) {
      x = layer(x);
      if (layer instanceof nn.Conv2d) out.push(x);
    }
    return out;
  };
  const styleGrams = maps(style).map((m) => gramMatrix(m).detach());
  const target = (maps(content).at(-1) as Tensor).detach();
  const image = content.clone().requiresGrad_(true);
  const optimizer = new optim.LBFGS([image], { maxIter: 4 });
  const losses: number[] = [];
  for (let i = 0; i < 2; i++) {
    optimizer.step(() => {
      noGrad(() => image.clamp_(0, 1));
      optimizer.zeroGrad();
      const out = maps(image);
      const score = out
        .map((m, j) => F.mseLoss(gramMatrix(m), styleGrams[j] as Tensor))
        .reduce((a, b) => a.add(b))
        .mul(1e4)
        .add(F.mseLoss(out.at(-1) as Tensor, target));
      const dy = image.at(":", ":", "1:").sub(image.at(":", ":", ":-1"));
      const dx = image.at("...", "1:").sub(image.at("...", ":-1"));
      const loss = score.add(dy.abs().sum().add(dx.abs().sum()).mul(1e-3));
      loss.backward();
      losses.push(loss.item());
      return loss;
    });
  }
  return { losses: losses.slice(0, 6), image: image.at(":", ":", ":2", ":2") };
}

function deepDream(): Result {
  const model = new nn.Sequential(
    new nn.Conv2d(3, 4, 3, { padding: 1, paddingMode: "reflect" }),
    new nn.ELU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(4, 6, 3, { padding: 1 }),
    new nn.ReLU6(),
  );
  const seen: Record<string, Tensor> = {};
  const handle = model.get(3).registerForwardHook((_module, _args, output) => {
    seen.conv = output;
  });
  let image = rand([1, 3, 12, 12]);
  const scores: number[] = [];
  for (let octave = 0; octave < 2; octave++) {
    image = F.interpolate(image, {
      scaleFactor: 1.25,
      mode: "bicubic",
      alignCorners: false,
      recomputeScaleFactor: true,
    });
    for (let i = 0; i < 3; i++) {
      const [shiftX, shiftY] = randint(-3, 4, [2]).tolist() as [number, number];
      image = roll(image, [shiftX, shiftY], { dims: [-1, -2] });
      image = image.detach().requiresGrad_();
      model.zeroGrad();
      model(image);
      const loss = (seen.conv as Tensor).norm();
      loss.backward();
      const g = image.grad as Tensor;
      image = noGrad(() =>
        roll(image.add(g.mul(0.05).div(g.abs().mean().add(1e-8))), [-shiftX, -shiftY], [-1, -2]).clamp(0, 1),
      );
      scores.push(loss.item());
    }
  }
  handle.remove();
  return { scores, image };
}

function adversarialFgsm(): Result {
  const model = new nn.Sequential(
    new nn.Flatten(),
    new nn.Linear(16, 12),
    new nn.SELU(),
    new nn.AlphaDropout(0.2),
    new nn.Linear(12, 3),
  );
  const twin = nn.deepCopy(model).eval();
  const [x, y] = [rand([5, 1, 4, 4]), randint(3, [5])];
  x.requiresGrad = true;
  const loss = F.crossEntropy(model(x), y, { reduction: "none" });
  loss.sum().backward();
  const attacked = clamp(x.add((x.grad as Tensor).sign().mul(0.1)), 0, 1);
  return { loss, attacked, after: twin(attacked) };
}

comparePorts(
  "higher",
  {
    physics_informed: physicsInformed,
    wgan_gp: wganGp,
    neural_ode: neuralOde,
    maml,
    per_sample_gradients: perSampleGradients,
    ensembling,
    jacobians_hessians: jacobiansHessians,
    style_transfer: styleTransfer,
    deep_dream: deepDream,
    adversarial_fgsm: adversarialFgsm,
  },
  // The line search of L-BFGS divides differences of losses.
  { style_transfer: { float32: 1e-5 } },
);
