/** Tables of vectors looked up by index. */

import { paddingRow } from "../ops/embedding.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { randn } from "../tensor/random.js";
import { fillWith, viewOf } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import * as F from "./functional/embedding.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";

/** Options of {@link Embedding}. */
export interface EmbeddingModuleOptions extends F.EmbeddingOptions {
  /** The table to start from, in place of random numbers. */
  _weight?: Tensor | null;
  /** Whether the table is kept as it is (default false). */
  _freeze?: boolean;
}

/** Draws a table from the standard normal distribution, with zeros in the padding row. */
function table(op: string, rows: number, columns: number, given: Tensor | null, padding: number): Tensor {
  if (given !== null) {
    if (given.shape.length !== 2 || given.shape[0] !== rows || given.shape[1] !== columns) {
      throw new ShapeError(`[${op}] weight of shape ${show(given.shape)}: expected [${rows}, ${columns}]`);
    }
    return given;
  }
  const weight = randn([rows, columns]);
  if (padding >= 0) fillWith(viewOf(weight, [columns], [1], padding * columns), 0);
  return weight;
}

/** Throws unless it is a whole number, 0 or above. */
function checkCount(op: string, what: string, n: number): void {
  if (!Number.isInteger(n) || n < 0)
    throw new ValueError(`[${op}] ${what} ${n}: expected a whole number, 0 or above`);
}

/**
 * A table of `numEmbeddings` vectors of `embeddingDim` numbers: indices of any shape [...] give [..., embeddingDim].
 * Starts from the standard normal distribution, with zeros in the row `paddingIdx`, which is not learned.
 * Source: `torch.nn.Embedding`.
 * @example
 * const words = new nn.Embedding(10, 3);
 * words(tensor([[1, 2], [4, 9]])).shape; // [2, 2, 3]
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly sparse: boolean;
  weight: Parameter;

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingModuleOptions = {}) {
    super();
    checkCount("Embedding", "numEmbeddings", numEmbeddings);
    checkCount("Embedding", "embeddingDim", embeddingDim);
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    const padding = paddingRow("Embedding", options.paddingIdx, numEmbeddings);
    this.paddingIdx = padding < 0 ? null : padding;
    this.maxNorm = options.maxNorm ?? null;
    this.normType = options.normType ?? 2;
    this.scaleGradByFreq = options.scaleGradByFreq ?? false;
    this.sparse = options.sparse ?? false;
    const weight = table("Embedding", numEmbeddings, embeddingDim, options._weight ?? null, padding);
    this.weight = new Parameter(weight, { requiresGrad: options._freeze !== true });
  }

  /** Draws the table anew. */
  resetParameters(): void {
    redraw(this.weight, this.numEmbeddings, this.embeddingDim, this.paddingIdx);
  }

  forward(input: Tensor): Tensor {
    const { paddingIdx, maxNorm, normType, scaleGradByFreq } = this;
    return F.embedding(input, this.weight, { paddingIdx, maxNorm, normType, scaleGradByFreq });
  }

  override extraRepr(): string {
    return describe(this);
  }

  /**
   * A layer with a given table [rows, columns], kept as it is unless `freeze: false`.
   * Source: `torch.nn.Embedding.from_pretrained`.
   */
  static fromPretrained(
    embeddings: Tensor,
    options: F.EmbeddingOptions & { freeze?: boolean } = {},
  ): Embedding {
    const [rows, columns] = sizesOf("Embedding.fromPretrained", embeddings);
    const { freeze = true, ...rest } = options;
    return new Embedding(rows, columns, { ...rest, _weight: embeddings, _freeze: freeze });
  }
}

function sizesOf(op: string, embeddings: Tensor): [number, number] {
  if (embeddings.shape.length !== 2) {
    throw new ShapeError(`[${op}] expected a matrix of rows, got shape ${show(embeddings.shape)}`);
  }
  return [embeddings.shape[0] as number, embeddings.shape[1] as number];
}

function redraw(weight: Parameter, rows: number, columns: number, padding: number | null): void {
  weight.copy_(table("resetParameters", rows, columns, null, padding ?? -1));
}

/** `10, 3, padding_idx=1, ...` as PyTorch prints it. */
function describe(m: Embedding): string {
  const parts = [`${m.numEmbeddings}`, `${m.embeddingDim}`];
  if (m.paddingIdx !== null) parts.push(`paddingIdx=${m.paddingIdx}`);
  if (m.maxNorm !== null) parts.push(`maxNorm=${m.maxNorm}`);
  if (m.normType !== 2) parts.push(`normType=${m.normType}`);
  if (m.scaleGradByFreq) parts.push("scaleGradByFreq=true");
  if (m.sparse) parts.push("sparse=true");
  return parts.join(", ");
}
