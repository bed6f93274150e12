/** The layers of a transformer: attention and feed-forward, each with a residual and a norm. */
import { gelu, relu } from "../ops/activation.js";
import { add } from "../ops/arithmetic.js";
import type { DType } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { Dropout } from "./dropout.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";
import { MultiheadAttention } from "./multiheadAttention.js";
import { LayerNorm } from "./normalization.js";

/** A function or module on one tensor. */
export type Activation = (x: Tensor) => Tensor;

/** Options of the layers. */
export interface TransformerLayerOptions {
  /** Width of the feed-forward part (default 2048). */
  dimFeedforward?: number;
  /** Default 0.1. */
  dropout?: number;
  /** "relu" (default), "gelu", or a function. */
  activation?: "relu" | "gelu" | Activation;
  /** Added to the variance in the norms (default 1e-5). */
  layerNormEps?: number;
  /** (B, L, E) in place of (L, B, E) (default false). */
  batchFirst?: boolean;
  /** Norm before attention and feed-forward, not after (default false). */
  normFirst?: boolean;
  /** Whether linear layers and norms have biases (default true). */
  bias?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

/** @internal */
export const TRANSFORMER_LAYER_OPTIONS: OptionNames<TransformerLayerOptions> = {
  dimFeedforward: 1,
  dropout: 1,
  activation: 1,
  layerNormEps: 1,
  batchFirst: 1,
  normFirst: 1,
  bias: 1,
  dtype: 1,
};

function activationOf(label: string, activation: TransformerLayerOptions["activation"]): Activation {
  if (activation === undefined || activation === "relu") return relu;
  if (activation === "gelu") return (x) => gelu(x);
  if (typeof activation === "function") return (x) => activation(x);
  throw new ValueError(
    `[${label}] activation should be "relu", "gelu" or a function, got ${String(activation)}`,
  );
}

/** Masks of {@link TransformerEncoderLayer}. */
export interface EncoderLayerCall {
  /** Mask of the source, (S, S) or (B heads, S, S): true hides; floating is added. */
  srcMask?: Tensor | null;
  /** Positions of the source that are hidden from all, (B, S): true hides; floating is added. */
  srcKeyPaddingMask?: Tensor | null;
  /** Whether positions after the own one are hidden (default false). */
  isCausal?: boolean;
}

type Layers = ReturnType<typeof partsOf>;

function partsOf(label: string, dModel: number, nhead: number, o: TransformerLayerOptions) {
  const {
    dimFeedforward = 2048,
    dropout = 0.1,
    layerNormEps = 1e-5,
    batchFirst = false,
    normFirst = false,
    bias = true,
    dtype,
  } = o;
  const create = dtype === undefined ? {} : { dtype };
  return {
    attention: () => new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias, ...create }),
    linear1: () => new Linear(dModel, dimFeedforward, { bias, ...create }),
    linear2: () => new Linear(dimFeedforward, dModel, { bias, ...create }),
    norm: () => new LayerNorm([dModel], { eps: layerNormEps, bias, ...create }),
    drop: () => new Dropout(dropout),
    normFirst,
    activation: activationOf(label, o.activation),
  };
}

/** Self-attention and feed-forward, each with a residual and a norm. Source: `torch.nn.TransformerEncoderLayer`. */
export class TransformerEncoderLayer extends Module<[Tensor, EncoderLayerCall?], Tensor> {
  /** Attention of the source to itself. */
  selfAttn: MultiheadAttention;
  /** First layer of the feed-forward part, dModel to dimFeedforward. */
  linear1: Linear;
  /** Dropout between its two layers. */
  dropout: Dropout;
  /** Second layer of the feed-forward part, dimFeedforward to dModel. */
  linear2: Linear;
  /** Whether norms come before attention and feed-forward, not after (default false). */
  readonly normFirst: boolean;
  /** Norm of the attention. */
  norm1: LayerNorm;
  /** Norm of the feed-forward part. */
  norm2: LayerNorm;
  /** Dropout of the result of the attention. */
  dropout1: Dropout;
  /** Dropout of the result of the feed-forward part. */
  dropout2: Dropout;
  private readonly activate: { readonly fn: Activation };

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, TRANSFORMER_LAYER_OPTIONS);
    const parts: Layers = partsOf("TransformerEncoderLayer", dModel, nhead, options);
    this.selfAttn = parts.attention();
    this.linear1 = parts.linear1();
    this.dropout = parts.drop();
    this.linear2 = parts.linear2();
    this.normFirst = parts.normFirst;
    this.norm1 = parts.norm();
    this.norm2 = parts.norm();
    this.dropout1 = parts.drop();
    this.dropout2 = parts.drop();
    this.activate = { fn: parts.activation };
  }

  private attend(x: Tensor, o: EncoderLayerCall): Tensor {
    const [out] = this.selfAttn(x, x, x, {
      attnMask: o.srcMask ?? null,
      keyPaddingMask: o.srcKeyPaddingMask ?? null,
      needWeights: false,
      isCausal: o.isCausal ?? false,
    });
    return this.dropout1(out);
  }

  private feed(x: Tensor): Tensor {
    return this.dropout2(this.linear2(this.dropout(this.activate.fn(this.linear1(x)))));
  }

  forward(src: Tensor, options: EncoderLayerCall = {}): Tensor {
    if (this.normFirst) {
      const x = add(src, this.attend(this.norm1(src), options));
      return add(x, this.feed(this.norm2(x)));
    }
    const x = this.norm1(add(src, this.attend(src, options)));
    return this.norm2(add(x, this.feed(x)));
  }
}

