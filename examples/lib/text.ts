/** Text for the character models: TypeScript's own declaration files, which every machine of the project has. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { arange, noGrad, randint, type Tensor, tensor } from "kindling";
import { UsageError } from "./command.js";

/** The text of a file, or TypeScript's lib.es5.d.ts where none is named. */
export function readText(path: string): string {
  const lib = dirname(createRequire(import.meta.url).resolve("typescript"));
  try {
    return readFileSync(path === "" ? join(lib, "lib.es5.d.ts") : path, "utf8");
  } catch (error) {
    throw new UsageError(`--text ${path}: ${(error as Error).message}`);
  }
}

/** A text as numbers of characters, and the way back. */
export class Characters {
  readonly vocabulary: readonly string[];
  /** The whole text, int64 of shape (N,). */
  readonly data: Tensor;
  private readonly numbers: ReadonlyMap<string, number>;

  constructor(text: string) {
    this.vocabulary = [...new Set(text)].sort();
    this.numbers = new Map(this.vocabulary.map((c, i) => [c, i]));
    this.data = this.encode(text);
  }

  encode(text: string): Tensor {
    const numbers = [...text].map((c) => {
      const number = this.numbers.get(c);
      if (number === undefined) throw new UsageError(`the text has no character ${JSON.stringify(c)}`);
      return number;
    });
    return tensor(numbers, { dtype: "int64" });
  }

  decode(numbers: readonly number[]): string {
    return numbers.map((n) => this.vocabulary[n]).join("");
  }

  /** Pieces at random places, (batch, length), and the same pieces one character further on. */
  batch(batch: number, length: number): [x: Tensor, y: Tensor] {
    const last = this.data.numel - length - 1;
    if (last < 0) throw new UsageError(`--length ${length}: the text has only ${this.data.numel} characters`);
    const at = randint(last + 1, [batch, 1]).add(arange(length));
    return [this.data.take(at), this.data.take(at.add(1))];
  }
}

/** Draws the next character: `logits` of shape (vocabulary,), sharper with a lower temperature. */
export function draw(logits: Tensor, temperature: number): number {
  return noGrad(() => logits.div(temperature).softmax(-1).multinomial(1).item());
}
