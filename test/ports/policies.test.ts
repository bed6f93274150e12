/** Ports of programs that learn policies. */
import {
  clamp,
  finfo,
  getDefaultDtype,
  log,
  max,
  maximum,
  multinomial,
  nn,
  noGrad,
  normal,
  optim,
  rand,
  randn,
  randperm,
  stack,
  type Tensor,
  tensor,
  zeros,
  zerosLike,
} from "kindling";
import { functional as F } from "kindling/nn";
import { comparePorts, type Result, weights } from "./compare.js";

class Policy extends nn.Module<[Tensor], [Tensor, Tensor]> {
  affine1 = new nn.Linear(4, 12);
  dropout = new nn.Dropout(0.3);
  affine2 = new nn.Linear(12, 2);
  valueHead = new nn.Linear(12, 1);

  forward(x: Tensor): [Tensor, Tensor] {
    x = F.relu(this.dropout(this.affine1(x)));
    return [F.softmax(this.affine2(x), { dim: -1 }), this.valueHead(x)];
  }
}

function walk(state: Tensor, action: number): [Tensor, number] {
  const push = tensor([1.0, -1.0, 0.5, 0.0]).to(getDefaultDtype());
  state = state.mul(0.9).add(push.mul(0.1).mul(2 * action - 1));
  return [state, 1 - state.abs().sum().item()];
}

function reinforce(): Result {
  const policy = new Policy();
  const optimizer = new optim.Adam(policy.parameters(), { lr: 1e-2 });
  const eps = finfo("float32").eps;
  const [losses, actions]: [number[], number[]] = [[], []];
  for (let episode = 0; episode < 3; episode++) {
    let state = randn([4]);
    const logProbs: Tensor[] = [];
    const rewards: number[] = [];
    const values: Tensor[] = [];
    for (let t = 0; t < 6; t++) {
      const [probs, value] = policy(state.unsqueeze(0));
      const action = multinomial(probs, 1);
      logProbs.push(log(probs.gather(1, action)).squeeze());
      let reward: number;
      [state, reward] = walk(state, action.item());
      rewards.push(reward);
      values.push(value.squeeze());
      actions.push(action.item());
    }
    let R = 0;
    const discounted: number[] = [];
    for (const r of rewards.toReversed()) {
      R = r + 0.99 * R;
      discounted.unshift(R);
    }
    let returns = tensor(discounted);
    returns = returns.sub(returns.mean()).div(returns.std().add(eps));
    const advantages = returns.sub(stack(values));
    const loss = stack(logProbs)
      .mul(advantages.detach())
      .sum()
      .neg()
      .add(F.smoothL1Loss(stack(values), returns, { reduction: "sum" }));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
  }
  return { losses, actions, state: weights(policy) };
}

function layerInit(layer: nn.Linear, { std = Math.SQRT2, biasConst = 0 } = {}): nn.Linear {
  nn.init.orthogonal_(layer.weight, { gain: std });
  nn.init.constant_(layer.bias as Tensor, biasConst);
  return layer;
}

function ppo(): Result {
  const actor = new nn.Sequential(
    layerInit(new nn.Linear(4, 8)),
    new nn.Tanh(),
    layerInit(new nn.Linear(8, 2), { std: 0.01 }),
  );
  const logStd = new nn.Parameter(zeros([1, 2]));
  const critic = new nn.Sequential(
    layerInit(new nn.Linear(4, 8)),
    new nn.Tanh(),
    layerInit(new nn.Linear(8, 1), { std: 1 }),
  );
  const parameters = [...actor.parameters(), logStd, ...critic.parameters()];
  const optimizer = new optim.Adam(parameters, { lr: 3e-3, eps: 1e-5 });
  const logProb = (mean: Tensor, action: Tensor) => {
    const std = logStd.expandAs(mean).exp();
    return action
      .sub(mean)
      .pow(2)
      .neg()
      .div(std.pow(2).mul(2))
      .sub(std.log())
      .sub(Math.log(Math.sqrt(2 * Math.PI)))
      .sum(1);
  };
  const T = 8;
  const [obs, rewards, dones] = [randn([T, 4]), randn([T]), rand([T]).lt(0.2).to(getDefaultDtype())];
  const { actions, old, values, advantages, returns } = noGrad(() => {
    const mean = actor(obs);
    const actions = normal(mean, logStd.exp().expandAs(mean));
    const old = logProb(mean, actions);
    const values = critic(obs).flatten();
    const advantages = zerosLike(rewards);
    let last: Tensor = zeros([]);
    for (let t = T - 1; t >= 0; t--) {
      const nonterminal = dones.at(t).rsub(1);
      const next = t + 1 < T ? values.at(t + 1) : zeros([]);
      const delta = rewards.at(t).add(next.mul(0.99).mul(nonterminal)).sub(values.at(t));
      last = delta.add(nonterminal.mul(0.99 * 0.95).mul(last));
      advantages.setAt_([t], last);
    }
    return { actions, old, values, advantages, returns: advantages.add(values) };
  });
  const [losses, kls]: [number[], number[]] = [[], []];
  for (let epoch = 0; epoch < 2; epoch++) {
    const order = randperm(T);
    for (let start = 0; start < T; start += 4) {
      const mb = order.at(`${start}:${start + 4}`);
      const logratio = logProb(actor(obs.at(mb)), actions.at(mb)).sub(old.at(mb));
      const ratio = logratio.exp();
      kls.push(noGrad(() => ratio.sub(1).sub(logratio).mean().item()));
      let adv = advantages.at(mb);
      adv = adv.sub(adv.mean()).div(adv.std().add(1e-8));
      const pgLoss = max(adv.neg().mul(ratio), adv.neg().mul(clamp(ratio, 1 - 0.2, 1 + 0.2))).mean();
      const newValue = critic(obs.at(mb)).view([-1]);
      const clipped = values.at(mb).add(clamp(newValue.sub(values.at(mb)), -0.2, 0.2));
      const vLoss = maximum(newValue.sub(returns.at(mb)).pow(2), clipped.sub(returns.at(mb)).pow(2))
        .mean()
        .mul(0.5);
      const entropy = logStd
        .add(0.5 + 0.5 * Math.log(2 * Math.PI))
        .sum(1)
        .mean();
      const loss = pgLoss.sub(entropy.mul(0.01)).add(vLoss.mul(0.5));
      optimizer.zeroGrad();
      loss.backward();
      nn.utils.clipGradNorm_(parameters, 0.5);
      optimizer.step();
      losses.push(loss.item());
    }
  }
  return { losses, kls, actor: weights(actor) };
}

comparePorts("policies", { reinforce, ppo });
