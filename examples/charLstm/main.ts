/** A character LSTM: learns to continue TypeScript declarations, one character after the other. */
import { join } from "node:path";
import { nn, noGrad, type Tensor, tensor } from "kindling";
import { Adam } from "kindling/optim";
import { COMMON, main, type OptionSpecs, type OptionValues } from "../lib/command.js";
import { learnToWrite, prepare } from "../lib/language.js";
import { type Characters, draw } from "../lib/text.js";

export const OPTIONS = {
  steps: { default: 1000, help: "training steps" },
  batchSize: { default: 32, help: "pieces of text in a batch" },
  length: { default: 64, help: "characters in a piece" },
  hidden: { default: 192, help: "size of the LSTM's state" },
  layers: { default: 1, help: "LSTM layers on top of each other" },
  lr: { default: 0.005, least: 0, fraction: true, help: "learning rate of Adam at the start" },
  prompt: { default: "interface ", help: "what the sample goes on from" },
  sample: { default: 400, least: 0, help: "characters to generate at the end" },
  temperature: { default: 0.6, least: 0.01, fraction: true, help: "how bold the sample is" },
  text: { default: "", help: "a text file (default: TypeScript's lib.es5.d.ts)" },
  out: { default: join("runs", "charLstm"), help: "folder for the model and the picture of the loss" },
  ...COMMON,
} as const satisfies OptionSpecs;

type State = [h: Tensor, c: Tensor];

/** Characters (N, T) to logits of the next ones (N, T, vocabulary), and the state to go on from. */
export class CharLstm extends nn.Module<[Tensor, State?], [Tensor, State]> {
  embed: nn.Embedding;
  lstm: nn.LSTM;
  head: nn.Linear;

  constructor(vocabulary: number, hidden: number, numLayers: number) {
    super();
    this.embed = new nn.Embedding(vocabulary, 64);
    this.lstm = new nn.LSTM(64, hidden, { numLayers, batchFirst: true });
    this.head = new nn.Linear(hidden, vocabulary);
  }

  forward(x: Tensor, state?: State): [Tensor, State] {
    const [out, next] = this.lstm(this.embed(x), state) as [Tensor, State];
    return [this.head(out), next];
  }
}

/** Text from the model: reads the prompt, then feeds each drawn character back in, carrying the state along. */
export function generate(
  model: CharLstm,
  characters: Characters,
  prompt: string,
  count: number,
  temperature: number,
): string {
  const drawn: number[] = [];
  noGrad(() => {
    let [logits, state] = model(characters.encode(prompt).unsqueeze(0));
    for (let i = 0; i < count; i++) {
      const next = draw(logits.at(0, -1), temperature);
      drawn.push(next);
      [logits, state] = model(tensor([[next]]), state);
    }
  });
  return prompt + characters.decode(drawn);
}

export function train(options: OptionValues<typeof OPTIONS>): { losses: number[]; sample: string } {
  const characters = prepare(options);
  const { hidden, layers, steps, prompt, sample, temperature } = options;
  const model = new CharLstm(characters.vocabulary.length, hidden, layers);
  return learnToWrite(characters, options, {
    name: "charLstm",
    title: "Character LSTM",
    model,
    optimizer: new Adam(model.parameters(), { lr: options.lr }),
    logits: (x) => model(x)[0],
    rate: (step) => 0.5 * options.lr * (1 + Math.cos((Math.PI * step) / steps)), // down along half a cosine
    generate: () => generate(model, characters, prompt, sample, temperature),
  });
}

await main(import.meta.url, "npm run example:charLstm", OPTIONS, train);