/** Masks of {@link TransformerDecoderLayer}. */
export interface DecoderLayerCall {
  /** Mask of the target, (T, T) or (B heads, T, T): true hides; floating is added. */
  tgtMask?: Tensor | null;
  /** Mask of the memory, (T, S) or (B heads, T, S): true hides; floating is added. */
  memoryMask?: Tensor | null;
  /** Positions of the target that are hidden from all, (B, T): true hides; floating is added. */
  tgtKeyPaddingMask?: Tensor | null;
  /** Positions of the memory that are hidden from all, (B, S): true hides; floating is added. */
  memoryKeyPaddingMask?: Tensor | null;
  /** Whether positions of the target after the own one are hidden (default false). */
  tgtIsCausal?: boolean;
  /** Whether positions of the memory after the own one are hidden (default false). */
  memoryIsCausal?: boolean;
}

/** Self-attention, attention to the memory, feed-forward. Source: `torch.nn.TransformerDecoderLayer`. */
export class TransformerDecoderLayer extends Module<[Tensor, Tensor, DecoderLayerCall?], Tensor> {
  /** Attention of the target to itself. */
  selfAttn: MultiheadAttention;
  /** Attention of the target to the memory. */
  multiheadAttn: MultiheadAttention;
  /** First layer of the feed-forward part, dModel to dimFeedforward. */
  linear1: Linear;
  /** Dropout between its two layers. */
  dropout: Dropout;
  /** Second layer of the feed-forward part, dimFeedforward to dModel. */
  linear2: Linear;
  /** Whether norms come before attention and feed-forward, not after (default false). */
  readonly normFirst: boolean;
  /** Norm of the attention to itself. */
  norm1: LayerNorm;
  /** Norm of the attention to the memory. */
  norm2: LayerNorm;
  /** Norm of the feed-forward part. */
  norm3: LayerNorm;
  /** Dropout of the attention to itself. */
  dropout1: Dropout;
  /** Dropout of the attention to the memory. */
  dropout2: Dropout;
  /** Dropout of the feed-forward part. */
  dropout3: Dropout;
  private readonly activate: { readonly fn: Activation };

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, TRANSFORMER_LAYER_OPTIONS);
    const parts: Layers = partsOf("TransformerDecoderLayer", dModel, nhead, options);
    this.selfAttn = parts.attention();
    this.multiheadAttn = parts.attention();
    this.linear1 = parts.linear1();
    this.dropout = parts.drop();
    this.linear2 = parts.linear2();
    this.normFirst = parts.normFirst;
    this.norm1 = parts.norm();
    this.norm2 = parts.norm();
    this.norm3 = parts.norm();
    this.dropout1 = parts.drop();
    this.dropout2 = parts.drop();
    this.dropout3 = parts.drop();
    this.activate = { fn: parts.activation };
  }

  private attend(x: Tensor, o: DecoderLayerCall): Tensor {
    const [out] = this.selfAttn(x, x, x, {
      attnMask: o.tgtMask ?? null,
      keyPaddingMask: o.tgtKeyPaddingMask ?? null,
      needWeights: false,
      isCausal: o.tgtIsCausal ?? false,
    });
    return this.dropout1(out);
  }

  private remember(x: Tensor, memory: Tensor, o: DecoderLayerCall): Tensor {
    const [out] = this.multiheadAttn(x, memory, memory, {
      attnMask: o.memoryMask ?? null,
      keyPaddingMask: o.memoryKeyPaddingMask ?? null,
      needWeights: false,
      isCausal: o.memoryIsCausal ?? false,
    });
    return this.dropout2(out);
  }

  private feed(x: Tensor): Tensor {
    return this.dropout3(this.linear2(this.dropout(this.activate.fn(this.linear1(x)))));
  }

  forward(tgt: Tensor, memory: Tensor, options: DecoderLayerCall = {}): Tensor {
    if (this.normFirst) {
      let x = add(tgt, this.attend(this.norm1(tgt), options));
      x = add(x, this.remember(this.norm2(x), memory, options));
      return add(x, this.feed(this.norm3(x)));
    }
    let x = this.norm1(add(tgt, this.attend(tgt, options)));
    x = this.norm2(add(x, this.remember(x, memory, options)));
    return this.norm3(add(x, this.feed(x)));
  }
}
