/** Learns to balance a pole: policy gradients with a learned baseline (REINFORCE, Williams 1992). */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { manualSeed, multinomial, nn, noGrad, setNumThreads, type Tensor, tensor } from "kindling";
import { saveFile } from "kindling/io";
import { Adam } from "kindling/optim";
import { COMMON, main, type OptionSpecs, type OptionValues } from "../lib/command.js";
import { CartPole, type State } from "./cartPole.js";

const F = nn.functional;

export const OPTIONS = {
  episodes: { default: 500, help: "at most this many episodes" },
  hidden: { default: 64, help: "units of the network" },
  lr: { default: 0.01, least: 0, fraction: true, help: "learning rate of Adam" },
  gamma: { default: 0.99, least: 0, fraction: true, help: "what a reward is worth one step later" },
  steps: { default: 200, help: "steps after which an episode is won" },
  out: { default: join("runs", "cartPole"), help: "folder for the model" },
  ...COMMON,
} as const satisfies OptionSpecs;

/** States (N, 4) to logits of the two pushes (N, 2), and to the return that is expected from there (N). */
export class Policy extends nn.Module<[Tensor], [logits: Tensor, value: Tensor]> {
  body: nn.Sequential;
  actor: nn.Linear;
  critic: nn.Linear;

  constructor(hidden: number) {
    super();
    this.body = new nn.Sequential(new nn.Linear(4, hidden), new nn.ReLU());
    this.actor = new nn.Linear(hidden, 2);
    this.critic = new nn.Linear(hidden, 1);
  }

  forward(x: Tensor): [logits: Tensor, value: Tensor] {
    const features = this.body(x);
    return [this.actor(features), this.critic(features).squeeze(1)];
  }
}

/** The return of each step: its reward of 1, and those after it, each worth gamma times less. */
export function returnsOf(steps: number, gamma: number): number[] {
  const returns = new Array<number>(steps);
  let value = 0;
  for (let t = steps - 1; t >= 0; t--) {
    value = 1 + gamma * value;
    returns[t] = value;
  }
  return returns;
}

/** Plays until the pole falls, or `limit` steps; pushes are drawn by the policy. */
function play(policy: Policy, game: CartPole, limit: number): { states: State[]; actions: number[] } {
  const states: State[] = [];
  const actions: number[] = [];
  let [state, fallen] = [game.reset(), false];
  while (!fallen && states.length < limit) {
    const [logits] = noGrad(() => policy(tensor([state], { dtype: "float32" })));
    const action = multinomial(F.softmax(logits, 1), 1).item();
    states.push(state);
    actions.push(action);
    ({ state, fallen } = game.step(action));
  }
  return { states, actions };
}

export function train(options: OptionValues<typeof OPTIONS>): { lengths: number[]; policy: Policy } {
  if (options.threads > 0) setNumThreads(options.threads);
  manualSeed(options.seed);
  const policy = new Policy(options.hidden);
  const optimizer = new Adam(policy.parameters(), { lr: options.lr });
  const game = new CartPole();
  const lengths: number[] = [];
  let average = 0;
  while (lengths.length < options.episodes && average < 0.975 * options.steps) {
    const { states, actions } = play(policy, game, options.steps);
    const [logits, value] = policy(tensor(states, { dtype: "float32" }));
    const returns = tensor(returnsOf(states.length, options.gamma), { dtype: "float32" });
    const advantage = returns.sub(value.detach());
    const surprise = F.crossEntropy(logits, tensor(actions), { reduction: "none" }); // -log π(action | state)
    const loss = surprise.mul(advantage).mean().add(F.smoothL1Loss(value, returns));
    optimizer.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm_(policy.parameters(), 1);
    optimizer.step();
    lengths.push(states.length);
    const last = lengths.slice(-20);
    average = last.length < 20 ? 0 : last.reduce((a, b) => a + b) / 20;
    if (lengths.length % 20 === 0) {
      console.log(`episode ${lengths.length}: the last 20 lasted ${average.toFixed(1)} steps`);
    }
  }
  mkdirSync(options.out, { recursive: true });
  saveFile(policy.stateDict(), join(options.out, "model.safetensors"));
  const solved = average >= 0.975 * options.steps;
  console.log(
    `${solved ? "balanced" : "not yet balanced"} after ${lengths.length} episodes; saved ${join(options.out, "model.safetensors")}`,
  );
  return { lengths, policy };
}

await main(import.meta.url, "npm run example:cartPole", OPTIONS, train);
