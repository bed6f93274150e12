/** What the models that learn to write share: text in, a loop over pieces of it, a sample and files at the end. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { manualSeed, nn, setNumThreads, type Tensor } from "kindling";
import { saveFile } from "kindling/io";
import type { Optimizer } from "kindling/optim";
import { lineChart } from "./chart.js";
import { ProgressBar } from "./progress.js";
import { Characters, readText } from "./text.js";

/** Options of every model that writes. */
export interface WritingOptions {
  readonly steps: number;
  readonly batchSize: number;
  readonly length: number;
  readonly prompt: string;
  readonly text: string;
  readonly out: string;
  readonly seed: number;
  readonly threads: number;
}

/** A model and how it is trained. */
export interface Writer {
  /** Label of the progress bar. */
  readonly name: string;
  /** Heading of the loss curve. */
  readonly title: string;
  readonly model: Pick<nn.Module, "parameters" | "stateDict">;
  readonly optimizer: Optimizer;
  /** Logits (N, T, vocabulary) of the characters that follow those of x (N, T). */
  logits(x: Tensor): Tensor;
  /** The learning rate of a step, counted from 1. */
  rate(step: number): number;
  /** Text from the trained model. */
  generate(): string;
}

/** Sets threads and seed, reads the text, and makes sure that it has the characters of the prompt. */
export function prepare(options: WritingOptions): Characters {
  if (options.threads > 0) setNumThreads(options.threads);
  manualSeed(options.seed);
  const characters = new Characters(readText(options.text));
  characters.encode(options.prompt);
  return characters;
}

/** Trains on random pieces of the text, prints a sample, saves the weights and the loss curve. */
export function learnToWrite(
  characters: Characters,
  options: WritingOptions,
  { name, title, model, optimizer, logits, rate, generate }: Writer,
): { losses: number[]; sample: string } {
  const vocabulary = characters.vocabulary.length;
  const weights = [...model.parameters()].reduce((n, p) => n + p.numel, 0);
  console.log(
    `${characters.data.numel} characters, ${vocabulary} different ones, ${weights} weights, seed ${options.seed}`,
  );

  const losses: number[] = [];
  const bar = new ProgressBar(name, options.steps);
  for (let step = 1; step <= options.steps; step++) {
    for (const group of optimizer.paramGroups) group.lr = rate(step);
    const [x, y] = characters.batch(options.batchSize, options.length);
    const loss = nn.functional.crossEntropy(logits(x).reshape([-1, vocabulary]), y.reshape([-1]));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item());
    const recent = losses.slice(-50);
    bar.update(step, {
      loss: recent.reduce((a, b) => a + b, 0) / recent.length,
      charactersPerSecond: (step * x.numel) / bar.seconds,
    });
  }

  const sample = generate();
  console.log(`\n${sample}\n`);
  mkdirSync(options.out, { recursive: true });
  saveFile(model.stateDict(), join(options.out, "model.safetensors"));
  const curve = [{ name: "cross entropy of a character", values: losses }];
  writeFileSync(join(options.out, "loss.svg"), lineChart(title, "loss", curve));
  console.log(`saved ${join(options.out, "model.safetensors")} and ${join(options.out, "loss.svg")}`);
  return { losses, sample };
}
