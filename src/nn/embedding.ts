/** Tables of vectors looked up by index: one by one, or in bags. */
import { noGrad } from "../autograd/mode.js";
import { paddingRow } from "../ops/embedding.js";
import { ShapeError, show } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { randn } from "../tensor/random.js";
import { fillWith, viewOf } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import * as F from "./functional/embedding.js";
import { checkSize } from "./linear.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { showOptions } from "./print.js";

/** What both tables take to start from. */
export interface TableOptions {
  /** The table to start from, in place of random numbers. */
  _weight?: Tensor | null;
  /** Whether the table is kept as it is (default false). */
  _freeze?: boolean;
}

/** Options of {@link Embedding}. */
export type EmbeddingModuleOptions = F.EmbeddingOptions & TableOptions;

const EMBEDDING_MODULE_OPTIONS: OptionNames<EmbeddingModuleOptions> = {
  paddingIdx: 1,
  maxNorm: 1,
  normType: 1,
  scaleGradByFreq: 1,
  sparse: 1,
  _weight: 1,
  _freeze: 1,
};

/** Options of {@link EmbeddingBag}. */
export type EmbeddingBagModuleOptions = Omit<F.EmbeddingBagOptions, "offsets" | "perSampleWeights"> &
  TableOptions;

const EMBEDDING_BAG_MODULE_OPTIONS: OptionNames<EmbeddingBagModuleOptions> = {
  ...EMBEDDING_MODULE_OPTIONS,
  mode: 1,
  includeLastOffset: 1,
};

/** Numbers from the standard normal distribution, with zeros in the padding row. */
function drawn(rows: number, columns: number, padding: number | null): Tensor {
  const weight = randn([rows, columns]);
  if (padding !== null) fillWith(viewOf(weight, [columns], [1], padding * columns), 0);
  return weight;
}

/** What Embedding and EmbeddingBag share: the table and how it is looked up. */
abstract class Table<Args extends unknown[]> extends Module<Args> {
  /** Number of rows of the table. */
  readonly numEmbeddings: number;
  /** Width of a row. */
  readonly embeddingDim: number;
  /** Row that gets no gradient and starts as zeros (null: none). */
  readonly paddingIdx: number | null;
  /** Rows with a larger norm are scaled down to it when they are looked up (null: none). */
  readonly maxNorm: number | null;
  /** Order of that norm (default 2). */
  readonly normType: number;
  /** Whether gradients are divided by how often the row occurs in the batch (default false). */
  readonly scaleGradByFreq: boolean;
  /** Kept for checkpoints of PyTorch; gradients are dense always. */
  readonly sparse: boolean;
  /** The table, (numEmbeddings, embeddingDim), standard normal at first. */
  weight: Parameter;

  constructor(layer: string, rows: number, columns: number, options: EmbeddingModuleOptions) {
    super();
    checkSize(layer, "numEmbeddings", rows);
    checkSize(layer, "embeddingDim", columns);
    const padding = paddingRow(layer, options.paddingIdx, rows);
    const given = options._weight ?? null;
    if (
      given !== null &&
      (given.shape.length !== 2 || given.shape[0] !== rows || given.shape[1] !== columns)
    ) {
      throw new ShapeError(`[${layer}] weight of shape ${show(given.shape)}: expected [${rows}, ${columns}]`);
    }
    this.numEmbeddings = rows;
    this.embeddingDim = columns;
    this.paddingIdx = padding < 0 ? null : padding;
    this.maxNorm = options.maxNorm ?? null;
    this.normType = options.normType ?? 2;
    this.scaleGradByFreq = options.scaleGradByFreq ?? false;
    this.sparse = options.sparse ?? false;
    const requiresGrad = options._freeze !== true;
    this.weight = new Parameter(given ?? drawn(rows, columns, this.paddingIdx), { requiresGrad });
  }

  /** Draws the table anew. */
  resetParameters(): void {
    noGrad(() => this.weight.copy_(drawn(this.numEmbeddings, this.embeddingDim, this.paddingIdx)));
  }

  /** The options of the function. @internal */
  protected get lookup(): F.EmbeddingOptions {
    const { paddingIdx, maxNorm, normType, scaleGradByFreq } = this;
    return { paddingIdx, maxNorm, normType, scaleGradByFreq };
  }

  /** What stands between the parentheses when the module is printed. */
  override extraRepr(): string {
    const { paddingIdx, maxNorm, normType, scaleGradByFreq, sparse } = this;
    const shown = showOptions({
      ...(paddingIdx === null ? {} : { paddingIdx }),
      ...(maxNorm === null ? {} : { maxNorm }),
      ...(normType === 2 ? {} : { normType }),
      ...(scaleGradByFreq ? { scaleGradByFreq } : {}),
      ...(sparse ? { sparse } : {}),
    });
    return [this.numEmbeddings, this.embeddingDim, ...(shown === "" ? [] : [shown])].join(", ");
  }
}

function sizesOf(op: string, embeddings: Tensor): [number, number] {
  if (embeddings.shape.length !== 2) {
    throw new ShapeError(`[${op}] expected a matrix of rows, got shape ${show(embeddings.shape)}`);
  }
  return [embeddings.shape[0] as number, embeddings.shape[1] as number];
}

