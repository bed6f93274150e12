/**
 * Resident memory in plain synchronous loops without scope or dispose: after the first tenth and at the end.
 * `tsx bench/memory.ts [--short]`; each loop runs in a process of its own.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { manualSeed, nn, noGrad, ones, randn, type Tensor } from "kindling";
import { Adam } from "kindling/optim";
import { steps as trainingSteps } from "./steps.js";

interface Loop {
  steps: number;
  run: () => () => unknown;
}

function workload(name: string): () => unknown {
  const found = trainingSteps.find((w) => w.name === name);
  if (found === undefined) throw new Error(`no workload ${name}`);
  return found.kindling();
}

const kept: Tensor[] = [];

const loops: Record<string, Loop> = {
  "mnist-mlp": { steps: 10_000, run: () => workload("mnist-mlp") },
  "mnist-cnn": { steps: 1_000, run: () => workload("mnist-cnn") },
  inference: {
    steps: 10_000,
    run: () => {
      const model = new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10)).eval();
      const x = randn([64, 784]);
      return () => noGrad(() => model(x).softmax(1).argmax(1));
    },
  },
  "keeps every loss": {
    steps: 10_000,
    run: () => {
      const model = new nn.Linear(64, 1);
      const optimizer = new Adam(model.parameters(), { lr: 1e-3 });
      const [x, y] = [randn([32, 64]), randn([32, 1])];
      return () => {
        optimizer.zeroGrad();
        const loss = nn.functional.mseLoss(model(x), y);
        loss.backward();
        optimizer.step();
        kept.push(loss);
      };
    },
  },
  "a million small tensors": {
    steps: 1_000_000,
    run: () => {
      const x = ones([16]);
      return () => x.add(1);
    },
  },
};

const rss = () => process.memoryUsage().rss / 2 ** 20;

function measure(name: string, scale: number): void {
  const { steps, run } = loops[name] as Loop;
  manualSeed(0);
  const step = run();
  const total = Math.max(10, Math.round(steps * scale));
  let tenth = 0;
  for (let i = 0; i < total; i++) {
    step();
    if (i + 1 === Math.floor(total / 10)) tenth = rss();
  }
  const end = rss();
  const change = (100 * (end - tenth)) / tenth;
  console.log(
    `${name.padEnd(26)} ${String(total).padStart(9)} steps  ${tenth.toFixed(0).padStart(5)} MiB  ${end.toFixed(0).padStart(5)} MiB  ${change.toFixed(1).padStart(6)} %`,
  );
}

const only = process.argv.indexOf("--loop");
const scale = process.argv.includes("--short") ? 0.1 : 1;
if (only >= 0) measure(process.argv[only + 1] as string, scale);
else {
  console.log("loop                           steps       after a tenth, at the end, change");
  for (const name of Object.keys(loops)) {
    const args = [
      ...process.execArgv,
      fileURLToPath(import.meta.url),
      "--loop",
      name,
      ...(scale < 1 ? ["--short"] : []),
    ];
    const child = spawnSync(process.execPath, args, { stdio: "inherit" });
    if (child.status !== 0) process.exit(1);
  }
}
