/** A character GPT: a small transformer that learns to write TypeScript declarations. */
import { join } from "node:path";
import { arange, nn, noGrad, type Tensor, tensor } from "kindling";
import { AdamW } from "kindling/optim";
import { COMMON, main, type OptionSpecs, type OptionValues, UsageError } from "../lib/command.js";
import { learnToWrite, prepare } from "../lib/language.js";
import { type Characters, draw } from "../lib/text.js";

export const OPTIONS = {
  steps: { default: 1000, help: "training steps" },
  batchSize: { default: 16, help: "pieces of text in a batch" },
  length: { default: 64, help: "characters in a piece: as far as the model looks back" },
  width: { default: 128, help: "size of a character's vector" },
  heads: { default: 4, help: "attention heads" },
  depth: { default: 2, help: "blocks" },
  lr: { default: 0.003, least: 0, fraction: true, help: "learning rate of AdamW at its highest" },
  prompt: { default: "interface ", help: "what the sample goes on from" },
  sample: { default: 400, least: 0, help: "characters to generate at the end" },
  temperature: { default: 0.6, least: 0.01, fraction: true, help: "how bold the sample is" },
  text: { default: "", help: "a text file (default: TypeScript's lib.es5.d.ts)" },
  out: { default: join("runs", "charGpt"), help: "folder for the model and the picture of the loss" },
  ...COMMON,
} as const satisfies OptionSpecs;

/** A pre-norm block: x + attention(norm(x)), then x + mlp(norm(x)). Attention sees only what came before. */
export class Block extends nn.Module {
  norm1: nn.LayerNorm;
  qkv: nn.Linear;
  proj: nn.Linear;
  norm2: nn.LayerNorm;
  mlp: nn.Sequential;
  readonly heads: number;

  constructor(width: number, heads: number) {
    super();
    this.heads = heads;
    this.norm1 = new nn.LayerNorm(width);
    this.qkv = new nn.Linear(width, 3 * width);
    this.proj = new nn.Linear(width, width);
    this.norm2 = new nn.LayerNorm(width);
    this.mlp = new nn.Sequential(
      new nn.Linear(width, 4 * width),
      new nn.GELU(),
      new nn.Linear(4 * width, width),
    );
  }

  /** softmax(q kᵀ / sqrt(d)) v, for each head. */
  private attention(x: Tensor): Tensor {
    const [N, T, D] = x.shape as [number, number, number];
    const [q, k, v] = this.qkv(x)
      .chunk(3, { dim: -1 })
      .map((t) => t.reshape([N, T, this.heads, D / this.heads]).transpose(1, 2)) as [Tensor, Tensor, Tensor];
    const attended = nn.functional.scaledDotProductAttention(q, k, v, { isCausal: true });
    return this.proj(attended.transpose(1, 2).reshape([N, T, D]));
  }

  forward(x: Tensor): Tensor {
    const y = x.add(this.attention(this.norm1(x)));
    return y.add(this.mlp(this.norm2(y)));
  }
}

/** Characters (N, T) to logits of the next ones (N, T, vocabulary). */
export class CharGpt extends nn.Module {
  tokens: nn.Embedding;
  positions: nn.Embedding;
  blocks: nn.Sequential;
  norm: nn.LayerNorm;
  head: nn.Linear;

  constructor(vocabulary: number, width: number, heads: number, depth: number, length: number) {
    super();
    this.tokens = new nn.Embedding(vocabulary, width);
    this.positions = new nn.Embedding(length, width);
    this.blocks = new nn.Sequential(...Array.from({ length: depth }, () => new Block(width, heads)));
    this.norm = new nn.LayerNorm(width);
    this.head = new nn.Linear(width, vocabulary);
  }

  forward(x: Tensor): Tensor {
    const places = this.positions(arange(x.shape[1] as number));
    return this.head(this.norm(this.blocks(this.tokens(x).add(places))));
  }
}

/** Text from the model: reads as far back as it can, draws a character, appends it, and so on. */
export function generate(
  model: CharGpt,
  characters: Characters,
  prompt: string,
  count: number,
  temperature: number,
): string {
  const text = characters.encode(prompt).toArray() as number[];
  const length = model.positions.numEmbeddings;
  noGrad(() => {
    for (let i = 0; i < count; i++) {
      const logits = model(tensor([text.slice(-length)]));
      text.push(draw(logits.at(0, -1), temperature));
    }
  });
  return characters.decode(text);
}

/** The learning rate of a step: up along a line for the first tenth, then down to zero along half a cosine. */
function rate(step: number, steps: number, highest: number): number {
  const warm = Math.max(1, Math.floor(steps / 10));
  if (step <= warm) return (highest * step) / warm;
  return 0.5 * highest * (1 + Math.cos((Math.PI * (step - warm)) / (steps - warm)));
}

export function train(options: OptionValues<typeof OPTIONS>): { losses: number[]; sample: string } {
  if (options.width % options.heads !== 0) {
    throw new UsageError(`--width ${options.width}: expected a multiple of --heads ${options.heads}`);
  }
  const characters = prepare(options);
  const { width, heads, depth, length, steps, prompt, sample, temperature } = options;
  const model = new CharGpt(characters.vocabulary.length, width, heads, depth, length);
  return learnToWrite(characters, options, {
    name: "charGpt",
    title: "Character GPT",
    model,
    optimizer: new AdamW(model.parameters(), { lr: options.lr }),
    logits: (x) => model(x),
    rate: (step) => rate(step, steps, options.lr),
    generate: () => generate(model, characters, prompt, sample, temperature),
  });
}

await main(import.meta.url, "npm run example:charGpt", OPTIONS, train);