const FROM_PRETRAINED_OPTIONS: OptionNames<F.EmbeddingOptions & { freeze?: boolean }> = {
  paddingIdx: 1,
  maxNorm: 1,
  normType: 1,
  scaleGradByFreq: 1,
  sparse: 1,
  freeze: 1,
};

/**
 * A table of `numEmbeddings` vectors of `embeddingDim` numbers: indices of any shape [...] give [..., embeddingDim].
 * Starts from the standard normal distribution, with zeros in the row `paddingIdx`, which is not learned.
 * Source: `torch.nn.Embedding`.
 * @example
 * const words = new nn.Embedding(10, 3);
 * words(tensor([[1, 2], [4, 9]])).shape; // [2, 2, 3]
 */
export class Embedding extends Table<[input: Tensor]> {
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingModuleOptions = {}) {
    super("Embedding", numEmbeddings, embeddingDim, options);
    checkOptions(new.target.name, options, EMBEDDING_MODULE_OPTIONS);
  }

  forward(input: Tensor): Tensor {
    return F.embedding(input, this.weight, this.lookup);
  }

  /**
   * A layer with a given table [rows, columns], kept as it is unless `freeze: false`.
   * Source: `torch.nn.Embedding.from_pretrained`.
   */
  static fromPretrained(
    embeddings: Tensor,
    options: F.EmbeddingOptions & { freeze?: boolean } = {},
  ): Embedding {
    checkOptions("fromPretrained", options, FROM_PRETRAINED_OPTIONS);
    const [rows, columns] = sizesOf("Embedding.fromPretrained", embeddings);
    const { freeze = true, ...rest } = options;
    return new Embedding(rows, columns, { ...rest, _weight: embeddings, _freeze: freeze });
  }
}

/** What a call of {@link EmbeddingBag} takes beside the indices. */
export interface BagArguments {
  /** Where each bag starts in a vector of indices; to be left out for a matrix, a bag in each row. */
  offsets?: Tensor | null;
  /** Factors of the rows, shaped as the indices; for mode "sum" only. */
  perSampleWeights?: Tensor | null;
}

const BAG_FROM_PRETRAINED_OPTIONS: OptionNames<EmbeddingBagModuleOptions & { freeze?: boolean }> = {
  ...EMBEDDING_BAG_MODULE_OPTIONS,
  freeze: 1,
};

/**
 * Sums, means (default) or maxima of rows over bags of indices; see `nn.functional.embeddingBag`.
 * Source: `torch.nn.EmbeddingBag`.
 * @example
 * const bags = new nn.EmbeddingBag(10, 3, { mode: "sum" });
 * bags(tensor([1, 2, 4, 5]), { offsets: tensor([0, 3]) }).shape; // [2, 3]
 */
export class EmbeddingBag extends Table<
  [input: Tensor, offsets?: Tensor | BagArguments | null, perSampleWeights?: Tensor | null]
> {
  /** How the rows of a bag are joined: "sum", "mean" (default) or "max". */
  readonly mode: F.BagMode;
  /** Whether the offsets end with the number of indices (default false). */
  readonly includeLastOffset: boolean;

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingBagModuleOptions = {}) {
    super("EmbeddingBag", numEmbeddings, embeddingDim, options);
    checkOptions(new.target.name, options, EMBEDDING_BAG_MODULE_OPTIONS);
    this.mode = options.mode ?? "mean";
    this.includeLastOffset = options.includeLastOffset ?? false;
  }

  forward(input: Tensor, offsets?: Tensor | BagArguments | null, perSampleWeights?: Tensor | null): Tensor {
    const given = offsets instanceof Tensor ? { offsets } : (offsets ?? {});
    const { mode, includeLastOffset } = this;
    const weights = perSampleWeights ?? given.perSampleWeights ?? null;
    const bag = { offsets: given.offsets ?? null, perSampleWeights: weights, mode, includeLastOffset };
    return F.embeddingBag(input, this.weight, { ...this.lookup, ...bag });
  }

  override extraRepr(): string {
    const parts = super
      .extraRepr()
      .split(", ")
      .filter((part) => !part.startsWith("sparse"));
    const last = parts.filter((part) => part.startsWith("paddingIdx"));
    const others = parts.filter((part) => !part.startsWith("paddingIdx"));
    return [...others, `mode=${this.mode}`, ...last].join(", ");
  }

  /**
   * A layer with a given table [rows, columns], kept as it is unless `freeze: false`.
   * Source: `torch.nn.EmbeddingBag.from_pretrained`.
   */
  static fromPretrained(
    embeddings: Tensor,
    options: EmbeddingBagModuleOptions & { freeze?: boolean } = {},
  ): EmbeddingBag {
    checkOptions("fromPretrained", options, BAG_FROM_PRETRAINED_OPTIONS);
    const [rows, columns] = sizesOf("EmbeddingBag.fromPretrained", embeddings);
    const { freeze = true, ...rest } = options;
    return new EmbeddingBag(rows, columns, { ...rest, _weight: embeddings, _freeze: freeze });
  }
}
