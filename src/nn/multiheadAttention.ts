/** MultiheadAttention. */
import { empty } from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { multiHeadAttention } from "./functional/multiHeadAttention.js";
import { constant_, xavierNormal_, xavierUniform_ } from "./init.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";

/** Options of {@link MultiheadAttention}. */
export interface MultiheadAttentionOptions {
  /** Dropout of the attention weights while training (default 0). */
  dropout?: number;
  /** Whether the projections have biases (default true). */
  bias?: boolean;
  /** Learned key and value at the end of the sequence (default false). */
  addBiasKv?: boolean;
  /** A zero key and value at the end of the sequence (default false). */
  addZeroAttn?: boolean;
  /** Width of keys (default embedDim). */
  kdim?: number | null;
  /** Width of values (default embedDim). */
  vdim?: number | null;
  /** Input and output are (B, L, E), not (L, B, E) (default false). */
  batchFirst?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

const MULTIHEAD_ATTENTION_OPTIONS: OptionNames<MultiheadAttentionOptions> = {
  dropout: 1,
  bias: 1,
  addBiasKv: 1,
  addZeroAttn: 1,
  kdim: 1,
  vdim: 1,
  batchFirst: 1,
  dtype: 1,
};

/** Options of a call of {@link MultiheadAttention}. */
export interface MultiheadAttentionCall {
  /** (B, S) or (S): true hides a key; floating is added. */
  keyPaddingMask?: Tensor | null;
  /** Give the attention weights too (default true). */
  needWeights?: boolean;
  /** (L, S) or (B heads, L, S): true hides; floating is added. */
  attnMask?: Tensor | null;
  /** Average the weights over heads (default true). */
  averageAttnWeights?: boolean;
  /** Hide keys after the query's position (default false). */
  isCausal?: boolean;
}

/**
 * Attention by several heads: softmax(Q K^T / sqrt(d) + mask) V in each, joined and projected. Query (L, B, E), key
 * (S, B, kdim), value (S, B, vdim); gives [(L, B, E), weights (B, L, S)]. Source: Vaswani et al. 2017;
 * `torch.nn.MultiheadAttention`.
 * @example
 * const x = randn([5, 2, 16]);
 * const [out] = new MultiheadAttention(16, 4)(x, x, x);
 * out.shape; // [5, 2, 16]
 */
export class MultiheadAttention extends Module<
  [Tensor, Tensor, Tensor, MultiheadAttentionCall?],
  [Tensor, Tensor | null]
> {
  /** Width of queries and of the output. */
  readonly embedDim: number;
  /** Number of heads; it divides embedDim. */
  readonly numHeads: number;
  /** Probability with which an attention weight is dropped while training (default 0). */
  readonly dropout: number;
  /** Whether inputs and output are (B, L, E), not (L, B, E) (default false). */
  readonly batchFirst: boolean;
  /** Width of the keys (default embedDim). */
  readonly kdim: number;
  /** Width of the values (default embedDim). */
  readonly vdim: number;
  /** Whether a zero key and value stand at the end of the sequence (default false). */
  readonly addZeroAttn: boolean;
  /** Projection of queries, (embedDim, embedDim); null when inProjWeight holds all three. */
  declare qProjWeight: Parameter | null;
  /** Projection of keys, (embedDim, kdim); null when inProjWeight holds all three. */
  declare kProjWeight: Parameter | null;
  /** Projection of values, (embedDim, vdim); null when inProjWeight holds all three. */
  declare vProjWeight: Parameter | null;
  /**
   * Projections of queries, keys and values, one below the other, (3 embedDim, embedDim); null when kdim or
   * vdim differ.
   */
  declare inProjWeight: Parameter | null;
  /** Bias of the three projections, (3 embedDim), or null with `bias: false`. */
  declare inProjBias: Parameter | null;
  /** Projection of the joined heads, embedDim to embedDim. */
  declare outProj: Linear;
  /** The learned key at the end of the sequence, (1, 1, embedDim), or null without `addBiasKv`. */
  declare biasK: Parameter | null;
  /** The learned value at the end of the sequence, (1, 1, embedDim), or null without `addBiasKv`. */
  declare biasV: Parameter | null;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    checkOptions(this._getName(), options, MULTIHEAD_ATTENTION_OPTIONS);
    const {
      dropout = 0,
      bias = true,
      addBiasKv = false,
      addZeroAttn = false,
      batchFirst = false,
      dtype,
    } = options;
    if (!(embedDim > 0) || !(numHeads > 0) || embedDim % numHeads !== 0) {
      throw new ValueError(
        `[MultiheadAttention] embedDim must be divisible by numHeads: got ${embedDim} and ${numHeads}`,
      );
    }
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropout = dropout;
    this.batchFirst = batchFirst;
    this.kdim = options.kdim ?? embedDim;
    this.vdim = options.vdim ?? embedDim;
    this.addZeroAttn = addZeroAttn;
    const create = dtype === undefined ? {} : { dtype };
    const parameter = (name: string, size: number[] | null) =>
      this.registerParameter(name, size === null ? null : new Parameter(empty(size, create)));
    const packed = this.kdim === embedDim && this.vdim === embedDim;
    parameter("qProjWeight", packed ? null : [embedDim, embedDim]);
    parameter("kProjWeight", packed ? null : [embedDim, this.kdim]);
    parameter("vProjWeight", packed ? null : [embedDim, this.vdim]);
    parameter("inProjWeight", packed ? [3 * embedDim, embedDim] : null);
    parameter("inProjBias", bias ? [3 * embedDim] : null);
    this.outProj = new Linear(embedDim, embedDim, { bias, ...create });
    parameter("biasK", addBiasKv ? [1, 1, embedDim] : null);
    parameter("biasV", addBiasKv ? [1, 1, embedDim] : null);
    this.resetParameters();
  }

  /** Draws new initial values, as PyTorch does. */
  resetParameters(): void {
    for (const w of [this.inProjWeight, this.qProjWeight, this.kProjWeight, this.vProjWeight])
      if (w !== null) xavierUniform_(w);
    if (this.inProjBias !== null) constant_(this.inProjBias, 0);
    if (this.outProj.bias !== null) constant_(this.outProj.bias, 0);
    if (this.biasK !== null) xavierNormal_(this.biasK);
    if (this.biasV !== null) xavierNormal_(this.biasV);
  }

  forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: MultiheadAttentionCall = {},
  ): [Tensor, Tensor | null] {
    return multiHeadAttention(
      query,
      key,
      value,
      this,
      {
        ...options,
        training: this.training,
        useSeparateProjWeight: this.inProjWeight === null,
        qProjWeight: this.qProjWeight,
        kProjWeight: this.kProjWeight,
        vProjWeight: this.vProjWeight,
      },
      this.batchFirst,
    );
  }
}
